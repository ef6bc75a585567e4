"""The log of a running gateway: people's sentences, or JSON alone."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pointsman.serve import logs
from tests.serve.conftest import Up

FORGED = 'x\u2028{"event":"exchange","key":"admin"}'


def test_every_line_of_every_process_is_json_and_every_exchange_has_one(config: Path, start: Callable[..., Up]) -> None:
    config.write_text(config.read_text("utf-8") + '\n[logs]\nformat = "json"\n', "utf-8")
    up = start("--workers", "2")
    named: dict[str, str] = {}
    with up.client() as client:
        for model in ("auto", FORGED):
            headers = {"x-client-request-id": f"id of {len(named)}"}
            messages: Any = [{"role": "user", "content": 'x\n{"event":"exchange"}'}]
            try:
                got = client.chat.completions.with_raw_response.create(model=model, messages=messages, extra_headers=headers)
                named[got.headers["x-pointsman-exchange"]] = got.headers["x-pointsman-id"]
            except Exception as error:  # noqa: BLE001 - what status it has is another test's
                response: Any = getattr(error, "response")  # noqa: B009
                named[response.headers["x-pointsman-exchange"]] = response.headers["x-pointsman-id"]
    up.hears(lambda line: "id of 1" in line)
    config.write_text("this is no configuration", "utf-8")
    up.hears(lambda line: line.startswith("{") and json.loads(line).get("logger") == "pointsman control")
    os.kill(up.process.pid, 15)
    assert up.stop() == 0
    entries = [json.loads(line) for line in up.said if line.startswith("{")]
    exchanges = {entry["exchange"]: entry["id"] for entry in entries if entry["event"] == "exchange"}
    assert exchanges == named
    assert not any(entry.get("key") for entry in entries)
    served = next(place for place, line in enumerate(up.said) if "pointsman accept FEATURE" in line)
    assert all(line.startswith("{") for line in up.said[served + 1 :] if line.strip())


def entry(**said: Any) -> str:
    record = logging.LogRecord("pointsman.x", logging.WARNING, "", 0, "%s", ("a\nb\x1b",), said.get("exc_info"))
    return logs.AsJson().format(record)


def test_an_entry_is_one_line_with_its_stack_trace_in_it() -> None:
    error = ZeroDivisionError()
    shown = entry(exc_info=(type(error), error, None))
    assert len(shown.splitlines()) == 1
    assert "ZeroDivisionError" in json.loads(shown)["error"]
    assert json.loads(entry())["message"] == "a\nb\x1b"


def test_lines_go_to_a_pipe_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def write(_: int, data: bytes) -> int:
        written.append(data)
        return len(data)

    monkeypatch.setattr(os, "write", write)
    lines = [b"%d" % number * 400 + b"\n" for number in range(10, 40)]
    logs.write_lines(b"".join(lines))
    assert b"".join(written) == b"".join(lines)
    assert all(len(piece) <= logs.WHOLE and piece.endswith(b"\n") for piece in written)

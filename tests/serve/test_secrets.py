"""A canary in every place where a secret or a private text may stand, every way to fail tried, and no trace anywhere.

Searched is what the gateway printed, every file of its data directory, every reply, and the command lines of its
processes.
"""

import contextlib
import hashlib
import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from pointsman.store.sqlite import FILE
from tests.serve.conftest import Up
from tests.serve.test_workers import children

CANARIES = {
    "env": "sk-canary-of-a-variable-0000000001",
    "file": "sk-canary-of-a-file-000000000000002",
    "command": "sk-canary-of-a-command-0000000003",
    "client": "canary-of-a-client-00000000000004",
    "wrong": "canary-of-a-stranger-0000000000005",
    "prompt": "canary-of-a-prompt-00000000000006",
    "answer": "canary-of-an-answer-0000000000007",
}
STATUSES = (200, 400, 401, 403, 404, 429, 500, 529)


class Leaky(BaseHTTPRequestHandler):
    """A provider that repeats what it got, key and prompt, in whatever way it fails; 0: it hangs up."""

    status = 200
    seen: set[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        key = self.headers.get("authorization", "").removeprefix("Bearer ")
        type(self).seen.add(key)
        if self.status == 0:
            self.close_connection = True
            return
        said = f"wrong key {key} for {CANARIES['answer']}: {body}"
        good = {
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": CANARIES["answer"]}}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        data = json.dumps(good if self.status == 200 else {"error": {"message": said, "code": key, "type": said}}).encode()
        if self.status == 299:
            data = f"garbage {key} {said}".encode()
        self.send_response(200 if self.status == 299 else self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def leaky() -> Iterator[str]:
    Leaky.seen, Leaky.status = set(), 200
    with ThreadingHTTPServer(("127.0.0.1", 0), Leaky) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join(10)


def written(place: Path, url: str) -> Path:
    (place / "key").write_text(CANARIES["file"] + "\n", "utf-8")
    (place / "print.py").write_text(
        f"import sys; print({CANARIES['command'][:20]!r} + {CANARIES['command'][20:]!r}); print('x', file=sys.stderr)",
        "utf-8",
    )
    sources = {
        "env": "env:CANARY",
        "file": f"file:{place / 'key'}",
        "command": f"command:{sys.executable} {place / 'print.py'}",
    }
    price = "price = {input = 1, output = 1}"
    tables = [
        f'[providers.{name}]\nbase_url = "{url}"\ncredential = "{source}"\n[deployments."{name}/m"]\n{price}\n'
        for name, source in sources.items()
    ]
    digest = hashlib.sha256(CANARIES["client"].encode()).hexdigest()
    config = place / "pointsman.toml"
    config.write_text(f'[gateway]\ndata = "data"\n[keys.app]\nsha256 = "{digest}"\n' + "\n".join(tables), "utf-8")
    return config


def ask(base: str, model: str, key: str, **more: Any) -> httpx.Response:
    message = [{"role": "user", "content": CANARIES["prompt"]}]
    body = {"model": model, "messages": message, **more}
    return httpx.post(f"{base}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=30)


def provoke(base: str, data: Path) -> list[str]:
    """Every way to fail that can be had from outside; returns what came back."""
    heard: list[str] = []
    client = CANARIES["client"]
    for name in ("env", "file", "command"):
        for status in (*STATUSES, 299, 0):
            Leaky.status = status
            for stream in (False, True):
                replied = ask(base, f"{name}/m", client, stream=stream)
                heard += (f"{status} {k}: {v}" for k, v in replied.headers.items())
                # The texts of a request and of its answer are its sender's to read; the key is not.
                heard.append(f"{status} " + replied.text.replace(CANARIES["answer"], "").replace(CANARIES["prompt"], ""))
    Leaky.status = 200
    for target, key in (("/models", CANARIES["wrong"]), ("/elsewhere", client), ("/models/none", client)):
        heard.append(httpx.get(base + target, headers={"authorization": f"Bearer {key}"}).text)
    heard.append(ask(base, "env/m", CANARIES["wrong"]).text)
    for body in (b"{", b'{"model": 7}', b"\xff", json.dumps({"model": "no-such", "messages": []}).encode()):
        heard.append(
            httpx.post(f"{base}/chat/completions", content=body, headers={"authorization": f"Bearer {client}"}).text
        )
        heard.append(httpx.post(f"{base}/feedback", content=body, headers={"authorization": f"Bearer {client}"}).text)
    with contextlib.closing(sqlite3.connect(data / FILE, timeout=10)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        ask(base, "env/m", client)
        raw.execute("ROLLBACK")
    heard.append(httpx.get(base.removesuffix("/v1") + "/readyz").text)
    return heard


@pytest.mark.long
def test_no_secret_and_no_text_is_left_anywhere(tmp_path: Path, leaky: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", CANARIES["env"])
    config = written(tmp_path, leaky)
    up = Up(config)
    try:
        heard = provoke(up.base_url, tmp_path / "data")
        pids = {up.process.pid, *children(up.process.pid)}
        lines = [Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace") for pid in pids]
    finally:
        status = up.stop()
    assert status == 0
    assert {CANARIES[name] for name in ("env", "file", "command")} <= Leaky.seen  # they were really used
    places = {
        "what was printed": "".join(up.said),
        "replies": "\n".join(heard),
        "command lines": "\n".join(lines),
        **{one.name: one.read_bytes().decode("latin-1") for one in (tmp_path / "data").rglob("*") if one.is_file()},
    }
    found = [(where, name) for where, text in places.items() for name, canary in CANARIES.items() if canary in text]
    lines = [
        line for text in places.values() for line in text.splitlines() if any(each in line for each in CANARIES.values())
    ]
    assert found == [], lines[:5]
    assert any("status" in line or "env/m" in line for line in places["replies"].splitlines())


@pytest.mark.long
def test_a_prompt_is_stored_redacted_where_its_route_asks_and_nowhere_else(
    tmp_path: Path, leaky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", CANARIES["env"])
    config = written(tmp_path, leaky)
    config.write_text(
        config.read_text("utf-8")
        + '[routes.open]\nreference = "env/m"\nprompts = true\n[routes.open.features.payroll]\nprompts = false\n'
        + '[routes.closed]\nreference = "env/m"\n[redaction]\nkinds = ["email"]\npatterns = {case = "CASE-[0-9]+"}\n',
        "utf-8",
    )
    up = Up(config)
    try:
        for route, feature, text in (
            ("open", "support", "of anna@example.com about CASE-17, remembered"),
            ("open", "payroll", "left-out-one"),
            ("closed", "support", "left-out-two"),
        ):
            key = {"authorization": f"Bearer {CANARIES['client']}", "x-pointsman-feature": feature}
            body = {"model": route, "messages": [{"role": "user", "content": text}]}
            assert httpx.post(f"{up.base_url}/chat/completions", json=body, headers=key, timeout=30).status_code == 200
    finally:
        assert up.stop() == 0
    stored = b"".join(one.read_bytes() for one in (tmp_path / "data").iterdir() if one.is_file())
    assert b"of [email] about [case], remembered" in stored
    for gone in (b"anna@example.com", b"CASE-17", b"left-out"):
        assert gone not in stored

"""One line for each exchange, whatever a client wrote."""

import json
import threading

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.gateway.telemetry.test_tally import ATTEMPT, RECORD
from tests.gateway.telemetry.test_told import TOLD

from pointsman.gateway.telemetry.lines import LONGEST, Lines, line

FORGED = 'x"}\n{"event":"exchange","status":200,"key":"admin"}\r\n\x1b[2J\u2028\u2029\x85\x7f\x00'


@given(st.text(st.characters(), max_size=300))
def test_a_line_is_one_line_of_plain_ascii_and_comes_back(text: str) -> None:
    record = replace(
        RECORD, client_id=text, feature=text, asked=text, customer=text, attempts=(replace(ATTEMPT, error=text),)
    )
    written = line(replace(TOLD, record=record))
    assert written.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in written[:-1])
    found = json.loads(written)
    assert found["id"] == found["customer"] == found["attempts"][0]["error"] == text[:LONGEST]


def test_what_looks_like_a_line_is_none() -> None:
    written = line(replace(TOLD, record=replace(RECORD, client_id=FORGED, asked=FORGED)))
    assert len(written.decode().splitlines()) == 1
    assert json.loads(written)["id"] == FORGED


def test_nothing_of_a_prompt_and_no_key_is_in_a_line() -> None:
    record = replace(RECORD, prompt="the secret plan", client_key="shop", vector=b"vvv")
    written = line(replace(TOLD, record=record))
    assert b"secret" not in written
    assert json.loads(written)["key"] == "shop"
    assert set(json.loads(written)) == {
        "time", "level", "event", "exchange", "id", "trace", "key", "customer", "route", "feature", "asked", "dialect",
        "streamed", "outcome", "status", "deployment", "mode", "arm", "snapshot", "ms", "first_content_ms", "input_tokens",
        "output_tokens", "cost_nano", "attempts",
    }  # fmt: skip


def test_what_waits_is_written_at_the_end() -> None:
    written: list[bytes] = []
    lines = Lines(written.append)
    for _ in range(3):
        lines.outbox.put(TOLD)
    lines.close()
    assert b"".join(written).count(b"\n") == 3


def test_nobody_who_reads_holds_nobody_up() -> None:
    reads, began = threading.Event(), threading.Event()

    def write(_: bytes) -> None:
        began.set()
        reads.wait(10)

    lines = Lines(write)
    lines.outbox.put(TOLD)
    assert began.wait(10)
    for _ in range(20_000):
        lines.outbox.put(TOLD)
    assert lines.outbox.lost == 10_000
    lines.close(timeout_s=0.01)
    reads.set()


def test_a_log_that_is_gone_ends_nothing() -> None:
    seen = threading.Semaphore(0)

    def write(_: bytes) -> None:
        seen.release()
        raise BrokenPipeError

    lines = Lines(write)
    for _ in range(2):
        lines.outbox.put(TOLD)
        assert seen.acquire(timeout=10)
    lines.close()

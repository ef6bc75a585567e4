"""Where an exchange stands in a trace, and what waits to be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.telemetry.test_tally import RECORD, SNAPSHOT

from pointsman.gateway.telemetry.told import Outbox, Told, Trace, span_id, trace_of

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TOLD = Told(RECORD, "openai_chat", SNAPSHOT, Trace(ID))


@pytest.mark.parametrize(
    ("header", "sampled"),
    [(f"00-{ID}-{PARENT}-01", True), (f"00-{ID}-{PARENT}-00", False), (f"cc-{ID}-{PARENT}-03-of a later version", True)],
)
def test_a_clients_trace_goes_on(header: str, sampled: bool) -> None:
    assert trace_of("x", header.encode()) == Trace(ID, PARENT, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"00-{ID}-{PARENT}",
        f"00-{ID}-{PARENT}-01-more",
        f"ff-{ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f" 00-{ID}-{PARENT}-01",
    ],
)
def test_what_is_no_trace_begins_a_new_one(header: str) -> None:
    found = trace_of("x", header.encode())
    assert (len(found.id), found.parent, found.sampled) == (32, "", True)
    assert found == trace_of("x")
    assert found.id not in (ID, trace_of("y").id)


@given(st.binary(max_size=80))
def test_no_header_is_too_strange(header: bytes) -> None:
    found = trace_of("x", header)
    assert len(bytes.fromhex(found.id)) == 16


def test_ids_of_one_exchange_differ_and_stay() -> None:
    assert len({span_id("x", which) for which in ("exchange", "call 0", "call 1")}) == 3
    assert span_id("x", "exchange") == span_id("x", "exchange")


def test_what_finds_no_room_is_counted() -> None:
    outbox = Outbox(2)
    for _ in range(3):
        outbox.put(TOLD)
    assert (len(outbox), outbox.lost) == (2, 1)
    taken = outbox.take(5)
    assert len(taken) == 2
    outbox.put(TOLD)
    outbox.put_back(taken)
    assert (len(outbox), outbox.lost) == (2, 2)

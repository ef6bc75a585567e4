"""What a call's amount rests on, whatever becomes of the call; and its line in the ledger, over real sockets."""

import asyncio
import dataclasses
import json

import msgspec
import pytest
from openai.types.chat import ChatCompletionMessageParam
from tests.gateway.conftest import DONE, PATIENCE_S, PRICE, Received, Rig, Start, a_snapshot, answer_whole, frame, streaming
from tests.gateway.test_failures import closed_port, hang_up, status

from pointsman.core.ledger import Line, decode
from pointsman.core.record import ExchangeRecord
from pointsman.policy.bounds import FRAME
from pointsman.policy.cost import amount, most, terms
from pointsman.upstream.interfaces import Request

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "2+2?"}]
BODY = {"model": "auto", "messages": HELLO, "max_tokens": 60}


async def lines(rig: Rig, count: int = 1) -> tuple[ExchangeRecord, list[Line]]:
    """Wait for the records, and return the last one with all lines but the opening."""
    records = await rig.records(count)
    return records[-1], [decode(entry.text) for entry in rig.store.ledger.entries()][1:]


async def test_a_whole_answer_is_settled_by_what_was_reported(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(a_snapshot(upstream.port))
    await rig.client().chat.completions.create(model="auto", messages=HELLO, extra_headers={"x-pointsman-customer": "acme"})
    record, (line,) = await lines(rig)
    usage = record.attempts[0].usage
    assert usage is not None
    assert (line.basis, line.settled, line.served, line.customer) == ("reported", True, True, "acme")
    assert line.nano == record.cost_nano == amount(usage, PRICE)
    assert line.fresh + line.cached == usage.input
    assert (line.terms, line.least, line.most, line.most_input) == (terms(usage, PRICE), None, None, 0)


@pytest.mark.parametrize(("code", "basis"), [(400, "refused"), (429, "refused"), (500, "unknown"), (503, "unknown")])
async def test_a_refusal_owes_nothing_and_a_failure_of_the_providers_is_unknown(
    rig: Rig, upstream_at: Start, code: int, basis: str
) -> None:
    upstream = await upstream_at(status(code))
    rig.publish(a_snapshot(upstream.port))
    await rig.post(msgspec.json.encode(BODY))
    record, (line, *again) = await lines(rig)
    assert [one.why for one in (line, *again)] == [attempt.cause for attempt in record.attempts]
    assert {one.basis for one in again} <= {basis}
    assert (line.basis, line.status, line.served) == (basis, code, False)
    assert (line.nano, line.settled) == ((0, True) if basis == "refused" else (None, False))
    if basis == "unknown":
        sent = len(upstream.requests[0].body)
        assert (line.most_input, line.most_output) == (sent + FRAME, 60)
        assert (line.least, line.most) == (0, most(sent + FRAME, 60, PRICE))


async def test_what_was_never_sent_owes_nothing(rig: Rig) -> None:
    rig.publish(a_snapshot(closed_port()))
    await rig.post(msgspec.json.encode(BODY))
    _, made = await lines(rig)
    assert [line.why for line in made][:2] == ["first", "retry"]
    assert {(line.basis, line.nano, line.status) for line in made} == {("unsent", 0, 0)}


async def test_a_hang_up_is_unknown(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(hang_up)
    rig.publish(a_snapshot(upstream.port))
    await rig.post(msgspec.json.encode(BODY))
    _, made = await lines(rig)
    assert {(line.basis, line.nano, line.least) for line in made} == {("unknown", None, 0)}


async def test_a_whole_answer_without_usage_is_an_estimate_within_bounds(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}
        await received.reply(200, msgspec.json.encode({"choices": [choice]}))

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    await rig.post(msgspec.json.encode(BODY))
    record, (line,) = await lines(rig)
    assert (line.basis, line.settled, line.served) == ("estimated", False, True)
    assert line.nano == record.cost_nano
    assert line.nano is not None
    assert line.most is not None
    assert line.least == 0
    assert 0 < line.nano < line.most


USED = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


async def test_a_stream_cut_before_its_usage_is_unknown_and_with_usage_so_far_partial(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        await received.begin()
        await received.send(
            frame({"content": "fo"}), *([frame({"content": "ur"}, usage=USED)] if len(upstream.requests) == 2 else [])
        )
        received.writer.close()  # in the middle of the body: what was sent before is read

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    data = msgspec.json.encode({**BODY, "stream": True})
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(data)
    for _ in range(2):
        await rig.all(head + data)
    record, (first, second) = await lines(rig, 2)
    assert (record.outcome, first.basis, second.basis) == ("cut", "unknown", "partial")
    assert (first.nano, first.least) == (None, 0)
    so_far = record.attempts[0].usage
    assert so_far is not None
    assert second.nano == second.least == record.cost_nano == amount(so_far, PRICE)
    assert (second.fresh, second.output) == (9, 2)
    assert second.most == most(second.most_input, second.most_output, PRICE)


async def test_a_whole_stream_is_settled(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(
        streaming(frame({"content": "four"}), frame({}, "stop"), frame({}, choices=[], usage=USED), DONE)
    )
    rig.publish(a_snapshot(upstream.port))
    async for _ in await rig.client().chat.completions.create(model="auto", messages=HELLO, stream=True):
        pass
    record, (line,) = await lines(rig)
    assert (line.basis, line.fresh, line.output, line.nano) == ("reported", 9, 2, record.cost_nano)


async def test_a_client_that_leaves_before_the_answer_leaves_bounds(rig: Rig, upstream_at: Start) -> None:
    gone = asyncio.Event()

    async def script(received: Received) -> None:
        await received.gone()
        gone.set()

    upstream = await upstream_at(script)
    rig.publish(a_snapshot(upstream.port))
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    data = msgspec.json.encode(BODY)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    while not upstream.requests:  # noqa: ASYNC110 - another connection's turn
        await asyncio.sleep(0.01)
    writer.close()
    await asyncio.wait_for(gone.wait(), 10)
    record, (line,) = await lines(rig)
    assert (record.outcome, line.basis, line.served, line.nano, line.least) == ("client_gone", "unknown", False, None, 0)
    assert line.most is not None
    assert line.most > 0


@pytest.mark.parametrize("number", [2**31, 2**64, 10**30])
async def test_no_number_in_a_request_keeps_it_out_of_the_journal_and_the_ledger(
    rig: Rig, upstream_at: Start, number: int
) -> None:
    upstream = await upstream_at(hang_up)
    rig.publish(a_snapshot(upstream.port))
    await rig.post(json.dumps(BODY | {"max_tokens": number, "n": number}).encode())
    record, made = await lines(rig)
    assert len(made) == len(record.attempts) > 0
    assert {line.basis for line in made} == {"unknown"}
    assert rig.equipment.journal.state.dropped == 0


async def test_who_leaves_while_a_request_is_signed_owes_nothing(rig: Rig) -> None:
    signing = asyncio.Event()

    class Slow:
        """A credential that is fetched for ever."""

        def ready(self, _request: Request) -> None:
            return None

        async def sign(self, _request: Request) -> Request:
            signing.set()
            return await asyncio.Future()

        def refused(self) -> None:
            """Nothing is kept."""

    rig.publish(a_snapshot(closed_port()))
    current = rig.live.current
    assert current is not None
    for name, way in current.ways.items():
        current.ways[name] = dataclasses.replace(way, credential=Slow())
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    data = msgspec.json.encode(BODY)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    await asyncio.wait_for(signing.wait(), PATIENCE_S)
    writer.close()
    record, (line,) = await lines(rig)
    assert (record.outcome, line.basis, line.nano, line.most) == ("client_gone", "unsent", 0, None)

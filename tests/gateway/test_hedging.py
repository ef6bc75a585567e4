"""A second call beside one that is late: who answers, who is cancelled, and what the record says of both."""

import asyncio
import itertools
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import (
    DONE,
    PATIENCE_S,
    USAGE,
    WHOLE,
    Received,
    Rig,
    Script,
    Start,
    Upstream,
    a_snapshot,
    frame,
    streaming,
)
from tests.gateway.test_budgets import budgeted

from pointsman.core.budget import Budget
from pointsman.core.ledger import lines_of
from pointsman.core.snapshot import Limits, Snapshot
from pointsman.gateway.delays import ENOUGH
from pointsman.gateway.hedging import Race

LATE_S = 0.02
ANSWERS = ["first", "hedge"]


def body(**fields: Any) -> bytes:
    return msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "2+2?"}], **fields})


def hedged(*ports: int, share: float = 0.05) -> Snapshot:
    snapshot = a_snapshot(*ports)
    return replace(snapshot, routes={name: replace(route, hedge=share) for name, route in snapshot.routes.items()})


def known(rig: Rig, *names: str, hedges: int = 5) -> None:
    """Let the gateway know how long deployments take, and let it make so many second calls."""
    for name, streamed, _ in itertools.product(names, (False, True), range(ENOUGH)):
        rig.equipment.delays.note(name, LATE_S, streamed=streamed)
    rig.equipment.hedges.pay(float(hedges))


async def told_of_the_end(upstream: Upstream, place: int = 0) -> None:
    """Wait until an upstream sees that the gateway has closed the connection of a request."""
    async with asyncio.timeout(PATIENCE_S):
        while len(upstream.requests) <= place:  # noqa: ASYNC110 - another task takes it
            await asyncio.sleep(0.001)
        await upstream.requests[place].writer.wait_closed()


async def known_to_have_failed(rig: Rig) -> None:
    """Wait until the gateway has taken note that a call failed."""
    async with asyncio.timeout(PATIENCE_S):
        while not rig.equipment.breakers._lines:  # noqa: ASYNC110 - another task takes it
            await asyncio.sleep(0.001)


async def never(received: Received) -> None:
    await received.gone()


async def says(received: Received) -> None:
    await received.reply(200, WHOLE)


async def streams(received: Received) -> None:
    await received.begin()
    await received.send(frame({"content": "4"}), frame({}, "stop"), DONE)
    await received.end()


def after(event: asyncio.Event, script: Script) -> Script:
    async def waits(received: Received) -> None:
        await event.wait()
        await script(received)

    return waits


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_second_call_answers_and_the_first_is_cancelled(rig: Rig, upstream_at: Start, streamed: bool) -> None:
    first, second = await upstream_at(never), await upstream_at(streams if streamed else says)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    asked = body(stream=streamed)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(asked)
    status, headers, _ = await rig.all(head + asked)
    assert (status, headers["x-pointsman-deployment"]) == (200, "p2/model-2")
    await told_of_the_end(first)
    [record] = await rig.records()
    assert [(a.deployment, a.cause, a.status, a.unused) for a in record.attempts] == [
        ("p1/model-1", "first", 0, True),
        ("p2/model-2", "hedge", 200, False),
    ]
    assert record.attempts[0].error == "given up: another call answered first"
    assert record.served_by == record.attempts[1]
    assert rig.equipment.breakers._lines == {}  # to be late is no failure


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_first_call_answers_after_all_and_the_second_is_cancelled(
    rig: Rig, upstream_at: Start, streamed: bool
) -> None:
    begun = asyncio.Event()

    async def late(received: Received) -> None:
        begun.set()
        await received.gone()

    first, second = await upstream_at(after(begun, streams if streamed else says)), await upstream_at(late)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    asked = body(stream=streamed)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(asked)
    status, headers, _ = await rig.all(head + asked)
    assert (status, headers["x-pointsman-deployment"]) == (200, "p1/model-1")
    await told_of_the_end(second)
    [record] = await rig.records()
    assert [(a.cause, a.status, a.unused) for a in record.attempts] == [("first", 200, False), ("hedge", 0, True)]
    assert record.served_by == record.attempts[0]


async def test_a_stream_that_has_begun_is_not_late(rig: Rig, upstream_at: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    late, found_late = asyncio.Event(), asyncio.Event()
    over = Race.over

    async def over_when_told(self: Race, within_s: float | None) -> None:
        if within_s is not None:
            await late.wait()
            found_late.set()
        else:
            await over(self, None)

    async def slow(received: Received) -> None:
        await received.begin()
        await received.send(frame({"content": "4"}))
        await found_late.wait()
        await received.send(frame({}, "stop"), DONE)
        await received.end()

    monkeypatch.setattr(Race, "over", over_when_told)
    first, second = await upstream_at(slow), await upstream_at(streams)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    stream = await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "?"}], stream=True
    )
    async for _ in stream:
        late.set()  # the first content is here
    assert found_late.is_set()
    assert second.requests == []


async def test_one_that_sends_heads_without_content_is_late(rig: Rig, upstream_at: Start) -> None:
    async def pings(received: Received) -> None:
        await received.begin()
        await received.send(b": ping\n\n", frame({"role": "assistant", "content": ""}))
        await received.gone()

    first, second = await upstream_at(pings), await upstream_at(streams)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    stream = await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "?"}], stream=True
    )
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "4"
    [record] = await rig.records()
    assert [(a.cause, a.unused) for a in record.attempts] == [("first", True), ("hedge", False)]


async def test_alone_the_same_deployment_is_asked(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(never)

    async def second_time(received: Received) -> None:
        await (never if len(upstream.requests) == 1 else says)(received)

    upstream.script = second_time
    rig.publish(hedged(upstream.port))
    known(rig, "p1/model-1")
    assert (await rig.post(body()))[0] == 200
    [record] = await rig.records()
    assert [(a.deployment, a.cause) for a in record.attempts] == [("p1/model-1", "first"), ("p1/model-1", "hedge")]


@pytest.mark.parametrize("failing", ANSWERS)
async def test_where_one_fails_the_other_answers(rig: Rig, upstream_at: Start, failing: str) -> None:
    both = asyncio.Event()

    async def fails(received: Received) -> None:
        await received.reply(500, b"{}")
        both.set()

    async def waits(received: Received) -> None:
        both.set() if failing == "first" else await both.wait()
        await known_to_have_failed(rig)
        await says(received)

    scripts = (after(both, fails), waits) if failing == "first" else (waits, fails)
    first, second = [await upstream_at(script) for script in scripts]
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    assert (await rig.post(body()))[0] == 200
    [record] = await rig.records()
    assert {a.cause: a.status for a in record.attempts} == {
        "first": 500 if failing == "first" else 200,
        "hedge": 200 if failing == "first" else 500,
    }
    assert record.served_by is not None
    assert record.served_by.status == 200


async def test_where_both_fail_calls_go_on_as_ever(rig: Rig, upstream_at: Start) -> None:
    rig.world.chances = itertools.repeat(0.0)
    both, answered = asyncio.Event(), iter((500, 200))

    async def first_fails(received: Received) -> None:
        await both.wait()
        await known_to_have_failed(rig)  # the second call, before this one
        await received.reply(next(answered), WHOLE)

    async def second_fails(received: Received) -> None:
        await received.reply(500, b"{}")
        both.set()

    first, second = await upstream_at(first_fails), await upstream_at(second_fails)
    rig.publish(replace(hedged(first.port, second.port), limits=Limits(attempts=4)))
    known(rig, "p1/model-1")
    assert (await rig.post(body()))[0] == 200
    [record] = await rig.records()
    assert [(a.cause, a.status) for a in record.attempts] == [
        ("first", 500),
        ("hedge", 500),
        ("retry", 500),  # who failed first rests longest
        ("retry", 200),
    ]


async def test_a_fault_of_the_request_ends_both(rig: Rig, upstream_at: Start) -> None:
    async def refuses(received: Received) -> None:
        await received.reply(400, b'{"error":{"message":"no"}}')

    first, second = await upstream_at(never), await upstream_at(refuses)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    status, headers, _ = await rig.post(body())
    assert (status, headers["x-pointsman-deployment"]) == (400, "p2/model-2")
    await told_of_the_end(first)


async def test_who_hangs_up_cancels_both(rig: Rig, upstream_at: Start) -> None:
    first, second = await upstream_at(never), await upstream_at(never)
    rig.publish(hedged(first.port, second.port))
    known(rig, "p1/model-1")
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    asked = body()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(asked) + asked)
    while not second.requests:  # noqa: ASYNC110 - until the gateway has made its second call
        await asyncio.sleep(0.001)
    writer.close()
    await told_of_the_end(first)
    await told_of_the_end(second)
    [record] = await rig.records()
    assert (record.outcome, [a.unused for a in record.attempts]) == ("client_gone", [False, False])


async def test_never_more_than_the_share_and_only_where_allowed(rig: Rig, upstream_at: Start) -> None:
    async def late(received: Received) -> None:
        await asyncio.sleep(2 * LATE_S)
        await says(received)

    first, second = await upstream_at(late), await upstream_at(says)
    rig.publish(hedged(first.port, second.port, share=0.25))
    known(rig, "p1/model-1", hedges=0)
    for _ in range(20):
        assert (await rig.post(body()))[0] == 200
    assert 1 <= len(second.requests) <= 5
    before = len(second.requests)
    rig.publish(hedged(first.port, second.port, share=0.0))
    known(rig, "p1/model-1", hedges=5)
    assert (await rig.post(body()))[0] == 200
    assert len(second.requests) == before


async def test_both_at_once_give_one_answer(rig: Rig, upstream_at: Start) -> None:
    """Whole replies of both arrive in the same turn of the event loop, again and again."""
    both = asyncio.Event()

    async def second(received: Received) -> None:
        both.set()
        await says(received)

    async def first(received: Received) -> None:
        await both.wait()
        both.clear()
        await says(received)

    one, other = await upstream_at(first), await upstream_at(second)
    rig.publish(hedged(one.port, other.port))
    known(rig, "p1/model-1", hedges=10)
    client = rig.client()
    for _ in range(8):
        reply = await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "?"}])
        assert reply.choices[0].message.content == "four"
    for record in await rig.records(8):
        assert (record.outcome, len(record.attempts)) == ("ok", 2)
        assert sorted(a.unused for a in record.attempts) == [False, True]


async def test_a_second_call_that_a_budget_refuses_leaves_the_first_one_alone(rig: Rig, upstream_at: Start) -> None:
    async def once_it_is_refused(received: Received) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not rig.gateway._equipment.budgets.state.refused:  # noqa: ASYNC110 - another task takes it
                await asyncio.sleep(0.001)
        await says(received)

    upstream = await upstream_at(once_it_is_refused)
    one_call = Budget("one", "requests", 1, "day", "deployment", "p1/model-1")
    async with budgeted(rig, one_call, snapshot=hedged(upstream.port)):
        known(rig, "p1/model-1")
        assert (await rig.post(body()))[0] == 200
        assert sum(rig.gateway._equipment.budgets._used) == 1
    [record] = await rig.records()
    assert [(a.cause, a.status, a.unused) for a in record.attempts] == [("first", 200, False)]
    assert len(upstream.requests) == 1
    assert rig.equipment.breakers._lines == {}, "a budget's refusal is nobody's failure"


@pytest.mark.parametrize("streamed", [False, True])
async def test_both_calls_are_set_aside_once_and_settled_once(rig: Rig, upstream_at: Start, streamed: bool) -> None:
    first, second = await upstream_at(never), await upstream_at(streaming(frame({"content": "4"}, "stop"), USAGE, DONE))
    second.script = second.script if streamed else says
    asked = body(stream=streamed, max_tokens=50)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(asked)
    async with budgeted(rig, Budget("t", "tokens", 10**6, "day"), snapshot=hedged(first.port, second.port)):
        known(rig, "p1/model-1")
        assert (await rig.all(head + asked))[0] == 200
        [record] = await rig.records()
        won = record.attempts[1].usage
        assert won is not None
        assert sum(rig.gateway._equipment.budgets._used) == won.input + won.output + len(asked) + 500 + 50
    served = [(line.attempt, line.basis, line.served) for line in lines_of(record)]
    assert served == [(0, "unknown", False), (1, "reported", True)]

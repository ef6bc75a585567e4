"""Budgets over real sockets: what fits is served, what does not is refused in the client's own dialect, and counted once."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace as replaced
from decimal import Decimal
from typing import Any, Final

import openai
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import WHOLE, Received, Rig, Script, Start, a_snapshot, answer_whole
from tests.gateway.test_dialects import STAMP, path, post, speaking

from pointsman.core.budget import Budget, Window, account
from pointsman.core.chat import Finish, TextDelta, Usage, Used
from pointsman.core.chat import Start as Begin
from pointsman.core.errors import StoreError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Objective, Plan, Route
from pointsman.core.snapshot import Limits, Snapshot
from pointsman.gateway.budgets import Budgets
from pointsman.gateway.condition import condition
from pointsman.store.leases import Ask, Lease
from pointsman.store.sqlite.leases import SqliteHolder
from pointsman.wire.anthropic.compose import MAX_TOKENS
from pointsman.wire.dialect import Address
from pointsman.wire.dialects import DIALECTS

COST = 60 * 2500 + 40 * 1250 + 10 * 10_000  # of WHOLE, in nano-dollars
BODY = json.dumps({"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}).encode()
NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
LENGTHS: Final[dict[Window, int]] = {"minute": 60_000, "day": DAY_MS}


class Clock:
    """The moment that budgets see."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@contextlib.asynccontextmanager
async def budgeted(rig: Rig, *budgets: Budget, snapshot: Snapshot) -> AsyncIterator[Clock]:
    """Give a rig these budgets, and renew its leases meanwhile."""
    clock = Clock()
    worker = Budgets(rig.store.leases, time.monotonic, clock)
    rig.gateway._equipment = replaced(rig.equipment, budgets=worker, now_ms=clock)
    rig.publish(replace(snapshot, budgets=budgets))
    following = asyncio.create_task(worker.follow(rig.live.snapshot))
    try:
        yield clock
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_requests_budget_is_used_to_its_end_and_begins_anew(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, Budget("few", "requests", 5, "day"), snapshot=a_snapshot(upstream.port)) as clock:
        statuses = [(await rig.post(BODY))[0] for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        _, head, body = await rig.post(BODY)
        assert int(head["retry-after"]) == (DAY_MS - NOW_MS % DAY_MS) // 1000
        said = json.loads(body)["error"]
        assert said["code"] == "insufficient_quota"
        assert "budget 'few' allows 5 requests in each day (UTC) for everything" in said["message"]
        ready = json.loads((await rig.get("/readyz"))[2])["budgets"]
        assert (ready["leases"], ready["refused"], ready["problem"]) == (1, 3, "")
        assert ready["waited"] >= 1
        clock.now_ms += DAY_MS
        assert (await rig.post(BODY))[0] == 200
    assert len(upstream.requests) == 6


async def test_money_settles_by_what_was_used(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, Budget("money", "usd", 20 * COST, "day"), snapshot=a_snapshot(upstream.port)):
        served = [(await rig.post(BODY))[0] for _ in range(25)].count(200)
    (standing,) = rig.store.leases.standing(NOW_MS)
    assert (standing.used, standing.leased) == (served * COST, 0)
    assert 14 <= served <= 20


PATHS = {
    "openai_chat": (
        "/v1/chat/completions",
        {"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]},
    ),
    "openai_responses": ("/v1/responses", {"model": "auto", "max_output_tokens": 10, "input": "hi"}),
    "anthropic": ("/v1/messages", {"model": "auto", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}),
    "gemini": ("/v1beta/models/auto:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
}


async def posted(rig: Rig, path: str, body: object, extra: str = "") -> tuple[int, dict[str, str], Any]:
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{extra}content-length: {len(data)}\r\n\r\n"
    status, headers, said = await rig.raw(head.encode() + data)
    return status, headers, json.loads(said)


@pytest.mark.parametrize("window", ["minute", "day"])
async def test_each_dialect_says_it_in_its_own_words(rig: Rig, upstream_at: Start, window: Window) -> None:
    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, Budget("few", "requests", 1, window), snapshot=a_snapshot(upstream.port)):
        assert (await rig.post(BODY))[0] == 200
        said = {name: await posted(rig, *one) for name, one in PATHS.items()}
    for status, head, _ in said.values():
        assert (status, int(head["retry-after"])) == (429, (LENGTHS[window] - NOW_MS % LENGTHS[window]) // 1000)
    code, reason = {
        "minute": ("rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"),
        "day": ("insufficient_quota", "BUDGET_SPENT"),
    }[window]
    assert said["openai_chat"][2]["error"]["code"] == said["openai_responses"][2]["error"]["code"] == code
    assert said["anthropic"][2]["error"]["type"] == "rate_limit_error"
    assert said["gemini"][2]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert said["gemini"][2]["error"]["details"][0]["reason"] == reason
    assert all("budget 'few'" in one[2]["error"]["message"] for one in said.values())


async def test_the_official_client_raises_a_rate_limit_error_also_for_a_stream(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, Budget("few", "requests", 1, "day"), snapshot=a_snapshot(upstream.port)):
        assert (await rig.post(BODY))[0] == 200
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError, match="budget 'few'"):
                await rig.client().chat.completions.create(
                    model="p1/model-1", stream=stream, messages=[{"role": "user", "content": "hi"}]
                )
    last = (await rig.records(3))[-1]
    assert (last.outcome, last.status, last.attempts) == ("error", 429, ())


async def test_customers_have_budgets_of_their_own(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    each, acme = Budget("each", "requests", 2, "day", "customer"), Budget("acme", "requests", 1, "day", "customer", "acme")
    async with budgeted(rig, each, acme, snapshot=a_snapshot(upstream.port)):
        statuses = {
            name: [(await rig.post(BODY, x_pointsman_customer=name))[0] for _ in range(3)] for name in ("acme", "bell", "")
        }
    assert statuses == {"acme": [200, 429, 429], "bell": [200, 200, 429], "": [200, 200, 200]}


async def test_a_request_that_was_refused_by_its_provider_costs_nothing_and_an_untold_one_its_most(
    rig: Rig, upstream_at: Start
) -> None:
    async def script(received: Received) -> None:
        if b"refuse" in received.body:
            await received.reply(400, b'{"error": {"message": "no", "type": "x", "param": null, "code": null}}')
        elif b"silent" in received.body:
            await received.reply(200, WHOLE.replace(b'"usage"', b'"unused"'))
        else:
            received.cut()

    upstream = await upstream_at(script)
    async with budgeted(rig, Budget("t", "tokens", 10**6, "day"), snapshot=a_snapshot(upstream.port)):
        told = []
        for word in ("refuse", "silent", "cut"):
            await rig.post(BODY.replace(b"hi", word.encode()))
            told.append(sum(rig.gateway._equipment.budgets._used))
    most = len(BODY) + 4 + 500 + 10
    assert told[0] == 0
    assert told[1] == most
    calls = len((await rig.records(3))[-1].attempts)
    assert calls > 1
    assert told[2] - told[1] == calls * (most - 3), "each call that broke off may have been served"


async def test_a_used_up_deployment_gives_way_to_others_and_429_comes_when_nobody_is_left(
    rig: Rig, upstream_at: Start
) -> None:
    first, second = await upstream_at(answer_whole), await upstream_at(answer_whole)
    budgets = [Budget(f"of {one}", "requests", 2, "day", "deployment", f"p{one}/model-{one}") for one in (1, 2)]
    async with budgeted(rig, *budgets, snapshot=a_snapshot(first.port, second.port)):
        seen = [(status, head.get("x-pointsman-deployment")) for status, head, _ in [await rig.post(BODY) for _ in range(6)]]
        assert seen[:4] == [(200, "p1/model-1")] * 2 + [(200, "p2/model-2")] * 2
        assert seen[4:] == [(429, None)] * 2
        _, head, _ = await rig.post(BODY)
        assert int(head["retry-after"]) == (DAY_MS - NOW_MS % DAY_MS) // 1000
    third = (await rig.records(7))[2].decision
    assert third is not None
    assert third.chosen == "p2/model-2", "left out before the draw"
    assert third.excluded == {"p1/model-1": "is over budget of 1: it is used up"}


def graded_prices(*ports: int) -> Snapshot:
    """Three models, each ten times as cheap as the one before; the dearest is the reference, the others are candidates."""
    snapshot = a_snapshot(*ports)
    deployments = {}
    for place, one in enumerate(snapshot.deployments.values()):
        rates = Rates(Decimal(10) / 10**place, Decimal(40) / 10**place)
        deployments[one.name] = replace(one, model_key=one.name, price=Price(rates))
    names = tuple(deployments)
    route = Route("auto", names[0], names[1:], Objective(), 0.05, {"*": Plan("*", reference=names[0])})
    return replace(snapshot, deployments=deployments, routes={"auto": route})


async def test_as_a_budget_drains_the_route_moves_to_cheaper_deployments_and_says_so(rig: Rig, upstream_at: Start) -> None:
    upstreams = [await upstream_at(answer_whole) for _ in range(3)]
    most = (len(BODY) + 500) * 10_000 + 10 * 40_000  # of the reference, for BODY
    budget = Budget("soft", "usd", 200 * most, "day", degrade=True)
    others = rig.store.leases.hold()
    chosen, lease = [], 0
    async with budgeted(rig, budget, snapshot=graded_prices(*(one.port for one in upstreams))):
        worker = rig.gateway._equipment.budgets
        for percent in (0, 79, 85, 99, 100):
            used = percent * budget.limit // 100
            asked = Ask(account(budget, "", NOW_MS), budget.limit, lease, used)
            lease = (await asyncio.to_thread(others.renew, [asked], NOW_MS))[0].number
            held = worker.held(budget, "", NOW_MS)
            async with asyncio.timeout(10):
                while held.all_used < used:
                    held.told = -1  # so that it asks how the account stands
                    await asyncio.sleep(0.02)
            status, head, _ = await rig.post(BODY)
            chosen.append((status, head.get("x-pointsman-deployment")))
    others.close()
    assert chosen == [(200, "p1/model-1"), (200, "p1/model-1"), (200, "p2/model-2"), (200, "p3/model-3"), (429, None)]
    third = (await rig.records(5))[2].decision
    assert third is not None
    assert (third.arm, third.eligible) == ("forced", ("p2/model-2", "p3/model-3"))
    reason = "is over budget soft, of which 85 % is spent: it is too dear"
    assert third.excluded == {"p1/model-1": reason}
    assert third.why == f"stands in for p1/model-1, which {reason}"


async def test_what_has_no_price_is_not_within_a_budget_of_dollars(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    snapshot = a_snapshot(upstream.port)
    free = replace(snapshot.deployments["p1/model-1"], price=None)
    async with budgeted(rig, Budget("m", "usd", 10**9, "day"), snapshot=replace(snapshot, deployments={free.name: free})):
        status, _, body = await rig.post(BODY)
    assert status == 403
    assert "p1/model-1 has no price, and budget 'm' is in dollars" in json.loads(body)["error"]["message"]


async def test_where_the_store_gives_no_leases_requests_hear_so_soon(
    rig: Rig, upstream_at: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(self: SqliteHolder, asks: Sequence[Ask], now_ms: int) -> list[Lease]:
        raise StoreError("the file is locked")

    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, Budget("m", "requests", 10, "day"), snapshot=a_snapshot(upstream.port)):
        assert (await rig.post(BODY))[0] == 200
        monkeypatch.setattr(SqliteHolder, "renew", locked)
        statuses = [(await rig.post(BODY))[0] for _ in range(6)]
        assert statuses[-1] == 503
        assert statuses.count(200) <= 4, "what was leased before may be used"
        assert rig.gateway._equipment.budgets.state.problem == "the file is locked"
        assert condition(rig.live, rig.gateway._equipment).problems == {"budgets": "the file is locked"}
        monkeypatch.undo()
        assert (await rig.post(BODY))[0] == 200, "it recovers by itself"
    assert len(upstream.requests) == 2 + statuses.count(200)


async def test_a_client_that_leaves_while_it_waits_for_a_lease_leaves_nothing_behind(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    budget = Budget("m", "requests", 10, "day")
    async with budgeted(rig, budget, snapshot=a_snapshot(upstream.port)):
        worker = rig.gateway._equipment.budgets
        held = worker.held(budget, "", NOW_MS)
        waiting = asyncio.ensure_future(worker.room((held, 1)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert (await rig.post(BODY))[0] == 200
        assert held.waiting == []


async def test_without_budgets_nothing_is_leased(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    async with budgeted(rig, snapshot=a_snapshot(upstream.port)):
        assert (await rig.post(BODY))[0] == 200
        assert rig.gateway._equipment.budgets.state.leases == 0
    assert rig.store.leases.standing(0) == []


async def test_the_first_request_of_a_worker_knows_that_a_budget_has_drained(rig: Rig, upstream_at: Start) -> None:
    upstreams = [await upstream_at(answer_whole) for _ in range(3)]
    budget = Budget("soft", "usd", 10**10, "day", "customer", degrade=True)
    others = rig.store.leases.hold()
    others.renew([Ask(account(budget, "acme", NOW_MS), budget.limit, 0, 99 * budget.limit // 100)], NOW_MS)
    async with budgeted(rig, budget, snapshot=graded_prices(*(one.port for one in upstreams))):
        _, head, _ = await rig.post(BODY, x_pointsman_customer="acme")
        assert head["x-pointsman-deployment"] == "p3/model-3"
    others.close()


async def test_a_key_names_so_many_customers_a_day_and_each_is_one_row(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    snapshot = replace(a_snapshot(upstream.port), limits=Limits(values_per_key=2))
    each, acme = Budget("each", "requests", 2, "day", "customer"), Budget("acme", "requests", 9, "day", "customer", "acme")

    async def ask(name: str) -> int:
        return (await rig.post(BODY, x_pointsman_customer=name))[0]

    async with budgeted(rig, each, acme, snapshot=snapshot) as clock:
        assert [await ask(name) for name in ("a", "b", "c", "d", "acme", "a", "")] == [200, 200, 429, 429, 200, 200, 200]
        assert await ask("a") == 429, "its own is used up, and there is no other account for it"
        _, head, body = await rig.post(BODY, x_pointsman_customer="c")
        assert int(head["retry-after"]) == (DAY_MS - NOW_MS % DAY_MS) // 1000
        assert "without a key have named 2 customers in this day (UTC)" in json.loads(body)["error"]["message"]
        assert json.loads(body)["error"]["code"] == "insufficient_quota"
        assert {one.account.scope for one in rig.store.leases.standing(NOW_MS)} == {
            "customer=a",
            "customer=b",
            "customer=acme",
        }
        clock.now_ms += DAY_MS
        assert await ask("c") == 200
    assert len(upstream.requests) == 6


async def test_deployments_that_nobody_configured_are_names_too(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    snapshot = replace(a_snapshot(upstream.port), limits=Limits(values_per_key=1))
    async with budgeted(rig, Budget("each", "requests", 9, "day", "deployment"), snapshot=snapshot):
        names = ("p1/made-up-1", "p1/made-up-2", "p1/model-1", "p1/made-up-1", "auto")
        statuses = [(await rig.post(BODY.replace(b"auto", name.encode())))[0] for name in names]
    assert statuses == [200, 429, 200, 200, 200]
    assert {one.account.scope for one in rig.store.leases.standing(NOW_MS)} == {
        "deployment=p1/made-up-1", "deployment=p1/model-1",
    }  # fmt: skip


async def test_where_no_budget_is_of_a_name_that_clients_choose_nothing_is_noted(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(answer_whole)
    acme = Budget("acme", "requests", 9, "day", "customer", "acme")
    async with budgeted(rig, acme, Budget("all", "requests", 9, "day"), snapshot=a_snapshot(upstream.port)):
        for name in ("acme", "bell"):
            assert (await rig.post(BODY, x_pointsman_customer=name))[0] == 200
        assert rig.gateway._equipment.budgets.values._found == {}


# What is reserved for an answer that nobody limited is its limit.

LIMIT = 16_384
MANY: Final = Budget("t", "tokens", 10**6, "day")
UNLIMITED: Final = {
    "openai_chat": rb'{ "model":"auto","new":1.50,"messages":[{"role":"user","content":"\"max_tokens"}],"max_tokens":null}',
    "openai_responses": rb'{ "model":"auto","new":1.50,"input":"say \"max_output_tokens\":1" }',
    "anthropic": rb'{ "model":"auto","new":1.50,"messages":[{"role":"user","content":"{\"max_tokens\":1}"}] }',
    "gemini": rb'{ "new":1.50,"contents":[{"parts":[{"text":"hi"}]}],"generation_config":{ "topP":0.50 } }',
}
LIMITED: Final = {
    "openai_chat": UNLIMITED["openai_chat"].replace(b'"max_tokens":null', b'"max_completion_tokens":7'),
    "openai_responses": UNLIMITED["openai_responses"].replace(b"{ ", b'{ "max_output_tokens":7,'),
    "anthropic": UNLIMITED["anthropic"].replace(b"{ ", b'{ "max_tokens":7,', 1),
    "gemini": UNLIMITED["gemini"].replace(b'"topP"', b'"max_output_tokens":7,"topP"'),
}
SENT: Final = {
    "openai_chat": UNLIMITED["openai_chat"].replace(b"auto", b"model-1").replace(b":null", b":16384"),
    "openai_responses": UNLIMITED["openai_responses"]
    .replace(b"auto", b"model-1")
    .replace(b"{", b'{"max_output_tokens":16384,'),
    "anthropic": UNLIMITED["anthropic"].replace(b"auto", b"model-1").replace(b"{ ", b'{"max_tokens":16384, '),
    "gemini": UNLIMITED["gemini"].replace(b'{ "topP"', b'{"maxOutputTokens":16384, "topP"'),
}


def using_all(rig: Rig, dialect: str, reserved: list[int], *, stream: bool = False) -> Script:
    """A provider whose answer has all the tokens that its request allows; what is reserved meanwhile is noted."""

    async def script(received: Received) -> None:
        reserved.append(sum(rig.gateway._equipment.budgets._used))
        spoken = DIALECTS[dialect]
        asked = spoken.request.decode(received.body, Address("model-1", stream))
        used = Used(Usage(len(received.body), (asked.max_output_tokens or 10**6) * asked.choices))
        said = (Begin("r1", "model-1", 1_700_000_000), TextDelta(0, "on and on"), Finish("length"), used)
        if not stream:
            await received.reply(200, spoken.reply.encode(said, asked, STAMP).body)
            return
        encoder = spoken.stream.encoder(replace(asked, include_usage=True), STAMP)
        await received.begin()
        await received.send(*[frames for event in said if (frames := encoder.feed(event))], encoder.end())
        await received.end()

    return script


@pytest.mark.parametrize("theirs", DIALECTS)
@pytest.mark.parametrize("ours", DIALECTS)
async def test_an_answer_that_nobody_limited_keeps_within_what_was_reserved_for_it(
    rig: Rig, upstream_at: Start, ours: str, theirs: str
) -> None:
    reserved: list[int] = []
    upstream = await upstream_at(using_all(rig, theirs, reserved))
    async with budgeted(rig, MANY, snapshot=speaking(theirs, upstream.port)):
        status, head, body = await post(rig, path(ours, stream=False), UNLIMITED[ours])
        assert status == 200, body
        used = sum(rig.gateway._equipment.budgets._used)
    [received] = upstream.requests
    limit = MAX_TOKENS if theirs == "anthropic" != ours else LIMIT
    assert DIALECTS[theirs].request.decode(received.body, Address("m")).max_output_tokens == limit
    assert head["x-pointsman-output-limit"] == str(limit)
    assert used == len(received.body) + limit <= reserved[0] == len(UNLIMITED[ours]) + 500 + limit
    if ours == theirs:
        assert received.body == SENT[ours], "all else is as it came"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_streamed_one_too(rig: Rig, upstream_at: Start, dialect: str) -> None:
    reserved: list[int] = []
    upstream = await upstream_at(using_all(rig, dialect, reserved, stream=True))
    body = UNLIMITED[dialect] if dialect == "gemini" else UNLIMITED[dialect].replace(b"{ ", b'{ "stream":true,', 1)
    async with budgeted(rig, MANY, snapshot=speaking(dialect, upstream.port)):
        status, head, _ = await post(rig, path(dialect, stream=True), body)
        used = sum(rig.gateway._equipment.budgets._used)
    assert (status, head["x-pointsman-output-limit"]) == (200, str(LIMIT))
    assert used == len(upstream.requests[0].body) + LIMIT <= reserved[0]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_where_no_tokens_or_money_are_reserved_or_the_client_states_a_limit_nothing_is_added(
    rig: Rig, upstream_at: Start, dialect: str
) -> None:
    upstream = await upstream_at(using_all(rig, dialect, []))
    few = Budget("few", "requests", 100, "day")
    snapshot = speaking(dialect, upstream.port)
    free = Price(Rates(Decimal(0), Decimal(0)))
    gratis = {name: replace(one, price=free) for name, one in snapshot.deployments.items()}
    heads = []
    for budgets, published, body in (
        ((), snapshot, UNLIMITED),
        ((few,), snapshot, UNLIMITED),
        ((Budget("m", "usd", 10**9, "day"),), replace(snapshot, deployments=gratis), UNLIMITED),
        ((), snapshot, LIMITED),
        ((few, MANY), snapshot, LIMITED),
    ):
        async with budgeted(rig, *budgets, snapshot=published):
            status, head, _ = await post(rig, path(dialect, stream=False), body[dialect])
            heads.append((status, head.get("x-pointsman-output-limit")))
    assert heads == [(200, None)] * 5
    bodies = [received.body for received in upstream.requests]
    assert (
        bodies == [UNLIMITED[dialect].replace(b"auto", b"model-1")] * 3 + [LIMITED[dialect].replace(b"auto", b"model-1")] * 2
    )


async def test_many_long_answers_at_once_do_not_pass_a_budget_and_choices_multiply(rig: Rig, upstream_at: Start) -> None:
    reserved: list[int] = []
    upstream = await upstream_at(using_all(rig, "openai_chat", reserved))
    body = UNLIMITED["openai_chat"].replace(b"{ ", b'{ "n":2,', 1)
    output_nano = 2 * LIMIT * 10_000  # at $10 a million
    each = (len(body) + 500) * 2_500 + output_nano
    budget = Budget("m", "usd", 3 * each + each // 2, "day")
    async with budgeted(rig, budget, snapshot=a_snapshot(upstream.port)):
        statuses = [status for status, _, _ in await asyncio.gather(*(rig.post(body) for _ in range(12)))]
        assert (statuses.count(200), statuses.count(429)) == (3, 9)
        assert max(reserved) <= budget.limit
        used = sum(rig.gateway._equipment.budgets._used)
    assert 3 * output_nano < used <= budget.limit


async def test_what_a_model_can_give_bounds_what_is_reserved_and_sent(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(using_all(rig, "openai_chat", []))
    snapshot = a_snapshot(upstream.port)
    small = {name: replace(one, output_tokens=4_096) for name, one in snapshot.deployments.items()}
    async with budgeted(rig, MANY, snapshot=replace(snapshot, deployments=small)):
        _, head, _ = await rig.post(UNLIMITED["openai_chat"])
        used = sum(rig.gateway._equipment.budgets._used)
    assert head["x-pointsman-output-limit"] == "4096"
    assert json.loads(upstream.requests[0].body)["max_tokens"] == 4_096
    assert used == len(upstream.requests[0].body) + 4_096

"""An agent's conversation through the whole gateway: the official client, real sockets, the zoo behind them.

The route acts: a small model was accepted beside the reference. Time stands still but where a test moves it.
"""

import itertools
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Start, World

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.price import Price, Rates
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Context, Deployment, Needs, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.courses import Courses
from pointsman.upstream.simulated import Zoo, running

BIG, SMALL = "zoo/sim-eagle-xl", "zoo/sim-wren-s"
TOOL: Any = {
    "type": "function",
    "function": {"name": "run", "description": "Runs a command.", "parameters": {"type": "object", "properties": {}}},
}
TASK = {"role": "user", "content": "Repair the failing test of the western junction."}
Messages = list[Any]


def a_snapshot(url: str, share: float = 0.5) -> Snapshot:
    rates = {BIG: Rates(Decimal(10), Decimal(40), Decimal("2.5")), SMALL: Rates(Decimal("0.15"), Decimal("0.6"))}
    plan = Plan("*", "auto", BIG, accepted=(SMALL,), acting_share=share, one_model=SMALL)
    return Snapshot(
        {"zoo": Provider("zoo", url)},
        {name: Deployment(name, "zoo", name[4:], name[4:], Price(each)) for name, each in rates.items()},
        {"auto": Route("auto", BIG, (SMALL,), Objective(), 0.05, {"*": plan})},
    )


@pytest.fixture
async def agent(rig: Rig) -> AsyncIterator[openai.AsyncOpenAI]:
    async with running(Zoo()) as url:
        rig.publish(a_snapshot(url))
        rig.world.still = 1000.0
        yield rig.client()


def chances(world: World, *values: float) -> None:
    """Let chance be these values in turn, again and again."""
    world.chances = itertools.cycle(values)


def loop(*results: str) -> Messages:
    """The messages of an agent whose calls returned these."""
    messages: Messages = [TASK]
    for place, result in enumerate(results):
        call = {"id": f"c{place}", "type": "function", "function": {"name": "run", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{place}", "content": result},
        ]
    return messages


async def ask(agent: openai.AsyncOpenAI, messages: Messages, *, tools: bool = True, **headers: str) -> str:
    """Ask as the SDK does, and return who answered."""
    options: dict[str, Any] = {"tools": [TOOL]} if tools else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = await agent.chat.completions.with_raw_response.create(
        model="auto", messages=messages, extra_headers=named, **options
    )
    reply.parse()
    return str(reply.headers["x-pointsman-deployment"])


def decisions(records: list[ExchangeRecord]) -> list[tuple[str, str]]:
    return [(one.decision.arm, one.decision.why) for one in records if one.decision is not None]


async def test_a_loop_does_not_thrash_whatever_chance_says(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    chances(rig.world, 0.1, 0.9, 0.6)
    served = [await ask(agent, loop(*["fine"] * count)) for count in range(8)]
    assert served == [SMALL] * 8
    records = await rig.records(8)
    assert decisions(records) == [("policy", "one model suffices here")] + [("policy", "stays with its conversation")] * 7
    assert all(one.decision.probabilities == (0.0, 1.0) for one in records[1:] if one.decision is not None)
    assert [one.decision.course for one in records if one.decision is not None] == ["", *[records[0].id] * 7]


async def test_the_share_that_is_measured_against_is_of_whole_conversations(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    chances(rig.world, 0.9, 0.1, 0.1)
    assert [await ask(agent, loop(*["fine"] * count), x_pointsman_conversation="a") for count in range(3)] == [BIG] * 3
    chances(rig.world, 0.1)
    assert await ask(agent, [*loop("fine"), {"role": "user", "content": "And now?"}], x_pointsman_conversation="b") == SMALL
    follow_up = [*loop("fine", "fine"), {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Thanks."}]
    assert await ask(agent, follow_up, x_pointsman_conversation="a") == BIG
    assert {arm for arm, _ in decisions(await rig.records(5))} == {"control", "policy"}


async def test_a_stuck_loop_escalates_and_does_not_come_back_before_its_end(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    chances(rig.world, 0.1)
    told = ["Error: no rule"] * 3 + ["fine"] * 3
    served = [await ask(agent, loop(*told[:count])) for count in range(len(told) + 1)]
    assert served == [SMALL] * 3 + [BIG] * 4
    assert decisions(await rig.records(7))[3] == ("policy", f"takes over from {SMALL}: the same call failed 3 times")
    turn = [*loop(*told), {"role": "assistant", "content": "Done."}, {"role": "user", "content": "And the next one."}]
    assert await ask(agent, turn) == BIG, "it proved hard, and is warm"
    rig.world.ahead_s += 3600
    later = [*turn, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "And one more."}]
    assert await ask(agent, later) == SMALL, "it is cold: chosen anew"


async def test_titles_and_requests_that_begin_alike_are_chosen_one_by_one(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    chances(rig.world, 0.1, 0.9)
    assert await ask(agent, [TASK], x_claude_code_session_id="s") == SMALL
    title = [TASK, {"role": "user", "content": "Write a title for this conversation."}]
    assert await ask(agent, title, tools=False, x_claude_code_session_id="s") == BIG
    chances(rig.world, 0.9)
    assert await ask(agent, loop("fine"), x_claude_code_session_id="s") == SMALL
    shots: Messages = [{"role": "user", "content": "2+2"}, {"role": "assistant", "content": "4"}]
    chances(rig.world, 0.1, 0.9)
    asked = [[*shots, {"role": "user", "content": f"{n}+{n}"}] for n in range(4)]
    assert [await ask(agent, messages, tools=False) for messages in asked] == [SMALL, BIG] * 2


async def test_what_providers_bill_is_learned(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    """The zoo caches long instructions alone, and none are sent: after some loops nothing is taken to be warm."""
    chances(rig.world, 0.1)
    courses, policy = rig.equipment.courses, rig.live.current
    assert policy is not None
    before = outlook(courses, policy.snapshot)
    for number in range(4):
        for count in range(8):
            await ask(agent, [*loop(*["fine"] * count)], x_pointsman_conversation=str(number))
    await rig.records(32)
    after = outlook(courses, policy.snapshot)
    assert before.kept[SMALL] > 0.9
    assert after.kept[SMALL] < 0.25
    assert after.kept[BIG] == before.kept[BIG]
    assert (before.calls, after.calls) == (18, (18 + 32) // (1 + 4))


def outlook(courses: Courses, snapshot: Snapshot) -> Any:
    request = ChatRequest("auto", (Message("user", (Text("new"),)),), tools=(object(),))  # type: ignore[arg-type]
    found = courses.place("", request, Context("default", Needs(10)), snapshot, (BIG, SMALL), 1000.0).context.outlook
    assert found is not None
    return found


CLAUDE_SAID = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "ok"}],
    "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 9000, "cache_creation_input_tokens": 900, "output_tokens": 7},
}  # fmt: skip


def claude_code(*failed: bool, tools: bool = True) -> bytes:
    """What Claude Code sends after calls that failed or not; its instructions change with every request."""
    messages: Messages = [{"role": "user", "content": [{"type": "text", "text": "Repair it."}]}]
    for place, error in enumerate(failed):
        used = {"type": "tool_use", "id": f"t{place}", "name": "run", "input": {"place": 0 if error else place}}
        result = {"type": "tool_result", "tool_use_id": f"t{place}", "content": "no such rule", "is_error": error}
        messages += [{"role": "assistant", "content": [used]}, {"role": "user", "content": [result]}]
    body: dict[str, Any] = {"model": "auto", "max_tokens": 99, "messages": messages, "system": f"cch={len(failed)}"}
    if tools:
        body["tools"] = [{"name": "run", "input_schema": {"type": "object"}}]
    return json.dumps(body).encode()


async def test_claude_codes_loop_is_one_conversation_and_its_title_is_none_of_it(rig: Rig, upstream_at: Start) -> None:
    async def answer(received: Received) -> None:
        await received.reply(200, json.dumps(CLAUDE_SAID).encode())

    upstream = await upstream_at(answer)
    snapshot = a_snapshot(f"http://127.0.0.1:{upstream.port}")
    deployments = {name: replace(one, dialect="anthropic") for name, one in snapshot.deployments.items()}
    providers = {"zoo": Provider("zoo", f"http://127.0.0.1:{upstream.port}", dialect="anthropic")}
    rig.publish(replace(snapshot, deployments=deployments, providers=providers))
    rig.world.still = 1000.0

    async def served(body: bytes) -> str:
        head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-claude-code-session-id: s\r\ncontent-length: {len(body)}\r\n\r\n"
        status, headers, said = await rig.raw(head.encode() + body)
        assert status == 200, said
        return headers["x-pointsman-deployment"]

    chances(rig.world, 0.1)
    assert [await served(claude_code(*[False] * count)) for count in range(4)] == [SMALL] * 4
    chances(rig.world, 0.9)
    assert await served(claude_code(tools=False)) == BIG
    told = [False] * 3
    assert [await served(claude_code(*told, *[True] * count)) for count in (1, 2, 3, 4)] == [SMALL, SMALL, BIG, BIG]
    current = rig.live.current
    assert current is not None
    assert outlook(rig.equipment.courses, current.snapshot).kept[SMALL] > 0.9, "its bills say that it caches"


async def test_a_pinned_request_leaves_nothing_behind(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    reply = await agent.chat.completions.create(model=SMALL, messages=loop("fine"), tools=[TOOL])
    assert reply.model == "sim-wren-s"
    assert len(rig.equipment.courses) == 0
    await ask(agent, loop("fine"))
    assert len(rig.equipment.courses) == 1


async def test_the_memory_is_bounded(rig: Rig, agent: openai.AsyncOpenAI) -> None:
    object.__setattr__(rig.equipment, "courses", Courses(limit=2))
    chances(rig.world, 0.1)
    for name in "abc":
        await ask(agent, [TASK], x_pointsman_conversation=name)
    chances(rig.world, 0.9)
    assert [await ask(agent, loop("fine"), x_pointsman_conversation=name) for name in "ca"] == [SMALL, BIG]
    assert len(rig.equipment.courses) == 2
    assert json.dumps(decisions(await rig.records(5))).count("stays with its conversation") == 1

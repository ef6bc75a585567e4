"""How fast deployments are: learned of answers, forgotten by itself; and a ceiling over real sockets."""

import json

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import DONE, USAGE, Received, Rig, Script, Start, a_snapshot, answer_whole, frame, streaming

from pointsman.core.chat import Usage
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Ceiling, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.speeds import FORGOTTEN_S, Speeds
from pointsman.policy.latency import Speed

ONE, TWO = "p1/model-1", "p2/model-2"
BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


def a_record(
    *,
    first_ms: float | None = None,
    total_ms: float = 2000.0,
    tokens: int = 100,
    outcome: str = "ok",
    waited_ms: float = 0.0,
) -> ExchangeRecord:
    attempt = Attempt(ONE, "first", 0, 200, total_ms=total_ms, usage=Usage(10, tokens))
    return ExchangeRecord(
        "1", 0, "auto", "f", outcome, 200, attempts=(attempt,), streamed=first_ms is not None,  # type: ignore[arg-type]
        latency_ms=waited_ms + total_ms, first_content_ms=None if first_ms is None else waited_ms + first_ms,
    )  # fmt: skip


def test_of_what_never_answered_nothing_is_known() -> None:
    assert Speeds().now(5.0) == {}


def test_a_stream_says_when_it_began_and_how_fast_it_went_on() -> None:
    speeds = Speeds()
    speeds.note(a_record(first_ms=500, total_ms=2500, waited_ms=700), 1.0)
    known = speeds.now(1.0)[ONE]
    assert (known.first_token_s, known.tokens_per_s, known.output_tokens) == pytest.approx((0.5, 50, 100))


def test_a_whole_answer_says_how_long_it_took() -> None:
    speeds = Speeds()
    speeds.note(a_record(total_ms=2000), 1.0)
    assert speeds.now(1.0) == {ONE: Speed(None, 50, 100)}


@pytest.mark.parametrize("outcome", ["error", "client_gone", "cut"])
def test_what_did_not_end_well_says_nothing(outcome: str) -> None:
    speeds = Speeds()
    speeds.note(a_record(outcome=outcome), 1.0)
    assert speeds.now(1.0) == {}


def test_later_answers_move_the_average_the_more_the_longer_ago_the_last_was() -> None:
    soon, late = Speeds(), Speeds()
    for speeds, then in ((soon, 1.1), (late, 31.0)):
        speeds.note(a_record(total_ms=1000), 1.0)
        speeds.note(a_record(total_ms=10_000), then)
    rates = [speeds.now(31.0)[ONE].tokens_per_s for speeds in (soon, late)]
    assert rates == [pytest.approx(100 - 90 / 8), pytest.approx(55)]


def test_once_in_a_while_one_decision_is_made_as_if_nothing_were_known() -> None:
    speeds = Speeds()
    speeds.note(a_record(), 1.0)
    known = speeds.now(1.0 + FORGOTTEN_S - 0.1)
    assert ONE in known
    assert speeds.now(1.0 + FORGOTTEN_S) == {}
    assert speeds.now(1.0 + FORGOTTEN_S + 0.1) == known, "by one request only"


def timed(ceiling: Ceiling, *ports: int) -> Snapshot:
    """Two models; the second is accepted, and one that suffices."""
    plan = Plan("*", "auto", ONE, accepted=(TWO,), acting_share=0.95, one_model=TWO, ceiling=ceiling)
    snapshot = a_snapshot(*ports, plan=plan)
    other = replace(snapshot.deployments[TWO], model_key="another")
    return replace(snapshot, deployments={ONE: snapshot.deployments[ONE], TWO: other})


def taking(rig: Rig, seconds: float, script: Script) -> Script:
    """Answer as a script does, the test's time having passed."""

    async def late(received: Received) -> None:
        rig.world.ahead_s += seconds
        await script(received)

    return late


async def served(rig: Rig, *, stream: bool = False) -> str:
    data = json.dumps({**BODY, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    status, headers, body = await rig.all(head.encode() + data)
    assert status == 200, body
    return headers["x-pointsman-deployment"]


async def test_who_answers_late_gives_way_and_is_asked_again_a_minute_later(rig: Rig, upstream_at: Start) -> None:
    rig.world.still = 1000.0
    quick, slow = await upstream_at(answer_whole), await upstream_at(taking(rig, 9.0, answer_whole))
    rig.publish(timed(Ceiling(answer_s=5.0), quick.port, slow.port))
    assert [await served(rig) for _ in range(3)] == [TWO, ONE, ONE]
    decision = (await rig.records(3))[-1].decision
    assert decision is not None
    assert decision.excluded == {TWO: "would take about 9 s, 5 are allowed"}
    assert (decision.eligible, decision.probabilities) == ((ONE,), (1.0,))
    rig.world.ahead_s += FORGOTTEN_S
    assert [await served(rig) for _ in range(2)] == [TWO, ONE]


async def test_a_late_first_token_counts_for_streams_alone(rig: Rig, upstream_at: Start) -> None:
    rig.world.still = 1000.0
    stream = streaming(frame({"role": "assistant", "content": "a"}), frame({}, "stop"), USAGE, DONE)
    quick, slow = await upstream_at(answer_whole), await upstream_at(taking(rig, 3.0, stream))
    rig.publish(timed(Ceiling(first_token_s=1.0), quick.port, slow.port))
    assert await served(rig, stream=True) == TWO
    quick.script, slow.script = stream, answer_whole
    assert await served(rig, stream=True) == ONE
    assert await served(rig) == TWO


async def test_a_late_answer_is_better_than_none(rig: Rig, upstream_at: Start) -> None:
    rig.world.still = 1000.0
    both = await upstream_at(taking(rig, 9.0, answer_whole))
    rig.publish(timed(Ceiling(answer_s=5.0), both.port, both.port))
    assert [await served(rig) for _ in range(3)] == [TWO, ONE, TWO]
    decision = (await rig.records(3))[-1].decision
    assert decision is not None
    assert decision.why.endswith("nobody is within the ceiling on time")
    assert decision.excluded == {}


async def test_who_may_not_answer_never_does(rig: Rig, upstream_at: Start) -> None:
    """Neither by choice nor by fallback, be it the same model elsewhere."""

    async def failing(received: Received) -> None:
        await received.reply(500, b'{"error":{"message":"no"}}')

    first, second = await upstream_at(failing), await upstream_at(answer_whole)
    rig.publish(a_snapshot(first.port, second.port, plan=Plan("*", reference=ONE, allow=("p1/*",))))
    status, _, _ = await rig.post(json.dumps(BODY).encode())
    assert status == 500
    assert second.requests == []
    decision = (await rig.records(1))[-1].decision
    assert decision is not None
    assert decision.excluded == {TWO: "is not among those that may answer here"}

"""Asking twice over real sockets: who is asked, what the client gets, and what is kept of it."""

import asyncio
import json
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from tests.gateway.conftest import DONE, USAGE, WHOLE, Received, Rig, Script, Start, a_snapshot, frame, streaming
from tests.policy.test_belief import RIGHT, heard, voters
from tests.policy.test_model import vectors

from pointsman.core.ledger import lines_of
from pointsman.core.price import Price, Rates
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Compared, Deployment, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cascade, model
from pointsman.policy.belief import believe
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

DEAR, CHEAP, CHEAPER = NAMES = ("p1/dear", "p2/cheap", "p3/cheaper")
QUALITY = np.array([0.75, 0.65, 0.6])
PRICES = [Price(Rates(Decimal(input_), Decimal(output))) for input_, output in (("2", "10"), ("0.3", "1.5"), ("0.2", "1"))]
COST = np.array([300_000.0, 45_000.0, 30_000.0])  # of WHOLE: 100 tokens in, 10 out
BODY: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Which one? (A) (B) (C)"}]}


@cache
def plan(value: float = 1_500_000.0) -> bytes:
    """A plan learned from three models that err independently: two cheap ones that agree are believed."""
    asked = heard(voters(np.random.default_rng(0), 1500, QUALITY), QUALITY)
    cost = np.tile(COST, (len(asked), 1))
    score = (asked.said == RIGHT).astype(np.float64)
    return cascade.encode(cascade.plan(NAMES, believe(asked, score), asked, cost, cost, value))


@cache
def policy() -> bytes:
    """A policy that predicts the three models' means for every request."""
    rng, n = np.random.default_rng(0), 400
    none = np.full(n, -1)
    rows = Outcomes(
        NAMES,
        np.array([f"{place:04}" for place in range(n)]),
        vectors(n),
        (rng.random((n, 3)) < QUALITY).astype(np.float64),
        np.full((n, 3), np.nan),
        np.full(n, 100.0),
        np.full((n, 3), 10.0),
        none, (), none, (),
    )  # fmt: skip
    return model.encode(teach(rows).policy)


def asking(port: int, how: Compared | None = "choice", **changes: Any) -> Snapshot:
    """A route whose plan may ask the two cheap ones beside its reference; nobody is held on the reference."""
    acts = Plan("*", "auto", DEAR, asks=(CHEAP, CHEAPER), acting_share=1.0, value_nano=10**6, one_model=DEAR)
    route = Route("auto", DEAR, (), Objective(), 0.05, {"*": replace(acts, **changes)}, ask_twice=how)
    deployments = {
        name: Deployment(name, name[:2], name[3:], name, price) for name, price in zip(NAMES, PRICES, strict=True)
    }
    return a_snapshot(
        port,
        port,
        port,
        deployments=deployments,
        routes={"auto": route},
        policies={"auto": policy()},
        askings={"auto": plan()},
    )


def saying(**answers: str | int | None) -> Script:
    """Return a script in which each model gives its answer; a number is the status of its error, None: it never answers."""

    async def script(received: Received) -> None:
        said = answers[json.loads(received.body)["model"]]
        if said is None:
            await received.gone()
        elif isinstance(said, int):
            await received.reply(said, b'{"error": {"message": "no"}}')
        else:
            await received.reply(200, whole(said))

    return script


def whole(text: str, finish: str = "stop") -> bytes:
    reply = msgspec.json.decode(WHOLE)
    reply["choices"][0] |= {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return msgspec.json.encode(reply)


def text_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["choices"][0]["message"]["content"])


async def asked(rig: Rig, **body: Any) -> tuple[int, dict[str, str], bytes, ExchangeRecord]:
    """Post one request; return what came back, and its record."""
    status, headers, sent = await rig.post(json.dumps(BODY | body).encode())
    (record,) = await rig.records()
    return status, headers, sent, record


def calls(record: ExchangeRecord) -> list[tuple[str, str, bool]]:
    return [(one.deployment, one.cause, one.unused) for one in record.attempts]


async def test_two_cheap_models_that_agree_are_enough(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="I think it is (B).", cheaper="The answer is B", dear="(C)"))
    rig.publish(asking(upstream.port))
    status, headers, body, record = await asked(rig)
    assert (status, text_of(body)) == (200, "I think it is (B).")  # of those who agree, the better one
    assert {one.deployment: one.unused for one in record.attempts} == {CHEAP: False, CHEAPER: True}
    assert [one.cause for one in record.attempts] == ["first", "asked"]
    assert record.served_by is not None
    assert record.served_by.deployment == headers["x-pointsman-deployment"] == CHEAP
    assert record.cost_nano == 45_000 + 30_000


async def test_where_they_differ_the_dear_one_is_asked_too(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(A)", dear="So: (A)"))
    rig.publish(asking(upstream.port))
    status, headers, body, record = await asked(rig)
    assert (status, text_of(body), headers["x-pointsman-deployment"]) == (200, "So: (A)", DEAR)
    assert [one.cause for one in record.attempts] == ["first", "asked", "asked"]
    assert [one.deployment for one in record.attempts if not one.unused] == [DEAR]
    assert record.cost_nano == 300_000 + 45_000 + 30_000
    assert record.outcome == "ok"


async def test_the_decision_says_who_was_asked_first_and_how_likely_that_was(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(B)", dear="(B)"))
    rig.publish(asking(upstream.port, acting_share=0.9))
    *_, record = await asked(rig)
    decision = record.decision
    assert decision is not None
    assert (decision.arm, decision.chosen) == ("policy", record.attempts[0].deployment)
    chances = dict(zip(decision.eligible, decision.probabilities, strict=True))
    assert chances[decision.chosen] == pytest.approx(0.9)
    assert chances[DEAR] == pytest.approx(0.1)
    assert sum(chances.values()) == pytest.approx(1.0)


async def test_who_is_held_on_the_reference_is_asked_once(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(B)", dear="(C)"))
    rig.publish(asking(upstream.port, acting_share=0.4))
    *_, body, record = await asked(rig)
    assert text_of(body) == "(C)"
    assert record.decision is not None
    assert record.decision.arm == "control"
    assert dict(zip(record.decision.eligible, record.decision.probabilities, strict=True))[DEAR] == pytest.approx(0.6)


async def test_a_model_that_fails_leaves_it_to_the_others(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap=500, cheaper=503, dear="(C)"))
    rig.publish(asking(upstream.port))
    status, _, body, record = await asked(rig)
    assert (status, text_of(body)) == (200, "(C)")
    assert [one.error != "" for one in record.attempts] == [True, True, False]
    assert record.cost_nano == 300_000


async def test_an_answer_that_is_given_after_the_others_failed_is_who_served(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper=500, dear=503))
    rig.publish(asking(upstream.port))
    status, headers, body, record = await asked(rig)
    assert (status, text_of(body), headers["x-pointsman-deployment"]) == (200, "(B)", CHEAP)
    assert len(record.attempts) > 1
    assert record.served_by is not None
    assert record.served_by.deployment == CHEAP
    assert [line.deployment for line in lines_of(record) if line.served] == [CHEAP]


async def test_where_all_fail_the_client_hears_what_the_last_one_said(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap=500, cheaper=503, dear=502))
    rig.publish(asking(upstream.port))
    status, _, body, record = await asked(rig)
    assert status in (500, 502, 503)
    assert b"no" in body
    assert record.outcome == "error"
    assert len(record.attempts) == 3


async def test_a_request_at_fault_is_not_tried_elsewhere(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap=400, cheaper=400, dear=400))
    rig.publish(asking(upstream.port))
    status, _, _, record = await asked(rig)
    assert status == 400
    assert len(record.attempts) == 1


async def test_an_answer_that_cannot_be_compared_or_was_cut_supports_nothing(rig: Rig, upstream_at: Start) -> None:
    async def script(received: Received) -> None:
        name = json.loads(received.body)["model"]
        said = {"cheap": whole("I cannot tell."), "cheaper": whole("(B)", "length"), "dear": whole("(C)")}
        await received.reply(200, said[name])

    upstream = await upstream_at(script)
    rig.publish(asking(upstream.port))
    *_, body, record = await asked(rig)
    assert text_of(body) == "(C)"
    assert len(record.attempts) == 3


async def test_an_answer_must_have_the_form_that_was_asked_for(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap='{"n": "one"}', cheaper='{"n": "one"}', dear='{"n": 1}'))
    rig.publish(asking(upstream.port, "json"))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    *_, body, record = await asked(rig, response_format=form)
    assert text_of(body) == '{"n": 1}'
    assert len(record.attempts) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "string", "pattern": "(a+)+$"}},
            }
        },
    ],
)
async def test_what_is_not_one_plain_text_is_asked_once(rig: Rig, upstream_at: Start, body: dict[str, Any]) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(B)", dear="(C)"))
    rig.publish(asking(upstream.port))
    *_, sent, record = await asked(rig, **body)
    assert text_of(sent) == "(C)"
    assert calls(record) == [(DEAR, "first", False)]


async def test_a_route_that_does_not_allow_it_asks_once(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(B)", dear="(C)"))
    rig.publish(asking(upstream.port, None))
    *_, record = await asked(rig)
    assert calls(record) == [(DEAR, "first", False)]


async def test_a_client_that_hangs_up_ends_it(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap=None, cheaper=None, dear=None))
    rig.publish(asking(upstream.port))
    body = json.dumps(BODY).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    async with asyncio.timeout(10):
        while not upstream.requests:  # noqa: ASYNC110 - another task receives
            await asyncio.sleep(0.01)
    writer.close()
    (record,) = await rig.records()
    assert (record.outcome, record.status, len(record.attempts)) == ("client_gone", 499, 1)


async def test_the_official_client_gets_an_ordinary_reply(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(A)", dear="(A)"))
    rig.publish(asking(upstream.port))
    reply = await rig.client().chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Which? (A) (B)"}]
    )
    assert reply.choices[0].message.content == "(A)"


async def test_a_client_of_another_dialect_is_served_alike(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(saying(cheap="(B)", cheaper="(B)", dear="(C)"))
    rig.publish(asking(upstream.port))
    body = json.dumps({**BODY, "max_tokens": 50}).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    status, _, sent = await rig.raw(head + body)
    (record,) = await rig.records()
    assert (status, json.loads(sent)["content"][0]["text"], len(record.attempts)) == (200, "(B)", 2)


async def test_a_stream_is_asked_once(rig: Rig, upstream_at: Start) -> None:
    upstream = await upstream_at(streaming(frame({"content": "(C)"}), frame({}, "stop"), USAGE, DONE))
    rig.publish(asking(upstream.port))
    body = json.dumps({**BODY, "stream": True}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    status, _, _ = await rig.all(head + body)
    (record,) = await rig.records()
    assert (status, calls(record)) == (200, [(DEAR, "first", False)])

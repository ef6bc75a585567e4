"""Encodings of live requests: read where a policy acts that was learned with them, in time or not at all."""

import asyncio
import json
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from tests.gateway.conftest import Received, Rig, Start, a_snapshot, answer_whole

from pointsman.core.chat import ChatRequest
from pointsman.core.demands import Demand
from pointsman.core.errors import ConfigError
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import BoundTest, Deployment, Plan
from pointsman.core.snapshot import Encoder, Snapshot
from pointsman.gateway.encoding import PATIENCE, REST_S, unread
from pointsman.policy import encoding, features, model
from pointsman.policy.model import Policy
from pointsman.upstream.credentials.fetching import fetching
from pointsman.upstream.encoders import encoders
from pointsman.upstream.interfaces import Encodes
from pointsman.upstream.transport import HttpTransport

ONE, TWO = "p1/model-1", "p2/model-2"
PLAN = Plan("*", mode="auto", reference=ONE, accepted=(TWO,), acting_share=1.0)
SOLID, LATE = {"input": ["add"]}, {"input": ["late"]}


def learned(name: str) -> Policy:
    """Two deployments of which the first number of an encoding says which is better; without one, the first is."""
    narrow, width = features.DIMS, features.DIMS + encoding.WIDTH

    def drawn(size: int, tells: float) -> Policy:
        maps = np.zeros((size, 7), dtype=np.float32)
        maps[narrow : narrow + 1, 2] = tells
        flags = np.zeros(features.FLAGS, dtype=np.float32)
        return Policy(
            deployments=(ONE, TWO),
            tasks=("all",),
            known_tags=(),
            flag_centre=flags,
            flag_scale=flags,
            centre=np.zeros(size, dtype=np.float32),
            maps=maps,
            bias=np.array([0, 0.6, 0.5, 10, 10, 4, 4], dtype=np.float32),
            table=np.zeros((1, 6), dtype=np.float32),
            table_variance=np.full((1, 2), 0.01, dtype=np.float32),
            variance=np.full(2, 0.01, dtype=np.float32),
            tags=np.zeros((0, 2), dtype=np.float32),
            most=np.array([[1e6, 1e6], [500, 500]], dtype=np.float32),
            quantiles=np.ones((2, 4), dtype=np.float32),
            learned_from=9,
        )

    return replace(drawn(width, 0.4), encoder=name, bare=drawn(narrow, 0.0))


class Told:
    """An encoder in this process that says what the test wants, as late as it wants."""

    name = "told"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.wait_s = 0.0
        self.numbers = [1.0, 0.0]

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        await asyncio.sleep(self.wait_s)
        return np.array([self.numbers], dtype=np.float32)


def acting(*ports: int, plan: Plan = PLAN, encoder: Encoder | None = None, name: str = "told") -> Snapshot:
    snapshot = a_snapshot(*ports, plan=plan)
    deployments = {
        one: Deployment(one, each.provider, each.model, each.model, each.price) for one, each in snapshot.deployments.items()
    }
    policies = {"auto": model.encode(learned(name))}
    found = Encoder(onnx="e", within_ms=200.0) if encoder is None else encoder
    return replace(snapshot, deployments=deployments, policies=policies, encoder=found)


async def ask(rig: Rig, name: str = "auto", text: str = "a question") -> ExchangeRecord:
    before = rig.equipment.journal.state.written
    body = msgspec.json.encode({"model": name, "messages": [{"role": "user", "content": text}]})
    assert (await rig.post(body))[0] == 200
    return (await rig.records(before + 1))[-1]


@pytest.fixture
def told(rig: Rig) -> Told:
    """The encoder that the gateway opens, whatever is configured."""
    found = Told()
    rig.live._encoder = lambda _: found
    return found


async def test_a_policy_decides_with_the_encoding_and_the_record_says_so(rig: Rig, upstream_at: Start, told: Told) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    rig.publish(acting(*ports))
    record = await ask(rig, text="which of the two?")
    assert told.texts == ["which of the two?"]
    assert record.decision is not None
    assert (record.decision.chosen, record.decision.encoded) == (TWO, True)
    assert len(record.vector) == features.LENGTH  # what the encoder made is not kept
    told.numbers = [-1.0, 0.0]
    assert (await ask(rig)).decision.chosen == ONE  # type: ignore[union-attr]
    readiness = json.loads((await rig.get("/readyz"))[2])
    assert readiness["encoder"] == {"name": "told", "made": 2, "missed": 0}


async def test_who_names_a_model_never_waits_for_an_encoder(rig: Rig, upstream_at: Start, told: Told) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    rig.publish(acting(*ports))
    for name in (ONE, "model-2"):
        assert (await ask(rig, name)).decision.encoded is False  # type: ignore[union-attr]
    assert told.texts == []


@pytest.mark.parametrize(
    ("plan", "name"),
    [(replace(PLAN, mode="observe"), "told"), (replace(PLAN, mode="trial"), "told"), (PLAN, "another")],
    ids=["observe", "trial", "learned with another"],
)
async def test_an_encoder_is_asked_only_where_it_has_a_say(
    rig: Rig, upstream_at: Start, told: Told, plan: Plan, name: str
) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    rig.publish(acting(*ports, plan=plan, name=name))
    assert (await ask(rig)).decision.chosen == ONE  # type: ignore[union-attr]
    assert told.texts == []


async def test_what_is_not_there_in_time_is_decided_without(rig: Rig, upstream_at: Start, told: Told) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    rig.publish(acting(*ports, encoder=Encoder(onnx="e", within_ms=20.0)))
    told.wait_s = 30.0
    for _ in range(PATIENCE + 2):
        decision = (await ask(rig)).decision
        assert decision is not None
        assert (decision.chosen, decision.encoded) == (ONE, False)
    assert len(told.texts) == PATIENCE  # then it is left alone
    readiness = json.loads((await rig.get("/readyz"))[2])
    assert readiness["encoder"] == {"name": "told", "made": 0, "missed": PATIENCE + 2}


async def test_an_encoder_that_was_left_alone_is_asked_again(rig: Rig, told: Told) -> None:
    rig.publish(acting(1, 2, encoder=Encoder(onnx="e", within_ms=1.0)))
    assert rig.live.current is not None
    encoder, route = rig.live.current.encoder, rig.live.current.snapshot.routes["auto"]
    assert encoder is not None
    request = ChatRequest("auto", ())
    told.numbers = [float("nan"), 0.0]
    for _ in range(PATIENCE + 1):
        assert await encoder.encode(route, "f", request) == b""
    assert len(told.texts) == PATIENCE
    encoder._rests_until -= REST_S
    told.numbers = [1.0, 0.0]
    assert len(await encoder.encode(route, "f", request)) == encoding.LENGTH


async def test_what_was_tested_with_encodings_stays_on_the_reference_without(
    rig: Rig, upstream_at: Start, told: Told
) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    plan = replace(PLAN, tested=BoundTest(500, 0.02, 0.95))
    rig.publish(acting(*ports, plan=plan, encoder=Encoder(onnx="e", within_ms=20.0)))
    assert (await ask(rig)).decision.chosen == TWO  # type: ignore[union-attr]
    told.wait_s = 30.0
    decision = (await ask(rig)).decision
    assert decision is not None
    assert (decision.chosen, decision.predictions) == (ONE, ())


async def test_texts_go_to_an_address_only_where_nobody_says_who_may_see_them(
    rig: Rig, upstream_at: Start, told: Told
) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    private = replace(PLAN, allow=("p1/*", "p2/*"))
    rig.publish(acting(*ports, plan=private, encoder=Encoder(url="http://127.0.0.1:1/", model="m", within_ms=200.0)))
    assert (await ask(rig)).decision.encoded is False  # type: ignore[union-attr]
    assert told.texts == []
    eu = {"eu": Demand("the data policy 'eu'", models=("p1/*", "p2/*"))}
    governed = replace(acting(*ports, plan=replace(PLAN, data_policies=("eu",))), data_policies=eu)
    address = Encoder(url="http://127.0.0.1:1/", model="m", within_ms=200.0)
    rig.publish(replace(governed, encoder=address))
    assert (await ask(rig)).decision.encoded is False  # type: ignore[union-attr]
    assert told.texts == []
    for snapshot in (acting(*ports, plan=private), governed):
        rig.publish(snapshot)
        assert (await ask(rig)).decision.encoded is True  # type: ignore[union-attr]


async def test_an_address_is_asked_over_the_gateways_own_transport(rig: Rig, upstream_at: Start) -> None:
    async def embed(received: Received) -> None:
        await received.reply(200, b'{"data": [{"index": 0, "embedding": [1.0, 0.0]}]}')

    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    server = await upstream_at(embed)
    transport = HttpTransport()
    rig.live._encoder = encoders(transport, fetching(transport))
    url = f"http://127.0.0.1:{server.port}/v1/embeddings"
    rig.publish(acting(*ports, encoder=Encoder(url=url, model="small", within_ms=1000.0), name="url:small"))
    assert (await ask(rig, text="Zwölf?")).decision.chosen == TWO  # type: ignore[union-attr]
    await transport.close()
    assert json.loads(server.requests[0].body)["input"] == ["Zwölf?"]


def test_policies_of_another_encoder_are_named() -> None:
    (sentence,) = unread({"auto": learned("old"), "fast": learned("new")}, "new")
    assert sentence.startswith("what was learned for auto decides without encodings: it was learned with old, and new is")
    assert sentence.endswith("learn it again with `pointsman learn`, or configure that encoder")
    assert "and none is configured" in unread({"auto": learned("old")}, "")[0]


async def test_a_snapshot_whose_encoder_cannot_be_opened_is_taken_up_without(
    rig: Rig, upstream_at: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]

    def missing(_: Encoder) -> Encodes:
        raise ConfigError("there is no model.onnx in e")

    rig.live._encoder = missing
    rig.publish(acting(*ports))
    decision = (await ask(rig)).decision
    assert decision is not None
    assert (decision.chosen, decision.encoded) == (ONE, False)
    assert rig.live.problem == ""
    assert rig.live.current is not None
    assert rig.live.current.encoder is None
    said = [one.getMessage() for one in caplog.records if "encoder" in one.getMessage()]
    assert said == ["the encoder is not in use, and requests are decided without: there is no model.onnx in e"]


def test_told_is_an_encoder() -> None:
    found: Encodes = Told()
    assert found.name == "told"

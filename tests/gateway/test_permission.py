"""What the one who asks may use, over real sockets and in every dialect: scopes of keys, and policies of data."""

import asyncio
import json
import time
from typing import Any

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Rig, Start, a_snapshot, answer_whole

from pointsman.control import keys as acts
from pointsman.core.demands import Demand, Facts
from pointsman.core.keys import Key, Scope
from pointsman.core.routing import Grader, Plan, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.wire.dialects import DIALECTS

NAMES = tuple(DIALECTS)
EU = Demand("the data policy 'eu'", regions=("eu",))
USER = [{"role": "user", "content": "x"}]


def put(rig: Rig, wanted: Key) -> str:
    """Make a key as ``pointsman key create`` does, and take it up."""
    key, whole = acts.made(wanted, now_ms=int(time.time() * 1000))
    rig.store.keys.add(key, at_ms=1)
    rig.live.refresh()
    return whole


def request(dialect: str, model: str, key: str, feature: str = "") -> bytes:
    """A request in a dialect, with the key where its SDK puts it."""
    paths = {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses", "anthropic": "/v1/messages"}
    bodies: dict[str, dict[str, Any]] = {
        "openai_chat": {"model": model, "messages": USER},
        "openai_responses": {"model": model, "input": "x"},
        "anthropic": {"model": model, "max_tokens": 5, "messages": USER},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
    }
    header = {"anthropic": f"x-api-key: {key}", "gemini": f"x-goog-api-key: {key}"}.get(
        dialect, f"authorization: Bearer {key}"
    )
    path = paths.get(dialect, f"/v1beta/models/{model}:generateContent")
    body = json.dumps(bodies[dialect]).encode()
    more = f"x-pointsman-feature: {feature}\r\n" if feature else ""
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


async def ask(rig: Rig, dialect: str, model: str, key: str, feature: str = "") -> tuple[int, str]:
    """Return the status, and the words of an error as the dialect's clients read them."""
    status, _, body = await rig.raw(request(dialect, model, key, feature))
    fault = DIALECTS[dialect].errors.read(status, body) if status != 200 else None
    return status, fault.message if fault is not None else ""


async def two(upstream_at: Start, **changes: Any) -> Snapshot:
    """Two providers of different models: p1 in the EU, p2 nobody knows where."""
    ports = [(await upstream_at(answer_whole)).port for _ in range(2)]
    snapshot = a_snapshot(*ports, data_policies={"eu": EU}, **changes)
    deployments = {name: replace(one, model_key=name) for name, one in snapshot.deployments.items()}
    deployments["p1/model-1"] = replace(deployments["p1/model-1"], facts=Facts("eu"))
    providers = {**snapshot.providers, "p1": replace(snapshot.providers["p1"], facts=Facts("eu"))}
    return replace(snapshot, providers=providers, deployments=deployments)


SCOPES = [
    (Scope(routes=("auto",)), "auto", "p1/model-1", "may not ask for the model 'p1/model-1': it may ask for auto"),
    (Scope(routes=("other",)), None, "auto", "may not ask for the model 'auto': it may ask for other"),
    (Scope(deployments=("p1/*",)), "p1/model-1", "p2/model-2", "may not ask for the model 'p2/model-2'"),
    (Scope(deployments=("p1/*",)), "auto", "p2/anything", "may not ask for the model 'p2/anything'"),
    (Scope(deployments=("p2/model-2",)), "p2/model-2", "auto", "the key k approves of p2/model-2 only"),
    (Scope(routes=("auto",), deployments=("p1/model-1",)), "auto", "nobody", "the key k may ask for auto, p1/model-1"),
    (Scope(networks=("10.0.0.0/8",)), None, "auto", "the key k may not be used from this network"),
]  # fmt: skip


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(("scope", "served", "refused", "words"), SCOPES)
async def test_a_scope_is_kept_and_says_so(
    rig: Rig, upstream_at: Start, dialect: str, scope: Scope, served: str | None, refused: str, words: str
) -> None:
    rig.publish(await two(upstream_at))
    key = put(rig, Key("k", "", scope=scope))
    if served is not None:
        assert await ask(rig, dialect, served, key) == (200, "")
    status, said = await ask(rig, dialect, refused, key)
    assert (status, words in said) == (404 if refused == "nobody" else 403, True), said
    assert "p2" not in said or "p2" in words or "p2" in refused, "what others may use is not told"


@pytest.mark.parametrize("dialect", NAMES)
async def test_a_dialect_and_a_feature_are_kept(rig: Rig, upstream_at: Start, dialect: str) -> None:
    rig.publish(await two(upstream_at))
    other = NAMES[NAMES.index(dialect) - 1]
    key = put(rig, Key("k", "", "support", scope=Scope(dialects=(dialect,), features=("support", "sales"))))
    assert await ask(rig, dialect, "auto", key) == (200, "")
    assert await ask(rig, dialect, "auto", key, "sales") == (200, "")
    status, said = await ask(rig, dialect, "auto", key, "payroll")
    assert (status, said) == (403, "the key k is for the features support, sales, and not for 'payroll'")
    status, said = await ask(rig, other, "auto", key)
    assert (status, said) == (403, f"the key k is for the dialects {dialect}, and not for {other}")


async def test_the_list_of_models_shows_what_the_key_may_use(rig: Rig, upstream_at: Start) -> None:
    rig.publish(await two(upstream_at))
    lists = {
        "a": (Scope(), "", {"auto", "p1/model-1", "p2/model-2"}),
        "b": (Scope(routes=("auto",)), "", {"auto"}),
        "c": (Scope(deployments=("p2/*",)), "", {"auto", "p2/model-2"}),
        "d": (Scope(), "eu", {"auto", "p1/model-1"}),
        "e": (Scope(deployments=("p2/*",)), "eu", {"auto"}),
    }
    for name, (scope, policy, wanted) in lists.items():
        header = f"authorization: Bearer {put(rig, Key(name, '', scope=scope, policy=policy))}\r\n"
        listed = json.loads((await rig.get("/v1/models", headers=header))[2])
        assert {one["id"] for one in listed["data"]} == wanted
        gemini = json.loads((await rig.get("/v1beta/models", headers=header))[2])
        assert {one["name"].removeprefix("models/") for one in gemini["models"]} == wanted
        for model in ("auto", "p1/model-1", "p2/model-2"):
            assert (await rig.get(f"/v1/models/{model}", headers=header))[0] == (200 if model in wanted else 404)


@pytest.mark.parametrize("dialect", NAMES)
async def test_a_policy_of_the_key_holds_also_for_names_that_clients_pin(rig: Rig, upstream_at: Start, dialect: str) -> None:
    rig.publish(await two(upstream_at))
    key = put(rig, Key("k", "", policy="eu"))
    assert await ask(rig, dialect, "auto", key) == (200, "")
    assert await ask(rig, dialect, "p1/unlisted", key) == (200, "")
    for model in ("p2/model-2", "p2/unlisted", "model-2"):
        status, said = await ask(rig, dialect, model, key)
        assert status == 403
        assert "the data policy 'eu' demands the region eu, and its region is not stated" in said
    gone = put(rig, Key("g", "", policy="gone"))
    status, said = await ask(rig, dialect, "auto", gone)
    assert (status, "the data policy 'gone' of the key g is not configured" in said) == (403, True)


@pytest.mark.parametrize("dialect", NAMES)
async def test_a_policy_of_a_feature_holds_whatever_name_is_asked_for(rig: Rig, upstream_at: Start, dialect: str) -> None:
    plans = {
        "*": Plan("*", reference="p2/model-2"),
        "medical": Plan("medical", reference="p2/model-2", data_policies=("eu",)),
    }
    snapshot = await two(upstream_at, feature_policies={"medical": ("eu",)})
    route = replace(snapshot.routes["auto"], reference="p2/model-2", plans=plans)
    rig.publish(replace(snapshot, routes={"auto": route}))
    for model in ("auto", "p2/model-2"):
        assert (await ask(rig, dialect, model, "any"))[0] == 200
        status, said = await ask(rig, dialect, model, "any", "medical")
        assert (status, "the data policy 'eu'" in said) == (403, True)
    assert (await ask(rig, dialect, "p1/model-1", "any", "medical"))[0] == 200


async def test_the_record_says_who_was_left_out_and_what_was_demanded(rig: Rig, upstream_at: Start) -> None:
    snapshot = await two(upstream_at)
    deployments = {name: replace(one, model_key="same") for name, one in snapshot.deployments.items()}
    rig.publish(replace(snapshot, deployments=deployments))
    assert (await ask(rig, "openai_chat", "auto", put(rig, Key("k", "", policy="eu"))))[0] == 200
    [record] = await rig.records()
    decision = record.decision
    assert decision is not None
    assert (decision.eligible, decision.fallbacks) == (("p1/model-1",), ())
    assert "the data policy 'eu'" in decision.excluded["p2/model-2"]
    assert decision.needs is not None
    assert decision.needs.demands == (EU,)


async def test_tokens_are_counted_by_nobody_who_may_not_see_the_request(rig: Rig, upstream_at: Start) -> None:
    rig.publish(await two(upstream_at))
    body = json.dumps({"model": "p2/model-2", "messages": USER}).encode()
    head = f"POST /v1/messages/count_tokens HTTP/1.1\r\nhost: x\r\nx-api-key: {put(rig, Key('k', '', policy='eu'))}\r\n"
    status, _, said = await rig.raw(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
    assert status == 403
    assert b"the data policy 'eu'" in said


async def test_a_connection_that_stays_open_loses_its_key(rig: Rig, upstream_at: Start) -> None:
    rig.publish(await two(upstream_at))
    whole = put(rig, Key("k", ""))
    head = request("openai_chat", "auto", whole)
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)

    async def asked() -> int:
        writer.write(head)
        said = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in said.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))
        return int(said.split()[1])

    assert [await asked(), await asked()] == [200, 200]
    [key] = rig.store.keys.all()
    rig.store.keys.change(key.id, lambda one: acts.revoked(one, now_ms=2), at_ms=2, act="key revoke")
    rig.live.refresh()
    assert await asked() == 401
    writer.close()


async def test_a_sample_of_a_trial_carries_what_is_demanded(rig: Rig, upstream_at: Start) -> None:
    snapshot = await two(upstream_at)
    trial = Trial("t", ("p2/model-2",), 1.0, 10**9)
    plan = Plan("*", "trial", "p1/model-1", trial=trial, grader=Grader("exact"), data_policies=("eu",))
    rig.publish(replace(snapshot, routes={"auto": replace(snapshot.routes["auto"], plans={"*": plan})}))
    assert (await ask(rig, "openai_chat", "auto", "any"))[0] == 200
    await rig.records()
    assert [sample.demands for sample in rig.samples] == [(EU,)]

"""A made-up past: an installation whose gateway has chosen among the zoo's models for a while, with what it recorded.

The policy is learned by the shipped code from tasks that are not asked again; decisions are made by the shipped code,
answers, tokens and prices are the zoo's. So what would have happened under any other choice is known.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import parse
from pointsman.core.chat import ChatRequest, Usage
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Context, Plan
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cost, decide, features, fitness, model, naming
from pointsman.policy.decide import State
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach
from pointsman.upstream.simulated import Zoo
from pointsman.upstream.simulated.features import features as zoo_features
from pointsman.upstream.simulated.setup import PROVIDER, REFERENCE, config_toml
from pointsman.upstream.simulated.tasks.task import Task
from pointsman.wire.openai_chat import request as requests

START_MS: Final = 1_790_000_000_000
EVERY_MS: Final = 2_000
GRADER: Final = "exact"
LEARNED_FROM: Final = 600
_RIGHT_USD: Final = 0.002  # what a right answer is worth, so that dear and cheap models are both chosen


@dataclass(frozen=True)
class Asked:
    """One request that is asked again and again: what each of the models would say to it, and take."""

    feature: str
    request: ChatRequest
    vector: bytes
    right: dict[str, bool]
    usage: dict[str, Usage]
    cost_nano: dict[str, int]
    latency_ms: dict[str, float]


@dataclass(frozen=True)
class World:
    """What is published, what it learned, and what is asked of it."""

    snapshot: Snapshot
    policy: Policy
    asked: tuple[Asked, ...]
    names: tuple[str, ...]

    @property
    def reference(self) -> str:
        return f"{PROVIDER}/{REFERENCE}"


def a_world(
    prompts: int, *, seed: int = 0, acting_share: float = 0.95, one_feature: bool = False, learned_from: int = LEARNED_FROM
) -> World:
    """Return a world in which so many different prompts are asked."""
    zoo = Zoo(seed=seed)
    snapshot = compile_snapshot(
        parse(config_toml(zoo, "http://127.0.0.1:9/v1").encode(), "zoo.toml"), None, today=date(2026, 11, 1), made_by="bench"
    ).snapshot
    names = tuple(f"{PROVIDER}/{name}" for name in zoo.models)
    learned = [_asked(zoo, snapshot, feature, task, names) for feature, task in _tasks(learned_from, seed + 10_000)]
    policy = teach(_outcomes(learned, names), [snapshot.deployments[name] for name in names]).policy
    route = snapshot.routes["auto"]
    others = tuple(name for name in names if name != route.reference)
    plan = Plan(
        "*", mode="auto", reference=route.reference, accepted=others, acting_share=acting_share,
        value_nano=round(_RIGHT_USD * 1e9),
    )  # fmt: skip
    acting = replace(snapshot, routes={"auto": replace(route, plans={"*": plan})}, policies={"auto": model.encode(policy)})
    asked = [_asked(zoo, acting, feature, task, names) for feature, task in _tasks(prompts, seed)]
    if one_feature:
        asked = [dataclasses.replace(each, feature="all") for each in asked]
    return World(acting, policy, tuple(asked), names)


def _tasks(count: int, seed: int) -> Iterator[tuple[str, Task]]:
    rng, kinds = Random(seed), list(zoo_features().values())
    for number in range(count):
        feature = kinds[number % len(kinds)]
        yield feature.name, feature.task(rng)


def _asked(zoo: Zoo, snapshot: Snapshot, feature: str, task: Task, names: tuple[str, ...]) -> Asked:
    request = requests.decode(msgspec.json.encode(task.body("auto")))
    right, usage, paid, took = {}, {}, {}, {}
    for name in names:
        own = name.partition("/")[2]
        truth, price = zoo.truth(own, task), snapshot.deployments[name].price
        assert price is not None
        right[name], usage[name] = truth.right, Usage(truth.input_tokens, truth.output_tokens)
        paid[name] = cost.amount(usage[name], price)
        took[name] = 1e3 * (zoo.models[own].first_token_s + truth.output_tokens / zoo.models[own].tokens_per_s)
    return Asked(feature, request, features.vector(request), right, usage, paid, took)


def _outcomes(asked: list[Asked], names: tuple[str, ...]) -> Outcomes:
    nothing = np.full(len(asked), -1, dtype=np.int64)
    return Outcomes(
        deployments=names,
        groups=np.array([f"g{number:06d}" for number in range(len(asked))]),
        vectors=np.stack([np.frombuffer(each.vector, dtype=np.uint8) for each in asked]),
        score=np.array([[float(each.right[name]) for name in names] for each in asked]),
        cost_nano=np.array([[float(each.cost_nano[name]) for name in names] for each in asked]),
        input_tokens=np.array([float(next(iter(each.usage.values())).input) for each in asked]),
        output_tokens=np.array([[float(each.usage[name].output) for name in names] for each in asked]),
        task=nothing, tasks=(), feature=nothing, features=(),
    )  # fmt: skip


def past(
    world: World, count: int, *, seed: int = 0, graded: float = 0.0, snapshot: str = "", start_ms: int = START_MS
) -> Iterator[tuple[ExchangeRecord, Judgement | None]]:
    """Yield so many exchanges, in order of time, and the grade of a share of them."""
    rng = Random(seed)
    target = naming.resolve(world.snapshot, "auto")
    drawn: dict[tuple[int, bool], ExchangeRecord] = {}
    share = world.snapshot.routes["auto"].plans["*"].acting_share
    for number in range(count):
        place, ours = rng.randrange(len(world.asked)), rng.random() < share
        if (place, ours) not in drawn:
            drawn[place, ours] = _record(world, world.asked[place], target, snapshot, u=0.0 if ours else 1 - 1e-9)
        at_ms = start_ms + number * EVERY_MS
        record = replace(drawn[place, ours], id=f"{at_ms:012x}{number:012x}", at_ms=at_ms)
        judgement = None
        if rng.random() < graded and record.decision is not None:
            name = record.decision.chosen
            arm = "policy" if ours else "control"
            right = float(world.asked[place].right[name])
            judgement = Judgement(record.id, at_ms + 500, record.feature, name, arm, right, GRADER)  # type: ignore[arg-type]
        yield record, judgement


def _record(world: World, asked: Asked, target: naming.Target, snapshot: str, *, u: float) -> ExchangeRecord:
    context = Context(asked.feature, fitness.needs_of(asked.request), asked.vector)
    decision = decide.decide(world.snapshot, target, world.policy, context, State(snapshot=snapshot), u)
    name = decision.chosen
    took = asked.latency_ms[name]
    attempt = Attempt(
        name, "first", START_MS, 200, "", 0.3 * took, took, asked.usage[name], asked.cost_nano[name], "stop"
    )  # fmt: skip
    return ExchangeRecord(
        "", 0, "auto", asked.feature, "ok", 200, decision, (attempt,), route="auto", latency_ms=took, vector=asked.vector
    )

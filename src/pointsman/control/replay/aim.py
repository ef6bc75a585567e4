"""Another objective: what it would mean for the policy, resolved on what the period's own requests are expected to be.

Strategy: ``policy/trade`` finds the worth of a right answer on graded rows; here the rows are recorded requests with the
policy's predictions in place of grades, so that any objective can be asked about without a new table.

Laws: the same requests always give the same worth; a plan without a learned policy has nothing to choose by and stays.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace

from pointsman.control.replay.question import World, acting
from pointsman.control.replay.tally import needs_of
from pointsman.core.routing import Objective, Plan, Route
from pointsman.policy import naming
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats
from pointsman.policy.redecide import Asked, redecide
from pointsman.policy.trade import Evidence, resolve
from pointsman.store.past import Past

SAMPLE: Final = 5000
"""Requests that a worth is resolved on."""


def aimed(
    world: World, objective: Objective, policies: Callable[[str], Policy | None], sample: Sequence[Past]
) -> tuple[World, tuple[str, ...]]:
    """Return the world with another objective on every route asked, and a note on each plan that it cannot reach."""
    notes: list[str] = []
    routes = dict(world.snapshot.routes)
    for name, route in world.snapshot.routes.items():
        asked = [past for past in sample if (past.route or world.route) == name]
        if not asked:
            continue
        plans = dict(route.plans)
        for key, plan in route.plans.items():
            mine = [past for past in asked if naming.plan_for(route, past.feature) is plan]
            policy = policies(plan.policy or name)
            if mine and policy is None:
                notes.append(f"{_spell(name, key)}: nothing is learned to choose by, so the objective changes nothing there")
            elif mine and policy is not None:
                plans[key] = _aimed(world, route, plan, objective, policy, mine)
        routes[name] = replace(route, plans=plans, objective=objective)
    return replace(world, snapshot=replace(world.snapshot, routes=routes)), tuple(notes)


def _aimed(world: World, route: Route, plan: Plan, objective: Objective, policy: Policy, sample: Iterable[Past]) -> Plan:
    """Return a plan under another objective: among what is accepted, or where nothing is, all that was learned."""
    reference = plan.reference or route.reference
    deployments = world.snapshot.deployments
    names = [name for name in plan.accepted or policy.deployments if name in deployments and name in policy.deployments]
    if reference is None or reference not in policy.deployments:
        return plan
    every = tuple(dict.fromkeys((reference, *names)))
    parts: list[tuple[Floats, Floats]] = []
    by_feature: dict[str, list[Past]] = {}
    for past in sample:
        by_feature.setdefault(past.feature, []).append(past)
    for feature, rows in by_feature.items():
        tags = [past.decision.tags if past.decision is not None else () for past in rows]
        asked = Asked([needs_of(past) for past in rows], [past.vector for past in rows], tags)
        expected = redecide(world.snapshot, route, feature, policy, asked, world.lost).expected
        quality = np.stack([expected.quality(name) for name in every], axis=1)
        parts.append((quality, np.stack([expected.cost_nano(deployments[name]) for name in every], axis=1)))
    quality, cost = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
    evidence = Evidence.of(every, quality, cost, quality, cost)
    trade = resolve(objective, evidence, reference, np.random.default_rng(0))
    chosen = acting(route, plan, [name for name in every if name != reference])
    return replace(chosen, value_nano=trade.value_nano, one_model=trade.one_model)


def _spell(route: str, feature: str) -> str:
    return f"route {route}" if feature == "*" else f"feature {feature} on route {route}"

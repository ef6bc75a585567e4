"""Many requests of one feature decided again at once, as ``policy/decide`` would one by one.

Strategy: who may be chosen depends on a request's needs alone, and of those there are few kinds; predictions are arrays over
all requests; so what is left for each request is one argmax. Where chance has a say, what comes back is the chance of each
deployment, not a draw.

Laws: the same probabilities as ``decide``, for a request that stands alone (``tests/policy/test_redecide``), up to utilities
that are equal within rounding; nobody is taken to be slow, busy or over budget, and a route's budget to be on its pace:
what a State would say beyond who is cooling down was not recorded, or is what another policy had spent.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.price import Price
from pointsman.core.routing import Deployment, Needs, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cost, decide, features, model, naming
from pointsman.policy.decide import Standing, State
from pointsman.policy.model import Estimates, Policy
from pointsman.policy.outcomes import Floats, Indices

_NOTHING = Needs()
_NOWHERE = float("-inf")
_TOGETHER = 256  # requests predicted together: their numbers stay in the processor's cache, which halves the time


@dataclass(frozen=True)
class Asked:
    """N requests of one feature on one route. ``vectors`` may be empty bytes; ``tags`` come without the feature.

    ``sizes`` are the input tokens that costs are compared by (None: those of the needs).
    """

    needs: Sequence[Needs]
    vectors: Sequence[bytes]
    tags: Sequence[tuple[str, ...]]
    sizes: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.needs)


class Way(Struct, frozen=True):
    """One result of deciding: the chance of each deployment, those without any left out. Empty: nobody can serve.

    ``policy`` are the chances where the draw falls to the policy, ``control`` where it falls to the reference; ``excluded``
    says of each deployment that cannot serve, why.
    """

    chance: dict[str, float]
    policy: dict[str, float]
    control: dict[str, float]
    excluded: dict[str, str]


@dataclass(frozen=True)
class Redecided:
    """What was decided: ``way`` (N,) is each request's place in ``ways``; what is expected of whom is in ``expected``."""

    ways: tuple[Way, ...]
    way: Indices
    expected: "Expected"


@dataclass(frozen=True)
class Expected:
    """What a policy (None: nothing is) expects of N requests with so many ``input_tokens`` (N,), on their service ``tiers``.

    ``same`` names, for a deployment that nothing was learned of, one of the same model of which something was.
    """

    policy: Policy | None
    estimates: Estimates | None
    input_tokens: Floats
    same: Mapping[str, str]
    tiers: tuple[str, ...] = ()

    def column(self, name: str) -> int | None:
        """Return the place of a deployment in the estimates, None where nothing was learned of it."""
        if self.policy is None or self.estimates is None:
            return None
        known = self.policy.deployments
        stands_for = name if name in known else self.same.get(name, "")
        return known.index(stands_for) if stands_for in known else None

    def quality(self, name: str) -> NDArray[np.float64]:
        """Return the quality expected of a deployment (N,), NaN where unknown."""
        column = self.column(name)
        if column is None or self.estimates is None:
            return np.full(len(self.input_tokens), np.nan)
        return self.estimates.quality[:, column].astype(np.float64)

    def output_tokens(self, name: str) -> Floats:
        """Return the tokens expected of a deployment's answers (N,), NaN where unknown."""
        column = self.column(name)
        if column is None or self.estimates is None:
            return np.full(len(self.input_tokens), np.nan)
        return self.estimates.tokens[:, column].astype(np.float64)

    def cost_nano(self, one: Deployment) -> Floats:
        """Return what a deployment is expected to cost (N,), in whole nano-dollars, as ``model.predict``; NaN: unknown."""
        column = self.column(one.name)
        if column is None or self.estimates is None:
            return np.full(len(self.input_tokens), np.nan)
        if one.price is None:
            return np.rint(self.estimates.recorded[:, column].astype(np.float64))
        output = self.output_tokens(one.name)
        return np.rint(self.on_tiers(one.price, lambda price: cost.expected(self.input_tokens, output, price)))

    def on_tiers(self, price: Price, costs: Callable[[Price], Floats]) -> Floats:
        """Return what ``costs`` says of N requests, each at the rates of its service tier."""
        found = costs(price)
        for tier in {one.tier for one in price.tiers}.intersection(self.tiers):
            found = np.where([each == tier for each in self.tiers], costs(price.on(tier)), found)
        return found


def redecide(
    snapshot: Snapshot, route: Route, feature: str, policy: Policy | None, asked: Asked, cooling: frozenset[str]
) -> Redecided:
    """Return what a snapshot decides for requests of a feature on a route, where ``cooling`` cannot be called."""
    plan, state = naming.plan_for(route, feature), State(cooling)
    reference = plan.reference or route.reference
    sizes = [needs.input_tokens for needs in asked.needs] if asked.sizes is None else asked.sizes
    size = np.array(sizes, dtype=np.float64)
    if reference is None:
        nothing = Expected(None, None, size, {})
        return Redecided(
            (Way({}, {}, {}, {"": "the route has no reference"}),), np.zeros(len(asked), dtype=np.int64), nothing
        )
    widest = decide.standing(snapshot, plan, reference, _NOTHING, State())
    same = {other: name for name in widest.acting for other in snapshot.siblings(name)} if snapshot.pools else {}
    tiers = tuple(each.tier for each in asked.needs)
    expected = Expected(policy, _estimates(policy, feature, asked), size, same, tiers)
    ways: list[Way] = []
    way = np.zeros(len(asked), dtype=np.int64)
    for needs, rows in _kinds(snapshot, widest, asked.needs):
        stand = decide.standing(snapshot, plan, reference, needs, state)
        for pick, chosen in _picks(snapshot, plan, stand, expected, rows):
            way[chosen] = len(ways)
            ways.append(_way(plan, stand, pick))
    return Redecided(tuple(ways), way, expected)


def _estimates(policy: Policy | None, feature: str, asked: Asked) -> Estimates | None:
    """Return what is expected of N requests; those without a readable vector are average ones."""
    if policy is None or not len(asked):
        return None
    tags = [(feature, *each) for each in asked.tags]
    readable = np.array([features.readable(vector) for vector in asked.vectors])
    if not readable.any():
        return model.estimate(policy, None, tags)
    vectors = np.zeros((len(asked), features.LENGTH), dtype=np.uint8)
    kept = b"".join([vector for vector, seen in zip(asked.vectors, readable, strict=True) if seen])
    vectors[readable] = np.frombuffer(kept, dtype=np.uint8).reshape(-1, features.LENGTH)
    starts = range(0, len(asked), _TOGETHER)
    parts = [model.estimate(policy, vectors[at : at + _TOGETHER], tags[at : at + _TOGETHER]) for at in starts]
    found = Estimates(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, parts), strict=True)))
    if not readable.all():
        blind = np.flatnonzero(~readable)
        plain = model.estimate(policy, None, [tags[row] for row in blind])
        for whole, part in zip(_arrays(found), _arrays(plain), strict=True):
            whole[blind] = part
    return found


def _arrays(found: Estimates) -> tuple[NDArray[np.float32], ...]:
    return found.quality, found.quality_sd, found.recorded, found.tokens


def _kinds(snapshot: Snapshot, widest: Standing, needs: Sequence[Needs]) -> list[tuple[Needs, Indices]]:
    """Return one request's needs for each kind that the same deployments can serve, and the rows of that kind."""
    names = (*widest.eligible, *widest.excluded)
    sizes = sorted({size for name in names if (size := naming.deployment(snapshot, name).context_tokens) is not None})
    rows: dict[object, list[int]] = {}
    for row, each in enumerate(needs):
        beyond = bisect_left(sizes, each.input_tokens + (each.max_output_tokens or 0))
        speech = tuple(each.unspeakable.items()) if each.unspeakable else ()
        kind = (beyond, each.tools, each.json_schema, each.media, each.held_by, speech, each.demands)
        rows.setdefault(kind, []).append(row)
    return [(needs[found[0]], np.array(found)) for found in rows.values()]


def _picks(
    snapshot: Snapshot, plan: Plan, stand: Standing, expected: Expected, rows: Indices
) -> list[tuple[str | None, Indices]]:
    """Return the models to use first, and for which rows; None: nobody (where nothing acts, the reference serves alone)."""
    if not plan.acts or not stand.acting:
        return [(stand.home, rows)]
    if plan.one_model in stand.acting:
        return [(plan.one_model, rows)]
    if expected.policy is None:
        return [(stand.home or stand.acting[0], rows)]
    place = _first(snapshot, plan, stand, expected, rows)
    return [(stand.acting[each], rows[place == each]) for each in np.unique(place)]


def _first(snapshot: Snapshot, plan: Plan, stand: Standing, expected: Expected, rows: Indices) -> Indices:
    """Return the place in ``acting`` of the model with the largest utility, as ``objective.first``."""
    order = [name for name in stand.eligible if name in stand.acting]
    order += [name for name in stand.acting if name not in order]
    quality = np.stack([expected.quality(name)[rows] for name in order], axis=1)
    costs = np.stack([expected.cost_nano(naming.deployment(snapshot, name))[rows] for name in order], axis=1)
    cheapness = np.where(np.isnan(costs), _NOWHERE, -costs)
    known = ~np.isnan(quality)
    utility = np.where(known, quality, _NOWHERE)
    if plan.value_nano is not None:
        priced = (known & ~np.isnan(costs)).any(axis=1, keepdims=True)
        utility = np.where(priced & known, plan.value_nano * np.where(known, quality, 0.0) + cheapness, utility)
    best = utility == utility.max(axis=1, keepdims=True)
    cheapest = np.where(best, cheapness, _NOWHERE)
    best &= cheapest == cheapest.max(axis=1, keepdims=True)
    if stand.reference in order:
        home = order.index(stand.reference)
        best[best[:, home]] = np.arange(len(order)) == home
        best[utility[:, home] == _NOWHERE] = np.arange(len(order)) == home
    places = np.array([stand.acting.index(name) for name in order])
    found: Indices = places[best.argmax(axis=1)]
    return found


def _way(plan: Plan, stand: Standing, pick: str | None) -> Way:
    """Return what is decided where ``pick`` is the model to use first."""
    if pick is None:
        return Way({}, {}, {}, stand.excluded)
    acting = plan.acts and bool(stand.acting)
    share = 0.0 if not acting else 1.0 if stand.home is None else plan.acting_share
    policy, control = stand.places[pick], stand.places[stand.home or pick]
    found: dict[str, float] = {}
    for places, part in ((policy, share), (control, 1.0 - share)):
        for name, within in places.items() if part > 0.0 else ():
            found[name] = found.get(name, 0.0) + part * within
    return Way(found, policy, control, stand.excluded)

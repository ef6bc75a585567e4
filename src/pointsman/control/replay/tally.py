"""One stretch of the journal decided again: sums that add up, whatever the stretches are and whoever reads them.

Strategy: exchanges are grouped by route and feature and decided together (``policy/redecide``). What a deployment would have
cost is what it did cost where it served; elsewhere it is the question's tokens and those its answer is expected to have, at
its price.

Laws: an exchange is counted once; its chances add up to 1, or it is counted as one that nobody can serve; recorded money is
never worked out again unless the price is what the question changes; what has no price is counted and never guessed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pointsman.control.replay.graded import Draws, Judged, Parts, judged, timed
from pointsman.control.replay.question import World
from pointsman.core.chat import Usage
from pointsman.core.routing import Needs
from pointsman.policy import features, naming
from pointsman.policy.cost import amount, expected_cached
from pointsman.policy.estimate import Sums
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats
from pointsman.policy.redecide import Asked, Redecided, Way, redecide
from pointsman.store.past import Grade, Past

CHOSEN_BY_CLIENTS: Final = ("pinned", "observed")
NAMED_BY_CLIENTS: Final = "the client named the model"
FAILED: Final = "failed"
INSIDE: Final = "inside conversations"
ASSUMED: Final = "needs assumed"
BLIND: Final = "without a vector"
TWICE: Final = "may be asked twice"
_TOOLS, _SCHEMA, _MEDIA = 6, 7, 8  # of a vector: see policy/features
_Table = dict[tuple[str, ...], NDArray[np.float64]]
_Sums = dict[tuple[str, str], Sums]


@dataclass
class Tally:
    """Sums over exchanges.

    ``before`` by (feature, deployment): exchanges, nano-dollars, those without a known cost. ``after`` by (feature,
    deployment then, deployment now): exchanges, those that it answered then, nano-dollars of these, nano-dollars expected of
    the others, those without a known cost. ``unserved`` by (feature, deployment then, reason): exchanges, nano-dollars.
    ``kinds`` by what was special about exchanges. ``quality`` and ``change`` under other choices and ``today``, ``latency``
    under other choices and what answers ``took``, by feature; ``untried`` by (feature, deployment): the chance of it among
    graded exchanges where it was never tried.
    """

    before: _Table = field(default_factory=dict)
    after: _Table = field(default_factory=dict)
    unserved: _Table = field(default_factory=dict)
    kinds: _Table = field(default_factory=dict)
    untried: _Table = field(default_factory=dict)
    quality: _Sums = field(default_factory=dict)
    change: _Sums = field(default_factory=dict)
    today: _Sums = field(default_factory=dict)
    latency: _Sums = field(default_factory=dict)
    took: _Sums = field(default_factory=dict)

    def merge(self, other: "Tally") -> None:
        """Add another tally's sums."""
        for name in ("before", "after", "unserved", "kinds", "untried"):
            for key, values in getattr(other, name).items():
                add(getattr(self, name), key, *values)
        for name in ("quality", "change", "today", "latency", "took"):
            for key, more in getattr(other, name).items():
                _add(getattr(self, name), key, more)


@dataclass(frozen=True)
class Whose:
    """Whose grades count for each feature, and the largest weights that grades and latencies may have there."""

    graders: dict[str, str]
    graded: dict[str, float]
    answered: dict[str, float]


def add(table: _Table, key: tuple[str, ...], *values: float) -> None:
    """Add values to a table's entry."""
    if key in table:
        table[key] += values
    else:
        table[key] = np.array(values, dtype=np.float64)


def tally(
    world: World,
    policies: Callable[[str], Policy | None],
    pasts: Sequence[Past],
    grades: Iterable[Grade],
    whose: Whose,
    beginnings: Iterable[Past] = (),
) -> Tally:
    """Return the sums over exchanges. ``policies`` gives the learned policy of a name.

    ``beginnings`` are the exchanges that began the conversations of others: these go where those would go.
    """
    begun = {past.id: past for past in beginnings}
    found = Tally()
    routed: dict[tuple[str, str], list[Past]] = {}
    _record(found, pasts)
    for past in pasts:
        route = _route(world, past)
        if past.outcome == "error":
            add(found.kinds, (past.feature, FAILED), 1)
            add(found.after, (past.feature, past.deployment, past.deployment), 0, 0, past.cost_nano or 0, 0, 0)
        elif route:
            routed.setdefault((route, past.feature), []).append(past)
        else:
            _stays(found, world, past)
    by_exchange = {name: list(rows) for name, rows in groupby(sorted(grades, key=_exchange), _exchange)}
    for (route, feature), rows in routed.items():
        plan = naming.plan_for(world.snapshot.routes[route], feature)
        policy = policies(plan.policy or route)
        asked = _asked(rows, begun)
        again = redecide(world.snapshot, world.snapshot.routes[route], feature, policy, asked, world.lost)
        _note_kinds(found, world, route, feature, rows)
        _spend(found, world, feature, plan.mode, rows, again)
        grader, most = whose.graders.get(feature, ""), whose.graded.get(feature, 0.0)
        draws = Draws.of(rows, again)
        _keep(found, feature, judged(rows, again, draws, by_exchange, grader, most))
        then, now = timed(rows, draws, whose.answered.get(feature, 0.0))
        _add_parts(found.latency, feature, then)
        _add(found.took, (feature, ""), now)
    return found


def _record(found: Tally, pasts: Sequence[Past]) -> None:
    """Count who answered, and for how much."""
    costs: dict[tuple[str, str], list[int | None]] = {}
    for past in pasts:
        costs.setdefault((past.feature, past.deployment), []).append(past.cost_nano)
    for key, paid in costs.items():
        known = [cost for cost in paid if cost is not None]
        add(found.before, key, len(paid), sum(known), len(paid) - len(known))


def _asked(rows: Sequence[Past], begun: Mapping[str, Past]) -> Asked:
    """Return requests as they are decided again: those inside a conversation by what began it, where they can go there."""
    needs = [needs_of(past) for past in rows]
    if not begun:
        return Asked(needs, [past.vector for past in rows], [_tags(past) for past in rows])
    first = [begun.get(past.decision.course, past) if past.decision is not None else past for past in rows]
    sizes = [needs_of(past).input_tokens for past in first]
    return Asked(needs, [past.vector for past in first], [_tags(past) for past in first], sizes)


def needs_of(past: Past) -> Needs:
    """Return what a request needed. Where that was not recorded, it is read from its vector and its usage."""
    if past.decision is not None and past.decision.needs is not None:
        return past.decision.needs
    size = next((call.usage.input for call in reversed(past.calls) if call.usage is not None), 0)
    if not features.readable(past.vector):
        return Needs(size)
    seen = past.vector
    media = frozenset({"image"}) if seen[1 + _MEDIA] else frozenset[str]()
    return Needs(size, tools=bool(seen[1 + _TOOLS]), json_schema=bool(seen[1 + _SCHEMA]), media=media)


def _exchange(grade: Grade) -> str:
    return grade.exchange


def _tags(past: Past) -> tuple[str, ...]:
    return past.decision.tags if past.decision is not None else ()


def _route(world: World, past: Past) -> str:
    """Return the route by which an exchange is decided again, empty where its client had named a model."""
    named = past.decision is None or past.decision.arm in CHOSEN_BY_CLIENTS
    if not named and past.route in world.snapshot.routes:
        return past.route
    return world.route if named else ""


def _stays(found: Tally, world: World, past: Past) -> None:
    """Count an exchange that no route decides: its model answers, or the same one elsewhere, or nobody."""
    who, cost = past.deployment, past.cost_nano
    if who not in world.lost:
        paid = _paid(world, past, who)
        add(found.after, (past.feature, who, who), 1, 1, 0 if np.isnan(paid) else paid, 0, bool(np.isnan(paid)))
        return
    then = past.decision
    others = () if then is None or then.arm == "pinned" else then.eligible
    other = next((name for name in others if name not in world.lost), None)
    if other is None:
        add(found.unserved, (past.feature, who, NAMED_BY_CLIENTS), 1, cost or 0)
        return
    one = naming.deployment(world.snapshot, other)
    usage = _usage(past)
    known = one.price is not None and usage is not None
    again = amount(usage, one.price) if usage is not None and one.price is not None else 0
    add(found.after, (past.feature, who, other), 1, 0, 0, again, not known)


def _note_kinds(found: Tally, world: World, route: str, feature: str, rows: Sequence[Past]) -> None:
    drawn = [past.decision for past in rows]
    counts = {
        INSIDE: sum(one is not None and bool(one.course) for one in drawn),
        ASSUMED: sum(one is None or one.needs is None for one in drawn),
        BLIND: sum(not features.readable(past.vector) for past in rows),
        TWICE: len(rows) if route in world.snapshot.askings else 0,
    }
    for kind, count in counts.items():
        if count:
            add(found.kinds, (feature, kind), count)


def _usage(past: Past) -> Usage | None:
    calls = past.calls
    if len(calls) == 1:
        return calls[0].usage
    return next((call.usage for call in reversed(calls) if call.usage is not None and not call.unused), None)


def _paid(world: World, past: Past, name: str) -> float:
    """Return what a deployment's calls cost, NaN where unknown: as recorded, or at the question's price."""
    if len(past.calls) == 1 and name not in world.repriced:
        cost = past.calls[0].cost_nano
        return np.nan if cost is None else float(cost)
    own = [call for call in past.calls if call.deployment == name]
    if name in world.repriced:
        price = naming.deployment(world.snapshot, name).price
        costs = [amount(call.usage, price) for call in own if call.usage is not None and price is not None]
    else:
        costs = [call.cost_nano for call in own if call.cost_nano is not None]
    return float(sum(costs)) if costs else np.nan


def _payments(world: World, rows: Sequence[Past]) -> dict[str, Floats]:
    """Return what each deployment's calls cost (N,), NaN where it was not called, or nobody knows."""
    found: dict[str, Floats] = {}
    for row, past in enumerate(rows):
        for call in past.calls:
            name = call.deployment
            if name not in found:
                found[name] = np.full(len(rows), np.nan)
            found[name][row] = _paid(world, past, name)
    return found


def _arm(past: Past, mode: str) -> int:
    """Return to whom the draw falls: 1 the policy, 2 the reference, as then; 0: drawn anew, as the plan is another."""
    then = past.decision
    return 0 if then is None or then.mode != mode else {"policy": 1, "control": 2}.get(then.arm, 0)


def _spend(found: Tally, world: World, feature: str, mode: str, rows: Sequence[Past], again: Redecided) -> None:
    """Add what exchanges decided again would have cost, or that nobody could have served them."""
    names = list(dict.fromkeys(past.deployment for past in rows))
    place = {name: number for number, name in enumerate(names)}
    then = np.array([place[past.deployment] for past in rows])
    arms = np.array([_arm(past, mode) for past in rows])
    paid = _payments(world, rows)
    tokens = _tokens(rows)
    costs: dict[str, Floats] = {}
    alike = (again.way * 3 + arms) * len(names) + then
    for kind in np.unique(alike).tolist():
        at, who = np.flatnonzero(alike == kind), names[kind % len(names)]
        way, arm = again.ways[kind // len(names) // 3], kind // len(names) % 3
        chances = (way.chance, way.policy, way.control)[arm]
        if not chances:
            recorded = sum(rows[row].cost_nano or 0 for row in at.tolist())
            add(found.unserved, (feature, who, _reason(way, world.lost)), len(at), recorded)
        for name, chance in chances.items():
            if name not in costs:
                costs[name] = _expected(world, again, name, tokens)
            known = paid[name][at] if name in paid else np.full(len(at), np.nan)
            exact = np.isfinite(known)
            expected = costs[name][at][~exact]
            values = (len(at), exact.sum(), known[exact].sum(), np.nansum(expected), np.isnan(expected).sum())
            add(found.after, (feature, who, name), *(chance * float(value) for value in values))


def _tokens(rows: Sequence[Past]) -> Floats:
    """Return tokens of input, of output, read from a cache and written to one (4, N), as billed then; NaN: unknown."""
    billed = []
    for past in rows:
        usage = _usage(past)
        if usage is None:
            billed.append((needs_of(past).input_tokens, np.nan, 0, 0))
        else:
            billed.append((usage.input, usage.output, usage.cached, usage.cache_written))
    return np.array(billed, dtype=np.float64).T


def _expected(world: World, again: Redecided, name: str, tokens: Floats) -> Floats:
    """Return what a deployment is expected to cost (N,): the input as it was, the output as learned, else as it was."""
    one = naming.deployment(world.snapshot, name)
    if one.price is None:
        return again.expected.cost_nano(one)
    taken, given, cached, written = tokens
    output = again.expected.output_tokens(name)
    answered = np.where(np.isnan(output), given, output)
    return np.rint(
        again.expected.on_tiers(one.price, lambda price: expected_cached(taken, answered, cached, written, price))
    )


def _reason(way: Way, lost: frozenset[str]) -> str:
    """Say why nobody can serve: what keeps those who are not lost, or that there are none."""
    others = [reason for name, reason in way.excluded.items() if name not in lost]
    if not others:
        return "nothing else may answer here"
    return "too long for what is left" if others[0].startswith("holds ") else f"what is left {others[0]}"


def _keep(found: Tally, feature: str, said: Judged) -> None:
    _add_parts(found.quality, feature, said.quality)
    _add_parts(found.change, feature, said.change)
    _add(found.today, (feature, ""), said.today)
    for name, chance in said.untried.items():
        add(found.untried, (feature, name), chance)


def _add_parts(table: _Sums, feature: str, parts: Parts) -> None:
    for drawn, more in parts.items():
        _add(table, (feature, drawn), more)


def _add(table: _Sums, key: tuple[str, str], more: Sums) -> None:
    table[key] = table.get(key, Sums()) + more

"""A price changed: every decision that leaned on it is made again.

Strategy: what a provider said of the tokens is kept with every judgement and every exchange, so that costs can be worked out
at the prices of today beside those that were paid. Where one model serves, its trial is read again; where it is chosen per
request, or there was no trial, what both arms used since the last step.

Laws: a decision whose costs are what they were is left alone, also one that its owner took despite its verdict; none goes
back because it costs less beside the reference than it did. One that by its trial is no longer certainly or probably
cheaper, or by what both arms used is certainly dearer (``policy/gates``), goes back to the reference, and its reason is
published; every other is said to stay.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from msgspec import Struct

from pointsman.control import plans, wave
from pointsman.control.evidence import today
from pointsman.control.publish import publish
from pointsman.control.verdict import cost_ratio, gather, is_cheaper
from pointsman.core.chat import Usage
from pointsman.core.price import Price
from pointsman.core.record import Judgement
from pointsman.core.routing import Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.policy.gates import Sums, dearer
from pointsman.store.interfaces import Filter, Journal, Store

_ROUNDED: Final = 0.001  # what means of tokens, in whole numbers, and tiers of long inputs may make of equal prices

Prices = dict[str, Price | None]


class Repriced(Struct, frozen=True):
    """One decision made again: cost over the reference's as it was paid and at today's prices, on ``n`` requests."""

    route: str
    plan: Plan
    was: float
    now: float
    n: int
    stays: bool

    @property
    def why(self) -> str:
        """What came of it, in half a sentence."""
        serving = wave.serves(self.plan)
        changed = (
            f"{100 * (self.was - 1):+.0f} % before, {100 * (self.now - 1):+.0f} % at today's prices, {self.n:,} requests"
        )
        if not self.stays:
            told = "is no longer cheaper than"
        elif self.now < 1:
            told = "is still cheaper than"
        else:
            told = "is not certainly dearer than" if self.now > self.was else "costs no more than it did beside"
        return f"{serving} {told} {self.plan.reference} ({changed})"


def again(journal: Journal, snapshot: Snapshot) -> Iterator[Repriced]:
    """Yield every decision that acts and whose costs are others at the prices of a snapshot. Raises StoreError."""
    for route in snapshot.routes.values():
        for plan in route.plans.values():
            if plan.acts and plan.accepted:
                found = _of_trial(journal, snapshot, route, plan) or _of_arms(journal, snapshot, route, plan)
                if found is not None and found.was != found.now:
                    yield found


def _of_trial(journal: Journal, snapshot: Snapshot, route: Route, plan: Plan) -> Repriced | None:
    """Make the decision for one model again from what it was judged on; None where there is no such trial."""
    if plan.one_model is None:
        return None
    judged = [
        one
        for one in journal.judgements(Filter(feature=None if plan.feature == plans.EVERY else plan.feature))
        if one.arm in ("reference", "candidate") and plans.is_current(snapshot, route.name, plan.feature, one.trial)
    ]
    paid, priced = (_costs(one, plan.one_model) for one in (judged, [*today(judged, snapshot)]))
    was, now = cost_ratio(paid), cost_ratio(priced)
    if was is None or now is None:
        return None
    cheaper = is_cheaper(priced)
    stays = now.value <= was.value or cheaper or (cheaper is None and now.value < 1)
    return Repriced(route.name, plan, was.value, now.value, now.n, stays=stays)


def _costs(judged: Sequence[Judgement], candidate: str) -> list[tuple[int, int]]:
    gathered = gather(judged).items()
    return [pair for (_, name, _), evidence in gathered if name == candidate for pair in evidence.costs]


def _of_arms(journal: Journal, snapshot: Snapshot, route: Route, plan: Plan) -> Repriced | None:
    """Make a decision again from what both arms used; None where one of them has served nothing, or without prices."""
    every = plan.feature == plans.EVERY
    wanted = Filter(feature=None if every else plan.feature, since_ms=plan.since_ms, route=route.name)
    sums = {"policy": [0.0, 0.0, 0], "control": [0.0, 0.0, 0]}
    for line in journal.spend(wanted):
        deployment = snapshot.deployments.get(line.deployment)
        requests = line.requests - line.unpriced
        if (
            line.arm not in sums
            or not _own(route, plan, line.feature)
            or not requests
            or deployment is None
            or deployment.price is None
        ):
            continue
        mean = (round(of / requests) for of in (line.input_tokens, line.output_tokens, line.cached_tokens))
        taken, given, cached = mean
        usage = Usage(taken, given, cached=cached, cache_written=round(line.cache_written_tokens / requests))
        arm = sums[line.arm]
        arm[0] += line.cost_nano
        arm[1] += requests * amount(usage, deployment.price)
        arm[2] += requests
    policy, control = sums["policy"], sums["control"]
    if not policy[2] or not control[2] or not control[0] or not control[1]:
        return None
    was, now = (policy[at] / policy[2] / (control[at] / control[2]) for at in (0, 1))
    if abs(now / was - 1) < _ROUNDED:
        return None
    stays = now < 1 or now <= was or not _dearer(journal, snapshot, route, plan, wanted)
    return Repriced(route.name, plan, was, now, int(policy[2]), stays=stays)


def _own(route: Route, plan: Plan, feature: str) -> bool:
    return feature == plan.feature or (plan.feature == plans.EVERY and feature not in route.plans)


def _dearer(journal: Journal, snapshot: Snapshot, route: Route, plan: Plan, wanted: Filter) -> bool:
    """Whether what the policy's arm used certainly costs more at today's prices; a conversation is one cost."""
    costs: dict[str, dict[str, int]] = {"policy": {}, "control": {}}
    for one in journal.exchanges(wanted):
        decision = one.decision
        if decision is None or decision.arm not in costs or not _own(route, plan, one.feature):
            continue
        of, course = costs[decision.arm], decision.course or one.id
        for attempt in one.attempts:
            deployment = snapshot.deployments.get(attempt.deployment)
            if attempt.usage is not None and deployment is not None and deployment.price is not None:
                of[course] = of.get(course, 0) + amount(attempt.usage, deployment.price)
    policy, control = (
        Sums(len(of), float(sum(of.values())), float(sum(cost * cost for cost in of.values()))) for of in costs.values()
    )
    return dearer(policy, control)


class PriceWatch:
    """Makes decisions again whenever a price changes that one leans on, and once at the beginning."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._store, self._now_ms, self._say = store, now_ms, say
        self._seen: Prices | None = None

    def look(self, current: Snapshot) -> None:
        """Look at the prices of all that acts, and of the references. Raises StoreError, SnapshotError."""
        prices = _leaned_on(current)
        before, self._seen = self._seen, prices
        if prices == before:
            return
        for name, price in prices.items() if before is not None else ():
            was = before.get(name, price) if before is not None else price
            if was != price:
                self._say(f"the price of {name} changed from {_spelt(was)} to {_spelt(price)}")
        for found in again(self._store.journal, current):
            where = f"{found.plan.feature} on route {found.route}"
            if found.stays:
                self._say(f"{where}: {found.why}; it stays")
                continue
            step = partial(_back, found=found, now_ms=self._now_ms())
            number = self._store.snapshots.current_number()
            if publish(self._store, step, made_by="prices", now_ms=self._now_ms()).number > number:
                self._say(f"{where} went back to {found.plan.reference}: {found.why}. Others: pointsman trial")


def _back(snapshot: Snapshot, found: Repriced, now_ms: int) -> Snapshot:
    route = snapshot.routes.get(found.route)
    if route is None or route.plans.get(found.plan.feature) != found.plan:
        return snapshot  # somebody acted on it meanwhile
    return plans.rollback(snapshot, found.route, found.plan.feature, now_ms=now_ms, why=found.why)


def _leaned_on(current: Snapshot) -> Prices:
    plans_ = [plan for route in current.routes.values() for plan in route.plans.values() if plan.acts]
    names = dict.fromkeys(name for plan in plans_ for name in (plan.reference, *plan.accepted) if name is not None)
    return {name: current.deployments[name].price for name in names if name in current.deployments}


def _spelt(price: Price | None) -> str:
    return "unknown" if price is None else f"${price.rates.input} in, ${price.rates.output} out"

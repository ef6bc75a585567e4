"""The gates of what acts: a canary that fails no more often moves on by itself, and what does worse goes back by itself.

Strategy: each feature that acts is compared with its control share (``policy/gates``): failures and latency from the
exchanges as they come, costs from the journal's sums over courses, quality from the answers that were graded as served, by
the feature's own check and by everybody who sent feedback. What was read is remembered, so that each look reads what is
new; after a restart all is read once more, and says the same.

Laws: a request fails where its client got no whole answer, or where another deployment had to stand in: a model that is
never there is not as good as the one that answers for it. A conversation is one draw of chance, and gives one value: whether
its first request failed, how long that took, one grade by each grader; an outcome of the whole says one thing, in the arm of
its first request. Only exchanges of the route since the last step count, and grades of them. One decision follows from what
was served under the plan in force: where somebody acted on the plan meanwhile nothing happens. Looking takes a twentieth of
the time at most.
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from pointsman.control import plans
from pointsman.control.publish import publish
from pointsman.control.verdict import dollars
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.routing import Gates, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.gates import Gate, Measure, Sums, dearer
from pointsman.store.interfaces import Filter, Journal, Store

LEAST: Final = 200
"""A canary is promoted after so many requests at least."""
_WAITING: Final = 1_000  # grades whose exchange is not written yet are remembered, the newest so many
_Key = tuple[str, bytes, Gates]


@dataclass
class _Tally:
    """What one arm came to, for people: requests that were drawn, failures, grades and their sum, by grader."""

    requests: int = 0
    failures: int = 0
    grades: dict[str, tuple[int, float]] = field(default_factory=dict)


class Watched:
    """One feature that acts, as far as its exchanges and grades were read."""

    def __init__(self, route: Route, plan: Plan) -> None:
        self._route, self._plan = route, plan
        self._feature = None if plan.feature == plans.EVERY else plan.feature
        self._tolerance = plan.tolerance if plan.tested is None else plan.tested.tolerance
        self.gate = Gate(plan.acting_share, self._tolerance, route.gates)
        self.tallies = {"policy": _Tally(), "control": _Tally()}
        self.dear = ""
        self._last = 0  # number of the exchange that was read last
        self._judged = 0  # number of the grade that was
        self._waiting: dict[tuple[str, str], Judgement] = {}
        self._graded: set[tuple[str, str]] = set()

    def read(self, journal: Journal) -> None:
        """Take what is new in the journal. Raises StoreError."""
        self._take_exchanges(journal)
        self._take_grades(journal)
        self._take_costs(journal)

    @property
    def worse(self) -> Measure | None:
        """What it is certainly worse at than is tolerated; None: nothing so far."""
        return self.gate.worse or ("cost" if self.dear else None)

    def why(self, measure: Measure) -> str:
        """Return what was found, in half a sentence."""
        ours, theirs = self.tallies["policy"], self.tallies["control"]
        gates = self._route.gates
        if measure == "errors":
            return (
                f"its requests fail more often ({_rate(ours)}) than the reference's ({_rate(theirs)}), by more than "
                f"the {100 * gates.errors:.3g} points tolerated"
            )
        if measure == "latency":
            return f"its answers typically take more than {gates.latency:.3g} times as long as the reference's"
        if measure == "cost":
            return self.dear
        said = "; ".join(f"{grader}: {_mean(ours, grader)} against {_mean(theirs, grader)}" for grader in ours.grades)
        return f"its answers are worse than the {100 * self._tolerance:.3g} points tolerated ({said})"

    def _own(self, feature: str) -> bool:
        """Whether this plan is a feature's: ``*`` stands for all that have no plan of their own."""
        return feature == self._plan.feature or (self._plan.feature == plans.EVERY and feature not in self._route.plans)

    def _wanted(self) -> Filter:
        return Filter(feature=self._feature, since_ms=self._plan.since_ms, route=self._route.name)

    def _take_exchanges(self, journal: Journal) -> None:
        failed: dict[str, list[float]] = {"policy": [], "control": []}
        took: dict[str, list[float]] = {"policy": [], "control": []}
        for number, one in journal.arrived(self._wanted(), after=self._last):
            self._last = number
            decision = one.decision
            if decision is None or decision.course or decision.arm not in failed or not self._own(one.feature):
                continue  # one that goes on with a conversation was not drawn
            tally, bad = self.tallies[decision.arm], _failed(one)
            tally.requests += 1
            tally.failures += bad
            failed[decision.arm].append(float(bad))
            if one.outcome == "ok":
                took[decision.arm].append(one.latency_ms)
        self.gate.failed(failed["policy"], failed["control"])
        self.gate.took(took["policy"], took["control"])

    def _take_grades(self, journal: Journal) -> None:
        found: dict[str, dict[str, list[float]]] = {}
        fresh = self._waiting
        wanted = Filter(feature=self._feature, since_ms=self._plan.since_ms)
        for number, judged in journal.judged(wanted, after=self._judged):
            self._judged = number
            if self._counts(judged):
                fresh[judged.exchange, judged.grader] = judged
        exchanges = journal.named({one.exchange for one in fresh.values()})
        waiting = [(key, one) for key, one in fresh.items() if one.exchange not in exchanges]
        self._waiting = dict(waiting[-_WAITING:])
        for judged in fresh.values():
            exchange = exchanges.get(judged.exchange)
            if exchange is None:
                continue  # not written yet: it waits for the next look
            course = self._course(exchange, judged)
            if course is None or (course, judged.grader) in self._graded or judged.score is None:
                continue
            self._graded.add((course, judged.grader))
            grades = self.tallies[judged.arm].grades
            n, total = grades.get(judged.grader, (0, 0.0))
            grades[judged.grader] = (n + 1, total + judged.score)
            found.setdefault(judged.grader, {"policy": [], "control": []})[judged.arm].append(judged.score)
        for grader, arms in found.items():
            self.gate.graded(grader, arms["policy"], arms["control"], paired=grader.startswith("judge"))

    def _counts(self, judged: Judgement) -> bool:
        """Whether a served answer's grade is by the feature's check of today, or by people: different checks do not mix."""
        if judged.trial or judged.arm not in self.tallies or not self._own(judged.feature):
            return False
        today = plans.grader_name(self._plan.grader) if self._plan.grader is not None else ""
        return judged.grader == today or not judged.by_check

    def _course(self, exchange: ExchangeRecord, judged: Judgement) -> str | None:
        """Return what chance drew for: None where the exchange was not served under this plan, or by the other arm."""
        decision = exchange.decision
        if decision is None or exchange.route != self._route.name or exchange.at_ms < self._plan.since_ms:
            return None
        if judged.weight < 1:  # of a whole conversation, each of whose answers may have been drawn by itself
            return None if decision.course or decision.arm != judged.arm else exchange.conversation or exchange.id
        return decision.course or exchange.id if decision.arm == judged.arm else None

    def _take_costs(self, journal: Journal) -> None:
        sums = {arm: Sums(0, 0.0, 0.0) for arm in self.tallies}
        every = self._plan.feature == plans.EVERY
        wanted = [(self._plan.feature, 1)] if not every else [(None, 1), *((name, -1) for name in self._route.plans)]
        for feature, sign in wanted:
            if feature == plans.EVERY:
                continue
            since = Filter(feature=feature, since_ms=self._plan.since_ms, route=self._route.name)
            for line in journal.courses(since):
                if line.arm in sums:
                    old = sums[line.arm]
                    squares = old.squares + sign * line.cost_nano_squared
                    sums[line.arm] = Sums(old.n + sign * line.priced, old.total + sign * line.cost_nano, squares)
        policy, control = sums["policy"], sums["control"]
        if dearer(policy, control, self._route.gates.cost):
            self.dear = (
                f"its requests cost more than the reference's: {dollars(round(1000 * policy.total / policy.n))} against "
                f"{dollars(round(1000 * control.total / control.n))} for 1,000"
            )


class Gatekeeper:
    """Looks at all that acts, publishes what follows, and says it."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._store, self._now_ms, self._say = store, now_ms, say
        self._watched: dict[_Key, Watched] = {}
        self._said: set[_Key] = set()

    def look(self, current: Snapshot) -> None:
        """Look at each feature that acts. Raises SnapshotError, StoreError."""
        acting = dict(_acting(current))
        self._watched = {key: self._watched.get(key) or Watched(*both) for key, both in acting.items()}
        self._said &= acting.keys()
        for key, (route, plan) in acting.items():
            if key not in self._said:
                self._watched[key].read(self._store.journal)
                if self._act(route, plan, self._watched[key]):
                    self._said.add(key)

    def _act(self, route: Route, plan: Plan, watched: Watched) -> bool:
        """Do and say what follows; return whether all is said that there is to say."""
        worse, where, now_ms = watched.worse, _where(route, plan), self._now_ms()
        if worse is not None and not route.gates.rollback:
            self._say(f"{where}: {watched.why(worse)}. Undo it with: pointsman rollback {shlex.quote(plan.feature)}")
            return True
        if worse is not None:
            why = watched.why(worse)
            if not self._publish(route, plan, partial(plans.rollback, feature=plan.feature, now_ms=now_ms, why=why)):
                return False
            self._say(f"{where} went back from {plan.mode} to {plan.reference or route.reference} by itself: {why}")
            return True
        ours, theirs = watched.tallies["policy"], watched.tallies["control"]
        if plan.mode != "canary" or not watched.gate.sound or ours.requests < LEAST:
            return False
        said = f"{_rate(ours)} requests failed, {_rate(theirs)} of what was held back"
        if not route.gates.promote:
            self._say(f"{where} is ready for auto: {said}. Next: pointsman accept {shlex.quote(plan.feature)}")
        elif self._publish(route, plan, partial(plans.promote, feature=plan.feature, now_ms=now_ms)):
            self._say(f"{plan.feature} promoted from canary to auto: {said}")
        return not route.gates.promote

    def _publish(self, route: Route, plan: Plan, step: Callable[..., Snapshot]) -> bool:
        """Publish a step; return False where somebody acted on the plan meanwhile, and what was served says nothing."""
        number = self._store.snapshots.current_number()

        def change(snapshot: Snapshot) -> Snapshot:
            now = snapshot.routes.get(route.name)
            return snapshot if now is None or now.plans.get(plan.feature) != plan else step(snapshot, route=route.name)

        return publish(self._store, change, made_by="gates", now_ms=self._now_ms()).number > number


def _acting(current: Snapshot) -> Iterator[tuple[_Key, tuple[Route, Plan]]]:
    for route in current.routes.values():
        for plan in route.plans.values():
            if plan.acts:
                # Whom to try and how often it was tested change with every lesson, and nothing of what serves.
                serves = msgspec.msgpack.encode(replace(plan, explore=None, explorable={}, tests=0))
                yield (route.name, serves, route.gates), (route, plan)


def _failed(one: ExchangeRecord) -> bool:
    """Whether a request failed, or would have, had no other deployment stood in."""
    return one.outcome in ("error", "cut") or any(attempt.cause == "fallback" for attempt in one.attempts)


def _where(route: Route, plan: Plan) -> str:
    return f"{'what was learned' if plan.feature == plans.EVERY else plan.feature} on route {route.name}"


def _rate(tally: _Tally) -> str:
    return f"{tally.failures:,} of {tally.requests:,}"


def _mean(tally: _Tally, grader: str) -> str:
    n, total = tally.grades.get(grader, (0, 0.0))
    return f"{100 * total / n:.1f} % of {n:,}" if n else "nothing"

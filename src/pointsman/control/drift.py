"""Deployments that change without a word: found among the grades of their answers, and what follows from it.

Strategy: every deployment that acts, or is compared with, is watched by the grades that it gets anyway (feature by feature,
grader by grader) and by those of canary prompts, which are asked again and again (``control/canaries``). An alarm
(``policy/drift``) is published: what was judged before the change is not used any more, and the deployment serves nothing
until it was tested anew.

Laws: of live grades only those count whose requests no policy chose: of trials, and of what is held back or serves before
anything acts, each kind by itself. What a policy sends a deployment, or tries on it, becomes harder or easier with every
policy, which is no change of the model. All requests may become harder, too: so a grade counts beyond what was predicted of
that answer when its request came, where something was, apart from those of which nothing was. The reference cannot be left
out, since there is nothing else to go back to; what was compared with it before the change counts no more, and that is said.
What serves per request goes on without the one that changed.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from msgspec.structs import replace

from pointsman.control import plans, wave
from pointsman.control.publish import publish
from pointsman.core.record import Judgement
from pointsman.core.release import Change
from pointsman.core.routing import Plan
from pointsman.core.snapshot import Snapshot
from pointsman.policy.drift import Alarm, Detector, Graded
from pointsman.store.interfaces import Filter, Journal, Store

CANARY: Final = "canary:"
"""How the trial of a canary prompt begins, and the id of its exchange, which goes on with the prompt's and the time."""
_REMEMBERED: Final = 10_000  # an answer that its grader judges again is known as long as it is among so many

_UNCHOSEN: Final = ("control", "reference", "candidate")
"""Arms whose requests are what comes, whatever policy is in force."""

_PAGE: Final = 200

_Stream = tuple[str, str, str, bool, bool]  # feature, grader, arm, canary prompts, predicted


class Watched:
    """One deployment, as far as its grades were read; nothing from before its last change is."""

    def __init__(self, deployment: str, since_ms: int) -> None:
        self.since_ms = since_ms
        self._deployment = deployment
        self._last = 0  # number of the grade that was read last
        self._seen: dict[tuple[str, str, str, str], None] = {}
        self._detectors: dict[_Stream, Detector] = {}

    def read(self, journal: Journal) -> tuple[Alarm, str] | None:
        """Take what is new; return the first alarm, with what it was found on. Raises StoreError."""
        wanted = Filter(deployment=self._deployment, since_ms=self.since_ms)
        page: list[Judgement] = []
        for number, judged in journal.judged(wanted, after=self._last):
            self._last = number
            known = (judged.exchange, judged.trial, judged.arm, judged.grader)
            if judged.arm not in _UNCHOSEN or known in self._seen or judged.score is None or judged.weight < 1:
                continue  # one outcome of a whole conversation is no grade of each of its answers
            self._seen[known] = None
            if len(self._seen) > _REMEMBERED:
                del self._seen[next(iter(self._seen))]
            page.append(judged)
            if len(page) == _PAGE:
                found, page = self._take(page, journal), []
                if found is not None:
                    return found
        return self._take(page, journal)

    def _take(self, page: list[Judgement], journal: Journal) -> tuple[Alarm, str] | None:
        """Take some grades in their order; return the first alarm."""
        for judged, foreseen in _with_predictions(page, journal):
            canary = judged.trial.startswith(CANARY)
            stream = (judged.feature, judged.grader, judged.arm, canary, foreseen is not None)
            prompt = judged.exchange.split(":")[1] if canary else ""
            grade = Graded(judged.at_ms, judged.score or 0.0, prompt, foreseen)
            found = self._detectors.setdefault(stream, Detector()).take(grade)
            if found is not None:
                beyond = ", less what was predicted" if foreseen is not None else ""
                return found, f"{'canary prompts' if canary else judged.feature}, by {judged.grader}{beyond}"
        return None


def _with_predictions(page: list[Judgement], journal: Journal) -> Iterator[tuple[Judgement, float | None]]:
    """Yield each judgement with the quality that was predicted of the answer when its request came; None: none was."""
    records = journal.named({one.exchange for one in page if not one.trial.startswith(CANARY)})
    for one in page:
        record = records.get(one.exchange)
        decision = record.decision if record is not None else None
        predicted = decision.predicted(one.deployment) if decision is not None else None
        yield one, predicted.quality if predicted is not None else None


class DriftWatch:
    """Looks at all that acts or is compared with, publishes what changed, and says it."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._store, self._now_ms, self._say = store, now_ms, say
        self._watched: dict[str, Watched] = {}

    def look(self, current: Snapshot) -> None:
        """Look at the newest grades. Raises SnapshotError, StoreError."""
        for name in sorted(leaned_on(current)):
            change = current.changes.get(name)
            since_ms = change.since_ms if change is not None else 0
            watched = self._watched.get(name)
            if watched is None or watched.since_ms != since_ms:
                watched = self._watched[name] = Watched(name, since_ms)
            found = watched.read(self._store.journal)
            if found is not None:
                self._act(name, *found)

    def _act(self, name: str, alarm: Alarm, where: str) -> None:
        del self._watched[name]  # it is read anew, from the change on
        why = f"{100 * alarm.drop:.0f} points worse than it was, on {alarm.n:,} grades of {where}"
        change = Change(alarm.since_ms, alarm.found_ms, why)
        step = partial(quarantined, deployment=name, change=change, now_ms=self._now_ms())
        after = publish(self._store, step, made_by="drift", now_ms=self._now_ms())
        self._say(f"{after.made_by}. What was judged of it before is not used any more; test it anew with: pointsman trial")


def leaned_on(snapshot: Snapshot) -> set[str]:
    """Return the deployments that act, are compared with, or are tried."""
    names: set[str | None] = set()
    for route in snapshot.routes.values():
        names.add(route.reference)
        for plan in route.plans.values():
            names |= {plan.reference, *plan.accepted, *plan.asks, *(plan.trial.candidates if plan.trial else ())}
            names |= {name for name, part in plan.explorable.items() if plan.explore is not None and part > 0}
    return {name for name in names if name is not None and name in snapshot.deployments}


def quarantined(snapshot: Snapshot, deployment: str, change: Change, *, now_ms: int) -> Snapshot:
    """Return the snapshot in which a deployment changed: it serves nothing, and what was judged before does not count."""
    said = []
    after = replace(snapshot, changes={**snapshot.changes, deployment: change})
    for route in snapshot.routes.values():
        for plan in route.plans.values():
            if plan.acts and deployment in (*plan.accepted, *plan.asks):
                said.append(plan.feature)
                after = _without(after, route.name, plan, deployment, change.why, now_ms=now_ms)
    is_reference = any(
        deployment in _references(route.reference, route.plans.values()) for route in snapshot.routes.values()
    )
    home = "; it is a reference, and goes on: compare with another" if is_reference else ""
    gone = f"; it serves {', '.join(said)} no more" if said else ""
    return replace(after, made_by=f"{deployment} changed: {change.why}{gone}{home}")


def _references(of_route: str | None, plans_: Iterable[Plan]) -> set[str | None]:
    return {of_route, *(plan.reference for plan in plans_)}


def _without(snapshot: Snapshot, route: str, plan: Plan, deployment: str, why: str, *, now_ms: int) -> Snapshot:
    """Return the snapshot in which a plan goes on without a deployment, or goes back where it was the last one.

    What it was tested for stays promised: what is learned next must pass that test.
    """
    left = tuple(name for name in plan.accepted if name != deployment)
    if not left or plan.one_model == deployment:
        return plans.rollback(snapshot, route, plan.feature, now_ms=now_ms, why=f"{deployment} is {why}")
    changed = replace(plan, accepted=left, asks=(), since_ms=now_ms)
    found = snapshot.routes[route]
    kept = replace(snapshot, routes={**snapshot.routes, route: replace(found, plans={**found.plans, plan.feature: changed})})
    return wave.lost(kept, route, plan.feature, (deployment,), why)

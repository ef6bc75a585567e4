"""A release by stages: shadow (its answers are compared), canary (it serves a little), full.

Strategy: nothing here is another way of testing. In shadow a release is one more candidate of the trials of its features; a
canary and what follows are what every accepted deployment goes through, gates included. What is added is who is in which
stage, and that a release goes on by itself where its owner said so.

Laws: without a price nothing is called. By itself a release serves only where its verdict is ready and nothing else that is
ready costs less; where it is *stay* it is tried no more. Everything else is said, with the command.
"""

import difflib
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control import plans, wave
from pointsman.control.findings import Findings, propose
from pointsman.control.plans import PlanError, plan_of
from pointsman.control.publish import publish
from pointsman.control.review.people import by_people
from pointsman.control.verdict import Row, points, spell, tolerances, verdicts
from pointsman.core.release import Release
from pointsman.core.routing import Plan, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Filter, Store

Stage = Literal["shadow", "canary", "full", "over"]


class Standing(Struct, frozen=True):
    """Where a release stands at one feature: what was judged, requests served, what it replaced, why it ended."""

    feature: str
    stage: Stage
    row: Row | None
    served: int
    replaced: str = ""
    ended: str = ""


class Line(Struct, frozen=True):
    """One release of the wave, feature by feature; ``cost_nano`` is what trying it has cost so far."""

    release: Release
    standings: tuple[Standing, ...]
    cost_nano: int


def check(snapshot: Snapshot, route: str, deployment: str) -> None:
    """Raise PlanError where a deployment cannot be released on a route: unknown, without a price, or under way already."""
    if route not in snapshot.routes:
        plan_of(snapshot, route, plans.EVERY)  # says which routes there are
    found = snapshot.deployments.get(deployment)
    if found is None:
        near = difflib.get_close_matches(deployment, snapshot.deployments, n=3)
        meant = f" Did you mean {', '.join(near)}?" if near else ""
        raise PlanError(
            f"{deployment} is no deployment of the configuration: declare it, for example "
            f'[deployments."{deployment}"] price = {{input = ..., output = ...}}.{meant}'
        )
    if found.price is None:
        raise PlanError(
            f"no price is known for {deployment}, so that no cap of money could be kept and nothing be called cheaper: "
            f'set price = {{input = ..., output = ...}} in [deployments."{deployment}"]'
        )
    if deployment == snapshot.routes[route].reference:
        raise PlanError(f"{deployment} is the reference of the route {route}: it serves already")
    before = wave.of(snapshot, route, deployment)
    if before is not None and any(feature not in before.ended for feature in before.features):
        raise PlanError(f"the release of {deployment} is under way already: see pointsman release list")


def testable(snapshot: Snapshot, route: str, deployment: str) -> tuple[str, ...]:
    """Return the features of a route on which a deployment can be tried: those with a check or judge that let it answer."""
    found = snapshot.routes[route]
    named = (plan_of(snapshot, route, feature) for feature in found.plans)
    able = (plan for plan in named if plan.grader and plan.reference != deployment and plan.allows(deployment))
    return tuple(plan.feature for plan in able if plan.feature != plans.EVERY)


def add(
    snapshot: Snapshot,
    route: str,
    deployment: str,
    features: Sequence[str],
    *,
    share: float,
    caps_nano: dict[str, int],
    auto: bool,
    now_ms: int,
) -> Snapshot:
    """Announce a release and begin to try it: shadow. A trial that runs goes on with one more candidate.

    ``caps_nano`` is what a feature's trial may have cost in all. Raises PlanError as ``check`` and ``start_trial`` do, and
    where there is no feature to try it on.
    """
    check(snapshot, route, deployment)
    if not features:
        raise PlanError(
            f"no feature of the route {route} has a check or judge by which {deployment} could be tried: add to the "
            'configuration, for example, [features.NAME] check = {kind = "exact"}'
        )
    if plans.EVERY in features:
        raise PlanError(f"{plans.EVERY} stands for all features without a plan of their own: name the features to try it on")
    for feature in features:
        plan = plan_of(snapshot, route, feature)
        running = plan.trial.candidates if plan.trial is not None else ()
        wide = plan.trial.share if plan.trial is not None and plan.acts else 0.0
        snapshot = plans.start_trial(
            snapshot,
            route,
            feature,
            candidates=tuple(dict.fromkeys((*running, deployment))),
            share=max(share, wide),
            cap_nano=caps_nano[feature],
        )
    added = wave.put(snapshot, Release(deployment, route, now_ms, tuple(features), auto))
    return replace(added, made_by=f"release of {deployment}: shadow of {', '.join(features)}")


def drop(snapshot: Snapshot, route: str, deployment: str, why: str, *, now_ms: int, only: str | None = None) -> Snapshot:
    """End a release, on one feature or on all: it is tried no more, and what it serves goes back to the reference.

    Raises PlanError where it was not announced, or is over there.
    """
    release = wave.of(snapshot, route, deployment)
    if release is None:
        known = ", ".join(one.deployment for one in snapshot.releases if one.route == route) or "none"
        raise PlanError(f"{deployment} was not released on the route {route}; released: {known}")
    features = [one for one in release.features if one not in release.ended and only in (None, one)]
    if not features:
        raise PlanError(f"the release of {deployment} is over: see pointsman release list")
    for feature in features:
        plan = plan_of(snapshot, route, feature)
        if deployment in plan.accepted:
            snapshot = plans.rollback(snapshot, route, feature, now_ms=now_ms, why=why)
        elif plan.trial is not None and deployment in plan.trial.candidates:
            snapshot = _untried(snapshot, route, plan, plan.trial, deployment)
        snapshot = wave.lost(snapshot, route, feature, (deployment,), why)
    return replace(snapshot, made_by=f"release of {deployment} over for {', '.join(features)}: {why}")


def trust(snapshot: Snapshot, deployment: str) -> Snapshot:
    """Let a deployment that changed act again, on its owner's word. Raises PlanError where it may act anyway."""
    change = snapshot.changes.get(deployment)
    if change is None or not change.barred:
        raise PlanError(f"{deployment} is not barred from serving")
    changes = {**snapshot.changes, deployment: replace(change, barred=False)}
    return replace(snapshot, changes=changes, made_by=f"{deployment} may act again, says its owner")


def _untried(snapshot: Snapshot, route: str, plan: Plan, trial: Trial, deployment: str) -> Snapshot:
    """Return the snapshot with a trial of one candidate fewer; without any it ends, or goes on measuring what serves."""
    left = tuple(name for name in trial.candidates if name != deployment)
    if not left and plan.mode == "trial":
        return plans.stop_trial(snapshot, route, plan.feature)
    changed = replace(plan, trial=replace(trial, candidates=left))
    found = snapshot.routes[route]
    return replace(snapshot, routes={**snapshot.routes, route: replace(found, plans={**found.plans, plan.feature: changed})})


def stage(snapshot: Snapshot, release: Release, feature: str) -> Stage:
    """Return the stage of a release at one feature: what is in force decides."""
    plan = plan_of(snapshot, release.route, feature)
    if release.deployment in plan.accepted:
        return "canary" if plan.mode == "canary" else "full"
    if feature in release.ended or plan.trial is None or release.deployment not in plan.trial.candidates:
        return "over"
    return "shadow"


def lines(store: Store, snapshot: Snapshot, asked_nano: Callable[[str], int], *, now_ms: int) -> list[Line]:
    """Return the wave, oldest first. ``asked_nano`` says what asking a deployment its first prompts has cost."""
    return [_line(store, snapshot, one, asked_nano(one.deployment), now_ms) for one in snapshot.releases]


def _line(store: Store, snapshot: Snapshot, release: Release, cost_nano: int, now_ms: int) -> Line:
    name, since_ms, journal = release.deployment, release.at_ms, store.journal
    standings = []
    for feature in release.features:
        ended = release.ended.get(feature, "")
        rows = _rows(store, snapshot, release.route, feature, now_ms)
        row = next((row for row in rows if row.candidate == name), None)
        wanted = Filter(feature=feature, deployment=name, route=release.route, since_ms=since_ms)
        served = sum(line.requests for line in journal.spend(wanted) if line.arm == "policy")
        now = stage(snapshot, release, feature)
        gone = ended or ("its trial was ended" if now == "over" else "")
        standings.append(Standing(feature, now, row, served, release.replaced.get(feature, ""), gone))
    judged = journal.judgements(Filter(deployment=name, since_ms=since_ms))
    cost_nano += sum((one.cost_nano or 0) + one.grading_nano for one in judged if one.arm == "candidate")
    return Line(release, tuple(standings), cost_nano)


def _rows(store: Store, snapshot: Snapshot, route: str, feature: str, now_ms: int) -> list[Row]:
    """Return the verdicts on a feature that count today, by people's word where enough of them judged.

    Those of ``*`` are of each feature, and none of all together.
    """
    return verdicts(
        store.journal,
        tolerances(snapshot, route),
        feature=feature,
        counts=partial(plans.is_current, snapshot, route),
        people=by_people(store, snapshot, route, now_ms=now_ms, feature=feature),
        snapshot=snapshot,
    )


class Stages:
    """Moves releases from shadow on, where their owner said so; else says what is due."""

    def __init__(self, store: Store, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._store, self._now_ms, self._say = store, now_ms, say
        self._said: set[tuple[str, str, str, int]] = set()

    def look(self, current: Snapshot) -> None:
        """Look at every release that is in shadow. Raises SnapshotError, StoreError."""
        for release in current.releases:
            for feature in release.features:
                known = (release.route, release.deployment, feature, release.at_ms)
                waits = known not in self._said and stage(current, release, feature) == "shadow"
                if waits and self._look_at(current, release, feature):
                    self._said.add(known)

    def _look_at(self, current: Snapshot, release: Release, feature: str) -> bool:
        """Do and say what follows from a verdict; return whether that is all: False where there is none, or it failed."""
        rows = _rows(self._store, current, release.route, feature, self._now_ms())
        row = next((row for row in rows if row.candidate == release.deployment), None)
        if row is None or not row.settled:
            return False
        name, plan = release.deployment, plan_of(current, release.route, feature)
        told = f"release of {name} for {feature}: {points(row.change)} points on {row.change.n:,} requests, {spell(row)}"
        if row.kind == "stay" and release.auto:
            why = f"{points(row.change)} points, {spell(row)}"
            step = partial(drop, route=release.route, deployment=name, why=why, now_ms=self._now_ms(), only=feature)
            return self._publish(step, release, feature, plan, f"{told}; it is tried no more there")
        if row.kind == "ready" and release.auto and _leads(rows, row, plan):
            proposal = propose(Findings(tuple(rows), {}), feature, name)
            step = partial(
                plans.accept,
                route=release.route,
                feature=feature,
                row=proposal.row,
                serving=proposal.serving,
                now_ms=self._now_ms(),
            )
            return self._publish(step, release, feature, plan, f"{told}; it is in canary now")
        accept = f"pointsman accept {shlex.quote(feature)} --candidate {shlex.quote(name)}"
        self._say(f"{told}. Next: {accept if row.kind == 'ready' else f'pointsman release drop {shlex.quote(name)}'}")
        return True

    def _publish(self, step: Callable[..., Snapshot], release: Release, feature: str, plan: Plan, said: str) -> bool:
        """Publish and say a step; return False, and do nothing, where somebody acted on the feature meanwhile."""
        number = self._store.snapshots.current_number()

        def change(snapshot: Snapshot) -> Snapshot:
            known = wave.of(snapshot, release.route, release.deployment)
            same = known is not None and known.at_ms == release.at_ms and plan_of(snapshot, release.route, feature) == plan
            return step(snapshot) if same else snapshot

        done = publish(self._store, change, made_by="releases", now_ms=self._now_ms()).number > number
        if done:
            self._say(said)
        return done


def _leads(rows: Sequence[Row], mine: Row, plan: Plan) -> bool:
    """Whether a release that is ready is the cheapest that is, and certainly cheaper than the one model that serves."""
    if mine.cost is None:
        return False
    if any(row.kind == "ready" and row.cost is not None and row.cost.value < mine.cost.value for row in rows):
        return False
    if not plan.accepted:
        return True
    serving = next((row for row in rows if row.candidate == plan.one_model), None)
    return serving is not None and serving.cost is not None and mine.cost.high < serving.cost.low

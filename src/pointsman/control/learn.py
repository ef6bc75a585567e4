"""From outcome tables to a published policy.

Strategy: the table's models become deployments (``[models]`` maps names; a name that is a deployment stands for itself), the
policy is taught on all of them, the objective is resolved on held-out predictions, and the plan for all features that
have none of their own acts on it, with the route's control share.

Laws: an owner's table is evidence for what is in it and for nothing else, and a deployment that was shown to be bad must not
even stand in for one that fails: accepted is only what the trade-off chose on held-out prompts, or the one model that
suffices; where that is the reference, it goes on serving alone. A reference that the table does not know cannot be compared
with, and is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.control.plans import measuring, trial_id
from pointsman.core.errors import TableError
from pointsman.core.routing import BoundTest, Deployment, Objective, Plan, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cascade, model, onboard
from pointsman.policy import teach as teaching
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.teach import Lesson, silent, spent
from pointsman.policy.trade import FEWEST, Evidence, Trade, resolve

EVERY: Final = "*"
LOOSE: Final = "table"  # the provider of models that no configuration knows
SEED: Final = 0
STEPS: Final = (*teaching.STEPS, "trade-off")


@dataclass(frozen=True)
class Bound:
    """What a test on ``judged`` prompts set apart said of the trade-offs on a walk; see ``control/bound``.

    ``passed`` of ``steps`` trade-offs held the tolerance; ``cheaper`` says whether the last of them certainly costs less.
    ``change`` and ``share`` are quality and cost of that one against the reference, seen there (of the first, where none
    passed). ``ungraded`` of its answers had no grade and counted as wrong. ``more`` is about how many more judgements set
    apart the first would need to pass: 0 where it did, None for more than 20,000.
    """

    judged: int
    tolerance: float
    confidence: float
    steps: int
    passed: int = 0
    cheaper: bool = False
    change: float = 0.0
    share: float = 1.0
    ungraded: int = 0
    more: int | None = None

    @property
    def tested(self) -> BoundTest | None:
        """What may be said of what is published; None where that is the reference alone."""
        return BoundTest(self.judged, self.tolerance, self.confidence) if self.passed and self.cheaper else None


@dataclass(frozen=True)
class Asked:
    """A plan of asking twice, and what came of it on ``rehearsed_on`` prompts that were held out in turn, per request.

    ``other`` are quality and cost in nano-dollars there without asking twice. ``tested`` is the bound that it passed.
    """

    plan: cascade.Plan
    rehearsed_on: int
    quality: float
    cost_nano: float
    other: tuple[float, float]
    tested: BoundTest | None = None


@dataclass(frozen=True)
class Taught:
    """What a table taught: the lesson, the trade that the objective comes to, and the deployment to compare with.

    ``bound`` is what a test said of that trade (``control/bound``); None: it rests on estimates. ``asked`` is a plan of
    asking twice that pays (``control/asking``).
    """

    lesson: Lesson
    trade: Trade
    reference: str
    objective: Objective
    bound: Bound | None = None
    asked: Asked | None = None

    @property
    def deployments(self) -> tuple[str, ...]:
        """Every deployment that was learned."""
        return self.lesson.policy.deployments

    @property
    def serving(self) -> tuple[str, ...]:
        """What may serve: the one model that suffices, else all that choosing per request chose at least once."""
        return self.trade.chosen if self.trade.one_model is None else (self.trade.one_model,)


def named(outcomes: Outcomes, names: Mapping[str, str], known: Mapping[str, Deployment]) -> tuple[Outcomes, tuple[str, ...]]:
    """Return a table under its deployments' names, and the model names that nothing maps to a deployment.

    Raises TableError when two models of the table are mapped to one deployment.
    """
    mapped = tuple(names.get(name, name) for name in outcomes.deployments)
    twice = sorted({name for name in mapped if mapped.count(name) > 1})
    if twice:
        raise TableError(f"several models of the table are mapped to {twice[0]}: correct [models] in the configuration")
    return replace_names(outcomes, mapped), tuple(name for name in mapped if name not in known)


def replace_names(outcomes: Outcomes, names: tuple[str, ...]) -> Outcomes:
    """Return a table with other names for its columns."""
    return Outcomes(**{**outcomes.__dict__, "deployments": names})


def weighable(outcomes: Outcomes, known: Mapping[str, Deployment]) -> bool:
    """Say whether any cost is known, by price or by record. Where none is, only ``best`` has a meaning."""
    return bool(np.isfinite(spent(outcomes, [known[name] for name in outcomes.deployments if name in known])).any())


def learn(
    outcomes: Outcomes,
    objective: Objective,
    *,
    reference: str | None = None,
    known: Mapping[str, Deployment],
    tell: Callable[[str], None] = silent,
    expected: Mapping[str, onboard.Expected] = onboard.NOBODY,
) -> Taught:
    """Teach a policy and resolve the objective. Without a reference the best single model of the table is compared with.

    What a model did not answer counts for that as it was predicted, so that answering easy prompts only makes none the best.
    One of which little was graded is taken in as a new one (``policy/onboard``); ``expected`` is what is expected of those.
    ``tell`` is told of each of ``STEPS`` as it begins.
    Raises TableError when there is too little to learn from, or the reference is not in the table.
    """
    if reference is not None and reference not in outcomes.deployments:
        raise TableError(
            f"the reference {reference} is not in the table (it has {', '.join(outcomes.deployments)}): add its outcomes, "
            "map its name under [models], or name another reference"
        )
    if reference is not None and not np.isfinite(outcomes.score[:, outcomes.deployments.index(reference)]).any():
        raise TableError(f"no answer of the reference {reference} is graded: add grades, or name another reference")
    deployments = [known[name] for name in outcomes.deployments if name in known]
    try:
        lesson = onboard.taught(outcomes, deployments, tell, home=reference, expected=expected, caution=objective.caution)
        tell(STEPS[-1])
        evidence = lesson.evidence
        home = reference or evidence.deployments[_best_single(evidence)]
        trade = resolve(objective, evidence, home, np.random.default_rng(SEED))
    except ValueError as error:
        raise TableError(f"this table cannot be learned from: {error}") from error
    return Taught(lesson, trade, home, objective)


def _best_single(evidence: Evidence) -> int:
    """Return the column with the best mean score, among those graded on enough prompts where there are any."""
    graded = evidence.seen.sum(axis=0)
    enough = graded >= min(FEWEST, int(graded.max()))
    return int(np.where(enough, evidence.score.mean(axis=0), -np.inf).argmax())


def expected(policy: Policy, asked: Outcomes, known: Mapping[str, Deployment]) -> tuple[NDArray[np.float32], Floats]:
    """Return the quality and the cost in nano-dollars (N, M) that a policy expects, as the gateway would for each prompt."""
    each = [[one.names[place] if place >= 0 else "" for place in one.place] for one in asked.tags]
    tags = list(zip(*each, strict=True))
    found = model.estimate(policy, asked.vectors, tags)
    deployments = [known.get(name, Deployment(name, LOOSE, name, name)) for name in policy.deployments]
    costs = [model.expected_cost(found, column, asked.input_tokens, one) for column, one in enumerate(deployments)]
    return found.quality, np.stack(costs, axis=1)


def act_on(snapshot: Snapshot, route: str, taught: Taught, *, now_ms: int) -> Snapshot:
    """Let a route act on what was learned: mode auto for every feature without a plan of its own, control share kept.

    Where nothing but the reference is worth choosing the mode is observe, with the policy kept to show what it predicts.
    Raises TableError when the route does not exist or has no reference.
    """
    found = snapshot.routes.get(route)
    if found is None:
        raise TableError(
            f"there is no route {route}: add [routes.{route}] to the configuration; there are {', '.join(snapshot.routes)}"
        )
    if found.reference is None:
        raise TableError(f'the route {route} has no reference: set reference = "provider/model" in [routes.{route}]')
    wanted = [name for name in taught.serving if name != found.reference]
    barred = {name for name, change in snapshot.changes.items() if change.barred}  # a table does not say when it was made
    able = snapshot.deployments.keys() - barred
    accepted = tuple(name for name in wanted if name in able and found.plans[EVERY].allows(name))
    whole = len(accepted) == len(wanted) > 0  # with fewer it chooses otherwise than it was tested to
    tested = taught.bound.tested if taught.bound is not None and whole else None
    before = found.plans[EVERY]
    asked = _asked(snapshot, found, taught)
    asks = () if asked is None else tuple(name for name in asked.models if name != found.reference)
    acts = bool(accepted or asks)
    if asks and not wanted and taught.asked is not None:
        tested = taught.asked.tested
    plan = replace(
        before,
        mode="auto" if acts else "observe",
        accepted=accepted,
        asks=asks,
        acting_share=1 - found.control_share if acts else 0.0,
        value_nano=taught.trade.value_nano,
        one_model=taught.trade.one_model,
        policy="",
        trial=_measuring(route, before, before.reference or found.reference) if accepted else None,
        since_ms=now_ms,
        tested=tested,
    )
    changed = replace(found, plans={**found.plans, EVERY: plan})
    return replace(
        snapshot,
        routes={**snapshot.routes, route: changed},
        policies={**snapshot.policies, route: model.encode(taught.lesson.policy)},
        askings=_with(snapshot.askings, route, asked),
        made_by=f"learned {route} from {taught.lesson.policy.learned_from:,} prompts" + _tested_on(tested),
    )


def _measuring(route: str, plan: Plan, reference: str) -> Trial | None:
    """Return the trial that grades what is served, where there is a check for features without their own: it is watched."""
    return None if plan.grader is None else measuring(plan, trial_id(route, EVERY, reference, plan.grader))


def _asked(snapshot: Snapshot, route: Route, taught: Taught) -> cascade.Plan | None:
    """Return the plan of asking twice where the route allows it, and all whom it asks may answer there."""
    if taught.asked is None or route.ask_twice is None:
        return None
    models = taught.asked.plan.models
    barred = {name for name, change in snapshot.changes.items() if change.barred}
    able = all(name in snapshot.deployments.keys() - barred and route.plans[EVERY].allows(name) for name in models)
    return taught.asked.plan if able and route.reference in models else None


def _with(askings: dict[str, bytes], route: str, asked: cascade.Plan | None) -> dict[str, bytes]:
    others = {name: data for name, data in askings.items() if name != route}
    return others if asked is None else {**others, route: cascade.encode(asked)}


def _tested_on(tested: BoundTest | None) -> str:
    return "" if tested is None else f", tested on {tested.judged:,} others"


def on_its_own(route: str, taught: Taught, known: Mapping[str, Deployment], objective: Objective) -> Snapshot:
    """Return a snapshot of nothing but what a table taught: for `predict` and `route`, where no configuration is."""
    deployments = {name: known.get(name) or Deployment(name, LOOSE, name, name) for name in taught.deployments}
    plan = Plan(EVERY, reference=taught.reference)
    bare = Route(route, taught.reference, tuple(deployments), objective, 0.0, {EVERY: plan})
    return act_on(Snapshot(deployments=deployments, routes={route: bare}), route, taught, now_ms=0)

"""Which live requests a running trial copies. Decided before the call, offered after the reply, never in its way.

Law: only what was drawn is sampled: an answer of a fallback, of a failed call or of a cut stream is not, because it says
nothing about the deployment that was chosen.
"""

from msgspec import Struct

from pointsman.core.record import ExchangeRecord, Sample
from pointsman.core.routing import Decision
from pointsman.core.snapshot import Snapshot
from pointsman.wire.answer import Answer

ANSWER_LIMIT = 1024 * 1024
"""Characters of an answer that is kept for a sample; a longer one is not sampled, because half an answer is a wrong one."""


class Standing(Struct, frozen=True):
    """A plan with a running trial: its route, its feature (``*``: all without their own), who answers as its reference."""

    route: str
    feature: str
    references: frozenset[str]
    own: frozenset[str]
    share: float


def standing(snapshot: Snapshot) -> tuple[Standing, ...]:
    """Return every running trial of a snapshot."""
    return tuple(
        Standing(
            name,
            feature,
            frozenset(snapshot.siblings(plan.reference or route.reference or "")),
            frozenset(route.plans) - {"*"},
            plan.trial.share,
        )
        for name, route in snapshot.routes.items()
        for feature, plan in route.plans.items()
        if plan.trial is not None
    )


def wanted(trials: tuple[Standing, ...], plan_route: str, feature: str, decision: Decision) -> Standing | None:
    """Return the trial that this request may be a sample of, None where there is none.

    A request by a route belongs to its own route's trial; one that named a deployment, to the first trial of its feature
    whose reference that deployment is, or shares requests with.
    """
    for trial in trials:
        if trial.feature != feature and (trial.feature != "*" or feature in trial.own):
            continue
        if trial.route == plan_route if plan_route else decision.chosen in trial.references:
            return trial
    return None


def sample(
    trial: Standing, record: ExchangeRecord, said: Answer, body: bytes, expected: str | None, dialect: str
) -> Sample | None:
    """Return the sample that an exchange is, still without its vector; None where it says nothing of whom was chosen."""
    decision, served, text = record.decision, record.attempts[-1], said.graded
    if decision is None or served.deployment != decision.chosen or len(text) > ANSWER_LIMIT:
        return None
    return Sample(
        exchange=record.id,
        feature=record.feature,
        route=trial.route,
        deployment=served.deployment,
        arm=decision.arm if decision.arm in ("policy", "control", "explore") else "reference",
        body=body,
        answer=text,
        usage=served.usage,
        cost_nano=served.cost_nano,
        expected=expected,
        dialect=dialect,
    )

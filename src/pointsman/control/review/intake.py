"""From a graded answer to a question for people; and how long what they read is kept.

Laws: without the owner's days (``[review] keep_days``, or ``review_days`` of a feature) nothing is kept; two answers that
are the same become a question that nobody is asked; what is longer than ``LONGEST`` is no question at all. A question's
worth is fixed here, by what the machine said and the policy predicted, before any person has said a word.
"""

from functools import lru_cache
from typing import Final

from pointsman.control.judge import conversation
from pointsman.control.plans import plan_of
from pointsman.control.redacted import redacted as redaction
from pointsman.control.verdict import difference
from pointsman.core.chat import ChatRequest
from pointsman.core.record import Judgement, Sample
from pointsman.core.review import Material, Question
from pointsman.core.routing import Context, Needs, Plan
from pointsman.core.snapshot import Keeping, Snapshot
from pointsman.policy import model
from pointsman.policy.model import Policy
from pointsman.policy.queue import worth
from pointsman.store.interfaces import Reviews

MOST: Final = 5_000
"""How many materials are kept in all."""

LONGEST: Final = 64 * 1024
"""How many characters a request and its answers have at most, together."""

DAY_MS: Final = 86_400_000

Kept = tuple[Question, Material | None]


def compared(
    reference: Judgement, judged: Judgement, request: ChatRequest, answer: str, other: str, expected: float | None
) -> Kept | None:
    """Return the question which of two answers is better, None where they are too long.

    ``answer`` is that of ``judged``, ``other`` the reference's; ``expected`` the share of wins that the policy predicts.
    """
    machine = difference(reference, judged)
    share = None if machine is None else (machine + 1) / 2
    same = answer.strip() == other.strip()
    return _question(judged, reference.deployment, machine, 0.0 if same else worth(share, expected), request, answer, other)


def alone(judged: Judgement, request: ChatRequest, answer: str) -> Kept | None:
    """Return the question whether one answer is good, None where it is too long."""
    return _question(judged, "", judged.score, worth(judged.score), request, answer, "")


def _question(
    judged: Judgement, reference: str, machine: float | None, value: float, request: ChatRequest, answer: str, other: str
) -> Kept | None:
    asked = conversation(request)
    if len(asked) + len(answer) + len(other) > LONGEST:
        return None
    question = Question(
        exchange=judged.exchange,
        trial=judged.trial,
        feature=judged.feature,
        deployment=judged.deployment,
        reference=reference,
        arm=judged.arm,
        at_ms=judged.at_ms,
        machine=machine,
        worth=value,
    )
    return question, Material(asked, answer, other) if value else None


def redacted(kept: Kept, keeping: Keeping) -> Kept:
    """Return a question with what may be stored of its material."""
    question, material = kept
    if material is None:
        return kept
    return question, Material(*(redaction(keeping, text) for text in (material.request, material.answer, material.other)))


def expected_share(snapshot: Snapshot, plan: Plan, sample: Sample, candidate: str, reference: str) -> float | None:
    """Return the candidate's share of wins as the policy predicts it: one half and half the difference of the qualities.

    None where the route has learned no policy, or it knows nothing of one of the two.
    """
    data = snapshot.policies.get(plan.policy or sample.route)
    known = snapshot.deployments
    if not data or candidate not in known or reference not in known:
        return None
    context = Context(sample.feature, Needs(input_tokens=sample.usage.input if sample.usage else 0), sample.vector)
    first, second = model.predict(_decoded(data), context, (known[candidate], known[reference]))
    if first.quality is None or second.quality is None:
        return None
    return min(1.0, max(0.0, 0.5 + (first.quality - second.quality) / 2))


@lru_cache(maxsize=4)
def _decoded(data: bytes) -> Policy:
    return model.decode(data)


def days_of(snapshot: Snapshot, feature: str) -> int:
    """Return for how many days a feature's material is kept: the most that any route says; 0: it is not kept."""
    return max((plan_of(snapshot, route, feature).review_days for route in snapshot.routes), default=0)


def expire(reviews: Reviews, snapshot: Snapshot, now_ms: int) -> int:
    """Delete for good what is kept longer than the owner wants today; return how many materials that were."""
    gone = 0
    for feature in reviews.features():
        days = days_of(snapshot, feature)
        gone += reviews.forget(feature, now_ms - days * DAY_MS if days else now_ms + 1, now_ms=now_ms)
    if gone:
        reviews.tidy()
    return gone

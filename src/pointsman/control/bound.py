"""Learning with a tested bound: what ``match`` publishes has passed a test on judgements that nothing was learned on.

Strategy: half of the groups of equal prompts are set apart. On the others everything is learned and a walk of trade-offs
is fixed (``policy/bound``); on those set apart the walk is tested, and the cheapest trade-off that passes is what may serve.
Where learning already says that one other model suffices, that model alone is tested. What was tested is published as it is:
learned again with all rows it would be another policy, of which nothing is known.

Laws: which group is set apart follows from its name alone, so that more rows never move one from the test to learning; an
answer without a grade counts as wrong for what was chosen, and prompts on which the reference has none take no part. Where
nothing passes, or what passes is not certainly cheaper, the reference serves alone. Whoever learns again, having seen what
the test said, and tests on the same prompts, takes another chance to err, and has to share the error (``error_of``).
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from msgspec.structs import replace as replace_struct
from numpy.typing import NDArray

from pointsman.control.learn import SEED, Bound, Taught, expected, learn
from pointsman.control.verdict import is_cheaper
from pointsman.core.errors import TableError
from pointsman.core.routing import BoundTest, Deployment, Objective
from pointsman.policy.bound import Step, holds, more, passed, walk
from pointsman.policy.onboard import NOBODY, Expected
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.teach import silent, spent
from pointsman.policy.trade import FEWEST, Trade, interval

CONFIDENCE: Final = 0.95


def learn_tested(
    outcomes: Outcomes,
    objective: Objective,
    *,
    reference: str | None = None,
    known: Mapping[str, Deployment],
    tell: Callable[[str], None] = silent,
    expected: Mapping[str, Expected] = NOBODY,
) -> Taught:
    """Learn on one half of a table, test on the other at the objective's confidence (95 % where it has none).

    Raises TableError when the objective is not ``match``, and as ``learn`` does.
    """
    if objective.kind != "match":
        raise TableError(f"only match promises a bound that can be tested, and the objective is {objective.kind}")
    rest, apart = set_apart(outcomes)
    taught = learn(rest, objective, reference=reference, known=known, tell=tell, expected=expected)
    return tested_on(taught, apart, known, error=1 - (objective.confidence or CONFIDENCE))


def set_apart(outcomes: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return the rows to learn from and those to test on, one a group, the latter in an order that means nothing."""
    rows = mixed(outcomes.grouped())
    apart = np.array([_digest(name)[-1] & 1 for name in rows.groups], dtype=np.bool_)
    return rows.rows(~apart).grouped(), rows.rows(apart)


def mixed(rows: Outcomes) -> Outcomes:
    """Return rows in an order that means nothing: it follows from their groups' names alone."""
    return rows.rows(
        np.array(sorted(range(len(rows)), key=[_digest(name) for name in rows.groups].__getitem__), dtype=np.int64)
    )


def _digest(group: str) -> bytes:
    return hashlib.sha256(f"apart:{group}".encode()).digest()


def error_of(confidence: float, number: int) -> float:
    """Return the error that the test of that number (1, 2, ...) may make, so that all together err as one may.

    Each gets a part that falls with the square of its number: together they have the whole, however many there are and
    however much of their rows they share.
    """
    return (1 - confidence) * 6 / (math.pi * number) ** 2


def tested_on(taught: Taught, apart: Outcomes, known: Mapping[str, Deployment], *, error: float) -> Taught:
    """Return what was learned with the trade-off that passed on rows set apart, or with the reference where none did.

    Who was asked on a row, and its place among the others, must not depend on what was chosen for it (``mixed``). ``error``
    is what this test may err with: all that the confidence leaves, or its part where it is one of many (``error_of``).
    """
    confidence = taught.objective.confidence or CONFIDENCE
    tolerance = taught.objective.tolerance
    walked = Walked.of(taught, apart, known)
    if not walked.steps:
        return _stays(taught, Bound(len(walked.changes), tolerance, confidence, 0))
    reached = int(passed(holds(walked.changes, tolerance, error)))
    last = max(0, reached - 1)
    bound = Bound(
        judged=len(walked.changes),
        tolerance=tolerance,
        confidence=confidence,
        steps=len(walked.steps),
        passed=reached,
        cheaper=walked.is_cheaper(last, error),
        change=float(walked.changes[:, last].mean()),
        share=float(walked.paid[:, last].mean() / walked.home_paid.mean()),
        ungraded=int(walked.ungraded[:, last].sum()),
        more=0 if reached else more(walked.changes[:, 0], tolerance, error),
    )
    return replace(taught, trade=walked.trade(taught, last), bound=bound) if bound.tested else _stays(taught, bound)


def kept(taught: Taught, apart: Outcomes, known: Mapping[str, Deployment], promise: BoundTest, *, error: float) -> Taught:
    """Return what was learned for any objective with what a test of its one trade-off said of a promise on rows set apart.

    ``error`` is what this test may err with. That it costs less is not asked. Raises TableError as ``Walked.of`` does.
    """
    one = taught.trade.one_model
    serving = (one,) if one is not None else tuple(dict.fromkeys((taught.reference, *taught.serving)))
    walked = Walked.of(taught, apart, known, (Step(taught.trade.value_nano, serving),))
    held = bool(holds(walked.changes, promise.tolerance, error)[0])
    bound = Bound(len(walked.changes), promise.tolerance, promise.confidence, 1, passed=int(held), cheaper=held)
    return replace(taught, bound=bound)


@dataclass(frozen=True)
class Walked:
    """What the K steps of a walk do on n prompts, beside the reference.

    ``changes`` (n, K) are the differences of the grades, in [-1, 1]; ``ungraded`` says where what was chosen has none, and
    counts as wrong. ``paid`` (n, K) and ``home_paid`` (n,) are costs in nano-dollars, predicted where none is known;
    ``home_score`` (n,) are the reference's grades.
    """

    steps: tuple[Step, ...]
    changes: Floats
    ungraded: NDArray[np.bool_]
    paid: Floats
    home_score: Floats
    home_paid: Floats

    @staticmethod
    def of(
        taught: Taught, asked: Outcomes, known: Mapping[str, Deployment], steps: tuple[Step, ...] | None = None
    ) -> "Walked":
        """Return what the walk that was learned, or ``steps``, do on these rows.

        Rows without a grade of the reference take no part. Raises TableError when there are no others.
        """
        names = taught.deployments
        rows = asked.columns([asked.deployments.index(name) for name in names])
        home = names.index(taught.reference)
        graded = np.isfinite(rows.score[:, home])
        if not graded.any():
            raise TableError(
                f"no answer of the reference {taught.reference} is graded among the prompts set apart: add grades"
            )
        rows = rows.rows(graded)
        quality, cost = expected(taught.lesson.policy, rows, known)
        observed = spent(rows, [known[name] for name in names if name in known])
        paid = np.where(np.isfinite(observed), observed, cost)
        steps = _steps(taught) if steps is None else steps
        here = np.arange(len(rows))
        picks = [step.picks(names, quality, cost) for step in steps]
        shape = (len(rows), len(steps))
        score = np.stack([rows.score[here, pick] for pick in picks], axis=1) if steps else np.zeros(shape)
        return Walked(
            steps=steps,
            changes=np.nan_to_num(score) - rows.score[:, [home]],
            ungraded=~np.isfinite(score),
            paid=np.stack([paid[here, pick] for pick in picks], axis=1) if steps else np.zeros(shape),
            home_score=rows.score[:, home],
            home_paid=paid[:, home],
        )

    def is_cheaper(self, step: int, error: float) -> bool:
        """Whether a step certainly costs less than the reference, as far as is known."""
        known = np.isfinite(self.paid[:, step]) & np.isfinite(self.home_paid)
        pairs = np.rint(np.column_stack((self.paid[known, step], self.home_paid[known]))).astype(np.int64)
        return is_cheaper([(own, other) for own, other in pairs.tolist()], error) is True

    def trade(self, taught: Taught, step: int) -> Trade:
        """Return the trade that a step is, with what was seen of it on these rows."""
        found = self.steps[step]
        saved = self.home_paid - self.paid[:, step]
        seen = float((self.home_score + self.changes[:, step]).mean()), float(self.paid[:, step].mean())
        return Trade(
            value_nano=found.value_nano,
            one_model=found.serving[0] if len(found.serving) == 1 else None,
            fixed=taught.reference,
            gain=interval(saved, np.random.default_rng(SEED)),
            quality=seen[0],
            cost_nano=seen[1],
            choosing=seen,
            chosen=found.serving,
        )


def _steps(taught: Taught) -> tuple[Step, ...]:
    """Return the walk: every trade-off that saves, or another model that suffices alone.

    That estimates speak for the reference alone is no reason to test nothing: the test is what decides.
    """
    alone = taught.trade.one_model
    if alone not in (None, taught.reference):
        return (Step(None, (alone,)),)
    evidence = taught.lesson.evidence
    return walk(evidence.seen_enough(evidence.deployments.index(taught.reference), FEWEST), taught.reference)


def _stays(taught: Taught, bound: Bound) -> Taught:
    """Return what was learned, to be shown, with nothing but the reference to serve."""
    return replace(taught, trade=replace_struct(taught.trade, one_model=taught.reference), bound=bound)

"""The questions about one candidate's answers as a pile: what was asked and said, what is believed, what is estimated.

Strategy: everything is worked out anew from the store: questions, opinions, and the costs in the journal. Quality is wins
minus losses in [-1, 1] where two answers are compared, and a grade in [0, 1] where one stands alone.

Laws: what several people said to one question counts as one judgement, their mean; a question that was put to somebody and
brought no grade (skipped, cannot tell) is left out, as if the machine had not seen it; where the two answers are the same it
is a tie that nobody needs to judge.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.control.plans import is_current
from pointsman.control.review.intake import DAY_MS
from pointsman.control.verdict import TOLERANCE, tolerances
from pointsman.core.record import Judgement
from pointsman.core.review import SHARES, Opinion, Question
from pointsman.core.snapshot import Snapshot
from pointsman.policy.powered import Powered, powered
from pointsman.policy.queue import Asked, Belief, Standing, believe, chances, priority
from pointsman.store.interfaces import Filter, Store

TRAFFIC_DAYS: Final = 7
_LEAST_TOLERANCE: Final = 0.001

Key = tuple[str, str, str, str]
"""Feature, trial, deployment, arm. As served there is no trial, and the arm's deployments are one pile: no deployment."""


class Pile(Struct, frozen=True):
    """The questions about one candidate, by priority, and what was said to them.

    ``saving`` is what it saves against the reference, in nano-dollars for one request (0: unknown, or not cheaper), and
    ``traffic`` the feature's requests a day.
    """

    feature: str
    trial: str
    deployment: str
    arm: str
    reference: str
    questions: tuple[Question, ...]
    opinions: Mapping[str, tuple[Opinion, ...]]
    saving: float
    traffic: float
    tolerance: float

    @property
    def key(self) -> Key:
        """What sets it apart."""
        return self.feature, self.trial, self.deployment, self.arm

    @property
    def paired(self) -> bool:
        """Whether answers are compared with the reference's."""
        return bool(self.reference)

    @property
    def open(self) -> list[Question]:
        """What can be read and was put to nobody yet, the largest priority first."""
        return [one for one in self.questions if one.gone_ms is None and one.worth and one.id not in self.opinions]

    @property
    def standing(self) -> Standing:
        """How things stand with the candidate."""
        return Standing(self.belief, self.saving, self.traffic, self.tolerance, len(self.open))

    @property
    def judged(self) -> int:
        """How many questions brought a grade by people."""
        return sum(_grade(one, said) is not None for one, said in self._asked())

    def said(self, opinion: Opinion) -> "Pile":
        """Return the pile with one more opinion, in the place of the same reviewer's earlier one."""
        others = tuple(one for one in self.opinions.get(opinion.question, ()) if one.reviewer != opinion.reviewer)
        return replace(self, opinions={**self.opinions, opinion.question: (*others, opinion)})

    def unsaid(self, question: str, reviewer: str) -> "Pile":
        """Return the pile without what a reviewer said to a question."""
        others = tuple(one for one in self.opinions.get(question, ()) if one.reviewer != reviewer)
        left = {key: said for key, said in self.opinions.items() if key != question}
        return replace(self, opinions={**left, question: others} if others else left)

    def estimate(self) -> Powered | None:
        """Return the mean of what people would say of all answers that the machine graded; None: too few were judged."""
        chance = self._chances()
        machine, people, of = [], [], []
        same = 0
        for one in self.questions:
            if one.machine is None:
                continue
            if not one.worth:
                same += 1
                continue
            grade = _grade(one, self.opinions.get(one.id, ()))
            if grade is None and one.id in self.opinions:
                continue
            machine.append(one.machine)
            people.append(math.nan if grade is None else grade)
            of.append(chance.get(one.id, 1.0))
        found = powered(np.array(machine), np.array(people), np.array(of))
        return found if found is None or not same else _diluted(found, len(machine), same)

    @property
    def belief(self) -> Belief:
        """What is believed of the mean of people's judgements."""
        seen = [one.machine for one in self.questions if one.machine is not None]
        chance = self._chances()
        errors, of = [], []
        for one, said in self._asked():
            grade = _grade(one, said)
            if grade is not None and one.machine is not None:
                errors.append(grade - one.machine)
                of.append(chance[one.id])
        return believe(fmean(seen) if seen else 0.0, np.array(errors), np.array(of))

    def _asked(self) -> list[tuple[Question, tuple[Opinion, ...]]]:
        """What was put to anybody, in the order of the first time."""
        asked = [(one, self.opinions[one.id]) for one in self.questions if one.id in self.opinions]
        return sorted(asked, key=lambda item: min(one.at_ms for one in item[1]))

    def _chances(self) -> dict[str, float]:
        """Return, for each question that was asked, the chance that it was."""
        asked = self._asked()
        events = []
        for one, said in asked:
            first = min(said, key=lambda opinion: opinion.at_ms)
            until = math.inf if one.gone_ms is None else float(one.gone_ms)
            events.append(Asked(float(first.at_ms), one.worth, first.next, until))
        found: NDArray[np.float64] = chances(events)
        return {one.id: float(chance) for (one, _), chance in zip(asked, found, strict=True)}


def piles(store: Store, snapshot: Snapshot, route: str, *, now_ms: int, feature: str | None = None) -> list[Pile]:
    """Return the piles of one feature or of all; those of trials by checks and references of today.

    No answer counts from before its deployment or the reference changed. Raises StoreError.
    """
    said: defaultdict[str, list[Opinion]] = defaultdict(list)
    for opinion in store.reviews.opinions():
        said[opinion.question].append(opinion)
    grouped: defaultdict[Key, list[Question]] = defaultdict(list)
    for one in store.reviews.questions(feature):
        if _counts(snapshot, one) and (not one.trial or is_current(snapshot, route, one.feature, one.trial)):
            grouped[one.feature, one.trial, one.deployment if one.trial else "", one.arm].append(one)
    saved = savings(store.journal.judgements(Filter(feature=feature)), grouped)
    traffic = _traffic(store, now_ms)
    accepted = tolerances(snapshot, route)
    found = []
    for key, questions in sorted(grouped.items()):
        tolerance = accepted.get(key[0], accepted.get("*", TOLERANCE))
        found.append(
            Pile(
                *key,
                reference=questions[0].reference,
                questions=tuple(sorted(questions, key=lambda one: -priority(one.id, one.worth))),
                opinions={one.id: tuple(said[one.id]) for one in questions if one.id in said},
                saving=saved.get(key, 0.0),
                traffic=traffic.get(key[0], 1.0),
                tolerance=max(tolerance, _LEAST_TOLERANCE),
            )
        )
    return found


def _counts(snapshot: Snapshot, question: Question) -> bool:
    """Whether neither of the answers is from before its deployment changed."""
    changes = [snapshot.changes.get(name) for name in (question.deployment, question.reference)]
    return all(change is None or question.at_ms >= change.since_ms for change in changes)


def savings(judgements: Iterable[Judgement], keys: Iterable[Key]) -> dict[Key, float]:
    """Return what each candidate saves against the reference, in nano-dollars for one request, where that is known.

    In a trial that is the mean over exchanges that both answered; as served, the mean of the control arm less that of the
    policy's. It is the same for both arms.
    """
    costs: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    for one in judgements:
        if one.by_check and one.cost_nano is not None:
            deployment = one.deployment if one.arm == "candidate" else one.arm
            costs[one.feature, one.trial, deployment][one.exchange] = one.cost_nano
    found: dict[Key, float] = {}
    for key in keys:
        feature, trial, deployment, arm = key
        if arm == "candidate":
            own, base = costs[feature, trial, deployment], costs[feature, trial, "reference"]
            both = own.keys() & base.keys()
            changes: Sequence[float] = [base[exchange] - own[exchange] for exchange in both]
        else:
            policy, control = costs[feature, "", "policy"].values(), costs[feature, "", "control"].values()
            changes = [fmean(control) - fmean(policy)] if policy and control else []
        if changes:
            found[key] = fmean(changes)
    return found


def _traffic(store: Store, now_ms: int) -> dict[str, float]:
    """Return each feature's requests a day over the last week."""
    since = Filter(since_ms=now_ms - TRAFFIC_DAYS * DAY_MS)
    lines = store.journal.spend(since, by=["feature"])
    return {line.feature: line.requests / TRAFFIC_DAYS for line in lines}


def _grade(question: Question, said: Sequence[Opinion]) -> float | None:
    """Return what people said to a question in the machine's unit, the mean of those who gave a grade."""
    shares = [share for share in (SHARES[one.said] for one in said) if share is not None]
    if not shares:
        return None
    return 2 * fmean(shares) - 1 if question.paired else fmean(shares)


def _diluted(found: Powered, judged: int, same: int) -> Powered:
    """Return the estimate over all answers where ``same`` of them are known ties: its share of the rest is binomial."""
    total = judged + same
    share = judged / total
    variance = share**2 * found.error**2 + found.value**2 * share * (1 - share) / total
    spread = math.sqrt(max(0.0, share * (found.spread**2 + found.value**2) - (share * found.value) ** 2))
    return replace(found, value=share * found.value, error=math.sqrt(variance), judged=total, spread=spread)

"""Choosing per request as a candidate of its own: learned from the first judgements of a trial, tested on those that follow.

Strategy: the trial asks every candidate the same requests. From the first ``FIRST`` of them a policy is learned, and then
frozen; on the requests that follow, what it would have chosen is compared with the reference, pair by pair, as any other
candidate is. Once there are ``GROWTH`` times as many judgements and it is not ready, a new one is learned from all of them
and tested on later requests only.

Laws: a policy is never tested on what it was learned from; every new start has half of the error that was left
(``alpha / 2``, ``alpha / 4``, ... together at most ``alpha``), so that looking at several policies is paid for; nothing but
the journal goes in, so that whoever has the journal gets the same policy and the same verdict.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from pointsman.control.verdict import Evidence, Row, difference, is_cheaper
from pointsman.core.record import Judgement
from pointsman.core.routing import Context, Deployment, Needs
from pointsman.policy import model, objective
from pointsman.policy.guarantee import ALPHA
from pointsman.policy.model import Policy

FIRST: Final = 150
GROWTH: Final = 3
PER_REQUEST: Final = "per request"


class Case(Struct, frozen=True):
    """One request that the reference and every candidate answered, and that was graded. All maps are by deployment.

    ``quality`` are the grades in [0, 1] (a judge's share of wins, the reference's being one half), ``change`` the
    differences to the reference as in the verdict table, ``cost_nano`` what each answer cost.
    """

    vector: bytes
    input_tokens: int
    quality: Mapping[str, float]
    change: Mapping[str, float]
    cost_nano: Mapping[str, int]
    output_tokens: Mapping[str, int]


class Learned(Struct, frozen=True):
    """A policy and what a right answer is worth to the objective, in nano-dollars (None: cost only breaks ties)."""

    policy: Policy
    value_nano: int | None


Learn = Callable[[Sequence[Case]], Learned]
"""What cases teach; the deployments, the reference and the objective are known to it."""


@dataclass(frozen=True)
class Tailored:
    """A frozen policy with its verdict. ``choices`` says how often it chose each deployment in the test.

    ``costs`` has, for each request of the test, what the policy's choice cost and what each deployment's answer cost.
    """

    learned: Learned
    row: Row
    learned_from: int
    choices: Mapping[str, int]
    costs: tuple[tuple[int, Mapping[str, int]], ...]

    def cheaper_than(self, fixed: str) -> bool:
        """Whether it is certainly (95 %) cheaper than always one deployment, on the requests of the test."""
        return is_cheaper([(own, others[fixed]) for own, others in self.costs]) is True


@dataclass(frozen=True)
class Tailor:
    """What is to be learned for: a feature's reference and candidates, in one trial, at the owner's tolerance."""

    feature: str
    reference: Deployment
    candidates: tuple[Deployment, ...]
    trial: str
    tolerance: float
    learn: Learn
    alpha: float = ALPHA

    def cut(self, judgements: Iterable[Judgement]) -> Tailored | None:
        """Return the first policy that is ready, else the latest; None while there are too few judgements."""
        found = self.cases(judgements)
        latest = None
        start, level = FIRST, self.alpha
        while start < len(found):
            level /= 2
            latest = self._test(self.learn(found[:start]), start, found[start:], level)
            if latest.row.kind == "ready":
                return latest
            start *= GROWTH
        return latest

    def cases(self, judgements: Iterable[Judgement]) -> list[Case]:
        """Return the requests of the trial that everybody answered, in the order in which they were complete."""
        found: list[Case] = []
        unfinished: dict[str, dict[str, Judgement]] = {}
        wanted = {self.reference.name, *(one.name for one in self.candidates)}
        for judged in judgements:
            if (judged.trial, judged.feature) != (self.trial, self.feature):  # a trial of ``*`` covers several features
                continue
            if judged.deployment not in wanted or judged.arm not in ("reference", "candidate") or not judged.by_check:
                continue
            rows = unfinished.setdefault(judged.exchange, {})
            rows[judged.deployment] = judged
            if len(rows) == len(wanted):
                case = _case(unfinished.pop(judged.exchange), self.reference.name)
                if case is not None:
                    found.append(case)
        return found

    def _test(self, learned: Learned, start: int, later: Sequence[Case], level: float) -> Tailored:
        evidence = Evidence(reference=self.reference.name, alpha=level)
        choices: Counter[str] = Counter()
        costs: list[tuple[int, Mapping[str, int]]] = []
        for case in later:
            chosen = self._choose(learned, case)
            choices[chosen] += 1
            evidence.changes.append(case.change[chosen])
            evidence.costs.append((case.cost_nano[chosen], case.cost_nano[self.reference.name]))
            evidence.spent_nano += sum(case.cost_nano[one.name] for one in self.candidates)
            costs.append((case.cost_nano[chosen], case.cost_nano))
        row = evidence.row(self.feature, PER_REQUEST, self.trial, self.tolerance)
        return Tailored(learned, row, start, choices, tuple(costs))

    def _choose(self, learned: Learned, case: Case) -> str:
        context = Context(self.feature, Needs(input_tokens=case.input_tokens), case.vector)
        predictions = model.predict(learned.policy, context, (self.reference, *self.candidates))
        return objective.choose(predictions, self.reference.name, learned.value_nano)


def _case(rows: Mapping[str, Judgement], reference: str) -> Case | None:
    """Return a case, None where a grade, a cost or the feature vector is missing."""
    own = rows[reference]
    changes = {name: 0.0 if name == reference else difference(own, row) for name, row in rows.items()}
    change = {name: value for name, value in changes.items() if value is not None}
    quality = {name: row.score for name, row in rows.items() if row.score is not None}
    cost = {name: row.cost_nano for name, row in rows.items() if row.cost_nano is not None}
    output = {name: row.usage.output for name, row in rows.items() if row.usage is not None}
    if own.usage is None or not own.vector or not len(rows) == len(change) == len(quality) == len(cost) == len(output):
        return None
    return Case(own.vector, own.usage.input, quality, change, cost, output)

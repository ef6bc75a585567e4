"""What grades and times of the journal say of other choices: sums for ``policy/estimate``.

Strategy: a graded exchange is one row. Where a trial graded several deployments' answers to it, what each is worth is known
and no weight is needed; else the answer that was drawn speaks with its weight, and the policy's predictions for the rest.

Laws: grades of different graders never mix; an answer inside a conversation was not drawn for itself and is left out (a
trial's grades of it count); what is known before the draw never depends on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec import Struct

from pointsman.policy.estimate import Graded, Sums, sums
from pointsman.policy.outcomes import Floats
from pointsman.policy.redecide import Redecided, Way
from pointsman.store.past import Grade, Past

_UNKNOWN: Final = 0.5  # predicted where nothing was learned: the regression on weights takes out what is wrong with it
_SERVED: Final = ("policy", "control", "explore")
_MS: Final = 1e-3


Parts = dict[str, Sums]
"""Sums by how answers were drawn: in a ``TRIAL``, or by the snapshot of that time."""

TRIAL: Final = "trial"


class Judged(Struct, frozen=True):
    """Sums of grades under other choices, of what they change, and of the grades as they are; ``untried`` by deployment."""

    quality: Parts
    change: Parts
    today: Sums
    untried: dict[str, float]


class _Row(Struct, frozen=True):
    """One graded exchange: how its answers were ``drawn``, the fields of ``Graded``, and the grade of what was answered
    (None: not graded).
    """

    drawn: str
    grade: float
    predicted: float
    weight: float
    expected: float
    square: float
    base: float
    outside: float
    today: float | None


class _Draw(Struct, frozen=True):
    """What a decision then says of one now: see ``Graded``; ``able`` is the chance now of each that was tried then."""

    weight: float
    expected: float
    square: float
    outside: float
    able: dict[str, float]
    untried: dict[str, float]


@dataclass(frozen=True)
class _Draws:
    """Draws of many exchanges; most are alike. ``largest`` is the largest weight."""

    again: Redecided
    largest: float
    known: dict[object, _Draw]

    def of(self, place: int, past: Past) -> _Draw:
        """Return what the decision for an exchange says, which is now decided as the way at ``place`` says."""
        then = past.decision
        key = (place, past.deployment) if then is None else (place, then.chosen, then.eligible, then.probabilities)
        if key not in self.known:
            chances = {past.deployment: 1.0} if then is None else dict(zip(then.eligible, then.probabilities, strict=True))
            chosen = past.deployment if then is None else then.chosen
            self.known[key] = _draw(self.again.ways[place], chances, chosen, self.largest)
        return self.known[key]


def _draw(way: Way, then: Mapping[str, float], chosen: str, largest: float) -> _Draw:
    able = {name: now for name, now in way.chance.items() if now <= then.get(name, 0.0) * largest}
    untried = {name: now for name, now in way.chance.items() if name not in able}
    tried = sum(able.values())
    weight = able.get(chosen, 0.0) / then[chosen] if chosen in able else 0.0
    square = sum(now * now / then[name] for name, now in able.items())
    return _Draw(weight, tried, square, max(1.0 - tried, 0.0), able, untried)


def judged(
    rows: Sequence[Past], again: Redecided, grades: Mapping[str, Sequence[Grade]], grader: str, largest: float
) -> Judged:
    """Return what a grader's ``grades`` (by exchange) say of exchanges decided again."""
    draws = _Draws(again, largest, {})
    predicted: dict[str, Floats] = {}
    untried: dict[str, float] = {}
    found: list[_Row] = []
    for place, (past, number) in enumerate(zip(rows, again.way.tolist(), strict=True)):
        if past.id not in grades:
            continue
        given, way = [grade for grade in grades[past.id] if grade.grader == grader], again.ways[number]
        if not given or not way.chance:
            continue
        for name in way.chance:
            if name not in predicted:
                predicted[name] = np.nan_to_num(again.expected.quality(name), nan=_UNKNOWN)
        expects = {name: float(predicted[name][place]) for name in way.chance}
        row, unknown = _of_trial(past, way, given, expects) or _of_served(past, given, draws.of(number, past), expects)
        if row is not None:
            found.append(row)
            for name, chance in unknown.items():
                untried[name] = untried.get(name, 0.0) + chance
    compared = [row for row in found if row.today is not None]
    less = np.array([row.today for row in compared], dtype=np.float64)
    nothing, ones = np.zeros(len(compared)), np.ones(len(compared))
    as_is = Graded(less, nothing, ones, ones, ones, nothing, nothing)
    return Judged(_parts(found), _parts(compared, change=True), sums(as_is), untried)


def _of_trial(
    past: Past, way: Way, given: Sequence[Grade], expects: Mapping[str, float]
) -> tuple[_Row, dict[str, float]] | None:
    """Return the row of an exchange whose answers by several deployments were graded, None where they were not."""
    trials = [grade.trial for grade in given if grade.arm == "candidate"]
    if not trials:
        return None
    score = {grade.deployment: grade.score for grade in given if grade.trial == trials[-1] and grade.arm not in _SERVED}
    known = {name: chance for name, chance in way.chance.items() if name in score}
    covered = sum(known.values())
    base = sum(chance * expects[name] for name, chance in known.items())
    grade = sum(chance * score[name] for name, chance in known.items()) / covered if covered else 0.0
    row = _Row(
        TRIAL, grade, base / covered if covered else 0.0, covered, covered, covered**2, base, max(1.0 - covered, 0.0),
        score.get(past.deployment),
    )  # fmt: skip
    return row, {name: chance for name, chance in way.chance.items() if name not in score}


def _of_served(
    past: Past, given: Sequence[Grade], draw: _Draw, expects: Mapping[str, float]
) -> tuple[_Row | None, dict[str, float]]:
    """Return the row of an exchange whose own answer was graded; None where it was not, or inside a conversation."""
    grade = next(
        (grade.score for grade in reversed(given) if grade.arm in _SERVED or grade.deployment == past.deployment), None
    )
    if grade is None or (past.decision is not None and past.decision.course):
        return None, {}
    chosen = past.deployment if past.decision is None else past.decision.chosen
    base = sum(chance * expects[name] for name, chance in draw.able.items())
    drawn = past.decision.snapshot if past.decision is not None else ""
    row = _Row(drawn, grade, expects.get(chosen, 0.0), draw.weight, draw.expected, draw.square, base, draw.outside, grade)
    return row, draw.untried


def _parts(rows: Sequence[_Row], *, change: bool = False) -> Parts:
    """Return sums of rows by how they were drawn; ``change``: less the grade of what was answered."""
    parts: dict[str, list[_Row]] = {}
    for row in rows:
        parts.setdefault(row.drawn, []).append(row)
    less = {drawn: np.array([row.today or 0.0 for row in part]) if change else None for drawn, part in parts.items()}
    return {drawn: sums(_arrays(part), less=less[drawn]) for drawn, part in parts.items()}


def timed(rows: Sequence[Past], again: Redecided, largest: float) -> tuple[Parts, Sums]:
    """Return the times of answers say, in seconds: of exchanges decided again, and of them as they are."""
    draws = _Draws(again, largest, {})
    found: dict[str, list[tuple[float, ...]]] = {}
    for place, past in zip(again.way.tolist(), rows, strict=True):
        then = past.decision
        if past.outcome == "ok" and past.latency_ms > 0 and (then is None or not then.course):
            draw, drawn = draws.of(place, past), "" if then is None else then.snapshot
            took = past.latency_ms * _MS
            found.setdefault(drawn, []).append((took, draw.weight, draw.expected, draw.square, draw.outside))
    parts, whole = {}, Sums()
    for drawn, values in found.items():
        took, weight, expected, square, outside = np.array(values, dtype=np.float64).T
        nothing, ones = np.zeros(len(values)), np.ones(len(values))
        parts[drawn] = sums(Graded(took, nothing, weight, expected, square, nothing, outside), "self-normalised")
        whole += sums(Graded(took, nothing, ones, ones, ones, nothing, nothing))
    return parts, whole


def _arrays(rows: Sequence[_Row]) -> Graded:
    values = [(r.grade, r.predicted, r.weight, r.expected, r.square, r.base, r.outside) for r in rows]
    return Graded(*np.array(values, dtype=np.float64).reshape(-1, 7).T)

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


class _Kind(Struct, frozen=True):
    """Exchanges that were drawn alike and are decided alike now: what was chosen, with which chances, in which snapshot."""

    way: Way
    chosen: str
    chances: dict[str, float]
    snapshot: str
    inside: bool


@dataclass(frozen=True)
class Draws:
    """How N exchanges were drawn: ``kind`` is each one's place in ``kinds``, of which there are few."""

    kinds: tuple[_Kind, ...]
    kind: list[int]

    @staticmethod
    def of(rows: Sequence[Past], again: Redecided) -> "Draws":
        """Return the draws of exchanges that were decided again."""
        places: dict[object, int] = {}
        kinds: list[_Kind] = []
        kind: list[int] = []
        for way, past in zip(again.way.tolist(), rows, strict=True):
            then = past.decision
            if then is None:
                key: object = (way, past.deployment)
            else:
                key = (way, then.chosen, then.eligible, then.probabilities, then.snapshot, not then.course)
            place = places.setdefault(key, len(kinds))
            if place == len(kinds):
                kinds.append(_kind(again.ways[way], past))
            kind.append(place)
        return Draws(tuple(kinds), kind)

    def weighed(self, largest: float) -> list[_Draw]:
        """Return what each kind says of decisions now; ``largest`` is the largest weight."""
        return [_draw(kind.way, kind.chances, kind.chosen, largest) for kind in self.kinds]


def _kind(way: Way, past: Past) -> _Kind:
    then = past.decision
    if then is None:  # nobody drew: it was what it was
        return _Kind(way, past.deployment, {past.deployment: 1.0}, "", inside=False)
    chances = dict(zip(then.eligible, then.probabilities, strict=True))
    return _Kind(way, then.chosen, chances, then.snapshot, inside=bool(then.course))


def _draw(way: Way, then: Mapping[str, float], chosen: str, largest: float) -> _Draw:
    able = {name: now for name, now in way.chance.items() if now <= then.get(name, 0.0) * largest}
    untried = {name: now for name, now in way.chance.items() if name not in able}
    tried = sum(able.values())
    weight = able.get(chosen, 0.0) / then[chosen] if chosen in able else 0.0
    square = sum(now * now / then[name] for name, now in able.items())
    return _Draw(weight, tried, square, max(1.0 - tried, 0.0), able, untried)


def judged(
    rows: Sequence[Past], again: Redecided, draws: Draws, grades: Mapping[str, Sequence[Grade]], grader: str, largest: float
) -> Judged:
    """Return what a grader's ``grades`` (by exchange) say of exchanges decided again."""
    weighed = draws.weighed(largest)
    predicted: dict[str, Floats] = {}
    untried: dict[str, float] = {}
    found: list[_Row] = []
    for place, (past, number) in enumerate(zip(rows, draws.kind, strict=True)):
        if past.id not in grades:
            continue
        given, kind = [grade for grade in grades[past.id] if grade.grader == grader], draws.kinds[number]
        way = kind.way
        if not given or not way.chance:
            continue
        for name in way.chance:
            if name not in predicted:
                predicted[name] = np.nan_to_num(again.expected.quality(name), nan=_UNKNOWN)
        expects = {name: float(predicted[name][place]) for name in way.chance}
        row, unknown = _of_trial(past, way, given, expects) or _of_served(past, given, kind, weighed[number], expects)
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
    past: Past, given: Sequence[Grade], kind: _Kind, draw: _Draw, expects: Mapping[str, float]
) -> tuple[_Row | None, dict[str, float]]:
    """Return the row of an exchange whose own answer was graded; None where it was not, or inside a conversation."""
    own = (grade.score for grade in reversed(given) if grade.arm in _SERVED or grade.deployment == past.deployment)
    grade = next(own, None)
    if grade is None or kind.inside:
        return None, {}
    base, predicted = sum(chance * expects[name] for name, chance in draw.able.items()), expects.get(kind.chosen, 0.0)
    row = _Row(kind.snapshot, grade, predicted, draw.weight, draw.expected, draw.square, base, draw.outside, grade)
    return row, draw.untried


def _parts(rows: Sequence[_Row], *, change: bool = False) -> Parts:
    """Return sums of rows by how they were drawn; ``change``: less the grade of what was answered."""
    parts: dict[str, list[_Row]] = {}
    for row in rows:
        parts.setdefault(row.drawn, []).append(row)
    less = {drawn: np.array([row.today or 0.0 for row in part]) if change else None for drawn, part in parts.items()}
    return {drawn: sums(_arrays(part), less=less[drawn]) for drawn, part in parts.items()}


def timed(rows: Sequence[Past], draws: Draws, largest: float) -> tuple[Parts, Sums]:
    """Return what the times of answers say, in seconds: of exchanges decided again, and of them as they are."""
    kinds = [(draw.weight, draw.expected, draw.square, draw.outside) for draw in draws.weighed(largest)]
    values, kind = np.array(kinds, dtype=np.float64), np.array(draws.kind)
    took = np.array([past.latency_ms * _MS if past.outcome == "ok" else 0.0 for past in rows])
    parts, whole = dict[str, Sums](), Sums()
    for snapshot in {one.snapshot for one in draws.kinds if not one.inside}:
        mine = np.array([one.snapshot == snapshot and not one.inside for one in draws.kinds])
        at = np.flatnonzero(mine[kind] & (took > 0))
        weight, expected, square, outside = values[kind[at]].T
        nothing, ones = np.zeros(len(at)), np.ones(len(at))
        drawn = Graded(took[at], nothing, weight, expected, square, nothing, outside)
        parts[snapshot] = sums(drawn, "self-normalised")
        whole += sums(Graded(took[at], nothing, ones, ones, ones, nothing, nothing))
    return parts, whole


def _arrays(rows: Sequence[_Row]) -> Graded:
    values = [(r.grade, r.predicted, r.weight, r.expected, r.square, r.base, r.outside) for r in rows]
    return Graded(*np.array(values, dtype=np.float64).reshape(-1, 7).T)

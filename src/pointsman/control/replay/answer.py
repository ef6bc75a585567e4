"""What a replay found, for people and programs: sums turned into one answer for each feature, and one for all.

Laws: what is exact and what is expected are two numbers; an estimate has an interval, or there is none and the answer says
what would bring one.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.replay.tally import Tally
from pointsman.policy.estimate import FEWEST, OUTSIDE, CannotTell, Estimate, Sums, estimate
from pointsman.policy.outcomes import Floats

EXPLORED: Final = 0.05
"""The share of requests by which exploration is spoken of."""

_ENOUGH: Final = 30  # graded exchanges, before how they were drawn is judged by what they leave outside
_DIFFERENCE: Final = (-1.0, 1.0)


class Who(Struct, frozen=True):
    """One deployment then and now: requests (now: expected ones), and nano-dollars, ``expected_nano`` of them expected."""

    deployment: str
    requests_then: int
    nano_then: int
    requests: float
    nano: int
    expected_nano: int


class Move(Struct, frozen=True):
    """Requests that one deployment answered ``then`` and another, or the same one, would answer ``now`` (expected ones)."""

    then: str
    now: str
    requests: float
    nano: int
    expected_nano: int


class Unserved(Struct, frozen=True):
    """Requests that nobody could serve, who answered them then, and why."""

    deployment: str
    reason: str
    requests: int
    nano_then: int


class Quality(Struct, frozen=True):
    """Grades by one ``grader``: as they were, as they would be, and the difference. ``untried`` by share of what is graded.

    ``remedy`` says what would bring an estimate where there is none (empty: there is one).
    """

    grader: str
    then: Estimate | CannotTell
    now: Estimate | CannotTell
    change: Estimate | CannotTell
    untried: dict[str, float] = {}
    remedy: str = ""


class Answer(Struct, frozen=True):
    """One feature, or all (``feature`` empty, without quality and times, which do not add up).

    ``exact_nano`` is money of requests that the same deployment answered, ``expected_nano`` of the others; ``unpriced``
    requests have no known cost, then and now. ``moved`` requests go to another deployment. Times in seconds, of answers.
    ``kinds`` counts requests that a replay treats specially.
    """

    feature: str
    requests: int
    moved: float
    nano_then: int
    unpriced_then: int
    exact_nano: int
    expected_nano: int
    unpriced: float
    who: tuple[Who, ...]
    moves: tuple[Move, ...] = ()
    unserved: tuple[Unserved, ...] = ()
    kinds: dict[str, int] = {}
    quality: Quality | None = None
    seconds_then: Estimate | CannotTell | None = None
    seconds: Estimate | CannotTell | None = None

    @property
    def nano(self) -> int:
        """What it would have cost."""
        return self.exact_nano + self.expected_nano


class Replay(Struct, frozen=True):
    """Everything that ``pointsman replay`` shows. ``snapshot`` and ``made_by`` say which policy decided."""

    snapshot: int
    made_by: str
    total: Answer
    features: tuple[Answer, ...]
    notes: tuple[str, ...] = ()


def answers(found: Tally, graders: Mapping[str, str]) -> tuple[Answer, ...]:
    """Return one answer for each feature, by name."""
    names = sorted({key[0] for key in found.before})
    return tuple(_with_estimates(_money(found, (name,)), found, graders.get(name, "")) for name in names)


def total(found: Tally) -> Answer:
    """Return the sums over all features."""
    return _money(found, tuple({key[0] for key in found.before}), "")


def _money(found: Tally, features: tuple[str, ...], called: str | None = None) -> Answer:
    before = {key: values for key, values in found.before.items() if key[0] in features}
    after = {key: values for key, values in found.after.items() if key[0] in features}
    lost: dict[tuple[str, str], Floats] = {}
    for (feature, was, why), values in found.unserved.items():
        if feature in features:
            lost[was, why] = lost.get((was, why), np.zeros(2)) + values
    kinds: dict[str, int] = {}
    for (feature, kind), (count,) in found.kinds.items():
        if feature in features:
            kinds[kind] = kinds.get(kind, 0) + round(count)
    return Answer(
        feature=features[0] if called is None else called,
        requests=round(sum(values[0] for values in before.values())),
        moved=float(sum(values[0] for (_, was, now), values in after.items() if was != now)),
        nano_then=round(sum(values[1] for values in before.values())),
        unpriced_then=round(sum(values[2] for values in before.values())),
        exact_nano=round(sum(values[2] for values in after.values())),
        expected_nano=round(sum(values[3] for values in after.values())),
        unpriced=float(sum(values[4] for values in after.values())),
        who=_who(before, after),
        moves=_moves(after),
        unserved=tuple(Unserved(was, why, round(v[0]), round(v[1])) for (was, why), v in sorted(lost.items())),
        kinds=kinds,
    )


def _who(before: Mapping[tuple[str, ...], Floats], after: Mapping[tuple[str, ...], Floats]) -> tuple[Who, ...]:
    """Return who answered then and now, the busiest first."""
    lines: dict[str, Floats] = {}
    for (_, name), (requests, nano, _) in before.items():
        lines[name] = np.add(lines.get(name, np.zeros(5)), (requests, nano, 0.0, 0.0, 0.0))
    for (_, _, name), (requests, _, exact, expected, _) in after.items():
        lines[name] = np.add(lines.get(name, np.zeros(5)), (0.0, 0.0, requests, exact + expected, expected))
    order = sorted((name for name in lines if name), key=lambda name: -max(lines[name][0], lines[name][2]))
    whole = [(name, *lines[name].tolist()) for name in order]
    return tuple(
        Who(name, round(was), round(paid), now, round(cost), round(part)) for name, was, paid, now, cost, part in whole
    )


def _moves(after: Mapping[tuple[str, ...], Floats]) -> tuple[Move, ...]:
    """Return from whom to whom requests go, those first that are most."""
    lines: dict[tuple[str, str], Floats] = {}
    for (_, was, now), values in after.items():
        lines[was, now] = lines.get((was, now), np.zeros(5)) + values
    order = sorted(lines.items(), key=lambda item: -item[1][0])
    return tuple(Move(was, now, float(v[0]), round(v[2] + v[3]), round(v[3])) for (was, now), v in order if v[0])


def _with_estimates(answer: Answer, found: Tally, grader: str) -> Answer:
    name, same = answer.feature, not answer.moved and not answer.unserved
    then = estimate(found.took.get((name, ""), Sums()), span=None, fewest=2)
    return replace(
        answer,
        quality=_quality(found, name, grader, same=same),
        seconds_then=then,
        seconds=then if same else estimate(_told(found.latency, name), span=None),
    )


def _quality(found: Tally, feature: str, grader: str, *, same: bool) -> Quality:
    """Return what grades say. Where every request stays where it was (``same``), there is nothing to estimate."""
    graded, then = _told(found.quality, feature), estimate(found.today.get((feature, ""), Sums()), fewest=2)
    if same and isinstance(then, Estimate):
        return Quality(grader, then, then, Estimate(0.0, 0.0, 0.0, then.n, then.worth))
    now = estimate(graded)
    whole = sum((part for (of, _), part in found.quality.items() if of == feature), Sums()).n
    untried = {name: float(v[0]) / whole for (of, name), v in found.untried.items() if of == feature and whole}
    return Quality(
        grader=grader,
        then=then,
        now=now,
        change=estimate(_told(found.change, feature), span=_DIFFERENCE),
        untried=untried,
        remedy=remedy(feature, now, untried) if isinstance(now, CannotTell) else "",
    )


def _told(parts: Mapping[tuple[str, str], Sums], feature: str) -> Sums:
    """Return the sums that say something of a feature: of all that was graded, or where that leaves too much outside, of
    what was drawn in ways that leave little.

    What is left out is chosen by how answers were drawn, never by which: so nothing is chosen by what was asked.
    """
    mine = [part for (of, _), part in parts.items() if of == feature]
    whole = sum(mine, Sums())
    some = sum((part for part in mine if part.n >= _ENOUGH and part.outside <= OUTSIDE * part.n), Sums())
    return some if whole.outside > OUTSIDE * whole.n and some.worth >= FEWEST else whole


def remedy(feature: str, said: CannotTell, untried: Mapping[str, float]) -> str:
    """Return what would bring an estimate, in one sentence.

    With a share e of requests drawn evenly among k deployments that were never tried, o of the choices are theirs and have
    weights of k / e: an answer's weight squared is o k / e + (1 - o) / (1 - e) on average, and so many times ``FEWEST``
    graded answers are needed.
    """
    if said.why == "nothing graded":
        return f'nothing of it is graded: declare a check for "{feature}", or send feedback, and try again'
    fewest = round(FEWEST)
    if said.why == "never tried":
        names = sorted(untried, key=lambda name: -untried[name])
        share = min(sum(untried.values()), 1.0)
        explored = FEWEST * (share * len(names) / EXPLORED + (1 - share) / (1 - EXPLORED))
        return (
            f"{_percent(share)} of it would go to {', '.join(names)}, not tried there: "
            f"`pointsman trial {feature} --candidates {','.join(names)}` needs {fewest} graded requests, exploring at "
            f"{_percent(EXPLORED)} about {_rounded(explored)}"
        )
    more = FEWEST / said.worth - 1 if said.worth else math.inf
    if not math.isfinite(more):
        return f"no graded answer is one that would be given: `pointsman trial {feature}` needs {fewest} graded requests"
    needed = _rounded(said.n * more)
    return f"the {said.n:,} graded answers are worth {said.worth:,.0f} of {fewest}: about {needed} more are needed"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _rounded(number: float) -> str:
    digits = max(len(str(int(number))) - 2, 0)
    return f"{math.ceil(number / 10**digits) * 10**digits:,}"

"""What people's judgements come to: candidates' quality as people see it, agreement, time, and what the judge saved them."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from msgspec import Struct

from pointsman.control.review.piles import Pile, piles
from pointsman.core.review import SHARES, Opinion
from pointsman.core.snapshot import Snapshot
from pointsman.policy.agreement import Agreement, agreement
from pointsman.policy.powered import LEAST, Powered
from pointsman.store.interfaces import Store

AWAY_S: Final = 300.0
"""Longer than this nobody reads: of a longer pause so much counts as time spent."""


class Seen(Struct, frozen=True):
    """One pile as people see it: how much was said and is open, what the machine's mean is, and people's estimate.

    ``agree`` is the share of questions at which people's and the machine's word point the same way, ties included.
    """

    pile: Pile
    judged: int
    open: int
    machine: float | None
    people: Powered | None
    agree: float | None


class Reviewer(Struct, frozen=True):
    """What one reviewer said: opinions, of them skipped or not told, and seconds in all and at the median."""

    name: str
    said: int
    passed: int
    seconds: float
    median_s: float


class Report(Struct, frozen=True):
    """All of it. ``agreement`` is among reviewers, over the questions that several judged; None: too few."""

    seen: tuple[Seen, ...]
    reviewers: tuple[Reviewer, ...]
    agreement: Agreement | None

    @property
    def saved(self) -> int:
        """How many judgements by people the judge saved, where enough people judged for an estimate to be acted upon."""
        return sum(one.people.saved for one in self.seen if one.people is not None and one.people.people >= LEAST)


def report(found: Sequence[Pile]) -> Report:
    """Return what people's judgements come to."""
    opinions = [one for pile in found for said in pile.opinions.values() for one in said]
    of: defaultdict[str, list[Opinion]] = defaultdict(list)
    for opinion in opinions:
        of[opinion.reviewer].append(opinion)
    return Report(
        tuple(_seen(pile) for pile in found),
        tuple(_reviewer(name, said) for name, said in sorted(of.items())),
        agreement([_shares(said) for pile in found for said in pile.opinions.values()]),
    )


def by_people(
    store: Store, snapshot: Snapshot, route: str, *, now_ms: int, feature: str | None = None
) -> Mapping[tuple[str, str, str], Powered]:
    """Return people's estimates as verdicts go by them (``corrections``). Raises StoreError."""
    if not store.reviews.opinions():
        return {}
    return corrections(piles(store, snapshot, route, now_ms=now_ms, feature=feature))


def corrections(queue: Sequence[Pile], *, least: int = LEAST) -> Mapping[tuple[str, str, str], Powered]:
    """Return people's estimates by feature, candidate and trial, where at least ``least`` answers were judged by people."""
    found = {}
    for pile in queue:
        if pile.trial and pile.paired and pile.judged >= least:
            estimate = pile.estimate()
            if estimate is not None and estimate.people >= least:
                found[pile.feature, pile.deployment, pile.trial] = estimate
    return found


def _seen(pile: Pile) -> Seen:
    machine = [one.machine for one in pile.questions if one.machine is not None]
    agree = [
        _direction((one.machine or 0.0) - (0.0 if one.paired else 0.5)) == _direction(fmean(shares) - 0.5)
        for one in pile.questions
        if one.machine is not None and (shares := _shares(pile.opinions.get(one.id, ())))
    ]
    return Seen(
        pile=pile,
        judged=pile.judged,
        open=len(pile.open),
        machine=fmean(machine) if machine else None,
        people=pile.estimate(),
        agree=fmean(agree) if agree else None,
    )


def _direction(value: float) -> int:
    return (value > 0) - (value < 0)


def _shares(said: Sequence[Opinion]) -> list[float]:
    return [share for share in (SHARES[one.said] for one in said) if share is not None]


def _reviewer(name: str, said: Sequence[Opinion]) -> Reviewer:
    seconds = [min(one.seconds, AWAY_S) for one in said]
    passed = sum(SHARES[one.said] is None for one in said)
    return Reviewer(name, len(said), passed, sum(seconds), statistics.median(seconds))

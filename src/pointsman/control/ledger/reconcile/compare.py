"""The ledger beside a provider's count: differences by day and model, and why each may be.

Strategy: from every count that an export states, the ledger's own is taken away: what is settled, and what is thought of
unsettled calls. What is left is tried against ``REASONS``, from the most exact one on.

Laws: a reason is given only where its arithmetic fits; where none does, the difference is unexplained, and said to be.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.ledger.reconcile.billed import COUNTS, Billed, together
from pointsman.control.ledger.reconcile.ours import Ours
from pointsman.core.price import NANO_PER_USD

Key = tuple[str, str]
"""A day and a model."""


class Count(Struct, frozen=True):
    """One count that differs: the provider's, ours, and why (empty: no reason fits). ``nano`` is money in nano-dollars."""

    name: str
    theirs: int
    ours: int
    reason: str = ""


class Day(Struct, frozen=True):
    """One model (empty: all) on one day, with the counts that were compared and those that differ."""

    day: str
    model: str
    compared: tuple[str, ...]
    differing: tuple[Count, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether there is a reason for every difference."""
        return all(count.reason for count in self.differing)


class Case(Struct, frozen=True):
    """One difference, theirs minus ours, with all that may explain it. ``gaps`` are all of the row's, ``before`` and
    ``after`` those of the days beside it; ``late`` is what our calls took just before the midnight that the day began with.
    """

    day: str
    name: str
    gap: int
    stated: frozenset[str]
    ours: Ours
    gaps: Mapping[str, int]
    before: Mapping[str, int]
    after: Mapping[str, int]
    late: int
    opened: str


def compare(billed: Iterable[Billed], ours: Mapping[Key, Ours], opened: str) -> list[Day]:
    """Compare an export with the ledger, whose first day is ``opened``: every model of every day of the export.

    Where the export is not told apart by model, all models of a day are compared together.
    """
    rows = list(billed)
    if any(not row.model for row in rows):
        rows = [replace(row, model="") for row in rows]
        ours = _of_all_models(ours)
    theirs = together(rows)
    days = {row.day for row in rows}
    stated = frozenset(name for row in rows for name in (*COUNTS, "usd") if getattr(row, name) is not None)
    mine = {key: found for key, found in ours.items() if key[0] in days}
    keys = sorted({*theirs, *mine})
    gaps = {key: _gaps(theirs.get(key) or _nothing(key, stated), mine.get(key) or Ours()) for key in keys}
    return [_day(key, theirs.get(key) or _nothing(key, stated), gaps, ours, opened) for key in keys]


def _of_all_models(ours: Mapping[Key, Ours]) -> dict[Key, Ours]:
    found: dict[Key, Ours] = {}
    for (day, _), one in ours.items():
        found.setdefault((day, ""), Ours()).merge(one)
    return found


def _nothing(key: Key, stated: frozenset[str]) -> Billed:
    """Return the row that an export leaves out: nothing of all that it states of others."""
    return Billed(*key, **{name: Decimal(0) if name == "usd" else 0 for name in stated})  # type: ignore[arg-type]


def _stated(row: Billed) -> dict[str, int]:
    """Return what an export states of a row, money in nano-dollars as ``nano``."""
    found = {name: getattr(row, name) for name in COUNTS if getattr(row, name) is not None}
    return found if row.usd is None else {**found, "nano": round(row.usd * NANO_PER_USD)}


def _gaps(row: Billed, ours: Ours) -> dict[str, int]:
    """Return theirs minus ours where that is not nothing; money is equal within half of the last digit stated."""
    gaps = {name: count - ours.counts[name] for name, count in _stated(row).items()}
    if abs(gaps.get("nano", 0)) <= row.grain * NANO_PER_USD / 2 + 1:
        gaps.pop("nano", None)
    return {name: gap for name, gap in gaps.items() if gap}


def _day(key: Key, row: Billed, gaps: Mapping[Key, Mapping[str, int]], ours: Mapping[Key, Ours], opened: str) -> Day:
    mine, theirs = ours.get(key) or Ours(), _stated(row)
    before, after = _beside(key, -1), _beside(key, 1)
    late = (ours.get(before) or Ours()).edge
    counts = []
    for name, gap in gaps[key].items():
        beside = (gaps.get(before, {}), gaps.get(after, {}))
        case = Case(key[0], name, gap, frozenset(theirs), mine, gaps[key], *beside, late[name], opened)
        reason = next((said for rule in REASONS if (said := rule(case))), "")
        counts.append(Count(name, theirs[name], mine.counts[name], reason))
    return Day(*key, tuple(theirs), tuple(counts))


def _beside(key: Key, days: int) -> Key:
    return (date.fromisoformat(key[0]) + timedelta(days=days)).isoformat(), key[1]


def _before(case: Case) -> str:
    return f"the ledger counts only since {case.opened}" if case.day < case.opened else ""


def _unsettled(case: Case) -> str:
    if -case.ours.less[case.name] <= case.gap <= case.ours.more[case.name]:
        return f"within the bounds of {case.ours.unsettled:,} unsettled calls"
    return ""


def _midnight(case: Case) -> str:
    if -case.ours.edge[case.name] <= case.gap <= case.late:
        return "calls that began just before midnight (UTC) may count on the day after"
    return ""


def _other_day(case: Case) -> str:
    if -case.gap in (case.before.get(case.name), case.after.get(case.name)):
        return "a day beside it differs by as much the other way: counted on another day, as in another time zone"
    return ""


def _cached(case: Case) -> str:
    same = {"input", "output"} <= case.stated and not {"input", "output"} & set(case.gaps)
    if same and case.name in ("cached", "written", "nano") and {"cached", "written"} & set(case.gaps):
        return "the same tokens, of which others are counted as cached"
    return ""


def _price(case: Case) -> str:
    if case.name != "nano":
        return ""
    if case.ours.unpriced:
        return f"{case.ours.unpriced:,} of our calls have no price"
    nano = case.ours.counts["nano"]
    if nano and {"input", "output"} <= case.stated and not {"input", "output"} & set(case.gaps):
        return f"the same tokens at another price: {(nano + case.gap) / nano:.4g} times ours"
    return ""


def _elsewhere(case: Case) -> str:
    if case.gap <= 0:
        return ""
    if not case.ours.counts["requests"] and not case.ours.unsettled:
        return "nothing of it went through this gateway: another use of the account, a tool, a fee"
    more = case.gaps.get("requests", 0)
    if more > 0:
        return f"{more:,} requests did not go through this gateway"
    if case.name == "nano" and any(case.gaps.get(name, 0) > 0 for name in ("input", "output")):
        return "more tokens than went through this gateway"
    return ""


def _opening(case: Case) -> str:
    return f"the ledger began in the middle of {case.opened}" if case.day == case.opened and case.gap > 0 else ""


REASONS: Final[tuple[Callable[[Case], str], ...]] = (
    _before, _unsettled, _midnight, _other_day, _cached, _price, _elsewhere, _opening,
)  # fmt: skip

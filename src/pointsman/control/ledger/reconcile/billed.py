"""What a provider says that it billed, whatever the form of its export."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.errors import PointsmanError

_DATED: Final = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8})$")
COUNTS: Final = ("requests", "input", "cached", "written", "output")


class ExportError(PointsmanError):
    """A file that is no usage export, or one that cannot be compared: what is wrong, where, and what to do."""


class Billed(Struct, frozen=True):
    """What was billed for one model on one day (UTC, ``2026-11-28``). None: the export does not say.

    ``model`` is the provider's own name without its date, empty where the export is not told apart by model. ``input`` are
    all input tokens, those read from a cache (``cached``) and written to one (``written``) included. ``usd`` is exact to
    half of ``grain``, the last digit that was stated.
    """

    day: str
    model: str
    requests: int | None = None
    input: int | None = None
    cached: int | None = None
    written: int | None = None
    output: int | None = None
    usd: Decimal | None = None
    grain: Decimal = Decimal(0)


def undated(model: str) -> str:
    """Return a model's name without the date of its version: ``gpt-4o-mini-2024-07-18`` is ``gpt-4o-mini``."""
    return _DATED.sub("", model.strip())


def grain(amount: Decimal) -> Decimal:
    """Return one unit of the last digit in which an amount is stated."""
    exponent = amount.as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) and exponent < 0 else Decimal(0)


def together(rows: Iterable[Billed]) -> dict[tuple[str, str], Billed]:
    """Return rows by day and model, those of one day and model added up."""
    found: dict[tuple[str, str], Billed] = {}
    for row in rows:
        before = found.get((row.day, row.model))
        found[row.day, row.model] = row if before is None else _sum(before, row)
    return found


def _sum(one: Billed, other: Billed) -> Billed:
    counts = {name: _add(getattr(one, name), getattr(other, name)) for name in COUNTS}
    usd = one.usd if other.usd is None else other.usd if one.usd is None else one.usd + other.usd
    return replace(one, **counts, usd=usd, grain=one.grain + other.grain)


def _add(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other

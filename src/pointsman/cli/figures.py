"""How numbers and moments look in tables, and how moments are written in options. Shared by the commands.

Laws: an amount is exact to the digits shown, from integer nano-dollars; times are those of this machine's clock on the wall.
"""

import os
import re
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pointsman.control.review.veil import printable

_AGO: Final = re.compile(r"(\d+)\s*([mhdw])")
_WIDE: Final = 160
_DIGITS: Final = ((Decimal(1), 2), (Decimal("0.01"), 4), (Decimal("0.00001"), 6))
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def money(nano: int | None) -> str:
    """Return an amount for people: cents from a dollar on, down to nano-dollars; empty where unknown."""
    if nano is None:
        return ""
    usd = Decimal(nano).scaleb(-9)
    digits = next((digits for least, digits in _DIGITS if abs(usd) >= least or not nano), 9)
    return f"{'-' if usd < 0 else ''}${abs(usd):,.{digits}f}"


def percent(share: float | None) -> str:
    """Return a share in [0, 1] as a percentage; empty where unknown."""
    return "" if share is None else f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def duration(milliseconds: float | None) -> str:
    """Return a duration for people; empty where unknown."""
    if milliseconds is None:
        return ""
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"


def moment(at_ms: int) -> str:
    """Return the date and time of Unix milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


class _Paper(Console):
    """Prints texts, and cells of tables, so that no terminal obeys them: clients choose names that stand there."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a text as it is shown."""
        return super().render_str(printable(text), **how)


def paper() -> Console:
    """Return where tables are printed; wide where the output is no terminal, because nobody can widen a pipe."""
    made = _Paper(highlight=False, markup=False)
    return made if made.is_terminal or "COLUMNS" in os.environ else _Paper(highlight=False, markup=False, width=_WIDE)


def table(*columns: str, right: tuple[str, ...] = (), whole: tuple[str, ...] = ()) -> Table:
    """Return an empty table; columns in ``right`` hold numbers; those in ``whole`` are never broken either."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in (*right, *whole),
            min_width=len(column),
        )
    return made


def read_span(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return the milliseconds of an option's span of time: ``30m``, ``24h``, ``90d``, ``2w``, or ``0``.

    A callback for ``click.option``. Raises BadParameter.
    """
    if value is None:
        return None
    found = _AGO.fullmatch(value.strip())
    try:
        if found or value.strip() == "0":
            return round(timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds() * 1000) if found else 0
    except OverflowError:
        pass
    raise click.BadParameter(f"{value!r} is no span of time: write 30m, 24h, 90d or 2w", param=param)


def read_moment(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return the Unix milliseconds of an option's moment: ``30m``, ``24h``, ``7d``, ``2w`` ago, or a date.

    A callback for ``click.option``. Raises BadParameter.
    """
    if value is None:
        return None
    ago = _AGO.fullmatch(value.strip())
    try:
        if ago:
            passed = timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
            return int((time.time() - passed.total_seconds()) * 1000)
        return int(datetime.fromisoformat(value.strip()).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        message = f"{value!r} is no moment: write 30m, 24h, 7d, 2w, 2026-11-24 or 2026-11-24T18:30"
        raise click.BadParameter(message, param=param) from error

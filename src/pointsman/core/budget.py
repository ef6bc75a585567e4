"""What an owner allows to be used in a window of time: of requests, tokens or money, by whom.

A window is a calendar one, in UTC: a minute, a day, a month. So a limit holds exactly for each of them with one sum a
window, it is known when the next one begins (``Retry-After``), and days and months are those of the providers' bills. The
price: around the turn of a window as much as two limits may be used within less than a window's length.
"""

from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

Unit = Literal["requests", "tokens", "usd"]
Window = Literal["minute", "day", "month"]
Scope = Literal["all", "key", "customer", "feature", "route", "deployment"]

SHARE: Final = 4
"""A lease takes at most one in so many of what is left, unless one request needs more: others want leases too."""

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_DAY_H: Final = 24
_DAYS_TO_1970: Final = 719_468  # from the first of March of the year 0
_DAYS_OF_ERA: Final = 146_097  # 400 years
_CENT: Final = Decimal("0.01")


class Budget(Struct, frozen=True):
    """One limit: at most ``limit`` units in each window, for each value of the scope, or for the one value ``of``.

    Dollars are in nano-dollars. ``all`` has the one value "". With ``degrade`` the route moves to cheaper deployments as
    the money drains (``policy/limits``); without, what does not fit is refused.
    """

    name: str
    unit: Unit
    limit: int
    window: Window
    per: Scope = "all"
    of: str = ""
    degrade: bool = False


class Account(Struct, frozen=True):
    """One sum: of a budget, for one value of its scope (``customer=acme``), in one window [``began_ms``, ``ends_ms``)."""

    budget: str
    unit: Unit
    scope: str
    began_ms: int
    ends_ms: int

    @property
    def window(self) -> Window:
        """How long its window is."""
        length = self.ends_ms - self.began_ms
        return "minute" if length == _MINUTE_MS else "day" if length == _DAY_MS else "month"

    @property
    def whose(self) -> str:
        """Whose it is, for people: ``customer acme``, ``everything``."""
        kind, _, value = self.scope.partition("=")
        return f"{kind} {value}" if value else "everything"


def shown(unit: Unit, amount: int) -> str:
    """Return an amount for people: ``$2.50``, ``1,000 tokens``; what is below a cent is shown to four figures."""
    if unit != "usd":
        return f"{amount:,} {unit}"
    usd = Decimal(amount).scaleb(-9)
    return f"${usd:,.2f}" if not amount or abs(usd) >= _CENT else f"${usd.normalize():,.4g}"


def span(seconds: float) -> str:
    """Return how long a time is, for people: ``3 d 2 h``, ``5 min 10 s``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _DAY_H:
        return f"{hours // _DAY_H} d {hours % _DAY_H} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s" if minutes else f"{left} s"


def account(budget: Budget, value: str, now_ms: int) -> Account:
    """Return the account of a scope's value in the window of a moment."""
    began_ms, ends_ms = bounds(budget.window, now_ms)
    return Account(budget.name, budget.unit, f"{budget.per}={value}", began_ms, ends_ms)


def bounds(window: Window, now_ms: int) -> tuple[int, int]:
    """Return when the window of a moment began and when the next one begins, in Unix milliseconds."""
    if window != "month":
        length = _MINUTE_MS if window == "minute" else _DAY_MS
        began = now_ms - now_ms % length
        return began, began + length
    month = _month(now_ms // _DAY_MS)
    return _first_day(month) * _DAY_MS, _first_day(month + 1) * _DAY_MS


def _month(day: int) -> int:
    """Return the month, counted from March of the year 0, that a day since 1970 is in.

    In years that begin in March leap days come last, and five months have 153 days, over and over
    (https://howardhinnant.github.io/date_algorithms.html, ``civil_from_days``).
    """
    era, of_era = divmod(day + _DAYS_TO_1970, _DAYS_OF_ERA)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    return 12 * (400 * era + year) + (5 * of_year + 2) // 153


def _first_day(month: int) -> int:
    """Return the first day, since 1970, of a month as ``_month`` counts them (``days_from_civil``)."""
    years, of_year = divmod(month, 12)
    era, year = divmod(years, 400)
    return era * _DAYS_OF_ERA + 365 * year + year // 4 - year // 100 + (153 * of_year + 2) // 5 - _DAYS_TO_1970


def granted(left: int, least: int, wanted: int) -> int:
    """Return how much of what is ``left`` of an account goes into a lease: 0 where that is less than ``least``."""
    if left < least:
        return 0
    return max(least, min(wanted, left // SHARE))

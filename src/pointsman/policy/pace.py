"""What keeps an average of money while traffic shifts, on each day and in the long run: the objective ``budget``.

Strategy: what a right answer is worth was resolved once, on the prompts of that time; here it is multiplied by a factor that
falls with the debt, what was spent beyond the budget so far, and with how long there has been a debt. The first part is
adaptive pacing, mirror descent on the multiplier of the budget (Balseiro and Gur 2019; Balseiro, Lu and Mirrokni 2020,
arXiv:2002.10421). It alone would leave a debt for ever wherever the factor has to stay away from 1; the second part, as in
any PI controller, takes it back to nothing.

A day (UTC) is to end even, too. So the debt that changes the factor by e shrinks with the number of requests that are still
expected today, by the time between the last ones; and no request may be expected to cost more than the rest of the day can
take back, for a debt is paid off by one budget a request at the most, and a credit is spent at once. What a day still leaves
is paid by the next ones, little by little: taken back at once, it would be missing there.

A debt is paid off by choosing what is cheap; a credit has to find what is dearer *and* better, so that at a day's end it
changes the factor twice as fast. Where even that finds nothing, the little that chance has left goes to what is dearer and
as good (``idle``). A large credit does not: then nothing is worth the budget.

Where one model serves all because nothing dearer was shown to be better, what it costs less than the budget is not meant to
be spent: it pays a debt, and is no credit.

Laws: a pure function of the costs and their times, in their order; the factor lies in [``1 / WIDEST``, ``WIDEST``]; what
is expected to cost ``ALWAYS`` budgets may always be chosen; what was saved or overspent counts up to ``REMEMBERED``
requests' budgets, so that a quiet month does not pay for a wild one. A clock that goes back changes no day.
"""

import math
from typing import Final

from msgspec import Struct

HORIZON: Final = 20.0  # a debt of so many requests' budgets changes the factor by e ...
NEAREST: Final = 1.0  # ... and of so many at a day's end ...
PART: Final = 0.15  # ... and of this part of the requests that are left, between these
SOONER: Final = 0.5  # a credit at a day's end: of so much of that
DAMPING: Final = 4 * HORIZON * HORIZON / 0.3  # no swings where e times the worth costs 0.3 budgets more, or less than that
WIDEST: Final = 1e4
REMEMBERED: Final = 2000.0
CARRIED: Final = 0.3  # of what is left of earlier days, that one day takes upon itself
SPARE: Final = 1.0  # budgets of debt that a day may end with, as far as is foreseen ...
BACK: Final = 0.15  # ... and that each request that is left may be expected to take back
ALWAYS: Final = 0.7  # budgets that any request may cost
IDLE: Final = 50.0  # the factor beyond which money was not found to buy anything better ...
CHANCE: Final = 20.0  # ... while the credit is of no more budgets than chance leaves
_LOG_WIDEST: Final = math.log(WIDEST)
_DAY_MS: Final = 86_400_000
_LATELY: Final = 50  # requests that say how long the next ones take to come


class Pace(Struct, frozen=True):
    """Where a route stands, in budgets of one request.

    ``debt`` is today's (below 0: a credit), with what today takes over of ``carried``, what earlier days left; ``debts`` the
    sum of all debts so far. Today ends at ``until_ms``. ``at_ms`` is when the last request came, ``seen`` how many there
    were, up to ``_LATELY``, and ``gap_ms`` the time between the last ones.
    """

    debt: float = 0.0
    debts: float = 0.0
    carried: float = 0.0
    until_ms: int = 0
    at_ms: int = 0
    seen: int = 0
    gap_ms: float = 0.0

    def factor(self, now_ms: int) -> float:
        """Return what the worth of a right answer is multiplied by now."""
        pace = self if now_ms < self.until_ms else today(self, now_ms)
        nearest = max(PART * pace.left(now_ms), NEAREST) * (1.0 if pace.debt > 0 else SOONER)
        horizon = min(nearest, HORIZON)
        return math.exp(_within(-pace.debt / horizon - pace.debts / DAMPING, _LOG_WIDEST))

    def idle(self, now_ms: int) -> bool:
        """Say whether a little money is left that nothing better was found for."""
        pace = self if now_ms < self.until_ms else today(self, now_ms)
        return -CHANCE <= pace.debt < 0 and pace.factor(now_ms) >= IDLE

    def most(self, now_ms: int) -> float:
        """Return what a request may be expected to cost now, in budgets."""
        pace = self if now_ms < self.until_ms else today(self, now_ms)
        return max(1.0 + SPARE + BACK * pace.left(now_ms) - pace.debt, ALWAYS)

    def left(self, now_ms: int) -> float:
        """Return how many requests are still expected today, without end where nothing can be said."""
        return (self.until_ms - now_ms) / self.gap_ms if self.gap_ms else math.inf


def today(pace: Pace, now_ms: int) -> Pace:
    """Return where a route stands as a day begins, if one has: with its part of what earlier days left."""
    if now_ms < pace.until_ms:
        return pace
    whole = _within(pace.carried + pace.debt, REMEMBERED)
    until = now_ms - now_ms % _DAY_MS + _DAY_MS
    return Pace(CARRIED * whole, pace.debts, whole - CARRIED * whole, until, pace.at_ms, pace.seen, pace.gap_ms)


def paid(pace: Pace, cost_nano: int, budget_nano: float, at_ms: int, *, enough: bool = False) -> Pace:
    """Return where a route stands after a request that came at Unix milliseconds: what it cost, and may on average.

    ``enough``: less than the budget was spent on purpose.
    """
    if at_ms >= pace.until_ms:
        pace = today(pace, at_ms)
    debt = _within(pace.debt + cost_nano / budget_nano - 1.0, REMEMBERED)
    if enough:
        debt = max(debt, min(pace.debt, 0.0))
    debts = _within(pace.debts + debt, _LOG_WIDEST * DAMPING)
    seen, gap, last = pace.seen, pace.gap_ms, pace.at_ms
    if seen:
        gap += (max(at_ms - last, 0) - gap) / seen
    return Pace(debt, debts, pace.carried, pace.until_ms, max(at_ms, last), min(seen + 1, _LATELY), gap)


def _within(value: float, most: float) -> float:
    return min(max(value, -most), most)

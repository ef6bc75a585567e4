"""What keeps an average of money while traffic shifts: the objective ``budget``.

Strategy: what a right answer is worth was resolved once, on the prompts of that time; here it is multiplied by a factor that
falls with the debt, what was spent beyond the budget so far, and with how long there has been a debt. The first part is
adaptive pacing, mirror descent on the multiplier of the budget (Balseiro and Gur 2019; Balseiro, Lu and Mirrokni 2020,
arXiv:2002.10421). It alone would leave a debt for ever wherever the factor has to stay away from 1; the second part, as in
any PI controller, takes it back to nothing.

Laws: a pure function of the costs, in their order; the factor lies in [``1 / WIDEST``, ``WIDEST``]; what was saved or
overspent counts up to ``REMEMBERED`` requests' budgets, so that a quiet month does not pay for a wild one.
"""

import math
from typing import Final

from msgspec import Struct

HORIZON: Final = 20.0  # a debt of so many requests' budgets changes the factor by e
DAMPING: Final = 4 * HORIZON * HORIZON / 0.3  # no swings where e times the worth costs 0.3 budgets more, or less than that
WIDEST: Final = 1e4
REMEMBERED: Final = 2000.0
_LOG_WIDEST: Final = math.log(WIDEST)


class Pace(Struct, frozen=True):
    """Where a route stands, in budgets of one request: the ``debt`` (below 0: a credit), and the sum of all debts so far."""

    debt: float = 0.0
    debts: float = 0.0

    @property
    def factor(self) -> float:
        """What the worth of a right answer is multiplied by now."""
        return math.exp(_within(-self.debt / HORIZON - self.debts / DAMPING, _LOG_WIDEST))


def paid(pace: Pace, cost_nano: int, budget_nano: float) -> Pace:
    """Return where a route stands after a request: what it cost and what it may cost on average, in nano-dollars."""
    debt = _within(pace.debt + cost_nano / budget_nano - 1.0, REMEMBERED)
    return Pace(debt, _within(pace.debts + debt, _LOG_WIDEST * DAMPING))


def _within(value: float, most: float) -> float:
    return min(max(value, -most), most)

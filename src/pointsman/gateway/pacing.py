"""How the routes with a budget stand, in this worker: see ``policy/pace``.

Each worker keeps the average of its own requests, of each day too, and so all of them that of the whole. A restart begins
anew.
"""

import math
from typing import Final

from pointsman.core.price import NANO_PER_USD
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import ACTING, Route
from pointsman.policy.naming import plan_for
from pointsman.policy.pace import Pace, paid

_EVEN: Final = Pace()
_FREE: Final = (1.0, None, False)


class Paces:
    """The standing of each route by name."""

    def __init__(self) -> None:
        self._of: dict[str, Pace] = {}

    def now(self, route: Route | None, now_ms: int) -> tuple[float, int | None, bool]:
        """Return what a route's worth of a right answer is multiplied by, what a choice may cost, and ``idle``.

        The second is an expected cost in nano-dollars; None: whatever it is worth. So it is where the route has no budget,
        or spent nothing yet. The third is as ``Pace.idle`` has it.
        """
        if route is None or route.objective.kind != "budget":
            return _FREE
        pace, budget = self._of.get(route.name), route.objective.usd_per_1000
        if pace is None or not budget:
            return _FREE
        most = pace.most(now_ms)
        most_nano = None if most == math.inf else round(most * budget * NANO_PER_USD / 1000)
        return pace.factor(now_ms), most_nano, pace.idle(now_ms)

    def note(self, route: Route, record: ExchangeRecord) -> None:
        """Note what a request cost where choosing acts on its route's budget.

        An answer whose cost nobody told cost what was expected of it; what failed, and is not known to have cost, nothing.
        """
        budget, decision = route.objective.usd_per_1000, record.decision
        if route.objective.kind != "budget" or not budget or decision is None or decision.mode not in ACTING:
            return
        cost = record.cost_nano
        if cost is None and record.outcome != "error":
            expected = decision.predicted(record.attempts[-1].deployment if record.attempts else decision.chosen)
            cost = expected.cost_nano if expected is not None else None
        if cost is not None:
            before = self._of.get(route.name, _EVEN)
            enough = decision.chosen == plan_for(route, record.feature).one_model
            self._of[route.name] = paid(before, cost, budget * NANO_PER_USD / 1000, record.at_ms, enough=enough)

"""How the routes with a budget stand, in this worker: see ``policy/pace``.

Each worker keeps the average of its own requests, and so all of them that of the whole. A restart begins anew.
"""

from pointsman.core.price import NANO_PER_USD
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import ACTING, Route
from pointsman.policy.pace import Pace, paid

_EVEN = Pace()


class Paces:
    """The standing of each route by name."""

    def __init__(self) -> None:
        self._of: dict[str, Pace] = {}

    def factor(self, route: Route | None) -> float:
        """Return what a route's worth of a right answer is multiplied by: 1 where it has no budget."""
        return self._of.get(route.name, _EVEN).factor if route is not None and route.objective.kind == "budget" else 1.0

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
            self._of[route.name] = paid(self._of.get(route.name, _EVEN), cost, budget * NANO_PER_USD / 1000)

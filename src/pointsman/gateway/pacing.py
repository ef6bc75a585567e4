"""How the routes with a budget stand, in this worker: see ``policy/pace``.

Each worker keeps the average of its own requests, and so all of them that of the whole. A restart begins anew.
"""

from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Decision, Route
from pointsman.policy.pace import Pace, paid

_EVEN = Pace()


class Paces:
    """The standing of each route by name."""

    def __init__(self) -> None:
        self._of: dict[str, Pace] = {}

    def factor(self, route: Route | None) -> float:
        """Return what a route's worth of a right answer is multiplied by: 1 where it has no budget."""
        return self._of.get(route.name, _EVEN).factor if route is not None and route.objective.kind == "budget" else 1.0

    def note(self, route: Route, decision: Decision, cost_nano: int | None) -> None:
        """Note what a request cost, or else was expected to, where choosing acts on its route's budget."""
        budget = route.objective.usd_per_1000
        if route.objective.kind != "budget" or not budget or decision.mode not in ("canary", "auto"):
            return
        expected = decision.predicted(decision.chosen)
        cost = expected.cost_nano if cost_nano is None and expected is not None else cost_nano
        if cost is not None:
            self._of[route.name] = paid(self._of.get(route.name, _EVEN), cost, budget * NANO_PER_USD / 1000)

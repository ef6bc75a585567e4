"""What is watched of what acts: the table ``gates`` of a route."""

from typing import Any

from pointsman.control.config.reading import Table
from pointsman.core.routing import Gates


def read_gates(route: Table) -> Gates:
    """Read ``[routes.R.gates]``: points, percent, a factor, and what follows by itself."""
    table = route.table("gates")
    if table is None:
        return Gates()
    errors, cost = table.number("errors", "0", "50", above=True), table.number("cost", "0", "1000")
    latency = table.number("latency", "1", "1000")
    said: dict[str, Any] = {
        "errors": None if errors is None else float(errors / 100),
        "cost": None if cost is None else float(cost / 100),
        "latency": None if latency is None else float(latency),
        "promote": table.flag("promote", Gates().promote),
        "rollback": table.flag("rollback", Gates().rollback),
    }
    table.finish()
    return Gates(**{key: value for key, value in said.items() if value is not None})

"""How one process of the gateway stands: for probes, for people, and for metrics.

Laws: ready means that requests are served, and nothing else does; what is wrong beside that is named, with what to do, for
as long as it is so.
"""

from msgspec import Struct

from pointsman.gateway.equipment import Equipment
from pointsman.gateway.live import Live


class Condition(Struct, frozen=True):
    """``problems`` are sentences by the part that has them: ``snapshot``, ``copy``, ``journal``, ``feedback``,
    ``budgets``.

    ``from_copy``: served is the copy of the last good snapshot, because the store could not be read since the start.
    """

    ready: bool
    snapshot: str | None
    from_copy: bool
    problems: dict[str, str]


def condition(live: Live, equipment: Equipment) -> Condition:
    """Return how this process stands now."""
    current = live.current
    said = {
        "snapshot": live.problem,
        "copy": live.copy_problem,
        "journal": equipment.journal.state.problem,
        "feedback": equipment.feedback.problem,
        "budgets": equipment.budgets.state.problem,
    }
    problems = {part: words for part, words in said.items() if words}
    return Condition(current is not None, current.hash if current else None, live.from_copy, problems)

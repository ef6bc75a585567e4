"""What the ledger says of a provider's model on a day, in the counts that providers state."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pointsman.control.ledger.reconcile.billed import undated
from pointsman.control.ledger.report import day_of
from pointsman.core.ledger import Line

EDGE_MS: Final = 900_000
"""How long before midnight a call may begin that its provider counts on the next day: as long as one takes, by default."""

_DAY_MS: Final = 86_400_000
_ANSWERED: Final = 200


@dataclass
class Ours:
    """Sums by the names of ``billed.COUNTS``, and ``nano``: the settled amounts and what is thought of unsettled ones.

    ``more`` and ``less``: by how much the unsettled calls may come to more, or to less. ``edge``: what calls of the last
    minutes before midnight took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    more: Counter[str] = field(default_factory=Counter)
    less: Counter[str] = field(default_factory=Counter)
    edge: Counter[str] = field(default_factory=Counter)
    unsettled: int = 0
    unpriced: int = 0

    def add(self, line: Line) -> None:
        """Count a line."""
        took = {
            "requests": int(line.status == _ANSWERED),
            "input": line.fresh + line.cached + line.cache_written,
            "cached": line.cached,
            "written": line.cache_written,
            "output": line.output,
            "nano": line.nano or 0,
        }
        self.counts.update(took)
        if line.at_ms % _DAY_MS >= _DAY_MS - EDGE_MS:
            self.edge.update(took)
        self.unpriced += line.settled and line.nano is None
        if not line.settled:
            self.unsettled += 1
            most = {
                "requests": 1,
                "input": line.most_input,
                "cached": line.most_input,
                "written": line.most_input,
                "output": line.most_output,
                "nano": line.most or 0,
            }
            self.more.update({name: max(most[name] - count, 0) for name, count in took.items()})
            if line.basis != "partial":
                self.less.update(took)

    def merge(self, other: "Ours") -> None:
        """Count what another has counted."""
        for mine, theirs in zip(
            (self.counts, self.more, self.less, self.edge), (other.counts, other.more, other.less, other.edge), strict=True
        ):
            mine.update(theirs)
        self.unsettled += other.unsettled
        self.unpriced += other.unpriced


def ours_of(lines: Iterable[Line], provider: str, models: Mapping[str, str]) -> dict[tuple[str, str], Ours]:
    """Return what the ledger says of a provider, by day and by the provider's own name for the model, without its date.

    ``models`` are those names, by deployment; a deployment that is not there is called by what stands behind its provider.
    """
    found: dict[tuple[str, str], Ours] = {}
    for line in lines:
        if line.vendor == provider:
            model = undated(models.get(line.deployment) or line.deployment.partition("/")[2])
            found.setdefault((day_of(line.at_ms), model), Ours()).add(line)
    return found

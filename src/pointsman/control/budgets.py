"""How budgets stand, for whoever looks: what is used of each, what workers hold beside it, what is left.

Law: figures are those of the store, a fraction of a second old; what a worker holds and has not used is neither used nor
left.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pointsman.core.budget import Account, Budget, Unit, Window, account
from pointsman.core.snapshot import Snapshot
from pointsman.store.leases import Standing


class Line(Struct, frozen=True):
    """One account of a budget in the window of now; dollars are in nano-dollars, ``ends_ms`` is Unix time."""

    budget: str
    whose: str
    unit: Unit
    window: Window
    limit: int
    used: int
    leased: int
    left: int
    ends_ms: int
    on_limit: str


def lines(snapshot: Snapshot, standings: Iterable[Standing], now_ms: int) -> list[Line]:
    """Return the accounts of each budget, in the order of the configuration, those first of which most is used.

    A budget of which nothing was used yet has a line, too; accounts of budgets that are gone have none.
    """
    by_budget: dict[tuple[str, str], list[Standing]] = {}
    for one in standings:
        if one.account.began_ms <= now_ms < one.account.ends_ms:
            by_budget.setdefault((one.account.budget, one.account.unit), []).append(one)
    return [line for budget in snapshot.budgets for line in _of(budget, by_budget, now_ms)]


def _of(budget: Budget, by_budget: dict[tuple[str, str], list[Standing]], now_ms: int) -> Iterator[Line]:
    found = [one for one in by_budget.get((budget.name, budget.unit), ()) if one.account.window == budget.window]
    if not found:
        found = [Standing(account(budget, budget.of, now_ms), 0, 0)]
    for one in sorted(found, key=lambda one: (-one.used, one.account.scope)):
        left = max(budget.limit - one.used - one.leased, 0)
        yield Line(
            budget.name,
            _whose(budget, one.account),
            budget.unit,
            budget.window,
            budget.limit,
            one.used,
            one.leased,
            left,
            one.account.ends_ms,
            "degrade" if budget.degrade else "refuse",
        )


def _whose(budget: Budget, one: Account) -> str:
    return f"each {budget.per}" if one.scope == f"{budget.per}=" and budget.per != "all" else one.whose

"""How many values of a scope (customers, features, names of deployments) each key has brought: each is a row of the store.

Strategy: a set of marks for each key and scope, for as long as the rows count: a day, for budgets of a month that month. It
is one worker's, since its start; a mark is a hash, so that no name that a client made up takes much memory.

Laws: whoever was let in once goes on until the end of the day (or month); beyond the bound a new value is refused, and not
counted together with others: such a shared account would be a fresh one for a customer whose own is used up. What one key
brings leaves all other keys their number.
"""

from typing import Final

from pointsman.core.budget import Budget, Scope, bounds, span
from pointsman.core.errors import GatewayError

CHOSEN: Final[tuple[Scope, ...]] = ("customer", "feature", "deployment")
"""Scopes whose values clients may make up."""


class _Brought:
    """What one key brought of one scope in [``began_ms``, ``ends_ms``)."""

    __slots__ = ("began_ms", "ends_ms", "marks")

    def __init__(self, began_ms: int, ends_ms: int) -> None:
        self.began_ms = began_ms
        self.ends_ms = ends_ms
        self.marks: set[int] = set()


class Values:
    """Those of one worker."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Scope, bool], _Brought] = {}

    def refusal(self, whose: str, budget: Budget, value: str, now_ms: int, most: int) -> GatewayError | None:
        """Note that a key (empty: none) brings a value of a budget's scope; return why it may not, if it is one too many."""
        key = (whose, budget.per, budget.window == "month")
        found = self._found.get(key)
        if found is None or not found.began_ms <= now_ms < found.ends_ms:
            found = self._begin(key, now_ms)
        mark = hash(value)
        if mark in found.marks:
            return None
        if len(found.marks) < most:
            found.marks.add(mark)
            return None
        window, wait_s = ("month" if key[2] else "day"), (found.ends_ms - now_ms) / 1e3
        words = (
            f"requests {f'with the key {whose!r}' if whose else 'without a key'} have named {most:,} {budget.per}s in this "
            f"{window} (UTC), which is all that limits.values_per_key allows where each has a budget of its own "
            f"({budget.name!r}): no further {budget.per} is served before the next {window} begins in {span(wait_s)}"
        )
        return GatewayError(429, "budget_spent", words, retry_after=wait_s)

    def _begin(self, key: tuple[str, Scope, bool], now_ms: int) -> _Brought:
        """Begin a day or a month, and forget those that are over."""
        self._found = {one: found for one, found in self._found.items() if found.began_ms <= now_ms < found.ends_ms}
        begun = self._found[key] = _Brought(*bounds("month" if key[2] else "day", now_ms))
        return begun

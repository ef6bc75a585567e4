"""How long what is stored stays: what is older than ``[journal]`` says is deleted for good, again and again.

Laws: prompts go no later than their records; nothing is deleted where the owner names no days; what is deleted is gone from
the files too, which is tried until it has worked. The log of acts says how much it was.
"""

from typing import Final

from pointsman.control.review.intake import expire
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store

DAY_MS: Final = 86_400_000


class Forgetting:
    """Retention of one store, records and what reviewers read alike."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._untidy = True  # what an earlier process deleted may be in the log still

    def look(self, snapshot: Snapshot, now_ms: int) -> int:
        """Delete what is too old by now; return how many rows and texts that were. Raises StoreError."""
        keeping, forgetting = snapshot.keeping, self._store.forgetting
        untidy, self._untidy = self._untidy, True  # until it is known that nothing was deleted
        gone = expire(self._store.reviews, snapshot, now_ms)
        if keeping.prompt_days:
            gone += forgetting.prompts(now_ms - keeping.prompt_days * DAY_MS)
        if keeping.days:
            gone += forgetting.records(now_ms - keeping.days * DAY_MS)
        self._untidy = untidy or gone > 0
        if gone:
            self._store.audit.note("forget", f"{gone} rows and texts", at_ms=now_ms)
        if self._untidy and forgetting.tidy():
            self._untidy = False
        return gone

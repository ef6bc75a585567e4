"""Learning again on a schedule, beside the gateway: what was judged since the last time, and the snapshot that follows.

Laws: nothing is learned for a plan that does not act, or where the configuration sets no time (``[learning] every``); what
was read is read once more at the next time, as its exchange may have been written later, and then not again while the
process lives. What is new is told by when it arrived, however long ago it was said.
"""

import time
from collections.abc import Callable

from pointsman.control.labels import labelled
from pointsman.control.memory import Memory
from pointsman.control.publish import publish
from pointsman.control.relearn import EVERY, Hopes, Relearned, nothing, relearn, with_relearned
from pointsman.core.routing import Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Filter, Store


class Relearning:
    """What was judged, as far as it is remembered. ``say`` tells the operator."""

    def __init__(self, store: Store, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._say = say
        self._clock = clock
        self._memory = Memory()
        self._read = 0  # numbers of judgements: what came until the last time but one ...
        self._newest = 0  # ... and until the last time
        self._last: float | None = None

    def due(self, every_s: float | None) -> bool:
        """Say whether it is time to learn again: at once in a new process, then ``every_s`` seconds after the last time."""
        return every_s is not None and (self._last is None or self._clock() - self._last >= every_s)

    def look(
        self,
        snapshot: Snapshot,
        now_ms: int,
        *,
        hopes: Hopes = nothing,
    ) -> None:
        """Learn again for every plan that acts. Raises StoreError, SnapshotError; what was published until then stays."""
        self._last = self._clock()
        acting = [
            (route, plan)
            for route in snapshot.routes.values()
            for plan in route.plans.values()
            if plan.acts and not plan.asks
        ]
        if not acting:
            return
        newest = self._store.journal.last_judged()
        self._memory.note(labelled(self._store, Filter(), after=self._read))
        self._read, self._newest = self._newest, newest
        for route, plan in acting:
            found = relearn(snapshot, route, plan, self._memory, hopes=hopes)
            if found is not None:
                self._take(route, plan, found, now_ms)

    def _take(self, route: Route, plan: Plan, found: Relearned, now_ms: int) -> None:
        number = self._store.snapshots.current_number()

        def change(snapshot: Snapshot) -> Snapshot:
            return with_relearned(snapshot, route.name, plan, found, now_ms=now_ms)

        published = publish(self._store, change, made_by=f"{route.name}: {found.why}", now_ms=now_ms)
        if published.number != number or not found.changed:
            where = route.name if plan.feature == EVERY else f"{plan.feature} on route {route.name}"
            serving = ", ".join(found.plan.accepted) or "nothing but the reference"
            self._say(f"{where}: {found.why}" + (f"; accepted: {serving}" if found.changed else ""))

"""What one scrape shows of every process of the gateway.

Strategy: each process puts its figures on its page (``pages``) once a second; whoever is asked adds to its own, which are
exact, those of the others, which are at most a second old. A worker that is started again finds what its predecessor had
counted on its page, and goes on from there.

Laws: nothing here is waited for by a request. Gauges of a process that has not written for ``FRESH_S`` are not shown, its
counts are.
"""

import asyncio
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pointsman import __version__
from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key, Scope
from pointsman.gateway.condition import condition
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.live import Live
from pointsman.gateway.telemetry import exposition
from pointsman.gateway.telemetry.families import Label, Readings, add, counted
from pointsman.gateway.telemetry.pages import Page

LOOK_S: Final = 0.1
PUBLISH_EVERY: Final = 10
FRESH_S: Final = 10.0
_PAGE_SIZE: Final = os.sysconf("SC_PAGE_SIZE")

logger = logging.getLogger("pointsman.metrics")


class Shown(Struct, frozen=True):
    """What stands on a page: figures, and when they were taken (Unix time)."""

    at: float
    figures: dict[str, list[tuple[tuple[Label, ...], list[float]]]]

    def readings(self) -> Readings:
        """Return the figures."""
        return {name: dict(lines) for name, lines in self.figures.items()}


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Shown)


class Metrics:
    """The figures of one worker, and those of all. ``page`` is None where no other process shares the port."""

    def __init__(
        self,
        live: Live,
        equipment: Equipment,
        under_way: Callable[[], int],
        page: Page | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._live = live
        self._equipment = equipment
        self._under_way = under_way
        self._page = page
        self._wall = wall
        self._seen: dict[int, Shown] = {}
        self._process = str(page.place) if page is not None else "0"
        before = None if page is None else _shown(page.read())
        self._before: Readings = {} if before is None else counted(before.readings())

    async def follow(self) -> None:
        """Watch the event loop and put the figures on the page, until cancelled."""
        loop, tally = asyncio.get_running_loop(), self._equipment.tally
        looks = 0
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            tally.lagged(max(loop.time() - due, 0.0))
            looks += 1
            if self._page is not None and looks % PUBLISH_EVERY == 0:
                self.publish()

    def publish(self) -> None:
        """Put this worker's figures on its page."""
        if self._page is not None and not publish(self._page, self._own(), self._wall()):
            logger.warning("there are more figures than fit on a page of memory: those of this worker are no longer shared")

    def text(self) -> bytes:
        """Return what a scrape shows."""
        shown: Readings = {"build_info": {(__version__,): [1]}}
        add(shown, self._own())
        if self._page is not None:
            self._add_others(shown, self._page)
        return exposition.text(shown)

    def _add_others(self, shown: Readings, page: Page) -> None:
        for place in range(page.pages.count):
            if place == page.place:
                continue
            found = _shown(page.pages.read(place)) or self._seen.get(place)
            if found is not None:
                self._seen[place] = found
                readings = found.readings()
                add(shown, readings if self._wall() - found.at < FRESH_S else counted(readings))

    def _own(self) -> Readings:
        """Return this worker's figures, and its predecessors' counts."""
        found = self._equipment.tally.readings()
        found |= self._gauges()
        found |= process_readings(self._process)
        add(found, self._before)
        return found

    def _gauges(self) -> Readings:
        """Return what is read of the worker's parts when it is asked for."""
        equipment, current = self._equipment, self._live.current
        journal, budgets = equipment.journal.state, equipment.budgets.state
        wrong = [*condition(self._live, equipment).problems, *(["budgets"] if budgets.problem else [])]
        found: Readings = {
            "workers": {(): [1]},
            "under_way": {(): [self._under_way()]},
            "journal_queued": {(): [journal.queued]},
            "journal_written_total": {(): [journal.written]},
            "journal_dropped_total": {(): [journal.dropped]},
            "journal_failures_total": {(): [journal.failures]},
            "shedding": {(): [int(equipment.shedding.share < 1.0)]},
            "shed_total": {(): [equipment.shedding.refused]},
            "budget_leases": {(): [budgets.leases]},
            "budget_waited_total": {(): [budgets.waited]},
            "budget_refused_total": {(): [budgets.refused]},
            "untold_total": {(kind,): [lost] for kind, lost in equipment.telling.lost.items()},
            "problem": {(part,): [1] for part in wrong},
        }
        if current is not None:
            states = equipment.breakers.states(equipment.clock())
            found["breaker"] = {(name, states.get(name, "closed")): [1] for name in current.snapshot.deployments}
            found["snapshot_number"] = {(self._process,): [current.number]}
            found["snapshot_info"] = {(current.hash,): [1]}
            found["snapshot_published_seconds"] = {(): [current.at_ms / 1e3]}
        return found


def may_read(key: Key | None) -> None:
    """See whether whoever holds a key may read all figures: they are of all customers, features and routes.

    Raises GatewayError 403.
    """
    if key is not None and (key.customer or replace(key.scope, networks=()) != Scope()):
        words = "this key is for some of what is served, and figures are of all: use one without customer and scope"
        raise GatewayError(403, "not_permitted", words)


def publish(page: Page, readings: Readings, at: float) -> bool:
    """Put a process's figures on its page; False where there are too many."""
    return page.write(_encode(Shown(at, {name: list(lines.items()) for name, lines in readings.items()})))


def process_readings(process: str) -> Readings:
    """Return what this process takes of its machine. Where the system does not show it, the most it has taken so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_SIZE
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a hundred times the objects otherwise
    except OSError:
        resident, files = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), 0
    found: Readings = {
        "resident_bytes": {(process,): [resident]},
        "cpu_seconds_total": {(process,): [used.ru_utime + used.ru_stime]},
    }
    if files:
        found["open_files"] = {(process,): [files]}
    return found


def _shown(data: bytes | None) -> Shown | None:
    if not data:
        return None
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError:  # another version's, while one takes over from the other
        return None

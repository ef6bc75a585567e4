"""A second call where the first is late: whichever answers first is the client's, and the other is cancelled.

    first call ── late? ──> second call beside it ── one brings content ──> it goes on alone

Strategy: late is what only a small part of a deployment's calls are (``delays``): then a second call costs that part more
calls, and the slowest answers are as slow only where both calls are (Dean and Barroso, *The Tail at Scale*, Communications
of the ACM 56(2), 2013). The second call goes to who would stand in if the first failed, or to the same deployment where
nobody can.

Laws: only where the owner allows it (``Route.hedge``), and never for more than that share of the route's requests; the first
call whose content reaches the client is the only one whose does, and the other is cancelled in the same turn of the event
loop; both are in the record; who was tried to learn more of it is given the time that it takes.
"""

import asyncio
from typing import Final

from pointsman.core.record import Cause
from pointsman.core.routing import Decision
from pointsman.gateway import calling
from pointsman.gateway.attempt import Call, Failure
from pointsman.gateway.delays import Delays
from pointsman.gateway.server.message import Client
from pointsman.gateway.underway import UnderWay

_OF_SHARE: Final = 0.8
"""The part of the allowed share that is aimed at: what is learned is a little behind, and the share is never passed."""

BEATEN: Final = "given up: another call answered first"


def late_after(on: UnderWay, decision: Decision, share: float) -> float | None:
    """Return after how many seconds the first call of a request is late; None where no second one may be made."""
    if decision.arm == "explore" or on.asking is not None:
        return None
    on.equipment.hedges.pay(share)
    return on.equipment.delays.late_after(decision.chosen, 1.0 - _OF_SHARE * share, streamed=on.request.stream)


def note(on: UnderWay, delays: Delays) -> None:
    """Learn from an exchange that is over: how long the call took that answered, and how long others were waited for."""
    streamed = on.request.stream
    for call in on.calls:
        if call is on.answered_by and on.first_content is not None:
            delays.note(call.deployment.name, on.first_content - call.started, streamed=streamed)
        elif call.error == BEATEN and call.sent:
            delays.note(call.deployment.name, call.ended - call.started, streamed=streamed)


async def attempt(on: UnderWay, decision: Decision, late_s: float, client: Client) -> Failure | None:
    """Make a request's first call and, once it is late, a second one beside it; return the failure that counts, if any."""
    race = Race(on, client)
    mistake: BaseException | None = None
    race.start(decision.chosen, "first")
    try:
        await race.over(late_s)
        if race.open and on.answered_by is None and on.equipment.hedges.take():
            race.start(_second(on, decision), "hedge")
        while race.open:
            await race.over(None)
    except BaseException as error:  # noqa: BLE001 - raised again below
        mistake = error
    await race.stop()  # not in a finally block: compiled, what is raised through one that awaits is lost
    if mistake is not None:
        raise mistake
    return race.result()


def _second(on: UnderWay, decision: Decision) -> str:
    cooling = on.equipment.breakers.cooling(on.equipment.clock())
    return next((name for name in decision.fallbacks if name not in cooling), decision.chosen)


class Race:
    """The calls of one request that run beside each other, each in a task of its own."""

    def __init__(self, on: UnderWay, client: Client) -> None:
        self._on = on
        self._client = client
        self._runners: list[tuple[Call, asyncio.Task[Failure | None]]] = []
        on.won = self._won

    def start(self, name: str, cause: Cause) -> None:
        """Make one more call."""
        call = calling.begun(self._on, name, cause)
        self._runners.append((call, asyncio.create_task(calling.through(self._on, call, self._client))))

    @property
    def open(self) -> bool:
        """Whether anything is left to wait for: whoever has the client's turn, or before that anybody who may yet answer."""
        waiting = self._waiting()
        if self._on.answered_by is not None or not waiting:
            return bool(waiting)
        return not any(_final(task) for _, task in self._runners if task.done())

    async def over(self, within_s: float | None) -> None:
        """Wait until one call is over, or for so many seconds."""
        await asyncio.wait(self._waiting(), timeout=within_s, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        """Cancel what is still under way, and wait until it is gone."""
        for _, task in self._runners:
            task.cancel()
        await asyncio.gather(*[task for _, task in self._runners], return_exceptions=True)
        self._on.won = None
        answered = self._on.answered_by
        for call, task in self._runners:
            if answered is not None and call is not answered:
                call.unused = True
                call.error = BEATEN if task.cancelled() else call.error

    def result(self) -> Failure | None:
        """Return None where one answered, else the last failure, of a call that was made if there is one.

        Raises what a call raised that is neither.
        """
        for call, task in self._runners:
            if call is self._on.answered_by or (self._on.answered_by is None and not task.cancelled() and task.exception()):
                return task.result()
        failures = [failure for _, failure in self._on.failures]
        return next((failure for failure in reversed(failures) if failure.told is None), failures[-1])

    def _waiting(self) -> list[asyncio.Task[Failure | None]]:
        answered = self._on.answered_by
        return [task for call, task in self._runners if not task.done() and answered in (None, call)]

    def _won(self, winner: Call) -> None:
        for call, task in self._runners:
            if call is not winner:
                task.cancel()


def _final(task: "asyncio.Task[Failure | None]") -> bool:
    """Return whether a call that is over leaves nothing to hope of the others: a mistake, or a fault of the request."""
    if task.cancelled() or task.exception() is not None:
        return True
    failure = task.result()
    return failure is None or not failure.elsewhere

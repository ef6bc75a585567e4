"""One client request, straight down: from its bytes to its record.

    bytes -> ChatRequest (underway) -> target -> context -> Decision (choosing)
          -> call -> (retry, fallbacks) -> bytes (calling) -> ExchangeRecord (keeping)

Laws:
- The snapshot is taken once, at the start. The decision is made once; a retry and a fallback are calls, not draws.
- Nothing is tried again once a byte of content has gone to the client; a stream that breaks then ends with an error event.
- The client hangs up: whatever is awaited is cancelled at once, and the record is written all the same.
- The record, and a sample for a trial, are made after the last byte has gone to the client.
- Where every call failed, the client gets what the last one brought: the provider's own status and words.
- What is sealed by one deployment never goes to another: it is left out, and named.
"""

import asyncio

from pointsman.core.errors import GatewayError, WireError
from pointsman.core.record import Cause
from pointsman.core.routing import Decision
from pointsman.gateway import calling, choosing, heads, hedging, keeping
from pointsman.gateway.answer import refuse
from pointsman.gateway.asking import Held
from pointsman.gateway.attempt import Failure
from pointsman.gateway.caller import Caller
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.live import Current
from pointsman.gateway.server.message import Client, line
from pointsman.gateway.underway import CLIENT_GONE, UnderWay
from pointsman.policy import explore, further


class Exchange:
    """One request. ``serve`` is its whole life."""

    def __init__(self, equipment: Equipment, current: Current, caller: Caller, body: bytes) -> None:
        self._on = UnderWay(equipment, current, caller, body)
        self._asked_before = 0  # so many calls failed while the request was asked twice: what is asked now is counted anew

    async def serve(self, client: Client) -> None:
        """Answer the client, then keep the record. Raises nothing that the client caused but its own cancellation."""
        on = self._on
        try:
            choosing.resolve(on)
            if on.current.encoder is not None:
                await choosing.encode(on)
            if on.current.budgeted:
                await choosing.limit(on)
            decision = choosing.decided(on)
            failure = await self._ask(decision, client)
            if failure is not None:
                self._pass_on(failure, client)
        except asyncio.CancelledError:
            began = on.first_content is not None
            if client.gone:
                on.outcome = "client_gone"
                on.status = on.status if began else CLIENT_GONE
            elif began:
                on.outcome = "cut"  # by us: the process ends, or the client had stopped reading
            raise
        except WireError:
            on.status = 400
            raise
        except GatewayError as error:
            on.status = error.status
            refuse(client, error, on.dialect.errors, [line(b"x-pointsman-exchange", on.id.encode()), on.caller.echo])
        finally:
            keeping.keep(on)

    async def _ask(self, decision: Decision, client: Client) -> Failure | None:
        """Ask the chosen deployment, then its fallbacks, until one answers or the fault is the request's own."""
        on = self._on
        failure: Failure | None = None
        names = (decision.chosen, *decision.fallbacks)
        if on.asking is not None:
            failure = await on.asking.through(self._hold, on.time_left)
            if self._give(on.asking.given, client) or (failure is not None and not failure.elsewhere):
                return failure
            names = tuple(name for name in names if all(call.deployment.name != name for call in on.calls))
            self._asked_before = len(on.failures)
        on.equipment.retries.pay(on.current.retry_share)
        if names:
            share = on.current.hedged.get(on.route) if on.current.hedged else None
            late_s = hedging.late_after(on, decision, share) if share is not None else None
            if late_s is not None:
                failure = await hedging.attempt(on, decision, late_s, client)
            else:
                call = calling.begun(on, names[0], "fallback" if on.calls else "first")
                failure = await calling.through(on, call, client)
            if failure is not None and failure.elsewhere:
                failure = await self._ask_on(names, failure, client)
        return failure

    async def _ask_on(self, names: tuple[str, ...], failure: Failure, client: Client) -> Failure | None:
        """Make further calls after one that failed, until one answers, nothing is left to try, or the time is over."""
        on, equipment, before = self._on, self._on.equipment, self._asked_before
        found = last = failure
        while last.elsewhere:
            made = [said.made(call.deployment.name, equipment.now_ms() / 1e3) for call, said in on.failures[before:]]
            limits, cooling = on.current.snapshot.limits, equipment.breakers.waits(equipment.clock())
            may = limits.retry_share > 0 and equipment.retries.may and self._may_repeat()
            step = further.next_call(names, made, limits.attempts, cooling, retries=may)
            wait = step.wait_s(equipment.draw()) if step is not None and step.waits >= 0 else 0.0
            if step is None or wait >= on.time_left():
                break
            if step.cause == "retry":
                equipment.retries.take()
            if wait:
                await asyncio.sleep(wait)
            answer = await calling.attempt(on, step.deployment, step.cause, client)
            if answer is None:
                return None
            last = answer
            found = found if answer.told is not None else answer  # what a provider said, rather than that money is short
        return found

    def _may_repeat(self) -> bool:
        """Whether a deployment may be asked again: who is tried to learn more of it, as often as money was set aside for."""
        on = self._on
        return on.decision is None or on.decision.arm != "explore" or len(on.calls) < explore.CALLS

    def _pass_on(self, failure: Failure, client: Client) -> None:
        """Answer with what the last call brought. Raises GatewayError where its provider said nothing."""
        if failure.told is not None:
            raise failure.told
        on = self._on
        call = next(call for call, said in on.failures if said is failure)
        if not failure.body:
            raise failure.error(call.deployment.name)
        on.status = failure.status
        theirs = heads.of_refusal(failure.status, failure.headers)
        client.answer(failure.status, calling.head(on, call, theirs), failure.body)

    async def _hold(self, name: str, cause: Cause, held: Held) -> Failure | None:
        """Make one call whose answer is not given yet."""
        on = self._on
        failure = await calling.attempt(on, name, cause, held)
        if failure is None:
            held.call, held.said = on.calls[-1], on.answer
        on.unanswer()
        return failure

    def _give(self, held: Held | None, client: Client) -> bool:
        """Give an answer that was held, if there is one."""
        if held is None:
            return False
        on = self._on
        for call in on.calls:
            call.unused = call is not held.call
        on.answer, on.outcome, on.status, on.answered_by = held.said, "ok", held.status, held.call
        on.first_content = on.equipment.clock()
        client.answer(held.status, held.headers, held.body)
        return True

"""Asking twice: the journey of a request whose answer is given only when it is believed enough.

    first model -> what of its answer is compared -> believed enough? -> the next model, or the most believed answer

Strategy: a call is made as ever (``exchange``), but its reply is held instead of sent. ``policy/asking`` says who is next.

Laws: only where the route allows it, for a whole reply of one text, at the start of a conversation; a call that fails, or
brings nothing that can be compared, leaves the request to the others; what the client gets is one model's reply as it was.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from pointsman.core.chat import ChatRequest
from pointsman.core.record import Cause
from pointsman.core.routing import Compared, Decision, Route
from pointsman.gateway.attempt import Call, Failure
from pointsman.gateway.live import Current
from pointsman.gateway.server.message import Headers
from pointsman.gateway.verifying import Verifier, verifier
from pointsman.policy import answers, asking, naming
from pointsman.policy.asking import Round
from pointsman.wire.answer import Answer

_WHOLE: Final = frozenset(("stop", "end_turn", "stop_sequence", "STOP", "completed"))  # how dialects say: to its end


class Held:
    """Takes a whole reply in the client's place. ``call`` brought it, ``said`` is what it says."""

    gone = False
    peer = ""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.body = b""
        self.call: Call | None = None
        self.said: Answer | None = None

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Keep the reply."""
        self.status, self.headers, self.body = status, headers, body

    def start(self, status: int, headers: Headers) -> None:
        """Begin a stream: never, for none was asked for."""
        raise NotImplementedError

    def send(self, piece: bytes) -> bool:
        """Send a piece of a stream: see ``start``."""
        raise NotImplementedError

    async def room(self) -> None:
        """Wait for room: there always is."""

    def finish(self, piece: bytes = b"") -> None:
        """End a stream: see ``start``."""
        raise NotImplementedError


class Asking:
    """One request that may be asked twice; ``given`` is the reply to give once ``through``."""

    def __init__(self, begun: Round, how: Compared, verify: Verifier) -> None:
        self._round = begun
        self._how = how
        self._verify = verify
        self._held: dict[str, Held] = {}

    async def through(
        self, attempt: Callable[[str, Cause, Held], Awaitable[Failure | None]], time_left: Callable[[], float]
    ) -> Failure | None:
        """Ask one model after another; return the last failure where no reply was held, or the request is at fault."""
        failure: Failure | None = None
        cause: Cause = "first"
        while (name := self._round.next) is not None and time_left():
            held = Held()
            failure = await attempt(name, cause, held)
            if failure is not None and not failure.elsewhere:
                return failure
            self._round = self._heard(name, held if failure is None else None)
            cause = "asked"
        return None if self._held else failure

    @property
    def given(self) -> Held | None:
        """The reply that is believed most, or the last that came where none can be compared."""
        if not self._held:
            return None
        return self._held.get(self._round.believed) or list(self._held.values())[-1]

    def _heard(self, name: str, held: Held | None) -> Round:
        if held is None or held.said is None:
            return self._round.after(name, None, None)
        self._held[name] = held
        said, usage = held.said, held.said.usage
        fits = said.finish in _WHOLE and not said.tool_calls and self._verify(said.text)
        key = answers.compared(self._how, said.text) if fits else None
        return self._round.after(name, key, usage.output if usage is not None else None)


def begin(
    current: Current, route: Route, feature: str, request: ChatRequest, decision: Decision
) -> tuple[Decision, Asking | None]:
    """Return the decision and, where this request is asked twice, how that begins; else the decision as it was."""
    learned, plan = current.askings.get(route.name), naming.plan_for(route, feature)
    reference = plan.reference or route.reference
    if learned is None or route.ask_twice is None or reference is None or reference not in decision.eligible:
        return decision, None
    if decision.arm not in ("policy", "control") or plan.policy or not set(learned.models) <= {reference, *plan.asks}:
        return decision, None
    verify = verifier(request) if _is_simple(request) else None
    begun = asking.begun(decision, learned)
    if verify is None or begun is None or begun.next is None or current.pooled & set(learned.models):
        return decision, None
    decided = asking.decided(decision, plan, reference, begun.next, current.snapshot.limits.fallbacks)
    return decided, Asking(begun, route.ask_twice, verify) if decision.arm == "policy" else None


def _is_simple(request: ChatRequest) -> bool:
    """Say whether a request asks for one whole text."""
    return not request.stream and not request.tools and request.choices == 1 and not request.previous

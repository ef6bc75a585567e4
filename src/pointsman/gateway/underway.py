"""What is known of one request under way: what its head and body say, what was decided, who was asked, how it ended.

One value for the whole journey (``exchange``), which each of its parts reads and adds to: ``choosing``, ``calling``,
``keeping``. No part keeps anything of a request elsewhere.
"""

from collections.abc import Callable
from typing import Final, Literal

from pointsman.core.chat import ChatRequest
from pointsman.core.demands import Demand
from pointsman.core.routing import Decision
from pointsman.gateway import sampling
from pointsman.gateway.asking import Asking
from pointsman.gateway.attempt import Call, Failure
from pointsman.gateway.caller import Caller
from pointsman.gateway.courses import Place
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.live import Current
from pointsman.gateway.tab import Tab
from pointsman.policy.naming import Target
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat.request import glance

Outcome = Literal["ok", "error", "client_gone", "cut"]
CLIENT_GONE: Final = 499  # nginx's status for it; no client ever sees it


class BeatenError(Exception):
    """Another call has the client's turn already."""


class UnderWay:
    """One request, from its bytes on. Times are monotonic seconds; ``at_ms`` is Unix time.

    ``answered_by`` is the call whose answer reaches the client, None until one begins to; ``won`` is told of it;
    ``failures`` are the calls that failed, in the order in which they did. Raises WireError where the body cannot be read at
    all.
    """

    def __init__(self, equipment: Equipment, current: Current, caller: Caller, body: bytes) -> None:
        self.equipment = equipment
        self.current = current
        self.caller = caller
        self.body = body
        self.started = equipment.clock()
        self.at_ms = equipment.now_ms()
        self.id = equipment.ids.next(self.at_ms)
        self.entry = entry = caller.entry
        self.dialect = dialect = caller.dialect
        self._glanced = dialect.name == "openai_chat"  # where the bytes go on as they came, a glance is enough
        self.request = request = glance(body) if self._glanced else dialect.request.decode(body, entry.address)
        self.feature = caller.feature_of(request)
        # Choosing.
        self.target: Target | None = None
        self.foregone: Decision | None = None
        self.demands: tuple[Demand, ...] = ()
        self.route, self.vector, self.encoding = "", b"", b""
        self.decision: Decision | None = None
        self.trial: sampling.Standing | None = None
        self.asking: Asking | None = None
        self.place: Place | None = None
        self.named = caller.conversation_of(request)
        self.conversation: str | int = ""
        self.tab: Tab | None = None
        # Calling.
        self.calls: list[Call] = []
        self.failures: list[tuple[Call, Failure]] = []
        self.answered_by: Call | None = None
        self.won: Callable[[Call], None] | None = None
        self.outcome: Outcome = "error"
        self.status = 500
        self.first_content: float | None = None
        self.answer: Answer | None = None

    @property
    def own_name(self) -> str:
        """What the client calls the conversation, as no other key's client can call it; empty where it has no name."""
        whose = self.caller.whose
        return f"{whose}\n{self.named}" if whose and self.named else self.named

    def read_whole(self) -> ChatRequest:
        """Return the whole request where only a glance was taken of it. Raises WireError."""
        if self._glanced:
            self.request, self._glanced = self.dialect.request.decode(self.body, self.entry.address), False
        return self.request

    def time_left(self) -> float:
        """Seconds that this exchange may still take; 0 when its time is over."""
        return max(self.current.timeouts.total_s - (self.equipment.clock() - self.started), 0.0)

    def take_turn(self, call: Call) -> None:
        """A call's answer goes to the client from now on. Raises BeatenError where another one's does already."""
        if self.answered_by is not None:
            raise BeatenError
        self.answered_by = call
        if self.won is not None:
            self.won(call)

    def unanswer(self) -> None:
        """Nothing of what came so far has gone to the client: it was held."""
        self.outcome, self.status, self.first_content, self.answered_by = "error", 500, None, None

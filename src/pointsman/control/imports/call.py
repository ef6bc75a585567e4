"""One past call, whatever log it came from."""

from typing import Literal

from msgspec import Struct

from pointsman.core.chat import ChatRequest, Usage
from pointsman.core.errors import PointsmanError


class LineError(PointsmanError):
    """A value of a log that cannot be read: why, in one sentence, without any of its content beyond names and numbers."""


class Call(Struct, frozen=True):
    """A call as a log tells it. Times in Unix milliseconds and milliseconds.

    ``asked`` is the name in the request, ``model`` the one that answered; ``provider`` is empty where the log has none.
    ``cost_nano`` is None where the log has no cost, or says zero for tokens that are never free. ``key`` is the log's own
    id of the call (empty: none). ``labels`` are the names by which the owner may tell features apart.
    """

    at_ms: int
    asked: str
    model: str
    provider: str = ""
    usage: Usage | None = None
    cost_nano: int | None = None
    outcome: Literal["ok", "error"] = "ok"
    status: int = 0
    error: str = ""
    latency_ms: float = 0.0
    first_content_ms: float | None = None
    streamed: bool = False
    finish: str | None = None
    conversation: str = ""
    request: ChatRequest | None = None
    key: str = ""
    labels: dict[str, str] = {}

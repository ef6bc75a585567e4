"""One call to one deployment: made, timed, and its failure understood.

Strategy: a call ends as an answer or as a ``Failure``; the failure says what may be done about it (``policy/further`` has
the table), and ``exchange`` does it. All but the request's own fault counts against the deployment (``health``).

The statuses are those that the official OpenAI client repeats (408, 409, 429, 5xx), those that say that the owner's
credential is at fault, not the client's request (401, 402, 403), and Bedrock's word for a model that failed (424).

Law: what a provider said is passed on as it said it: its status, its body, its Retry-After.
"""

import math
from email.utils import mktime_tz, parsedate_tz
from typing import Final

from msgspec import Struct, structs

from pointsman.core.chat import ChatRequest, Usage
from pointsman.core.errors import GatewayError, UpstreamError
from pointsman.core.record import SETTLED, Attempt, Basis, Cause
from pointsman.core.routing import Deployment
from pointsman.gateway.health import Breakers
from pointsman.policy import bounds, cost, features
from pointsman.policy.bounds import LARGEST
from pointsman.policy.further import Made
from pointsman.upstream.interfaces import Reply
from pointsman.wire.answer import Answer

ERROR_BYTES = 1024 * 1024
_STREAM_OVERHEAD = 40  # bytes of a stream for each character of text in it, about: where its text was not read
_ELSEWHERE = frozenset((401, 402, 403, 408, 409, 424, 429))
_JSON: Final = b"application/json"
_STREAMS = (b"text/event-stream", b"application/vnd.amazon.eventstream")
_AGAIN = frozenset(("connect", "closed"))
_LATER = frozenset((408, 409, 424, 500, 502, 503, 504, 529))
_NAMES_WAIT = frozenset((429, 503, 529))  # RFC 9110, section 10.2.3, RFC 6585, section 4, and Anthropic's overloaded
_REFUSED, _FAILED = 400, 500
_STATUS = {"timeout": 504}
_CODE = {
    "connect": "upstream_unreachable",
    "timeout": "upstream_timeout",
    "protocol": "upstream_protocol_error",
    "closed": "upstream_closed",
    "credential": "upstream_credential_missing",
}


class Failure(Struct, frozen=True):
    """A call that brought no answer. ``status`` and ``body`` are the provider's, 0 and empty where none came.

    ``told`` is what a client is told where no call was made, because a budget does not allow it.
    """

    reason: str
    kind: str = ""
    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    told: GatewayError | None = None

    @property
    def again(self) -> bool:
        """Whether the same deployment may be asked once more, at once."""
        return self.kind in _AGAIN

    def made(self, deployment: str, now_s: float) -> Made:
        """Return what a further call depends on; ``now_s`` is Unix time."""
        asked = retry_after_s(self.headers, now_s)
        broken = self.kind in _AGAIN or (self.kind == "protocol" and not self.status)
        later = broken or self.status in _LATER or self.status == 429
        named = asked is not None or self.status != 429  # a limit that names no wait is no invitation
        return Made(deployment, self.again, later and named, max(asked or 0.0, 0.0))

    @property
    def elsewhere(self) -> bool:
        """Whether another deployment may be asked; it is the deployment's fault then, and not the request's."""
        return bool(self.kind) or self.status in _ELSEWHERE or self.status >= 500

    def retry_after_s(self, now_s: float) -> float | None:
        """Return the seconds that the provider asked to wait, None where it did not ask."""
        return retry_after_s(self.headers, now_s) if self.status in _NAMES_WAIT else None

    def error(self, deployment: str) -> GatewayError:
        """Return what a client is told where the provider itself said nothing."""
        return GatewayError(
            _STATUS.get(self.kind, 502), _CODE.get(self.kind, "upstream_error"), f"{deployment}: {self.reason}"
        )


def retry_after_s(headers: tuple[tuple[bytes, bytes], ...], now_s: float) -> float | None:
    """Return the seconds that a reply asks to wait, None where it does not; ``now_s`` is Unix time.

    (RFC 9110, section 10.2.3; ``retry-after-ms`` is what OpenAI and Azure say more exactly.)
    """
    said = {name: value for name, value in headers if name in (b"retry-after", b"retry-after-ms")}
    value = said.get(b"retry-after", b"").decode("latin-1").strip()
    exactly = _number(said.get(b"retry-after-ms", b"").decode("latin-1"))
    if exactly is not None:
        return exactly / 1e3
    seconds = _number(value)
    return _until(value, now_s) if seconds is None else seconds


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _until(date: str, now_s: float) -> float | None:
    try:
        parsed = parsedate_tz(date)
        return None if parsed is None else max(mktime_tz(parsed) - now_s, 0.0)
    except (ValueError, OverflowError):
        return None


def failed(error: UpstreamError) -> Failure:
    """Return the failure of a call without a reply."""
    return Failure(str(error), kind=error.kind)


def refused(status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> Failure:
    """Return the failure that a provider stated; ``body`` is its error as the client reads errors."""
    if not 400 <= status < 600:
        return Failure(f"answered {status}, which is no answer to a chat", kind="protocol", status=status)
    return Failure(f"answered {status}", status=status, body=body, headers=headers)


async def error_body(reply: Reply) -> bytes:
    """Return what a provider says of its error; nothing where it says too much, or breaks off: the status stands."""
    try:
        return await reply.read(ERROR_BYTES)
    except UpstreamError:
        return b""


def is_stream(reply: Reply, *, asked: bool) -> bool:
    """Say whether a reply is a stream: where one was asked for, everything that does not say that it is JSON."""
    for name, value in reply.headers:
        if name == b"content-type":
            if value == _JSON:
                return False
            return not value.startswith(_JSON) if asked else value.startswith(_STREAMS)
    return asked


class Call:
    """A call under way, and what becomes of it. Times are monotonic seconds; ``started_ms`` is Unix time.

    ``broke_off``: its stream broke after content had gone to the client. ``limit`` is what each answer is limited to because
    so much was reserved of a budget, and nobody had stated a limit.
    """

    __slots__ = (
        "broke_off", "cause", "deployment", "ended", "error", "estimated", "finish", "limit", "lost", "name", "replied",
        "sent", "sent_bytes", "started", "started_ms", "status", "unused", "usage", "whole",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, cause: Cause, started: float, started_ms: int) -> None:
        self.deployment = deployment
        self.name = deployment.name
        self.cause = cause
        self.started = started
        self.started_ms = started_ms
        self.replied: float | None = None
        self.ended = started
        self.status = 0
        self.error = "given up"
        self.usage: Usage | None = None
        self.finish: str | None = None
        self.estimated = False
        self.lost: tuple[str, ...] = ()
        self.unused = False
        self.broke_off = False
        self.sent = False  # whether any of the request can have been processed, and of how many bytes its body is
        self.sent_bytes = 0
        self.limit: int | None = None
        self.whole = False  # whether the usage is that of a reply that came to its end

    def understand(self, said: Answer, size: int, request: ChatRequest, *, ended: bool = False) -> None:
        """Note what a reply of ``size`` bytes took, read to its end or not; it is counted here where nobody says."""
        usage, finish = said.usage, said.finish
        if usage is not None and (said.tier or request.service_tier):
            usage = said.billed(request.service_tier)
        self.usage, self.finish = _believable(usage), finish
        self.whole = self.usage is not None and (ended or finish is not None)
        if usage is None and finish is not None:
            self.usage = Usage(features.input_tokens(request), max(len(said.graded), size // _STREAM_OVERHEAD) // 4)
            self.estimated = True

    @property
    def basis(self) -> Basis:
        """What the amount of it rests on."""
        if self.whole:
            return "reported"
        if self.usage is not None:
            return "estimated" if self.estimated else "partial"
        if not self.sent:
            return "unsent"
        return "refused" if _REFUSED <= self.status < _FAILED else "unknown"

    @property
    def nano(self) -> int | None:
        """What it cost, as far as is known."""
        usage, price = self.usage, self.deployment.price
        return None if usage is None or price is None else cost.amount(usage, price)

    def attempt(self, request: ChatRequest) -> Attempt:
        """Return what is kept of it."""
        usage, price, basis = self.usage, self.deployment.price, self.basis
        cost_nano, terms = None, ""
        if price is not None:
            cost_nano, terms = (None, cost.terms(None, price)) if usage is None else cost.bill(usage, price)
        kept = Attempt(
            deployment=self.name,
            cause=self.cause,
            started_ms=self.started_ms,
            status=self.status,
            error=self.error,
            first_byte_ms=None if self.replied is None else (self.replied - self.started) * 1e3,
            total_ms=(self.ended - self.started) * 1e3,
            usage=usage,
            cost_nano=cost_nano,
            finish=self.finish,
            estimated=self.estimated,
            lost=self.lost,
            unused=self.unused,
            basis=basis,
            terms=terms,
        )
        return kept if basis in SETTLED else self._bounded(kept, request)

    def _bounded(self, kept: Attempt, request: ChatRequest) -> Attempt:
        """Return what is kept of it with what it can have taken at most."""
        price, partial = self.deployment.price, kept.basis == "partial"
        most = bounds.most_tokens(request, self.sent_bytes, self.deployment)
        between = None if price is None else bounds.between(kept.cost_nano, most, price, partial=partial)
        return structs.replace(kept, bounds=between, most_input=most.input, most_output=most.output)


def _believable(usage: Usage | None) -> Usage | None:
    """Return a usage, None where it is more than any call takes: its amount would fit into no store."""
    if usage is None or usage.input > LARGEST or usage.output > LARGEST:
        return None
    return None if usage.cached > LARGEST or usage.cache_written > LARGEST else usage


def judge(breakers: Breakers, call: Call, failure: Failure | None, *, cut: bool, known: bool, now_s: float) -> None:
    """Note how a call went with what is ``known`` of its deployment; ``cut``: it broke off after content. See the table."""
    name = call.name
    if failure is None and cut:
        breakers.failed(name, call.ended)
    elif failure is None or not failure.elsewhere:
        breakers.succeeded(name, call.ended)
    elif known:
        breakers.failed(name, call.ended, failure.retry_after_s(now_s))
    call.error = failure.reason if failure is not None else call.error

"""Which headers pass, both ways, and which are ours.

Laws: lists of what is allowed, so that a client's key, cookies and our own headers never reach a provider, and nothing of a
provider's connection reaches a client; a header value of ours never holds a character that could end it.
"""

import functools
import hashlib
from typing import Final
from urllib.parse import quote

from pointsman.core.routing import Decision
from pointsman.gateway.server.message import Headers, line

JSON = line(b"content-type", b"application/json")
_TO_PROVIDER = {
    "openai_chat": (b"openai-beta", b"idempotency-key"),
    "openai_responses": (b"openai-beta", b"idempotency-key"),
    "anthropic": (b"anthropic-version", b"anthropic-beta", b"idempotency-key"),
}
_OF_ANY = (b"idempotency-key",)
_ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")
_TO_CLIENT: Final = frozenset(
    (
        b"content-type",
        b"content-encoding",
        b"retry-after",
        b"retry-after-ms",
        b"x-request-id",
        b"request-id",
        b"x-amzn-requestid",
        b"apim-request-id",
        b"x-should-retry",
    )
)
_TO_CLIENT_PREFIXES: Final = (b"x-ratelimit-", b"openai-", b"anthropic-ratelimit-")
_LOST_LENGTH = 2048
_KEPT = 1024


def to_provider(headers: dict[bytes, bytes], ours: str, theirs: str, whose: str = "") -> tuple[tuple[bytes, bytes], ...]:
    """Return the client's headers that a provider may see: those of its dialect only where the client speaks it too.

    All clients share the owner's account there, where one idempotency key stands for one answer: so each key (``whose``) has
    its own, which no other's client can send.
    """
    names = _TO_PROVIDER.get(theirs, _OF_ANY) if ours == theirs else _OF_ANY
    found = tuple([(name, headers[name]) for name in names if name in headers])
    if whose and b"idempotency-key" in headers:
        own = hashlib.sha256(whose.encode() + b"\n" + headers[b"idempotency-key"]).hexdigest().encode()
        found = tuple([(name, own if name == b"idempotency-key" else value) for name, value in found])
    if theirs == "anthropic" and (ours != theirs or b"anthropic-version" not in headers):
        return (*found, _ANTHROPIC_VERSION)
    return found


def to_client(headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Return the provider's headers that a client may see."""
    return [line(name, value) for name, value in headers if _passes(name)]


def _passes(name: bytes) -> bool:
    return name in _TO_CLIENT or name.startswith(_TO_CLIENT_PREFIXES)


def written_here(headers: tuple[tuple[bytes, bytes], ...], content_type: bytes) -> Headers:
    """Return the provider's headers that may come with a body that was written here."""
    theirs = to_client(tuple([field for field in headers if not field[0].startswith(b"content-")]))
    return [line(b"content-type", content_type), *theirs]


def of_refusal(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> Headers:
    """Return the provider's headers that may come with its error.

    A 429 that says no time to wait gets one: agents take its absence for leave to ask again at once, for ever.
    """
    lines = written_here(headers, b"application/json")
    if status == 429 and not any(name.startswith(b"retry-after") for name, _ in headers):
        lines.append(line(b"retry-after", b"1"))
    return lines


def ours(exchange: str, feature: str, decision: Decision, served: str, lost: tuple[str, ...] = ()) -> Headers:
    """Return the headers that say what was decided; quality and cost are those predicted for the deployment that served.

    ``lost`` names what its dialect has no word for.
    """
    standing = _standing(decision.mode, decision.arm, served, feature, decision.snapshot)
    lines = [b"x-pointsman-exchange: %b\r\n%b" % (exchange.encode(), standing)]
    if lost:
        lines.append(line(b"x-pointsman-lossy", printable(", ".join(lost))[:_LOST_LENGTH]))
    predicted = decision.predicted(served) if decision.predictions else None
    if predicted is not None and predicted.quality is not None:
        lines.append(b"x-pointsman-quality: %.3f\r\n" % predicted.quality)
    if predicted is not None and predicted.cost_nano is not None:
        lines.append(b"x-pointsman-cost: %.9f\r\n" % (predicted.cost_nano / 1e9))
    return lines


@functools.lru_cache(_KEPT)
def _standing(mode: str, arm: str, served: str, feature: str, snapshot: str) -> bytes:
    """Return the lines that are the same for many requests."""
    fields = {"mode": mode, "arm": arm, "deployment": served, "feature": feature, "snapshot": snapshot}
    return b"".join([line(b"x-pointsman-" + name.encode(), printable(value)) for name, value in fields.items()])


def printable(text: str) -> bytes:
    """Return a text as a header value, percent-encoded where it is not plain ASCII."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return quote(text, safe=" /:@._-").encode()

"""What goes to a client in one piece: a whole answer, or an error.

Law: one function turns an error into a reply: its true status, OpenAI's envelope, Retry-After where waiting helps.
"""

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pointsman.core.errors import GatewayError
from pointsman.gateway.heads import JSON, Headers
from pointsman.wire.openai_chat import errors

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BODY_UNREAD = frozenset((408, 413))


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole reply. ``headers`` is taken over, not copied."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse(send: Send, error: GatewayError, headers: Headers | None = None) -> None:
    """Send an error. Where the request's body was not read to its end, the connection closes after it."""
    fields = [JSON, *(headers or ())]
    if error.retry_after is not None:
        fields.append((b"retry-after", b"%d" % max(math.ceil(error.retry_after), 1)))
    if error.status in _BODY_UNREAD:
        fields.append((b"connection", b"close"))
    await answer(send, error.status, errors.envelope(error), fields)

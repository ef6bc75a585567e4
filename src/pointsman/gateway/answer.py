"""Errors on their way to a client.

Law: one function turns an error into a reply: its true status, the envelope of the client's own dialect, Retry-After where
waiting helps, and always with a 429.
"""

import math

from pointsman.core.errors import GatewayError
from pointsman.gateway import entries
from pointsman.gateway.heads import JSON
from pointsman.gateway.server.message import Client, Headers, line
from pointsman.wire.dialect import Errors
from pointsman.wire.dialects import DIALECTS

TOO_MANY = 429


def errors_at(path: str, headers: dict[bytes, bytes] | None = None) -> Errors:
    """Return how errors are said to who called a path."""
    entry = entries.entry(path, "")
    return DIALECTS[entry.dialect if entry is not None else entries.dialect_of(path, headers or {})].errors


def refuse(client: Client, error: GatewayError, errors: Errors, headers: Headers | None = None) -> None:
    """Send an error as a whole reply."""
    lines = [JSON, *(headers or ())]
    wait = error.retry_after if error.retry_after is not None or error.status != TOO_MANY else 1.0
    if wait is not None:
        lines.append(line(b"retry-after", b"%d" % max(math.ceil(wait), 1)))
    client.answer(error.status, lines, errors.envelope(error))

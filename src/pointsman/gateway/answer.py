"""Errors on their way to a client.

Law: one function turns an error into a reply: its true status, OpenAI's envelope, Retry-After where waiting helps.
"""

import math

from pointsman.core.errors import GatewayError
from pointsman.gateway.heads import JSON
from pointsman.gateway.server.message import Client, Headers
from pointsman.wire.openai_chat import errors


def refuse(client: Client, error: GatewayError, headers: Headers | None = None) -> None:
    """Send an error as a whole reply."""
    fields = [JSON, *(headers or ())]
    if error.retry_after is not None:
        fields.append((b"retry-after", b"%d" % max(math.ceil(error.retry_after), 1)))
    client.answer(error.status, fields, errors.envelope(error))

"""Bedrock's InvokeModel stream as server-sent events: Anthropic's own events, taken out of AWS's event stream.

Every ``chunk`` carries one event of Messages, in base64; its ``type`` is the event's name. So what comes out is what
Anthropic's API itself would send, and the dialect ``anthropic`` reads it, or passes it on.
(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html)

Law: an exception of the service becomes Anthropic's ``event: error``, with the type that fits; so does a chunk that is none.
"""

import binascii
from base64 import b64decode
from typing import Final

import msgspec
from msgspec import Struct

from pointsman.core.errors import GatewayError
from pointsman.wire.anthropic import errors as anthropic
from pointsman.wire.bedrock_converse.errors import failed
from pointsman.wire.event_stream import Message, Splitter


class _Chunk(Struct):
    bytes: str


class _Typed(Struct):
    type: str


_chunk: Final = msgspec.json.Decoder(_Chunk)
_typed: Final = msgspec.json.Decoder(_Typed)


class InvokeStream:
    """Turns one streamed reply into server-sent events."""

    __slots__ = ("_splitter",)

    def __init__(self) -> None:
        self._splitter = Splitter()

    def feed(self, chunk: bytes) -> bytes:
        """Return the server-sent events that a chunk completes. Raises WireError."""
        return b"".join([_event(message) for message in self._splitter.feed(chunk)])

    def end(self) -> None:
        """The stream has ended. Raises WireError where it was found to be damaged behind the last event."""
        self._splitter.end()


def _event(message: Message) -> bytes:
    if message.kind != "event":
        failure = failed(message)
        return anthropic.event(GatewayError(failure.status, failure.code, failure.message))
    if message.name != "chunk":
        return b""
    try:
        event = b64decode(_chunk.decode(message.payload).bytes, validate=True)
        name = _typed.decode(event).type
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, RecursionError):
        return anthropic.event(GatewayError(502, "upstream_protocol_error", "a chunk of the stream holds no event"))
    if not name.isprintable() or b"\n" in event or b"\r" in event:
        event, name = msgspec.json.format(event, indent=-1), "".join(filter(str.isprintable, name))
    return b"event: " + name.encode() + b"\ndata: " + event + b"\n\n"

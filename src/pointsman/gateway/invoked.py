"""A stream of Bedrock's InvokeModel, as if Anthropic itself had sent it: its events, taken out of AWS's framing.

Law: what is no such stream (a whole reply, an error) passes as it is.
"""

from typing import Final

from pointsman.core.routing import Provider
from pointsman.upstream.interfaces import Reply, Sink
from pointsman.upstream.providers import BEDROCK
from pointsman.wire.invoke import InvokeStream

_FRAMED: Final = b"application/vnd.amazon.eventstream"
_TYPE: Final = b"content-type"
_SIZED: Final = (_TYPE, b"content-length")


def invoked(provider: Provider, reply: Reply) -> Reply:
    """Return the reply itself, or one whose stream is of server-sent events; reading that one raises WireError too."""
    framed = BEDROCK in provider.quirks and any(name == _TYPE and value.startswith(_FRAMED) for name, value in reply.headers)
    return _Invoked(reply) if framed else reply


class _Invoked:
    """Reads a stream of framed events as server-sent events."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._stream = InvokeStream()
        self._sink: Sink | None = None
        self.status = reply.status
        self.headers = (
            (_TYPE, b"text/event-stream"),
            *(field for field in reply.headers if field[0] not in _SIZED),
        )

    async def pour(self, sink: Sink) -> bool:
        """Give ``sink`` the events as they arrive."""
        self._sink = sink
        if not await self._reply.pour(self._pass):
            return False
        self._stream.end()
        return True

    def _pass(self, data: bytes) -> bool:
        events = self._stream.feed(data)
        return not events or self._sink is None or self._sink(events)

    async def read(self, limit: int) -> bytes:
        """The whole stream. Raises UpstreamError (kind ``protocol``) when its framed form is longer than ``limit`` bytes."""
        events = self._stream.feed(await self._reply.read(limit))
        self._stream.end()
        return events

    def close(self) -> None:
        """Give the connection up."""
        self._reply.close()

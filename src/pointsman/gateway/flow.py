"""A stream on its way through: pushed by the connection that brings it, written to the one that takes it.

Strategy: what arrives is looked at and written in the same turn of the event loop; no task wakes for it. The task that waits
here goes on when the client reads too slowly, when something goes wrong, and at the end.

Law: what a client has not read is bounded. Once its connection says that too much waits, nothing more is taken of the reply
until there is room, and the reply's connection then stops reading.
"""

from collections.abc import Callable

from pointsman.gateway.relay import Relay
from pointsman.gateway.server.message import Client
from pointsman.gateway.translation import Translation
from pointsman.upstream.interfaces import Reply


class Flow:
    """One reply's stream into ``relay`` and out to ``client``. ``begin`` is called once, before the first byte goes out.

    ``size`` counts the bytes that arrived.
    """

    __slots__ = ("_begin", "_begun", "_client", "_relay", "size")

    def __init__(self, relay: Relay | Translation, client: Client, begin: Callable[[], None]) -> None:
        self._relay = relay
        self._client = client
        self._begin = begin
        self._begun = False
        self.size = 0

    async def through(self, reply: Reply) -> bool:
        """Pass a reply on until it ends; false once its provider reported an error before any content.

        Raises UpstreamError and WireError where it breaks.
        """
        while not await reply.pour(self._take):
            if self._refused:
                return False
            await self._client.room()
        return True

    @property
    def _refused(self) -> bool:
        return self._relay.error is not None and not self._relay.began

    def _take(self, chunk: bytes) -> bool:
        self.size += len(chunk)
        data = self._relay.take(chunk)
        if not data:
            return not self._refused
        if not self._begun:
            self._begun = True
            self._begin()
        return self._client.send(data)

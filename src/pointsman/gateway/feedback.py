"""What is said of answers later, taken in over HTTP: on disk before the reply.

Strategy: a body is read and written by one thread, away from the event loop, because this is the one path that waits for the
disk and an edit takes time to compare. What is written, the control plane joins to its exchanges.

Laws: no exchange waits for feedback, and none is decided with it; a reply of 200 means that every item is on disk, an error
that none is (so that sending the whole body again is always right: an item's id counts once); overload is said at once. A
body counts as waiting until it is done with, also when its sender hangs up: it is kept until then, and written. What a key
has sent is charged before the work is done, mistakes too (``rates``); who sent too much is told so without any.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, Protocol

import msgspec

from pointsman.core.errors import GatewayError, StoreError, WireError
from pointsman.core.feedback import Feedback, Taken
from pointsman.core.keys import Key
from pointsman.gateway.heads import JSON
from pointsman.gateway.rates import Rates
from pointsman.gateway.server.message import Client
from pointsman.wire.feedback import Sender, parsed, read_all, weight

PATH: Final = "/v1/feedback"
BODY_BYTES: Final = 1024 * 1024
WAITING: Final = 64
UNNAMED: Final = "client"
"""The source of what says none, where no key is asked for."""

_RETRY_S: Final = 2.0
_encode = msgspec.json.Encoder().encode

logger = logging.getLogger("pointsman.feedback")


class Takes(Protocol):
    """The part of ``store.interfaces.FeedbackInbox`` that is written to."""

    def take(self, said: Sequence[Feedback]) -> list[Taken]:
        """Keep what is new, in one transaction, and say how each was taken. Raises StoreError."""


class Intake:
    """The way of feedback from one worker to the store. At most ``waiting`` bodies wait for their turn.

    ``clock`` gives monotonic seconds.

    ``problem`` is the store's last complaint, empty once it took something again.
    """

    def __init__(self, inbox: Takes, *, waiting: int = WAITING, clock: Callable[[], float] = monotonic) -> None:
        self._inbox = inbox
        self._rates = Rates(clock)
        self._most = waiting
        self._under_way = 0
        self.problem = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pointsman-feedback")

    async def answer(self, body: bytes, key: Key | None, per_minute: int, now_ms: int, client: Client) -> None:
        """Take a body and answer its sender. Raises WireError: not readable; GatewayError: too much, or no store.

        ``per_minute`` is how many items one key may send.
        """
        if len(body) > BODY_BYTES:
            words = f"feedback of more than {BODY_BYTES:,} bytes: send it in parts, or use `pointsman feedback import`"
            raise GatewayError(413, "body_too_large", words)
        sender = Sender(UNNAMED if key is None else key.name, now_ms, "" if key is None else key.name)
        self._rates.check(sender.key, per_minute)
        if self._under_way >= self._most:
            raise GatewayError(503, "overloaded", "too much feedback waits to be written", retry_after=_RETRY_S)
        self._under_way += 1
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._take, body, sender, per_minute)
        work.add_done_callback(self._done)
        try:
            await asyncio.wait([work])  # which leaves it alone when it is cancelled
            taken = work.result()
        except StoreError as error:
            logger.warning("feedback cannot be written: %s", error)
            self.problem = str(error)
            words = "this feedback cannot be kept now, nothing of it was taken: send it again"
            raise GatewayError(503, "store_unavailable", words, retry_after=_RETRY_S) from error
        self.problem = ""
        client.answer(200, [JSON], taken)

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def _done(self, work: asyncio.Future[bytes]) -> None:
        self._under_way -= 1
        if not work.cancelled():
            work.exception()  # nobody may be there any more to ask for it

    def _take(self, body: bytes, sender: Sender, per_minute: int) -> bytes:
        self._rates.check(sender.key, per_minute)  # once more: others of its key may have been waiting before it
        found = None
        try:
            found = parsed(body)
        finally:
            self._rates.charge(sender.key, weight(len(body), found), per_minute)
        said = read_all(found, sender)
        try:
            taken = self._inbox.take(said)
        except ValueError as error:
            raise WireError(str(error)) from error
        lines = [
            {"id": one.id, "source": one.source, "taken": how.how, "exchanges": how.exchanges}
            for one, how in zip(said, taken, strict=True)
        ]
        return _encode({"feedback": lines})

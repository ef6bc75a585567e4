"""Takes records from requests to the store without making any request wait.

Strategy: a bounded queue and one thread. The thread wakes every ``FLUSH_S`` (200 ms: what a crash may lose), or sooner for
a full batch, and appends in batches of up to ``BATCH``. Feature vectors that no decision needed are computed there.

Laws: ``put`` never blocks and never fails; a record that finds the queue full is dropped, counted and logged once a minute;
what the store refuses stays first in the queue and is tried again; a record that cannot be written at all is dropped alone;
``close`` writes what it can and says what it could not.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import StoreError
from pointsman.core.record import ExchangeRecord
from pointsman.policy import features

BATCH = 500
FLUSH_S = 0.2
_RECORD_BYTES = 2048
_RETRY_S = 1.0
_LOG_S = 60.0

_Waiting = tuple[ExchangeRecord, ChatRequest | None, int]
"""A record, the request that its vector is still to be computed from, and about how many bytes both take."""

logger = logging.getLogger("pointsman.journal")


class Appends(Protocol):
    """The part of ``store.interfaces.Journal`` that is written to."""

    def append(self, records: Sequence[ExchangeRecord]) -> None:
        """Write a batch in one transaction. Raises StoreError."""


class JournalState(Struct, frozen=True):
    """Counts since the start. ``problem`` is the store's last complaint, empty once a batch went through again."""

    queued: int
    written: int
    dropped: int
    failures: int
    problem: str


class JournalWriter:
    """The way from one worker to the store. ``capacity`` bounds the records that wait, ``capacity_bytes`` their size.

    ``redact`` returns texts as they may be stored; it is called in the writer's thread, and never raises.
    """

    def __init__(
        self,
        journal: Appends,
        *,
        capacity: int = 50_000,
        capacity_bytes: int = 256 * 1024 * 1024,
        flush_s: float = FLUSH_S,
        retry_s: float = _RETRY_S,
        redact: Callable[[Sequence[str]], list[str]] = list,
    ) -> None:
        self._journal = journal
        self._redact = redact
        self._flush_s = flush_s
        self._retry_s = retry_s
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._written = self._dropped = self._failures = 0
        self._problem = ""
        self._logged_at = float("-inf")
        self._writer = threading.Thread(target=self._run, name="pointsman-journal", daemon=True)
        self._writer.start()

    def put(self, record: ExchangeRecord, request: ChatRequest | None = None, body_bytes: int = 0) -> bool:
        """Queue a record; False, and counted, when there is no room.

        With ``request``, whose body had ``body_bytes``, the feature vector is computed from it before the record is written.
        """
        size = _RECORD_BYTES + len(record.prompt) + body_bytes
        with self._lock:
            if self._closing or len(self._queue) >= self._capacity or self._bytes + size > self._capacity_bytes:
                self._dropped += 1
                return False
            self._queue.append((record, request, size))
            self._bytes += size
            waiting = len(self._queue)
        if waiting == BATCH:
            self._wake.set()
        return True

    @property
    def state(self) -> JournalState:
        """The counters, for people and probes."""
        return JournalState(len(self._queue), self._written, self._dropped, self._failures, self._problem)

    def close(self, timeout_s: float = 10.0) -> int:
        """Write what waits and stop; return how many records could not be written. Idempotent."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._writer.join(timeout_s)
        left = len(self._queue)
        if left:
            logger.error("%d records of the journal could not be written: %s", left, self._problem or "out of time")
        return left

    def _run(self) -> None:
        pause = self._flush_s
        while True:
            self._wake.wait(pause)
            self._wake.clear()
            closing = self._closing
            well = self._flush()
            pause = self._flush_s if well else self._retry_s
            self._complain()
            if closing:
                return

    def _flush(self) -> bool:
        """Write until nothing waits; False when the store refused."""
        alone = 0  # so many records, one of which cannot be written, are written each alone
        while self._queue:
            batch = [self._queue[place] for place in range(min(1 if alone else BATCH, len(self._queue)))]
            alone = max(alone - 1, 0)
            try:
                self._journal.append(self._redacted(_complete(batch)))
            except StoreError as error:
                self._failures += 1
                self._problem = str(error)
                return False
            except Exception:
                if len(batch) > 1:  # one of them cannot be written: find it by writing each alone
                    alone = len(batch)
                    continue
                logger.exception("record %s cannot be written and is dropped, with its lines of the ledger", batch[0][0].id)
                self._dropped += 1
            else:
                self._written += len(batch)
                self._problem = ""
            with self._lock:
                for _, _, taken in batch:
                    self._queue.popleft()
                    self._bytes -= taken
        return True

    def _redacted(self, records: list[ExchangeRecord]) -> list[ExchangeRecord]:
        """Return the records as they may be stored."""
        texts = [record.prompt for record in records if record.prompt]
        if not texts:
            return records
        found = iter(self._redact(texts))
        return [msgspec.structs.replace(record, prompt=next(found)) if record.prompt else record for record in records]

    def _complain(self) -> None:
        now = time.monotonic()
        if (self._dropped or self._problem) and now - self._logged_at >= _LOG_S:
            self._logged_at = now
            logger.warning(
                "journal: %d records dropped since the start, %d waiting; %s",
                self._dropped, len(self._queue), self._problem or "the store takes records again",
            )  # fmt: skip


def _complete(batch: Sequence[_Waiting]) -> list[ExchangeRecord]:
    """Return the records with the vectors that are still to be computed."""
    later = [request for _, request, _ in batch if request is not None]
    found = iter(features.vectors(later))
    return [
        record if request is None else msgspec.structs.replace(record, vector=next(found)) for record, request, _ in batch
    ]

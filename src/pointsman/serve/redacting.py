"""Redaction away from the requests, and with a limit of time: a process of its own, because patterns may be anybody's.

Strategy: Python's regular expressions cannot be stopped from another thread, and hold up all of a process while they
search. So the journal's thread sends texts to a child, and gets them back without what the owner's rules find; the child
interrupts itself where one text takes too long. It is started for the first text and again when it is gone. Both ways a
frame is a 4-byte big-endian length and MessagePack.

Laws: a text that was not redacted is not stored: ``WITHHELD`` stands in its place; nothing waits for the child but the
journal's thread.
"""

import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import IO, Final

import msgspec

from pointsman.control.redacted import WITHHELD, redacted
from pointsman.core.snapshot import Keeping, Snapshot

BATCH_S: Final = 30.0
_HEAD: Final = 4

log = logging.getLogger("pointsman.redacting")
_encode = msgspec.msgpack.Encoder().encode
_Asked = tuple[Keeping, list[str]]


class Redactor:
    """Redacts texts by the rules of the snapshot in use. One thread uses it."""

    def __init__(self, snapshot: Callable[[], Snapshot | None]) -> None:
        self._snapshot = snapshot
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return texts as they may be stored."""
        snapshot = self._snapshot()
        rules = snapshot.keeping if snapshot is not None else Keeping()
        if not (rules.redacted or rules.patterns):
            return list(texts)
        try:
            answer = self._ask(_encode((rules, list(texts))))
            return msgspec.msgpack.decode(answer, type=list[str])
        except (OSError, TimeoutError, EOFError, msgspec.MsgspecError) as error:
            log.warning("%d texts are not kept: they could not be redacted (%r)", len(texts), error)
            self.close()
            return [WITHHELD] * len(texts)

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            for end in (child.stdin, child.stdout):
                if end is not None:
                    end.close()
            child.wait()

    def _ask(self, frame: bytes) -> bytes:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-m", __name__]
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own
        child = self._child
        if child.stdin is None or child.stdout is None:
            raise EOFError
        until = time.monotonic() + BATCH_S
        child.stdin.write(len(frame).to_bytes(_HEAD, "big") + frame)
        child.stdin.flush()
        size = int.from_bytes(_exactly(child.stdout, _HEAD, until), "big")
        return _exactly(child.stdout, size, until)


def _exactly(pipe: IO[bytes], size: int, until: float) -> bytes:
    """Read so many bytes of a pipe until a moment. Raises TimeoutError, EOFError."""
    data = b""
    while len(data) < size:
        if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError("out of time")
        piece = os.read(pipe.fileno(), size - len(data))
        if not piece:
            raise EOFError("the process that redacts has ended")
        data += piece
    return data


def main() -> None:
    """Redact what comes on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the whole group hears it: the parent ends first
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    decoder = msgspec.msgpack.Decoder(_Asked)
    while head := sys.stdin.buffer.read(_HEAD):
        keeping, texts = decoder.decode(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        answer = _encode([redacted(keeping, text) for text in texts])
        sys.stdout.buffer.write(len(answer).to_bytes(_HEAD, "big") + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

"""A key that a command prints: a password manager's, a cloud's secret store's, a short-lived one's.

Strategy: the command is run without a shell, away from the event loop's thread, and its first line is the key. It is kept
for ``FRESH_S`` and then asked for again while the old one still serves (``kept``); a provider that refuses the key (401) has
it asked for sooner.

Laws: what a command prints is in no error, log or repr, nor is what it says on standard error; one that hangs is killed
after ``PATIENCE_S``; requests wait for one run of it together.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from pointsman.upstream.credentials.fetching import missing
from pointsman.upstream.credentials.kept import Kept
from pointsman.upstream.interfaces import Request

FRESH_S: Final = 900.0
PATIENCE_S: Final = 10.0


class Printed(Struct, frozen=True):
    """A key that was printed. ``expires_at`` is when to ask for it again, in Unix seconds."""

    value: str
    expires_at: float

    def __repr__(self) -> str:
        """Show when it ends, and nothing of it."""
        return f"Printed(until {self.expires_at})"


class KeyFromCommand:
    """A printed key in one header, with ``prefix`` before it. ``words`` are the command's; ``now`` is Unix seconds."""

    def __init__(self, words: Sequence[str], header: bytes, prefix: str, now: Callable[[], float]) -> None:
        self._words = words
        self._header = header
        self._prefix = prefix
        self._now = now
        self._kept: Kept[Printed] = Kept(self._asked, now)

    def __repr__(self) -> str:
        return f"KeyFromCommand({self._words[0]} in {self._header.decode()})"

    def ready(self, request: Request) -> Request | None:
        """Return the request with the key that is kept, None where it is time to ask for one."""
        key = self._kept.good()
        return None if key is None else self._with(key, request)

    async def sign(self, request: Request) -> Request:
        """Return the request with the key. Raises UpstreamError ``credential``."""
        return self._with(await self._kept.get(), request)

    def refused(self) -> None:
        """Ask for the key again with the next request."""
        self._kept.doubt()

    def _with(self, key: Printed, request: Request) -> Request:
        others = [field for field in request.headers if field[0] != self._header]
        shown = (self._header, f"{self._prefix}{key.value}".encode("ascii"))
        return Request(request.method, request.url, (*others, shown), request.body)

    async def _asked(self) -> Printed:
        name = self._words[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise missing(f"the command {name} that prints the key cannot be run ({error.strerror})") from None
        try:
            async with asyncio.timeout(PATIENCE_S):
                said, _ = await process.communicate()
        except TimeoutError:
            raise missing(f"the command {name} that prints the key took longer than {PATIENCE_S:.0f} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise missing(f"the command {name} that prints the key ended with status {process.returncode}: run it by hand")
        line = said.partition(b"\n")[0].strip()
        if not line or not line.isascii() or not line.decode("ascii").isprintable():
            raise missing(f"the command {name} printed no key: it belongs into the first line of its output")
        return Printed(line.decode("ascii"), self._now() + FRESH_S)

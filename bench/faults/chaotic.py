"""An upstream that misbehaves at random, over raw sockets, and keeps what became of every call."""

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field

from faults.behaviours import BEHAVIOURS, Line
from faults.providers import asked

WELL = 0.75
"""The part of the calls that are answered as they should be."""

STREAMS_ONLY = frozenset(
    (
        "cut_before_content", "cut_after_content", "cut_within_a_frame", "error_before_content", "error_after_content",
        "ends_without_finishing", "stalls_in_the_middle", "pings_for_ever", "endless_content", "endless_line",
        "nonsense_frames", "drips_frames", "whole_for_a_stream",
    )
)  # fmt: skip
WHOLE_ONLY = frozenset(
    (
        "stream_for_a_whole", "half_a_body", "length_too_long", "length_too_short", "two_lengths", "length_and_chunks",
        "half_a_json", "half_a_gzip", "dripping_body", "chunks_without_end", "bad_chunk_size", "error_in_a_200",
    )
)  # fmt: skip


@dataclass
class Chaotic:
    """A provider of several deployments. ``calls`` is every call by the number in its prompt, in order of arrival."""

    chance: random.Random
    calls: dict[str, list[Line]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> int:
        """Serve, and return the port."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._call(reader, writer):
                pass
        writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].split("\r\n", 1)[0] or 0)
        to = asked(head.split(" ", 2)[1], await reader.readexactly(length))
        name = self._drawn(stream=to.stream)
        line = Line(writer, to, name)
        self.counts[name] += 1
        self.calls.setdefault(to.nonce, []).append(line)
        await BEHAVIOURS[name](line)
        return line.kept

    def _drawn(self, *, stream: bool) -> str:
        if self.chance.random() < WELL:
            return "well"
        while True:
            name = self.chance.choice(list(BEHAVIOURS))
            if name not in (WHOLE_ONLY if stream else STREAMS_ONLY):
                return name

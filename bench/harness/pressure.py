"""Streams that nobody reads: memory for each, whether the upstream is held up, whether they are whole when read at last."""

import asyncio
import contextlib
import time

from harness.floors import Floor
from harness.load import Target
from harness.machine import peak_mb
from harness.misbehaving import Caller, request
from harness.results import summed_up
from harness.scripted import FLOOD, Scripted

STREAMS, READ_TO_END = 64, 2
STILL_S, PATIENCE_S = 2.0, 30.0


async def pressure(upstream: Scripted, target: Target) -> list[Floor]:
    """Open the streams, look twice at what the upstream could send, then read some of them to the end."""
    upstream.behaviour = "floods"
    before = peak_mb(target.pid)
    callers = []
    for _ in range(STREAMS):
        caller = await Caller.connected(target.port, small_buffer=True)
        await caller.send(*request(target, stream=True))
        callers.append(caller)
    moved = await _stalled(upstream)
    sent = [seen.sent for seen in upstream.seen]
    held = (peak_mb(target.pid) - before) / STREAMS
    ends = [await _read_to_end(caller) for caller in callers[:READ_TO_END]]
    whole = sum(size >= FLOOD and b"[DONE]" in end for size, end in ends)
    for caller in callers[READ_TO_END:]:
        caller.leave(reset=True)

    name = f"{STREAMS} unread streams, {target.name}"
    most = max(sent, default=0) / 1e6
    return [
        Floor(f"{name}: bytes that still go out after {PATIENCE_S:g} s", 0, summed_up([moved]), form=",.0f"),
        Floor(f"{name}: MB sent on one, the kernel's buffers included", 16, summed_up([most]), form=".1f"),
        Floor(f"{name}: MB of the gateway's memory for one", 4, summed_up([held]), form=".2f"),
        Floor(f"{name}: of {READ_TO_END} then read, whole", READ_TO_END, summed_up([whole]), at_least=True, form=".0f"),
    ]


async def _stalled(upstream: Scripted) -> int:
    """Wait until the upstream can send nothing more; return how much it still sends when patience ends."""
    moved, ends = 1, time.monotonic() + PATIENCE_S
    while moved and time.monotonic() < ends:
        before = sum(seen.sent for seen in upstream.seen)
        await asyncio.sleep(STILL_S)
        moved = sum(seen.sent for seen in upstream.seen) - before
    return moved


async def _read_to_end(caller: Caller) -> tuple[int, bytes]:
    """Return how much of a stream came, and its last bytes."""
    size, last = 0, b""
    with contextlib.suppress(TimeoutError):
        while not last.endswith(b"0\r\n\r\n"):
            data = await asyncio.wait_for(caller.reader.read(1 << 18), 10)
            if not data:
                break
            size, last = size + len(data), (last + data)[-200:]
    caller.leave(reset=True)
    return size, last

"""Clients that leave: how long until the upstream's connection is closed, and nothing more is paid for."""

import asyncio
import time

from harness.floors import Floor
from harness.load import Target
from harness.misbehaving import Caller, request
from harness.results import summed_up
from harness.scripted import Scripted

PLACES = {
    "before the first byte of a stream": ("silent", True),
    "in a stream": ("ticks", True),
    "before a whole reply": ("silent", False),
    "in a whole reply": ("halves", False),
}
LIMIT_MS = 100
PATIENCE_S = 10.0
IN_FLIGHT_S = 0.05  # what the upstream has sent has reached the gateway by then


async def disconnect(upstream: Scripted, target: Target, repeats: int) -> list[Floor]:
    """Leave in every place, by a goodbye and by a reset in turn. The longest of all counts."""
    found = []
    for place, (behaviour, stream) in PLACES.items():
        upstream.behaviour = behaviour
        taken = [await _left(upstream, target, stream=stream, reset=bool(turn % 2)) for turn in range(repeats)]
        median = f"{sorted(taken)[repeats // 2]:.1f}"
        what = f"client gone {place}, {target.name}: ms until the upstream knows, longest of {repeats} (median {median})"
        found.append(Floor(what, LIMIT_MS, summed_up([max(taken)]), form=".1f"))
    return found


async def _left(upstream: Scripted, target: Target, *, stream: bool, reset: bool) -> float:
    """Ask, leave once the upstream is at work, and return the milliseconds until its connection is closed."""
    caller = await Caller.connected(target.port)
    await caller.send(*request(target, stream=stream))
    seen = await upstream.arrivals.get()
    if upstream.behaviour == "ticks":
        await caller.reader.readuntil(b"tick")
    await asyncio.sleep(IN_FLIGHT_S)
    left_at = time.monotonic()
    caller.leave(reset=reset)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await seen.closed.wait()
    except TimeoutError:
        return PATIENCE_S * 1e3
    return (seen.closed_at - left_at) * 1e3

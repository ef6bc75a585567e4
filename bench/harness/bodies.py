"""Many large bodies at once: the peak of memory, what becomes of each, and how small requests fare beside them."""

import asyncio
import contextlib
import json
from collections import Counter

from harness.floors import Floor
from harness.load import Target
from harness.machine import peak_mb
from harness.misbehaving import Answered, asked, request
from harness.results import summed_up
from harness.scripted import Scripted
from pointsman.gateway.server.listener import BODIES

MEGABYTES = 24
MEMORY_MB = round(5 * BODIES / 1e6)
"""Five times the room that a gateway has for bodies: each is there as it came, as it was read, and as it goes out."""
BETWEEN_S = 0.05


async def bodies(upstream: Scripted, target: Target, count: int, delay_s: float) -> list[Floor]:
    """Send them all at once to an upstream that answers after ``delay_s`` seconds."""
    upstream.behaviour, upstream.delay_s = "answers", delay_s
    idle, large = peak_mb(target.pid), request(target, stream=False, body=_large(target))
    stop = asyncio.Event()
    beside = asyncio.create_task(_small_requests(target, stop))
    answered = await asyncio.gather(*(asked(target.port, *large) for _ in range(count)))
    stop.set()
    small = await beside
    peak = peak_mb(target.pid) - idle

    what = f"{count} bodies of {MEGABYTES} MB at once, answered after {delay_s:g} s, {target.name}"
    waited = f"{len(small)} small requests beside them, which took {_taken(small)} ms"
    wrong = [one for one in answered if not one.proper]
    for one in wrong[:3]:
        print(
            f"    {one.status or 'broken'} after {one.seconds:.1f} s: {one.body.decode(errors='replace')[:300]}", flush=True
        )
    failed = sum(not one.proper for one in small)
    return [
        Floor(f"{what}: {_statuses(answered)}; MB at the peak, above idle", MEMORY_MB, summed_up([peak]), form=",.0f"),
        Floor(f"{what}: neither answered nor properly refused", 0, summed_up([len(wrong)]), form=".0f"),
        Floor(f"{what}: the same of {waited}", 0, summed_up([failed]), form=".0f"),
    ]  # fmt: skip


async def _small_requests(target: Target, stop: asyncio.Event) -> list[Answered]:
    found = []
    while not stop.is_set():
        found.append(await asked(target.port, *request(target, stream=False)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), BETWEEN_S)
    return found


def _large(target: Target) -> bytes:
    """Return a request with an image of 24 MB."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}
    message = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}
    before, after = json.dumps({"model": target.model, "messages": [message]}).encode().split(b"@")
    return before + b"iVBORw0KGgoAAAAN" * (MEGABYTES * 1_000_000 // 16) + after


def _statuses(answered: list[Answered]) -> str:
    counted = Counter(str(one.status) if one.status else "broken" for one in answered)
    return ", ".join(f"{number} × {status}" for status, number in sorted(counted.items()))


def _taken(small: list[Answered]) -> str:
    taken = summed_up(one.seconds * 1e3 for one in small)
    return taken.shown() if taken else "-"

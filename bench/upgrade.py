"""Upgrades under load: what clients notice of them.

Strategy: ``pointsman up`` in front of a simulated provider, and clients (the official SDK, without retries) that ask again
and again on connections that they keep: half of them stream, and half of all rest for up to three seconds between two
requests, so that every moment of an upgrade meets busy, streaming and unused connections. Meanwhile one gateway after the
other takes over, with one to three workers.

    .venv/bin/python bench/upgrade.py [--upgrades 10] [--clients 12] [--seed 1]

Prints requests, failures (with the upper bound of a 95 % interval, Clopper and Pearson 1934: 1 - 0.025^(1/n) for none), and
the longest waits. Exit status 1 where a request failed, a stream was cut, or a gateway did not end well.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import openai

from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo

SERVES = re.compile(r"serves at (http://\S+/v1)")
REST_S = 3.0
STEADY_S = 5.0
LEAVING_S = 120.0


@dataclass
class Seen:
    """What the clients saw."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)


async def main() -> int:
    options = _options()
    draw, seen, over = random.Random(options.seed), Seen(), asyncio.Event()
    with tempfile.TemporaryDirectory() as place, serving(Zoo(seed=options.seed, speed=0.05)) as url:
        config = Path(place) / "pointsman.toml"
        config.write_text(config_toml(Zoo(seed=options.seed), url, data=f"{place}/data"), "utf-8")
        gateway, base = await _start(config, "0", 1)
        port = base.rsplit(":", 1)[1].removesuffix("/v1")
        asking = [
            asyncio.create_task(_ask(base, place % 2 == 0, place % 4 < 2, random.Random(draw.random()), seen, over))
            for place in range(options.clients)
        ]
        statuses = []
        for number in range(options.upgrades):
            await asyncio.sleep(STEADY_S)
            new, _ = await _start(config, port, 1 + (number + 1) % 3)
            began = time.monotonic()
            statuses.append(await asyncio.wait_for(gateway.wait(), LEAVING_S))
            print(f"upgrade {number + 1}: the old one ended {time.monotonic() - began:.1f} s later", flush=True)
            gateway = new
        await asyncio.sleep(STEADY_S)
        over.set()
        await asyncio.gather(*asking)
        gateway.terminate()
        statuses.append(await asyncio.wait_for(gateway.wait(), LEAVING_S))
    return _told(seen, statuses, options.upgrades)


async def _start(config: Path, port: str, workers: int) -> tuple[asyncio.subprocess.Process, str]:
    """Start a gateway that takes over where one serves; return it once it says where it serves."""
    command = ["-m", "pointsman", "up", "--config", str(config), "--port", port, "--workers", str(workers), "--takeover"]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async for line in process.stdout:
        if found := SERVES.search(line.decode()):
            return process, found[1]
    raise SystemExit(f"a gateway ended with status {await process.wait()} before it served")


async def _ask(base: str, streams: bool, rests: bool, draw: random.Random, seen: Seen, over: asyncio.Event) -> None:
    async with openai.AsyncOpenAI(base_url=base, api_key="unused", max_retries=0, timeout=60) as client:
        while not over.is_set():
            began = time.monotonic()
            try:
                _check(await (_streamed(client) if streams else _whole(client)))
            except (openai.OpenAIError, ValueError, IndexError) as error:
                seen.failed.append(f"{'stream' if streams else 'whole'}: {error!r} {error.__cause__!r}")
            else:
                seen.answered["streamed" if streams else "whole"] += 1
            seen.waits_s.append(time.monotonic() - began)
            if rests:
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), draw.uniform(0, REST_S))


def _check(finish: str | None) -> None:
    if finish != "stop":
        raise ValueError(f"it ended with {finish}")


async def _whole(client: openai.AsyncOpenAI) -> str | None:
    reply = await client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "What is 2 + 3?"}])
    return reply.choices[0].finish_reason


async def _streamed(client: openai.AsyncOpenAI) -> str | None:
    stream = await client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is 2 + 3?"}], stream=True
    )
    return [chunk.choices[0].finish_reason async for chunk in stream if chunk.choices][-1]


def _told(seen: Seen, statuses: list[int], upgrades: int) -> int:
    n, failed = len(seen.waits_s), len(seen.failed)
    waits = sorted(seen.waits_s)
    kinds = f"{seen.answered['streamed']} streamed, {seen.answered['whole']} whole"
    print(f"{upgrades} upgrades, {n} requests ({kinds}), {failed} failed")
    if not failed and n:
        print(f"upper 95 % bound of the share that fails: {1 - 0.025 ** (1 / n):.5f}")
    print(f"waits: median {waits[n // 2]:.2f} s, 99 % {waits[int(n * 0.99)]:.2f} s, longest {waits[-1]:.2f} s")
    print(f"statuses of the gateways: {statuses}")
    for words, count in Counter(seen.failed).most_common(10):
        print(f"failed {count} times: {words}")
    return int(failed > 0 or any(statuses) or not seen.answered["streamed"] or not seen.answered["whole"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrades", type=int, default=10)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

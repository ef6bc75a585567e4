"""How often clients get an answer where providers fail by chance, and how late the latest answers are where they tarry.

Strategy: providers of this process that fail and tarry by chance (``faults.flaky``), a gateway as people start it, and
clients that ask one request after the other, 64 of them, or 8 where times are compared. Nobody retries but the gateway.

    defaults     two deployments, each failing 20 % of its calls independently; nothing configured
    generous     the same with attempts = 5 and retry_share = 0.5
    hedging      two deployments whose answers take 20 ms, 3 % of them twenty times as long; without and with hedge = 0.05

    .venv/bin/python bench/availability.py [--requests 20000] [--seed 1] [--only defaults] [--out FILE]

Exit status 1 where a floor is missed.
"""

import argparse
import asyncio
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from faults.flaky import Flaky
from faults.shares import Interval, quantile, share
from faults.started import Gateway, gateway
from harness.choices import some_of
from harness.machine import Machine, machine

CLIENTS, FEW = 64, 8
"""Few enough that the times are the providers', and not those of a machine that has too much to do."""

PARTS = ("defaults", "generous", "hedging")
BODY = b'{"model":"auto","messages":[{"role":"user","content":"2+2?"}]}'
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


@dataclass(frozen=True)
class Result:
    """One run: what was measured, in words, and whether its floors hold."""

    name: str
    told: str
    met: bool


@dataclass(frozen=True)
class Answers:
    """What the clients got: statuses and seconds, and how many calls the providers saw."""

    statuses: list[int]
    seconds: list[float]
    calls: int

    @property
    def success(self) -> Interval:
        """The share that was answered."""
        return share(self.statuses.count(200), len(self.statuses))

    @property
    def more(self) -> float:
        """Calls beyond one for each request, as a part of the requests."""
        return self.calls / len(self.statuses) - 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="for each part [20000]")
    parser.add_argument("--seed", type=int, default=1, help="of the providers' chance [1]")
    parser.add_argument("--only", type=some_of(*PARTS), default="all", help="parts, by comma [all]")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    results: list[Result] = []
    with machine() as here:
        for part in options.only:
            results.append(uvloop.run(_part(here, part, options.requests, options.seed)))
            print(f"{results[-1].name}: {results[-1].told}: {'met' if results[-1].met else 'NOT MET'}", flush=True)
    if options.out:
        about = {"requests": options.requests, "seed": options.seed, "results": [asdict(one) for one in results]}
        options.out.write_text(json.dumps(about, indent=2) + "\n")
    return 0 if all(one.met for one in results) else 1


async def _part(here: Machine, part: str, requests: int, seed: int) -> Result:
    if part == "hedging":
        plain = await _answers(here, requests, seed, 0.0, _long_tailed, FEW)
        hedged = await _answers(here, requests, seed, 0.0, _long_tailed, FEW, "hedge = 0.05\n")
        late, soon = quantile(plain.seconds, 0.99), quantile(hedged.seconds, 0.99)
        told = (
            f"n = {requests} each, p99 {late.told(' ms', 1e3, 0)} without, {soon.told(' ms', 1e3, 0)} with "
            f"(floor: half), {hedged.more:.2%} more calls (floor: under 5 %), p50 "
            f"{quantile(plain.seconds, 0.5).told(' ms', 1e3, 1)} and {quantile(hedged.seconds, 0.5).told(' ms', 1e3, 1)}"
        )
        answered = {*plain.statuses, *hedged.statuses} == {200}
        return Result("hedging", told, answered and soon.high <= late.low / 2 and hedged.more < 0.05)
    limits, floor = ("attempts = 5\nretry_share = 0.5\n", 0.999) if part == "generous" else ("", 0.99)
    found = await _answers(here, requests, seed, 0.2, _even, CLIENTS, limits=limits)
    told = (
        f"n = {requests}, answered {found.success.told(' %', 100, 3)} (floor: {floor:.1%}), {found.more:.1%} more calls, "
        f"p99 {quantile(found.seconds, 0.99).told(' ms', 1e3, 0)}"
    )
    return Result(part, told, found.success.value >= floor)


def _even(chance: random.Random) -> float:
    return chance.uniform(0.005, 0.015)


def _long_tailed(chance: random.Random) -> float:
    usual = 0.02 * math.exp(chance.gauss(0.0, 0.2))
    return usual * 20 if chance.random() < 0.03 else usual


async def _answers(
    here: Machine,
    requests: int,
    seed: int,
    fails: float,
    delay: Callable[[random.Random], float],
    clients: int,
    route: str = "",
    limits: str = "",
) -> Answers:
    """Let clients ask a gateway in front of two providers."""
    providers = [Flaky(random.Random(f"{seed} {name}"), fails, delay) for name in ("a", "b")]
    ports = [await provider.start() for provider in providers]
    lines = [
        f'[providers.{name}]\nbase_url = "http://127.0.0.1:{port}/v1"\n' for name, port in zip("ab", ports, strict=True)
    ]
    lines += [f'[deployments."{name}/m"]\nmodel_key = "same"\nprice = {{input = 1, output = 4}}\n' for name in "ab"]
    lines.append(f'[routes.auto]\nreference = "a/m"\n{route}\n[limits]\n{limits}')
    with gateway(here, "\n".join(lines)) as running:
        left = iter(range(requests))
        found = await asyncio.gather(*(_client(running, left) for _ in range(clients)))
    statuses, seconds = zip(*(one for many in found for one in many), strict=True)
    return Answers(list(statuses), list(seconds), sum(provider.asked for provider in providers))


async def _client(running: Gateway, left: Iterator[int]) -> list[tuple[int, float]]:
    """Ask until nothing is left; return status and seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    found = []
    for _ in left:
        began = time.perf_counter()
        writer.write(ASK)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]
        await reader.readexactly(int(length))
        found.append((int(head[9:12]), time.perf_counter() - began))
    writer.close()
    return found


if __name__ == "__main__":
    raise SystemExit(main())

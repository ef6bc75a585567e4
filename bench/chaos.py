"""An upstream that misbehaves in some seventy ways at random, under load: what every client gets, and what is left behind.

Strategy: the upstream speaks raw HTTP (``faults.behaviours`` is the list); a quarter of its calls go wrong. Beside it stand
providers that cannot be reached at all: no such name, nobody listens, nobody answers, TLS that is none, a certificate that
nobody trusts. Clients of four dialects (``faults.asking``), streaming and not, ask a gateway as people start it; some hang
up, some drip their requests. Every answer is checked against the number in its prompt, every error against its dialect.

    .venv/bin/python bench/chaos.py [--seconds 600] [--clients 48] [--seed 1] [--out FILE]

Exit status 1 where a client got neither a right answer nor a right error, something hung past its deadline, something was
left behind (requests, sockets, memory), a way to misbehave was never tried, or the ledger differs from the upstream's count.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import ssl
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from faults.accounts import Account, compared
from faults.asking import DIALECTS, Verdict, ask, leave
from faults.behaviours import BEHAVIOURS
from faults.chaotic import Chaotic
from faults.started import Gateway, gateway
from harness.machine import Machine, free_port, machine
from pointsman.core import ledger
from pointsman.store.interfaces import Filter
from pointsman.store.sqlite import open_store

CONNECT_S, FIRST_S, IDLE_S, TOTAL_S = 1.0, 2.0, 1.0, 6.0
OWN_S = 2.0
"""By how much the gateway itself may be late, by its own records, on a machine that others use too."""

GRACE_S = 6.0
"""What a client waits beyond the whole time that a request may take: it shares its machine with the upstream and others."""

LEFT_MB = 24.0
"""By how much memory may differ: caches that are bounded, and what the allocator keeps."""

UNREACHABLE = ("nowhere", "closed", "deaf", "plain", "untrusted")


@dataclass
class Seen:
    """What clients saw. ``samples`` are a few of each wrong kind."""

    kinds: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    left: int = 0

    def note(self, what: str, nonce: str, verdict: Verdict, tried: list[str]) -> None:
        self.kinds[f"{verdict.kind} {verdict.status}" if verdict.kind == "error" else verdict.kind] += 1
        self.longest_s = max(self.longest_s, verdict.seconds)
        if verdict.wrong:
            self.wrong[f"{what}: {verdict.kind}"] += 1
            if len(self.samples) < 40:
                self.samples.append(f"{what} {nonce} ({', '.join(tried)}): {verdict.kind} {verdict.status} {verdict.wrong}")


@dataclass(frozen=True)
class State:
    """What the system says of the gateway's process."""

    under_way: int
    shed: int
    sockets: int
    resident_mb: float

    @classmethod
    def of(cls, running: Gateway) -> "State":
        said = running.ready()
        return cls(said["under_way"], said["shedding"]["refused"], running.sockets, running.resident_mb)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of load [600]")
    parser.add_argument("--clients", type=int, default=48, help="at the same time [48]")
    parser.add_argument("--seed", type=int, default=1, help="of all chance [1]")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    with machine() as here:
        _certificate(here.directory)
        return uvloop.run(_tried(here, options))


async def _tried(here: Machine, options: argparse.Namespace) -> int:
    upstream = Chaotic(random.Random(f"{options.seed} upstream"))
    port = await upstream.start()
    addresses = await _unreachable(here.directory, port)
    seen = Seen()
    with gateway(here, _configuration(port, addresses)) as running:
        ends_at = time.monotonic() + options.seconds
        clients = [
            asyncio.create_task(_client(running, upstream, seen, random.Random(f"{options.seed} {place}"), ends_at))
            for place in range(options.clients)
        ]
        await asyncio.sleep(options.seconds / 4)
        warm = State.of(running)
        await asyncio.gather(*clients)
        after = await _settled(running)
        files = running.directory
    return _told(options, upstream, seen, (warm, after), *_account(files, upstream))


async def _client(running: Gateway, upstream: Chaotic, seen: Seen, chance: random.Random, ends_at: float) -> None:
    """Ask until the time is over."""
    while time.monotonic() < ends_at:
        nonce = f"{chance.getrandbits(48):012x}"
        dialect, stream, fate = chance.choice(DIALECTS), chance.random() < 0.5, chance.random()
        model = chance.choice(("auto", "claude")) if fate > 0.04 else f"{chance.choice(UNREACHABLE)}/m"
        if dialect == "gemini" and "/" in model:
            model = "auto"
        if fate > 0.95:
            seen.left += 1
            with contextlib.suppress(OSError):
                await leave(running.port, dialect, model, nonce, stream=stream, after_s=chance.uniform(0, 0.5))
            continue
        verdict = await ask(
            running.port, dialect, model, nonce, stream=stream, within_s=TOTAL_S + GRACE_S, drips=fate > 0.94
        )
        tried = [line.behaviour for line in upstream.calls.get(nonce, ())]
        seen.note(f"{dialect} {model} {'stream' if stream else 'whole'}", nonce, verdict, tried)


async def _settled(running: Gateway) -> State:
    """Return the gateway's state once nothing is under way and unused connections are gone, or after a minute."""
    for _ in range(60):
        state = State.of(running)
        if state.under_way == 0 and state.sockets <= SOCKETS:
            break
        await asyncio.sleep(1)
    return state


SOCKETS = 8
"""A listener, the loop's own, and the probe itself: what a gateway has open that nobody uses."""


def _certificate(directory: Path) -> None:
    """Make a certificate that nobody has signed."""
    words = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-keyout", "own.key", "-out", "own.pem")  # fmt: skip
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


async def _unreachable(directory: Path, port: int) -> dict[str, str]:
    """Return base URLs that lead nowhere, each in a way of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "own.pem", directory / "own.key")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(0)
    for _ in range(4):  # until the kernel takes no more
        full = socket.socket()
        full.setblocking(False)
        full.connect_ex(deaf.getsockname())
        _KEPT.append(full)
    _KEPT.append(deaf)
    return {
        "nowhere": "http://no-such-host.invalid/v1",
        "closed": f"http://127.0.0.1:{free_port()}/v1",
        "deaf": f"http://127.0.0.1:{deaf.getsockname()[1]}/v1",
        "plain": f"https://127.0.0.1:{port}/v1",
        "untrusted": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1",
    }


_KEPT: list[socket.socket] = []


def _configuration(port: int, unreachable: dict[str, str]) -> str:
    providers = {name: (f"http://127.0.0.1:{port}/{name}/v1", "openai_chat") for name in ("a", "b")}
    providers |= {name: (f"http://127.0.0.1:{port}/{name}/v1", "anthropic") for name in ("c", "d")}
    providers |= {name: (address, "openai_chat") for name, address in unreachable.items()}
    lines = []
    for name, (address, dialect) in providers.items():
        key = "" if name in unreachable else f'model_key = "{"ab" if name in "ab" else "cd"}"\n'
        lines.append(f'[providers.{name}]\nbase_url = "{address}"\ndialect = "{dialect}"\n')
        lines.append(f'[deployments."{name}/m"]\n{key}price = {{input = 1, output = 4}}\n')
    lines.append('[routes.auto]\nreference = "a/m"\nhedge = 0.05\n\n[routes.claude]\nreference = "c/m"\n')
    lines.append(f"[limits]\nconnect_s = {CONNECT_S}\nfirst_byte_s = {FIRST_S}\nidle_s = {IDLE_S}\ntotal_s = {TOTAL_S}\n")
    return "\n".join(lines)


def _account(directory: Path, upstream: Chaotic) -> tuple[int, float, Account]:
    """Return how many records there are, their longest latency in seconds, and what the ledger says against the upstream."""
    store = open_store(directory / ".pointsman", vector_key=None)
    try:
        nonces, longest_ms = {}, 0.0
        for record in store.journal.exchanges(Filter()):
            nonces[record.id] = record.client_id
            longest_ms = max(longest_ms, record.latency_ms)
        lines = [ledger.decode(entry.text) for entry in store.ledger.entries()]
        return len(nonces), longest_ms / 1e3, compared(lines, upstream.calls, nonces)
    finally:
        store.close()


def _told(
    options: argparse.Namespace,
    upstream: Chaotic,
    seen: Seen,
    states: tuple[State, State],
    records: int,
    longest_s: float,
    account: Account,
) -> int:
    """Print what happened; return the exit status."""
    warm, after = states
    untried = sorted(set(BEHAVIOURS) - set(upstream.counts))
    asked, wrong = sum(seen.kinds.values()), sum(seen.wrong.values())
    grown = after.resident_mb - warm.resident_mb
    floors = {
        f"{asked} requests ({seen.left} more hung up), wrong or hung: {wrong} (floor: 0)": wrong == 0 and asked > 0,
        f"longest request {longest_s:.2f} s by the gateway's records (floor: {TOTAL_S + OWN_S:g}), "
        f"{seen.longest_s:.2f} s as a client saw it (floor: {TOTAL_S + GRACE_S:g})": longest_s < TOTAL_S + OWN_S
        and seen.longest_s < TOTAL_S + GRACE_S,
        f"{len(upstream.counts) + len(UNREACHABLE)} ways to misbehave tried (floor: 30), not tried: {untried}": not untried,
        f"under way afterwards {after.under_way}, sockets {after.sockets} (floor: {SOCKETS})": after.under_way == 0
        and after.sockets <= SOCKETS,
        f"memory {warm.resident_mb:.0f} MB after a quarter, {after.resident_mb:.0f} at the end (floor: +{LEFT_MB:g})": grown
        <= LEFT_MB,
        f"{records} records and {after.shed} requests shed (floor: all that were answered; of {seen.left} that hung up "
        "some had not said all)": asked <= records + after.shed <= asked + seen.left,
        f"{account.settled} lines settled as the upstream counted, {account.unsettled} unsettled, for which it generated "
        f"{account.generated} tokens (bounds: {account.most}), {len(account.differing)} differ (floor: 0)": (
            not account.differing and account.settled > 0
        ),
    }
    print(f"seed {options.seed}, {options.seconds:g} s, {options.clients} clients")
    print("what clients got: " + ", ".join(f"{kind} {count}" for kind, count in seen.kinds.most_common()))
    for sample in (*seen.samples, *account.differing[:10]):
        print(f"  wrong: {sample}")
    for words, met in floors.items():
        print(f"{'met' if met else 'NOT MET'}: {words}")
    if options.out:
        found = {"floors": floors, "kinds": seen.kinds, "behaviours": upstream.counts, "wrong": seen.wrong}
        options.out.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(floors.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""What an attacker on the wire tries, against a gateway as people start it: counts tried, and what got through.

    smuggling   bytes that two readers of HTTP could read in two ways
    paths       files, and what a key is needed for without one
    addresses   places that the gateway would have to visit itself (SSRF)
    models      model names that would leave their provider's path
    documents   JSON that is too deep, too long, or none
    compressed  bodies that grow when they are unpacked, from clients; and from a provider
    names       features, ids and keys in letters that look like others
    prompts     prompts, names and ids that look like lines of the log
    described   schemathesis against docs/openapi.json, where ``make attack`` has put it beside
    guessing    whether the time of an answer tells how much of a key was right

    .venv/bin/python bench/attack.py [--only smuggling,paths] [--tries 100000] [--out FILE]

Exit status 1 when anything got through; 0 with the reason when there is no second core. atheris (``make atheris``) tries the
parsers.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from attacking import contents, described, guessing, smuggling
from attacking.contents import FORGED, Asked
from attacking.target import Gateway, bomb, gateway
from harness.choices import some_of
from harness.machine import NotStarted, machine, missing, resident_mb

PARTS = ("smuggling", "paths", "addresses", "models", "documents", "compressed", "names", "prompts", "described", "guessing")
WITHIN_US = 1.0
BOMB_MB = 400.0
SLOW_S = 20.0


class Through(list[str]):
    """What got through, in words; ``tried`` counts attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0


async def smuggle(at: Gateway, found: Through) -> None:
    for attack in smuggling.attacks():
        at.provider.got.clear()
        replies = await at.raw(attack.data)
        found.tried += 1
        statuses = [status for status, _ in replies]
        if len(statuses) > attack.replies or any(one.startswith(b"GET") for one in at.provider.got):
            found.append(f"{attack.name}: {statuses}, the provider got {len(at.provider.got)} requests")
        elif attack.must == "refused" and (not statuses or statuses[0] < 400):
            if statuses:
                found.append(f"{attack.name}: was served ({statuses})")
        elif attack.must == "served" and statuses != [200] * attack.replies:
            found.append(f"{attack.name}: was not served ({statuses})")
        elif any(status == 500 for status in statuses):
            found.append(f"{attack.name}: the gateway made a mistake ({statuses})")


async def ask(at: Gateway, found: Through, attacks: Iterable[Asked]) -> None:
    for one in attacks:
        at.provider.got.clear()
        began = time.monotonic()
        status, got = await at.asked(one.path, one.body, *one.headers, method=one.method, key=one.key)
        found.tried += 1
        took = time.monotonic() - began
        if not one.least <= status <= one.most or status == 500:
            found.append(f"{one.name}: {status}")
        if took > SLOW_S:
            found.append(f"{one.name}: took {took:.0f} s")
        if any(mark in got for mark in one.marks):
            found.append(f"{one.name}: what came back holds {one.marks}")
        for request in at.provider.got:
            line = request.partition(b"\r\n")[0]
            path = line.split(b" ")[1] if line.count(b" ") == 2 else b"?"
            left = {b"..", b".", b""} & set(path[1:].split(b"/"))  # RFC 3986, section 3.3: segments that mean something
            if left or b"?" in path or not path.startswith(b"/v1/"):
                found.append(f"{one.name}: the provider was asked for {line[:80]!r}")


async def addresses(at: Gateway, found: Through) -> None:
    await ask(at, found, contents.addresses(at.forbidden))
    if at.provider.visits:
        found.append(f"the gateway visited an address of a request {at.provider.visits} times")


async def compress(at: Gateway, found: Through) -> None:
    await ask(at, found, contents.compressed())
    before, at.provider.bomb = resident_mb(at.pid), bomb()
    for stream in (False, True):
        for path, model in ((contents.CHAT, "fast/m"), ("/v1/messages", "claude/m"), ("/v1/messages", "gem/m")):
            body = contents.chat(model=model, stream=stream, max_tokens=9)
            asking = asyncio.create_task(at.asked(path, body))
            most = before
            while not asking.done():
                await asyncio.wait([asking], timeout=0.05)
                most = max(most, resident_mb(at.pid))
            found.tried += 1
            if most - before > BOMB_MB:
                found.append(f"a bomb of {model}, stream {stream}: {most - before:.0f} MB more")
    at.provider.bomb = b""


async def prompt(at: Gateway, found: Through) -> None:
    await ask(at, found, contents.prompts())
    await asyncio.sleep(1.0)
    for line in at.log.read_bytes().decode("utf-8", "replace").splitlines():
        if not line.startswith("{"):
            if FORGED in line:
                found.append(f"a line that is no JSON: {line[:100]!r}")
            continue
        if FORGED in (entry := json.loads(line)).values():
            found.append(f"a forged line: {entry}")


async def describe(at: Gateway, found: Through, examples: int) -> None:
    found.tried, said = await described.described(at, examples)
    found.extend(said)
    if not found.tried:
        print("  schemathesis is not here: make attack puts it beside", flush=True)


async def guess(at: Gateway, found: Through, tries: int) -> None:
    """Over a socket the scheduler's noise may be larger than what is looked for: ``bench/key_guessing.py`` decides."""
    leak = await asyncio.to_thread(guessing.timed, at.port, tries)
    found.tried += tries
    print(f"  a key guessed: {leak.mean:+.3f} us [{leak.low:+.3f}, {leak.high:+.3f}], {tries:,} tries", flush=True)
    if leak.low > WITHIN_US or leak.high < -WITHIN_US:
        found.append("the time of an answer tells how much of a key was right")


async def _run(options: argparse.Namespace) -> dict[str, Through]:
    parts: dict[str, Callable[[Gateway, Through], Awaitable[None]]] = {
        "smuggling": smuggle,
        "paths": lambda at, found: ask(at, found, contents.paths()),
        "addresses": addresses,
        "models": lambda at, found: ask(at, found, contents.models()),
        "documents": lambda at, found: ask(at, found, contents.documents()),
        "compressed": compress,
        "names": lambda at, found: ask(at, found, contents.names()),
        "prompts": prompt,
        "described": lambda at, found: describe(at, found, options.examples),
        "guessing": lambda at, found: guess(at, found, options.tries),
    }
    through = {}
    with machine() as here:
        async with gateway(here) as at:
            for name in options.only:
                found = through[name] = Through()
                await parts[name](at, found)
                at.provider.got.clear()
                if not await at.alive():
                    found.append("an honest request is no longer answered")
                print(f"{name}: {found.tried:,} tried, {len(found)} through", flush=True)
                for one in found:
                    print(f"  {one}")
    return through


def main() -> int:
    options = _options()
    absent = missing("taskset")
    if absent:
        print(f"skipped: {absent}")
        return 0
    try:
        through = asyncio.run(_run(options))
    except NotStarted as error:
        print(error)
        return 1
    tried, got = sum(one.tried for one in through.values()), sum(len(one) for one in through.values())
    print(f"in all {tried:,} tried, {got} through")
    if options.out:
        options.out.write_text(
            json.dumps({name: {"tried": one.tried, "through": one} for name, one in through.items()}) + "\n"
        )
    return 1 if got else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=some_of(*PARTS), default="all", help="parts, by comma [all]")
    parser.add_argument("--tries", type=int, default=100_000, help="of guessing a key [100000]")
    parser.add_argument("--examples", type=int, default=100, help="of schemathesis, for each path [100]")
    parser.add_argument("--out", type=Path, help="write counts as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

"""Budgets under pressure: never passed by many clients at once, hardly anything unused, and nothing lost to kill -9.

    .venv/bin/python bench/budgets.py [--parts together,killed] [--kills 200] [--clients 64] [--seed 1]

``together``: 64 clients spend one budget through four worker processes until nothing is left. The budget is 200 times the
largest reservation, and all that workers may hold beside it.
``killed``: under load of 16 clients, a worker (one time in four: all) is killed with SIGKILL, 50 to 500 ms after clients
are answered again. Budgets are those of 16 customers, too small for all that they ask, and one of everything. Meanwhile keys
are made, rotated and revoked by ``pointsman key``, and half of these commands are killed in the midst of it. Then a whole
``pointsman up`` takes the workers' place, whose first process is killed once for 20 kills, and which has to come back; the
last one of them is asked with every key that was ever shown.

What was spent is counted by the upstream, from the moment that a request has come in; the gateway's own books are compared
with it. Exit status 1 where a check fails.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pointsman.control.compile import compile_snapshot
from pointsman.control.config import parse
from pointsman.control.ledger.verify import Verified, verify
from pointsman.control.publish import publish
from pointsman.core.snapshot import Snapshot
from pointsman.policy import limits
from pointsman.store.interfaces import Store
from pointsman.store.leases import Standing
from pointsman.store.sqlite import open_store
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.setup import PROVIDER, REFERENCE, config_toml
from pointsman.wire.openai_chat.request import glance
from spending.clients import Client, Heard, request_body, spending
from spending.holder import Holder
from spending.installation import Installation
from spending.proof import opened, standing_key, written
from spending.upstream import Billing
from spending.workers import Workers

WORKERS = 4
CUSTOMERS = tuple(f"c{number}" for number in range(16))
QUIET_S, START_S = 3.0, 60.0
SPEED = 0.05  # of the zoo's models: a call takes about a tenth of a second
PARTS = ("together", "killed")
Check = tuple[bool, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checks: list[Check] = []
    for part in options.parts.split(","):
        began = time.monotonic()
        found = asyncio.run(together(options) if part == "together" else killed(options))
        print(f"\n{part}, seed {options.seed}, {time.monotonic() - began:.0f} s")
        for well, words in found:
            print(f"  {'ok  ' if well else 'FAIL'}  {words}")
        checks += found
    return 0 if all(well for well, _ in checks) else 1


async def together(options: argparse.Namespace) -> list[Check]:
    """Spend one budget to its end; return what is to be true of that."""
    largest = _largest()
    limit = 200 * largest + round(1.5 * options.clients * largest)  # what calls under way reserve, and leases ahead of them
    with _gateway(f'[budgets.all]\nusd = {limit / 1e9:.9f}\nwindow = "month"\n') as (data, zoo, store):
        workers, heard = Workers(data, WORKERS), Heard()
        clients = [Client(workers.port, ("all",), options.seed * 1000 + one, heard) for one in range(options.clients)]
        most_taken = most_held = 0
        first_refused = None
        async with spending(clients):
            while time.monotonic() - heard.served_at < (QUIET_S if heard.statuses[200] else START_S):
                await asyncio.sleep(0.05)
                for now in await asyncio.to_thread(_all, store):
                    most_taken, most_held = max(most_taken, now.used + now.leased), max(most_held, now.leased)
                if heard.statuses[429] and first_refused is None:
                    first_refused = sum(zoo.billed.values()) / limit
        await asyncio.to_thread(workers.end, kill=False)
        (end,) = _all(store)
    spent = sum(zoo.billed.values())
    served = heard.statuses[200]
    print(f"\n{served} served, {heard.statuses[429]} refused, others {_others(heard)}, longest {heard.longest_s:.2f} s")
    print(
        f"budget {_usd(limit)}, largest reservation {_usd(largest)}, at most {_usd(most_held)} held; first refused at",
        end=" ",
    )
    print("no time" if first_refused is None else f"{100 * first_refused:.2f} % spent")
    return [
        (
            limit >= 200 * largest + most_held,
            f"the budget is {(limit - most_held) / largest:.0f} times the largest reservation",
        ),
        (most_taken <= limit, f"used and leased together at most {100 * most_taken / limit:.3f} % of it at any time"),
        (spent <= limit, f"spent {_usd(spent)}: {100 * spent / limit:.3f} % of it"),
        (spent > 0.99 * limit, f"unused {100 * (1 - spent / limit):.3f} % (floor: 1 %)"),
        (
            (end.used, end.leased) == (spent, 0),
            f"the gateway's books say the same: {_usd(end.used)}, {_usd(end.leased)} held",
        ),
        (not _others(heard), "every answer was 200 or 429"),
    ]


async def killed(options: argparse.Namespace) -> list[Check]:
    """Kill workers under load; return what is to be true afterwards."""
    largest, chance = _largest(), random.Random(options.seed)
    small, big = 40 * largest, 10**5 * largest
    text = f'[budgets.all]\nusd = {big / 1e9:.9f}\nwindow = "month"\n'
    text += f'[budgets.each]\nper = "customer"\nusd = {small / 1e9:.9f}\nwindow = "month"\n'
    with _gateway(text) as (data, zoo, store):
        standing = standing_key(store)
        workers, heard = Workers(data, WORKERS), Heard()
        holder = Holder(data, options.seed)
        whole = Installation(data / "pointsman.toml", data, workers.port, workers=2)
        clients = [
            Client(workers.port, CUSTOMERS, options.seed * 1000 + one, heard, says=0.2, key=standing.last)
            for one in range(options.clients // 4)
        ]
        passed: set[str] = set()
        async with spending(clients):
            for turn in range(options.kills):
                await _loaded(heard, chance)
                await asyncio.to_thread(workers.kill, chance)
                passed |= await asyncio.to_thread(_passed, store, small, big)
                if turn % 20 == 19:
                    print(f"{turn + 1} kills, {heard.statuses.total()} answers", file=sys.stderr, flush=True)
            await asyncio.to_thread(workers.end, kill=True)
            restarts = 1 + -(-options.kills // 20)  # the last one is killed whole
            for turn in range(restarts):
                await asyncio.to_thread(whole.start)
                await _loaded(heard, chance)
                await asyncio.to_thread(whole.kill, every=turn == restarts - 1)
                passed |= await asyncio.to_thread(_passed, store, small, big)
            told = await asyncio.to_thread(holder.told)
        await asyncio.to_thread(whole.settle)
        told.held.append(standing)
        ended = store.leases.reconcile(_now_ms())
        again = store.leases.reconcile(_now_ms())
        books = {one.account.scope: one for one in _all(store)}
        feedback = {kept.feedback.id for kept in store.feedback.kept(limit=10**6)}
        left = list((data / "leases").iterdir())
        checks = [
            *_money(zoo, heard, books, largest, (small, big)),
            *_leases(books, passed, ended, again, left),
            _said(heard, feedback),
            _chained(verify(store.ledger.entries())),
            *written(store, told),
        ]
        calls = zoo.calls
        await asyncio.to_thread(whole.start)
        checks += await opened(store, told, workers.port)
        await asyncio.to_thread(whole.stop)
        checks.append((True, f"the installation came back {restarts + 1} times, in {whole.longest_s:.1f} s at most"))
    print(f"\n{heard.statuses[200]} served, {heard.statuses[429]} refused, {sum(heard.broken.values())} cut off, others")
    print(f"{_others(heard)}; {calls} calls upstream; {options.kills} kills of {workers.killed} workers in all,", end=" ")
    print(f"and {restarts} of a whole installation's first process (the last one with all that it had started)")
    return checks


async def _loaded(heard: Heard, chance: random.Random) -> None:
    """Wait until somebody was answered, and up to half a second more: there is load again."""
    await _answered(heard)
    await asyncio.sleep(chance.uniform(0.05, 0.5))


def _passed(store: Store, small: int, big: int) -> set[str]:
    """Return the accounts whose budget is passed."""
    return {one.account.scope for one in _all(store) if one.used + one.leased > _limit(one, small, big)}


async def _answered(heard: Heard) -> None:
    """Wait until somebody was answered: there is load again."""
    before = heard.statuses.total()
    async with asyncio.timeout(START_S):
        while heard.statuses.total() == before:  # noqa: ASYNC110 - clients count, and tell nobody
            await asyncio.sleep(0.01)


def _money(
    zoo: Billing, heard: Heard, books: dict[str, Standing], largest: int, limits_: tuple[int, int]
) -> Iterator[Check]:
    most, (small, big) = max(zoo.billed.values()), limits_
    yield most <= small, f"no customer's bill passes its budget: the largest is {100 * most / small:.2f} % of it"
    yield books["all="].used <= big, "nor does the bill of all"
    bills = {**{f"customer={name}": units for name, units in zoo.billed.items()}, "all=": sum(zoo.billed.values())}
    cut = {**{f"customer={name}": count for name, count in heard.broken.items()}, "all=": sum(heard.broken.values())}
    low = [name for name, units in bills.items() if books[name].used < units]
    high = [name for name, units in bills.items() if books[name].used > units + cut.get(name, 0) * largest]
    yield not low, f"the books hold every bill whole ({len(bills)} accounts)"
    yield not high, "and no more than the most of each call that was cut off beside it"
    more = books["all="].used - bills["all="]
    calls = max(cut["all="], 1)
    yield (
        True,
        f"calls that were cut off count {_usd(more)} beside the bill: {_usd(more // calls)} each, {_usd(largest)} at most",
    )


def _leases(books: dict[str, Standing], passed: set[str], ended: int, again: int, left: list[Path]) -> Iterator[Check]:
    yield (
        not passed,
        f"used and leased together never pass a budget, looked at after each kill {sorted(passed) or ''}".rstrip(),
    )
    held = sum(one.leased for one in books.values())
    yield (held, again) == (0, 0), f"after reconciliation ({ended} leases of the last workers) nothing is leased"
    yield not left, f"no tally is left behind {[one.name for one in left] or ''}".rstrip()


def _said(heard: Heard, kept: set[str]) -> Check:
    missing = [name for name in heard.feedback if name not in kept]
    return not missing, f"all feedback that was acknowledged is there ({len(heard.feedback)}, {len(missing)} missing)"


def _chained(found: Verified) -> Check:
    return not found.fault, f"the ledger's chain of {found.lines} lines is whole {found.fault}".rstrip()


class _gateway:  # noqa: N801 - a context, used as one
    """An installation in front of a counting zoo: yields its directory, the zoo, and its store."""

    def __init__(self, budgets: str) -> None:
        self._budgets = budgets

    def __enter__(self) -> tuple[Path, Billing, Store]:
        self._folder = tempfile.TemporaryDirectory()
        data, zoo = Path(self._folder.name), Billing(speed=SPEED)
        self._zoo = serving(zoo)
        url = self._zoo.__enter__()
        self._store = open_store(data, vector_key=None)
        text = f"{config_toml(zoo, url)}\n{self._budgets}"
        (data / "pointsman.toml").write_text(text)
        config = parse(text.encode(), "bench")
        compiled = compile_snapshot(config, None, today=datetime.now(UTC).date(), made_by="bench").snapshot
        publish(self._store, lambda _: compiled, made_by="bench", now_ms=_now_ms())
        return data, zoo, self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._zoo.__exit__(None, None, None)
        self._folder.cleanup()


def _largest() -> int:
    """Return the most that a request of this benchmark may cost on the reference, in nano-dollars."""
    zoo = Billing(speed=SPEED)
    config = parse(config_toml(zoo, "http://127.0.0.1:1/v1").encode(), "bench")
    compiled: Snapshot = compile_snapshot(config, None, today=datetime.now(UTC).date(), made_by="bench").snapshot
    body = request_body("c15 99999999 9999999")
    most = limits.most(compiled.deployments[f"{PROVIDER}/{REFERENCE}"], glance(body), len(body)).nano
    assert most is not None
    return most


def _all(store: Store) -> list[Standing]:
    return store.leases.standing(_now_ms())


def _limit(one: Standing, small: int, big: int) -> int:
    return big if one.account.budget == "all" else small


def _others(heard: Heard) -> dict[int, int]:
    return {status: count for status, count in sorted(heard.statuses.items()) if status not in (200, 429)}


def _usd(nano: int) -> str:
    return f"${nano / 1e9:,.4f}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())

"""Canary prompts: a small fixed set, asked again and again of every deployment that matters, so that a change is noticed.

Strategy: the owner names a file of prompts (rows of an outcome table, with the right answers) and the feature by whose check
they are graded. Every so many hours each deployment that acts, is compared with or is tried answers all of them; the grades
go into the journal, where ``control/drift`` finds them. When a deployment was asked last is read from there, so that a
restart asks nobody twice.

Laws: prompts stay in the owner's file, and none is in the journal: a prompt is known by its digest, so that one that was
edited starts anew. Nothing is called without a price, or beyond what a day may cost. Where the owner says what one
deployment's rounds may come to, a dear one is asked less often: the next round waits until the last one is paid for.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from pointsman.control import plans
from pointsman.control.calls import Calls
from pointsman.control.config.values import CanaryRules
from pointsman.control.drift import CANARY, leaned_on
from pointsman.control.onboard import Row, answered
from pointsman.control.purse import Purse
from pointsman.core.errors import ConfigError
from pointsman.core.ledger import Occasion
from pointsman.core.price import NANO_PER_USD
from pointsman.core.record import Judgement
from pointsman.core.routing import Grader, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy import permits
from pointsman.store.interfaces import Filter, Store

_DAY_MS: Final = 86_400_000
_MOST: Final = 1000
_SIZE: Final = 4 * 1024 * 1024
CONCURRENCY: Final = 4


class Prompt(Struct, frozen=True):
    """One prompt of the owner's file. ``key`` is a digest of its content."""

    key: str
    row: Row


class _Round(Struct, frozen=True):
    """When a deployment was asked last, and what that cost."""

    began_ms: int = 0
    cost_nano: int = 0


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """Read a file of canary prompts: JSON Lines with ``prompt`` or ``messages``, and ``expected``.

    Raises ConfigError, with the line.
    """
    try:
        data = path.read_bytes()[: _SIZE + 1]
    except OSError as error:
        raise ConfigError(f"{path}: the canary prompts cannot be read ({error.strerror}); name another file") from error
    if len(data) > _SIZE:
        raise ConfigError(f"{path} is larger than {_SIZE // 2**20} MB: canary prompts are a small fixed set")
    found = [_prompt(path, place, line) for place, line in enumerate(data.splitlines(), start=1) if line.strip()]
    if not 0 < len(found) <= _MOST:
        raise ConfigError(f"{path} has {len(found)} prompts: write from 1 to {_MOST}, one a line")
    return tuple({one.key: one for one in found}.values())


def _prompt(path: Path, place: int, line: bytes) -> Prompt:
    try:
        row = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:{place}: this is no JSON object ({error}); write one prompt a line") from error
    if row.get("messages") is None and not isinstance(row.get("prompt"), str):
        raise ConfigError(f"{path}:{place}: there is neither prompt nor messages; write one of them")
    asked = {name: row.get(name) for name in ("prompt", "messages", "expected")}
    return Prompt(hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()[:16], asked)


class Canaries:
    """Asks what is due. ``say`` takes a sentence about what went wrong; the next round is tried all the same."""

    def __init__(self, store: Store, calls: Calls, *, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._store, self._calls, self._now_ms, self._say = store, calls, now_ms, say
        self._asked: dict[str, _Round] = {}

    async def look(self, current: Snapshot, rules: CanaryRules | None) -> None:
        """Ask every deployment that is due. Raises ConfigError where the file or the check is of no use, StoreError."""
        if rules is None or not current.routes:
            return
        due = [name for name in sorted(leaned_on(current)) if self._is_due(name, rules)]
        if not due:
            return
        prompts = await asyncio.to_thread(read_prompts, Path(rules.prompts))
        grader = _check(current, rules)
        for name in due:
            self._asked[name] = _Round(self._now_ms())
            if current.deployments[name].price is None:
                self._say(f"canary prompts: {name} is not asked, for no price is known")
                continue
            await self._round(current, rules, name, prompts, grader)

    def _is_due(self, name: str, rules: CanaryRules) -> bool:
        last = self._asked.get(name)
        if last is None:
            last = _Round()
            for one in self._store.journal.judgements(Filter(deployment=name, trial=_trial(rules.feature))):
                began_ms, cost = int(one.exchange.rpartition(":")[2]), one.cost_nano or 0
                last = _Round(began_ms, cost + (last.cost_nano if began_ms == last.began_ms else 0))
            self._asked[name] = last
        waits = rules.every_ms
        if rules.each_nano is not None:
            waits = max(waits, last.cost_nano * _DAY_MS // rules.each_nano)
        return self._now_ms() - last.began_ms >= waits

    async def _round(
        self, current: Snapshot, rules: CanaryRules, name: str, prompts: tuple[Prompt, ...], grader: Grader
    ) -> None:
        began = self._now_ms()
        money = Trial(f"{CANARY}{began // _DAY_MS}", (), 1.0, rules.cap_nano)
        occasion = Occasion("canary", rules.feature)
        purse, places = Purse(self._store.counters, money), asyncio.Semaphore(CONCURRENCY)

        demands = permits.of_feature(current, rules.feature)

        async def one(prompt: Prompt) -> tuple[Row, int]:
            async with places:
                asked = {**prompt.row, "model": name, "score": None}
                row = await answered(self._calls, current, asked, grader, purse, occasion, demands)
                return row, self._now_ms()

        rows, times = zip(*await asyncio.gather(*(one(prompt) for prompt in prompts)), strict=True)
        self._store.journal.judge(
            [
                Judgement(
                    exchange=f"{CANARY}{prompt.key}:{began}",
                    at_ms=at_ms,
                    feature=rules.feature,
                    deployment=name,
                    arm="candidate",
                    score=row["score"],
                    grader=plans.grader_name(grader),
                    trial=_trial(rules.feature),
                    cost_nano=None if row.get("cost_usd") is None else round(row["cost_usd"] * NANO_PER_USD),
                    note=str(row.get("note", "")),
                )
                for prompt, row, at_ms in zip(prompts, rows, times, strict=True)
            ]
        )
        paid = sum(row.get("cost_usd") or 0.0 for row in rows)
        self._asked[name] = _Round(began, round(paid * NANO_PER_USD))
        ungraded = [str(row.get("note", "")) for row in rows if row["score"] is None]
        if ungraded:
            self._say(f"canary prompts: {len(ungraded)} of {len(rows)} of {name} have no grade: {ungraded[0]}")


def _trial(feature: str) -> str:
    return f"{CANARY}{feature}"


def _check(current: Snapshot, rules: CanaryRules) -> Grader:
    named = [plan.grader for route in current.routes.values() for name, plan in route.plans.items() if name == rules.feature]
    grader = next((one for one in named if one is not None), None)
    if grader is None or grader.kind == "judge":
        raise ConfigError(
            f"canary prompts: the feature {rules.feature} has no check that grades an answer alone: add one under "
            f"[features.{rules.feature}], or name another feature in [canaries]"
        )
    return grader

"""Pointsman in the simulated year.

Shipped code decides (``policy/decide``), keeps count of money and failures (``gateway/allowance``, ``pacing``, ``health``),
compiles the configuration of the day (``control/compile``), keeps the journal and the labels (SQLite), chooses what a new
model is asked (``control/onboard``), learns (``control/learn``, ``relearn``) and publishes (``control/publish``). The world
stands in for providers, for the clock, and for a trial's calls: their answers are drawn, their bills are added up.

What the owner does: names today's model as reference, lets a trial run until ``FIRST`` requests were graded on all models,
learns, and lets it act; takes up each release and each price on its day, as ``pointsman release`` and the price list do.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, cast

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from pointsman.control import config as configuration
from pointsman.control import releases
from pointsman.control.calls import Calls
from pointsman.control.canaries import Canaries
from pointsman.control.compile import compile_snapshot
from pointsman.control.drift import DriftWatch
from pointsman.control.labels import Trust, labelled
from pointsman.control.learn import act_on, learn
from pointsman.control.memory import Memory
from pointsman.control.onboard import choose
from pointsman.control.publish import publish
from pointsman.control.relearn import candidates, relearn, with_relearned
from pointsman.core import snapshot as snapshots
from pointsman.core.chat import Usage
from pointsman.core.price import NANO_PER_USD
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Context, Decision, Needs
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.allowance import Allowance, leased
from pointsman.gateway.health import Breakers
from pointsman.gateway.ids import Ids
from pointsman.gateway.pacing import Paces
from pointsman.policy import decide, model, naming
from pointsman.policy.decide import State
from pointsman.policy.model import Policy
from pointsman.policy.onboard import Expected
from pointsman.store.interfaces import Filter
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store
from seasons.answers import Answers
from seasons.bank import FEATURES
from seasons.world import (
    DAY_MS,
    PRICES,
    RELEASES,
    REVIEW_NANO,
    START_MS,
    TODAY,
    VENDORS,
    WORTH_USD,
    Year,
    rates_on,
)

Floats = NDArray[np.float64]

ROUTE: Final = "auto"
FIRST: Final = 300  # requests that the first trial asks all models
CHECKED: Final = 1.0  # of the requests held on the reference, that a standing trial asks all models
CONTROL: Final = 0.01
SHARE: Final = 0.02
USD_PER_DAY: Final = 0.25
ASKED: Final = 60  # prompts that a new model, or one that has changed, is asked
EVERY_DAYS: Final = 10
EARLY_DAYS: Final = 3  # between the first times, until day ...
SETTLED: Final = 20
LATER_DAYS: Final = 2  # until feedback comes
WORTHWHILE: Final = 0.03  # of the share that is tried: who is given less is not asked by the standing trial
HYPE: Final = 0.15  # standard deviation of what a published figure lets expect
REMEMBERED: Final = 2_000
NOBODY: Final = Trust({}, {})


@dataclass
class Bill:
    """What learning cost, in nano-dollars: calls of trials, reviews, canary prompts; and what was tried (in the utility)."""

    trials: int = 0
    reviews: int = 0
    canaries: int = 0
    tried: int = 0


@dataclass
class Told:
    """What was published of whom, and when: (day, sentence)."""

    lines: list[tuple[int, str]] = field(default_factory=list)


class Ours:
    """One year of one installation."""

    def __init__(self, year: Year, seed: int, *, today: str = TODAY, budget_usd_per_1000: float | None = None) -> None:
        self._year = year
        self._rng = np.random.default_rng([seed, 77])
        self._budget = budget_usd_per_1000
        self._names = tuple(f"{VENDORS[name]}/{name}" for name in year.names)
        self._column = {name: place for place, name in enumerate(self._names)}
        self._home = self._column[f"{VENDORS[today]}/{today}"]
        self._ids = Ids(seed)
        self._allowance, self._breakers, self._paces = Allowance(), Breakers(), Paces()
        self._memory = Memory(REMEMBERED)
        self._late: list[Judgement] = []
        self._row: dict[str, int] = {}  # exchange -> request, of those that all models were asked
        self._hash, self._due, self._today_ms = "", False, START_MS
        self._heard: list[str] = []
        self.alarms: list[tuple[int, str]] = []
        self.accepted: list[tuple[int, tuple[str, ...]]] = []
        self.began, self.failed = -1, 0
        self.bill, self.told = Bill(), Told()
        self.served = np.full(len(year), -1)
        self.explored = np.zeros(len(year), dtype=bool)
        self.paid = np.zeros(len(year), dtype=np.int64)

    def run(self) -> Floats:
        """Return what each request was worth less what it cost, (R,), in dollars; what learning cost is in ``bill``."""
        with tempfile.TemporaryDirectory() as folder:
            self._store = open_store(Path(folder), vector_key=installation_key(Path(folder)))
            self._drift = DriftWatch(self._store, now_ms=lambda: self._today_ms, say=self._heard.append)
            self._answers = Answers(self._year, self._column, lambda: self._today_ms)
            calls = cast("Calls", self._answers)
            self._canaries = Canaries(self._store, calls, now_ms=lambda: self._today_ms, say=self._heard.append)
            self._rules = self._answers.rules(Path(folder) / "canaries.jsonl")
            try:
                return self._lived()
            finally:
                self.bill.canaries = self._answers.spent_nano
                self._store.close()

    def _lived(self) -> Floats:
        year, worth = self._year, np.zeros(len(self._year))
        days = np.searchsorted(year.day, np.arange(year.day[-1] + 2))
        learned = 0
        for day in range(int(year.day[-1]) + 1):
            self._morning(day)
            due = EARLY_DAYS if day <= SETTLED else EVERY_DAYS
            self._due |= self._acts and self._asked_today(day)
            if self._acts and (self._due or day - learned >= due):
                self._relearn(day)
                learned, self._due = day, False
            records = []
            for place in range(days[day], days[day + 1]):
                record, worth[place] = self._serve(place)
                records.append(record)
                if not self._acts and len(self._row) >= FIRST:
                    self._store.journal.append(records)
                    records = []
                    self._begin(day)
                    learned = day
            self._store.journal.append(records)
        return worth

    # The owner and the control process.

    def _morning(self, day: int) -> None:
        """Take up what is new today, lease today's money, and write what users said lately."""
        self._today_ms = START_MS + day * DAY_MS
        if day == 0 or any(one.day == day for one in (*RELEASES, *PRICES)):
            config = configuration.parse(self._toml(day).encode(), "pointsman.toml")
            today = date(2026, 1, 1)
            self._publish(lambda now: compile_snapshot(config, now, today=today, made_by="configuration").snapshot, day)
        now = START_MS + day * DAY_MS
        due = [one for one in self._late if one.at_ms <= now]
        self._late = [one for one in self._late if one.at_ms > now]
        self._store.journal.judge(due)
        self._watch(day)
        for lease in self._allowance.wanted(self._snapshot, now):
            self._allowance.add(lease.allowed.purse, now // DAY_MS, leased(self._store.counters, lease, now // DAY_MS))

    def _toml(self, day: int) -> str:
        there = [m for m, one in enumerate(self._year.models) if all(r.day <= day for r in RELEASES if r.model == one)]
        names = [self._names[m] for m in there]
        lines = [
            f'[providers.{vendor}]\nbase_url = "http://{vendor}"\ncredential = "none"'
            for vendor in sorted({*VENDORS.values()})
        ]
        for m in there:
            rates = rates_on(self._year.models[m], day)
            lines.append(f'[deployments."{self._names[m]}"]\nprice = {{input = {rates.input}, output = {rates.output}}}')
        aim = f'objective = "worth"\nusd_per_answer = {WORTH_USD}\ncaution = 0'
        if self._budget is not None:
            aim = f'objective = "budget"\nusd_per_1000 = {self._budget}\ncaution = 0'
        reference = self._names[self._home]
        others = ", ".join(f'"{name}"' for name in names if name != reference)
        lines.append(
            f'[routes.{ROUTE}]\nreference = "{reference}"\ncandidates = [{others}]\n{aim}\ncontrol_share = {CONTROL}\n'
            f"explore = {{share = {SHARE}, usd_per_day = {USD_PER_DAY}}}\n"
            '[routes.auto.features."*"]\ncheck = {kind = "exact"}'
        )
        return "\n".join(lines)

    def _publish(self, change: Callable[[Snapshot], Snapshot], day: int) -> None:
        publish(self._store, change, made_by="year", now_ms=START_MS + day * DAY_MS)
        self._take_up()

    def _take_up(self) -> None:
        """Take up the snapshot in force, as a gateway does."""
        published = self._store.snapshots.current()
        assert published is not None
        if published.hash == self._hash:
            return
        self._snapshot = snapshots.decode(published.data)
        self._hash = published.hash
        data = self._snapshot.policies.get(ROUTE)
        self._policy: Policy | None = model.decode(data) if data else None
        self._target = naming.resolve(self._snapshot, ROUTE)

    @property
    def _acts(self) -> bool:
        return self._snapshot.routes[ROUTE].plans["*"].mode == "auto"

    def _begin(self, day: int) -> None:
        """Learn from the first trial and act on it, as ``pointsman learn`` does."""
        self._remember(0)
        self.began = day
        route = self._snapshot.routes[ROUTE]
        rows = self._memory.outcomes((self._names[self._home], *candidates(self._snapshot, route, route.plans["*"])))
        taught = learn(rows, route.objective, reference=route.reference, known=self._snapshot.deployments)
        self._publish(lambda now: act_on(now, ROUTE, taught, now_ms=START_MS + day * DAY_MS), day)
        self._relearn(day)

    def _relearn(self, day: int) -> None:
        self._remember(START_MS + (day - EVERY_DAYS - 1) * DAY_MS)
        route = self._snapshot.routes[ROUTE]
        hopes = {f"{VENDORS[r.model.name]}/{r.model.name}": Expected(r.published, HYPE) for r in RELEASES if r.day <= day}
        found = relearn(self._snapshot, route, route.plans["*"], self._memory, hopes=lambda _: hopes)
        if found is not None:
            before = route.plans["*"]
            now_ms = START_MS + day * DAY_MS
            self._publish(lambda now: with_relearned(now, ROUTE, before, found, now_ms=now_ms), day)
            self.accepted.append((day, found.plan.accepted))
            self.told.lines.append((day, f"{found.why}; {', '.join(found.plan.accepted)}; tried: {found.plan.explorable}"))

    def _remember(self, since_ms: int) -> None:
        self._memory.note(labelled(self._store, Filter(since_ms=max(since_ms, 0)), NOBODY))

    def _asked_today(self, day: int) -> bool:
        """Ask today's release a few prompts that tell most of it; say whether there was one."""
        arrived = [release for release in RELEASES if release.day == day]
        for release in arrived:
            self._ask(f"{VENDORS[release.model.name]}/{release.model.name}", day)
        return bool(arrived)

    def _ask(self, name: str, day: int) -> None:
        route = self._snapshot.routes[ROUTE]
        others = (self._names[self._home], *candidates(self._snapshot, route, route.plans["*"]))
        self._remember(START_MS + (day - EVERY_DAYS - 1) * DAY_MS)
        since = {name: change.since_ms for name, change in self._snapshot.changes.items()}
        rows = self._memory.outcomes(others, since_ms=since)
        wide = rows.rows(np.isfinite(rows.score).sum(axis=1) > 1)
        groups = choose(wide, name, ASKED)
        now = START_MS + day * DAY_MS
        self._store.journal.judge([self._candidate(group, name, now, "release") for group in groups])

    def _watch(self, day: int) -> None:
        """Let the product ask its canary prompts, and look whether somebody's answers changed.

        Who did is asked some prompts anew, as a new model is, and may act again where it is worth it.
        """
        if self._acts:
            asyncio.run(self._canaries.look(self._snapshot, self._rules))
        before = self._snapshot.changes
        self._drift.look(self._snapshot)
        self._take_up()
        for name in [name for name, change in self._snapshot.changes.items() if before.get(name) != change]:
            self.alarms.append((day, name))
            if self._snapshot.changes[name].barred and self._acts:
                self._ask(name, day)
                self._publish(partial(releases.trust, deployment=name), day)
                self._due = True

    # One request.

    def _serve(self, place: int) -> tuple[ExchangeRecord, float]:
        year, at_ms = self._year, int(self._year.at_ms[place])
        exchange = self._ids.next(at_ms)
        prompt = year.prompt[place]
        needs = Needs(input_tokens=int(year.bank.input_tokens[prompt]), max_output_tokens=1000)
        context = Context(FEATURES[year.bank.feature[prompt]], needs, year.bank.vectors[prompt].tobytes())
        route, now = self._snapshot.routes[ROUTE], at_ms / 1e3
        plan, (pace, most, idle) = route.plans["*"], self._paces.now(route, at_ms)
        state = State(
            self._breakers.cooling(now),
            self._hash,
            pace=pace,
            most_nano=most,
            idle=idle,
            failing=self._breakers.failing(),
            explore_nano=self._allowance.left(plan, at_ms),
        )
        decision = decide.decide(self._snapshot, self._target, self._policy, context, state, float(year.draws[0, place]))
        self._allowance.promise(exchange, decision, plan, self._snapshot, needs)
        attempts = tuple(self._calls(decision, place, now))
        record = ExchangeRecord(
            exchange, at_ms, ROUTE, context.feature, "ok", 200, decision, attempts, ROUTE, vector=context.vector
        )
        self._allowance.settle(record)
        self._paces.note(route, record)
        served = self._column[attempts[-1].deployment]
        self.served[place], self.paid[place] = served, year.nano[place, served]
        self.explored[place] = decision.arm == "explore"
        self.bill.tried += int(year.nano[place, served]) if decision.arm == "explore" else 0
        self._judge(place, record, decision, served)
        return record, float(WORTH_USD * year.chance[place, served] - year.nano[place, served] / NANO_PER_USD)

    def _calls(self, decision: Decision, place: int, now: float) -> Iterator[Attempt]:
        """Yield the calls of one exchange: who is out does not answer, and the next one is asked."""
        year = self._year
        for name in (decision.chosen, *decision.fallbacks):
            column = self._column[name]
            if not year.up[place, column]:
                self._breakers.failed(name, now)
                self.failed += 1
                yield Attempt(name, "first", int(year.at_ms[place]), 503)
                continue
            self._breakers.succeeded(name)
            yield self._answered(name, place)
            return
        raise AssertionError("somebody always answers in this world")

    def _answered(self, name: str, place: int) -> Attempt:
        year, column = self._year, self._column[name]
        usage = Usage(int(year.bank.input_tokens[year.prompt[place]]), int(year.tokens[place, column]))
        at = int(year.at_ms[place])
        return Attempt(name, "first", at, 200, usage=usage, cost_nano=int(year.nano[place, column]), finish="stop")

    def _judge(self, place: int, record: ExchangeRecord, decision: Decision, served: int) -> None:
        """Let the user say what he says, later; and let the trial ask all models, where it was drawn."""
        year = self._year
        if year.heard[place]:
            said = bool(year.right[place, served]) != bool(year.wrongly[place])
            at = record.at_ms + LATER_DAYS * DAY_MS
            arm = decision.arm
            self._late.append(Judgement(record.id, at, record.feature, self._names[served], arm, float(said), "exact"))
        held = decision.arm in ("reference", "control")
        if not held or served != self._home or not (not self._acts or year.draws[1, place] < CHECKED):
            return
        self._row[record.id] = place
        route = self._snapshot.routes[ROUTE]
        plan = route.plans["*"]
        asked = candidates(self._snapshot, route, plan)
        if self._acts:  # a trial of those of whom more is worth knowing
            asked = tuple(name for name in asked if plan.explorable.get(name, 0.0) >= WORTHWHILE)
        rows = [self._candidate(record.id, name, record.at_ms, "standing") for name in asked]
        own = replace(self._candidate(record.id, self._names[served], record.at_ms, "standing", free=True), arm="reference")
        self._store.journal.judge([own, *rows])

    def _candidate(self, exchange: str, name: str, at_ms: int, trial: str, *, free: bool = False) -> Judgement:
        """Return the grade of another model's answer to a request; asking and grading cost what they cost."""
        year, place, column = self._year, self._row_of(exchange), self._column[name]
        called = self._answered(name, place)
        self.bill.trials += 0 if free else called.cost_nano or 0
        self.bill.reviews += REVIEW_NANO
        vector = year.bank.vectors[year.prompt[place]].tobytes()
        feature = FEATURES[year.bank.feature[year.prompt[place]]]
        right = float(year.right[place, column])
        return Judgement(
            exchange, at_ms, feature, name, "candidate", right, "exact", trial, called.usage, called.cost_nano, 0, vector
        )

    def _row_of(self, exchange: str) -> int:
        return self._row[exchange]

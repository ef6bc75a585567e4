"""The demo's story, in the order in which an owner lives through it.

    observe -> report -> trial -> verdicts -> accept (canary) -> auto -> what it cost and what it was worth

Strategy: nothing here is special to the demo. The gateway is ``pointsman up``, requests go through the real client, trials,
verdicts and acceptance are the functions behind the commands of the same names. Only the comparison with models that were
not asked needs the zoo's knowledge of its own models.
"""

import asyncio
import json
import math
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from pointsman.cli.demo.traffic import Answered, send
from pointsman.cli.demo.waiting import Graded, recorded, until
from pointsman.control import plans
from pointsman.control.findings import Findings, Proposal, findings, propose
from pointsman.core.errors import PointsmanError
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Gates, Plan
from pointsman.policy.gates import soonest
from pointsman.serve.workspace import Workspace
from pointsman.upstream.simulated.features import Feature
from pointsman.upstream.simulated.tasks import Task

ROUTE: Final = "auto"
CANARY_SHARE: Final = 0.5  # a real canary is smaller and takes longer
CAP_NANO: Final = 20_000_000_000
PATIENCE_S: Final = 10.0
QUIET_S: Final = 5.0
_BATCH: Final = 400
_TINY: Final = ("sim-wren-s", "sim-gnat-xs")
_SETTLED: Final = {
    "extraction": 0.45,
    "coding": 0.35,
    "backoffice": 0.7,
}  # features that need so much of the trial and no more
_SPARE: Final = 40
_ROUNDS: Final = 12
_LOOKED_S: Final = 6.0


class Sizes(Struct, frozen=True):
    """How many requests of each feature (at most) a part of the story sends, and until when, in seconds after the start.

    A machine too slow for that many gets as far as it gets by then: the demo ends in two minutes everywhere.
    """

    observed: int = 60
    tried: int = 1100
    tried_until_s: float = 55.0
    measured: int = 300
    measured_until_s: float = 85.0


@dataclass(frozen=True)
class Story:
    """One run: the gateway's base URL, its workspace, the features, and where to print.

    ``check`` raises PointsmanError when one of the demo's servers has ended; ``started`` is on the monotonic clock.
    """

    base_url: str
    workspace: Workspace
    features: dict[str, Feature]
    console: Console
    seed: int
    check: Callable[[], None]
    started: float
    sizes: Sizes = Sizes()  # noqa: RUF009 - frozen

    def observe(self) -> None:
        """The application runs as it did before, with its own models' names: nothing changes but what can be seen."""
        since_ms = _now_ms()
        with self._bar() as bar:
            tasks = self._tasks(self.sizes.observed, "observe")
            answered = self._send(tasks, bar, bar.add_task("observe", total=len(tasks)), by_name=True)
        self._records(answered, since_ms)

    def trial(self) -> Findings:
        """Try every candidate on live requests, after the reply, and return what was found.

        Requests wait for the grading of those before them, so that whenever time is up, most of what was sent is judged.
        """
        for name in self.features:
            chosen = self._candidates(name)
            start = partial(plans.start_trial, route=ROUTE, feature=name, candidates=chosen, share=1.0, cap_nano=CAP_NANO)
            self.workspace.publish(start, made_by=f"trial of {name}")
        self._taken_up()
        ends = self.started + self.sizes.tried_until_s
        candidates = {name: len(self._candidates(name)) for name in self.features}
        tasks = self._tasks(self.sizes.tried, "trial", shares=_SETTLED)
        graded = Graded(self.workspace.store.journal, {"candidate"}, _now_ms())
        with self._bar() as bar:
            sent = bar.add_task("trial: live requests", total=len(tasks))
            judged = bar.add_task("trial: answers graded", total=sum(candidates[task.feature] for task in tasks))
            expected = 0
            for start_at in range(0, len(tasks), _BATCH):
                batch = tasks[start_at : start_at + _BATCH]
                if time.monotonic() > ends:
                    break
                before = expected
                expected += sum(candidates[one.task.feature] for one in self._send(batch, bar, sent))
                self._graded(graded, before, ends, bar, judged)
            self._graded(graded, expected, ends, bar, judged)
        with self.console.status("learning to choose per request, and testing that on later requests"):
            return findings(self.workspace.store.journal, self.workspace.snapshot(), ROUTE)

    def accept(self, found: Findings) -> dict[str, Proposal]:
        """Accept what is ready, and return what was accepted, by feature; the other trials end."""
        features = sorted({row.feature for row in found.rows if row.kind == "ready"})
        accepted = {name: propose(found, name) for name in features}
        for name in self.features:
            if name not in accepted:
                stop = partial(plans.stop_trial, route=ROUTE, feature=name)
                self.workspace.publish(stop, made_by=f"trial of {name} ended")
        for name, proposal in accepted.items():
            step = partial(
                plans.accept,
                route=ROUTE,
                feature=name,
                row=proposal.row,
                serving=proposal.serving,
                now_ms=_now_ms(),
                acting_share=CANARY_SHARE,
            )
            self.workspace.publish(step, made_by=f"accept {name}")
        self._taken_up()
        return accepted

    def canary(self, accepted: Sequence[str]) -> None:
        """Send traffic until the control process has promoted every accepted feature from canary to auto."""
        count, rounds = math.ceil(soonest(Gates().errors) / CANARY_SHARE) + _SPARE, 0
        waiting = list(accepted)
        with self._bar() as bar:
            line = bar.add_task("canary: until promoted to auto", total=0)
            while waiting and rounds < _ROUNDS:
                tasks = self._tasks(count, f"canary/{rounds}", only=waiting)
                bar.update(line, total=(bar.tasks[line].total or 0) + len(tasks))
                self._send(tasks, bar, line)
                count, rounds = _SPARE, rounds + 1
                until(lambda: not self._in_canary(accepted), patience_s=_LOOKED_S)
                waiting = self._in_canary(accepted)
        if waiting:
            self.check()
            raise PointsmanError("a feature did not leave the canary: see gateway.log beside the pictures")
        self._taken_up()

    def _in_canary(self, features: Iterable[str]) -> list[str]:
        return [name for name in features if self.plan(name).mode == "canary"]

    def measure(self, accepted: Sequence[str]) -> list[tuple[Answered, ExchangeRecord]]:
        """Send fresh requests; return how they were answered, with the journal's records, once those answers are graded."""
        since_ms, ends = _now_ms(), self.started + self.sizes.measured_until_s
        tasks = self._tasks(self.sizes.measured, "measure")
        answered: list[Answered] = []
        with self._bar() as bar:
            sent = bar.add_task("auto: fresh requests", total=len(tasks))
            while len(answered) < len(tasks) and (not answered or time.monotonic() < ends):
                answered += self._send(tasks[len(answered) : len(answered) + _BATCH], bar, sent)
            acting = {one.exchange for one in answered if one.task.feature in accepted}
            if acting:
                line = bar.add_task("auto: answers graded", total=len(acting))
                graded = Graded(self.workspace.store.journal, {"policy", "control"}, since_ms, only=acting)
                self._graded(graded, len(acting), time.monotonic() + PATIENCE_S, bar, line)
        records = self._records(answered, since_ms)
        return [(one, records[one.exchange]) for one in answered]

    def plan(self, feature: str) -> Plan:
        """Return a feature's plan as it stands."""
        return plans.plan_of(self.workspace.snapshot(), ROUTE, feature)

    def _tasks(
        self, count: int, phase: str, *, only: Collection[str] | None = None, shares: Mapping[str, float] | None = None
    ) -> list[Task]:
        """Return ``count`` tasks of every feature, or a share of that, evenly mixed; each phase has its own tasks."""
        seed = sum(map(ord, phase)) * 1000 + self.seed
        placed: list[tuple[float, Task]] = []
        for name in self.features if only is None else only:
            own = round(count * (shares or {}).get(name, 1.0))
            placed += [((place + 0.5) / own, task) for place, task in enumerate(self.features[name].tasks(own, seed))]
        return [task for _, task in sorted(placed, key=lambda pair: pair[0])]

    def _send(self, tasks: Sequence[Task], bar: Progress, line: TaskID, *, by_name: bool = False) -> list[Answered]:
        def model(task: Task) -> str:
            return self.features[task.feature].today if by_name else ROUTE

        return asyncio.run(send(self.base_url, tasks, model=model, advance=lambda: bar.advance(line)))

    def _graded(self, graded: Graded, wanted: int, ends: float, bar: Progress, line: TaskID) -> None:
        """Wait until so many answers are graded, until time is up, or until nothing new comes any more."""
        count, since = -1, time.monotonic()
        while count < wanted and time.monotonic() < min(ends, since + QUIET_S):
            found = graded.count()
            if found != count:
                count, since = found, time.monotonic()
                bar.update(line, completed=count)
            if count < wanted:
                self.check()
                time.sleep(0.4)

    def _records(self, answered: Sequence[Answered], since_ms: int) -> dict[str, ExchangeRecord]:
        """Return the journal's records of requests, by id. The gateway writes them out a moment after the reply."""
        ids = {one.exchange for one in answered}
        found = recorded(self.workspace.store.journal, ids, since_ms, patience_s=PATIENCE_S)
        if len(found) < len(ids):
            raise PointsmanError(
                f"{len(ids) - len(found)} requests are not in the journal: see gateway.log beside the pictures"
            )
        return found

    def _candidates(self, feature: str) -> tuple[str, ...]:
        """Return what the owner tries: all models, but the two smallest for forms only, where they have a chance."""
        tried = self.plan(feature).candidates
        return tried if feature == "extraction" else tuple(name for name in tried if not name.endswith(_TINY))

    def _taken_up(self) -> None:
        """Wait until the gateway uses what was published last."""
        wanted = self.workspace.published()

        def used() -> bool:
            with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/readyz", timeout=5) as reply:  # noqa: S310
                return wanted is not None and json.load(reply)["snapshot"] == wanted.hash

        if not until(used, patience_s=PATIENCE_S, every_s=0.05):
            raise PointsmanError("the gateway did not take up a published snapshot: see gateway.log beside the pictures")

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )


def _now_ms() -> int:
    return int(time.time() * 1000)

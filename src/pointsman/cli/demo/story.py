"""The demo's story, in the order in which an owner lives through it.

    observe -> report -> trial -> verdicts -> accept (canary) -> auto -> what it cost and what it was worth

Strategy: nothing here is special to the demo. The gateway is ``pointsman up``, requests go through the real client, trials,
verdicts and acceptance are the functions behind the commands of the same names. Only the comparison with models that were
not asked needs the zoo's knowledge of its own models.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pointsman.cli.demo.traffic import Answered, send
from pointsman.control import plans
from pointsman.control.findings import Findings, Proposal, findings, propose
from pointsman.control.verdict import Row, tolerances, verdicts
from pointsman.core.errors import PointsmanError
from pointsman.core.record import Judgement
from pointsman.core.routing import Plan
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.features import Feature
from pointsman.upstream.simulated.tasks import Task

ROUTE: Final = "auto"
OBSERVED: Final = 60
TRIED: Final = 800
CANARY: Final = 60
CANARY_SHARE: Final = 0.5  # a real canary is smaller and takes longer
ROUNDS: Final = 60
MEASURED: Final = 300
CAP_NANO: Final = 20_000_000_000
QUIET_S: Final = 1.5
PATIENCE_S: Final = 60.0


@dataclass(frozen=True)
class Story:
    """One run: the gateway's base URL, its workspace, the features, and where to print."""

    base_url: str
    workspace: Workspace
    features: dict[str, Feature]
    console: Console
    seed: int

    def observe(self) -> None:
        """The application runs as it did before, with its own models' names: nothing changes but what can be seen."""
        tasks = self._tasks(OBSERVED, "observe")
        self._send("observe", tasks, by_name=True)

    def trial(self) -> Findings:
        """Try every candidate on live requests, after the reply, and return what was found."""
        for name in self.features:
            start = partial(plans.start_trial, route=ROUTE, feature=name, share=1.0, cap_nano=CAP_NANO)
            self.workspace.publish(start, made_by=f"trial of {name}")
        self._taken_up()
        self._send("trial: live requests", self._tasks(TRIED, "trial"))
        self._graded()
        with self.console.status("learning to choose per request, and testing that on later requests"):
            return findings(self.workspace.store.journal, self.workspace.snapshot(), ROUTE)

    def verdicts(self) -> list[Row]:
        """Return the verdict table as it stands."""
        return verdicts(self.workspace.store.journal, tolerances(self.workspace.snapshot(), ROUTE))

    def accept(self, found: Findings) -> dict[str, Proposal]:
        """Accept what is ready, and return what was accepted, by feature."""
        features = sorted({row.feature for row in found.rows if row.kind == "ready"})
        accepted = {name: propose(found, name) for name in features}
        for name, proposal in accepted.items():
            step = partial(
                plans.accept,
                route=ROUTE,
                feature=name,
                row=proposal.row,
                serving=proposal.serving,
                now_ms=int(time.time() * 1000),
                acting_share=CANARY_SHARE,
            )
            self.workspace.publish(step, made_by=f"accept {name}")
        self._taken_up()
        return accepted

    def canary(self, accepted: Iterable[str]) -> None:
        """Send traffic until the control process has promoted every accepted feature from canary to auto."""
        waiting = set(accepted)
        rounds = 0
        with self._bar() as bar:
            line = bar.add_task("canary: until promoted to auto", total=None)
            while waiting and rounds < ROUNDS:
                tasks = self._tasks(CANARY, f"canary/{rounds}", only=waiting)
                self._run(tasks, bar, line)
                rounds += 1
                waiting = {name for name in waiting if self.plan(name).mode == "canary"}
        if waiting:
            raise PointsmanError(f"{', '.join(waiting)} did not leave the canary: see gateway.log beside the pictures")
        self._taken_up()

    def measure(self) -> list[Answered]:
        """Send fresh requests and return how they were answered."""
        return self._send("auto: fresh requests", self._tasks(MEASURED, "measure"))

    def plan(self, feature: str) -> Plan:
        """Return a feature's plan as it stands."""
        return plans.plan_of(self.workspace.snapshot(), ROUTE, feature)

    def judged(self) -> list[Judgement]:
        """Return every judgement of the trials."""
        return list(self.workspace.store.journal.judgements(Filter()))

    def _tasks(self, count: int, phase: str, only: set[str] | None = None) -> list[Task]:
        """Return tasks of every feature in turn; each phase has its own, so that none is seen twice."""
        seed = sum(map(ord, phase)) * 1000 + self.seed
        names = [name for name in self.features if only is None or name in only]
        drawn = [self.features[name].tasks(count, seed) for name in names]
        return [task for together in zip(*drawn, strict=True) for task in together]

    def _send(self, title: str, tasks: Sequence[Task], *, by_name: bool = False) -> list[Answered]:
        with self._bar() as bar:
            return self._run(tasks, bar, bar.add_task(title, total=len(tasks)), by_name=by_name)

    def _run(self, tasks: Sequence[Task], bar: Progress, line: object, *, by_name: bool = False) -> list[Answered]:
        def model(task: Task) -> str:
            return self.features[task.feature].today if by_name else ROUTE

        return asyncio.run(send(self.base_url, tasks, model=model, advance=lambda: bar.advance(line)))  # type: ignore[arg-type]

    def _graded(self) -> None:
        """Wait until the control process has graded what it was sent: until nothing new comes."""
        with self._bar() as bar:
            line = bar.add_task("trial: answers graded", total=None)
            count, since, ends = 0, time.monotonic(), time.monotonic() + PATIENCE_S
            while time.monotonic() < ends and (not count or time.monotonic() - since < QUIET_S):
                time.sleep(0.25)
                found = sum(row.change.n + row.ungraded for row in self.verdicts())
                if found != count:
                    count, since = found, time.monotonic()
                bar.update(line, completed=count)

    def _taken_up(self) -> None:
        """Wait until the gateway uses what was published last."""
        wanted = self.workspace.published()
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/readyz", timeout=5) as reply:  # noqa: S310
                if wanted is not None and json.load(reply)["snapshot"] == wanted.hash:
                    return
            time.sleep(0.05)
        raise PointsmanError("the gateway did not take up a published snapshot: see gateway.log beside the pictures")

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

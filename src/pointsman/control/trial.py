"""Trials: the owner's own requests, asked again of candidates after the reply, graded, and written down in pairs.

Strategy: samples of live requests come in one by one. A sample that the reference answered is copied to every candidate of
its feature's trial, and both answers are graded by the feature's check or by its blind judge (*compare*). A sample of a
feature that acts already is graded as it was served, by arm, so that quality is measured against the control share
(*as served*); where grading needs the reference's answer to the same request, the reference is asked again.

What a failure means: a candidate that refuses the request, sends garbage or takes too long has failed (grade 0), for the
client would have had no answer. Rate limits, outages, refused credentials, a request that the gateway would
not send there (too long, tools), an answer cut by the trial's own limit of output tokens, and a judge without a verdict are
*ungraded*: they say nothing about quality, and are counted and shown.

Laws: nothing is called beyond the cap (``purse``); no tool is executed, for only the model's answer is asked for; no prompt
is stored, unless the owner wants people to review (``review/intake``); every candidate is asked until the cap, also one that
loses on the whole, for it may be the right one for a part of the requests; a sample under way when the process ends is lost,
and its cost counted at its worst case.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from msgspec.structs import replace

from pointsman.control import judge
from pointsman.control.calls import Answer, Calls, Copied, copy
from pointsman.control.grade import EXPECTING, Grade, grade
from pointsman.control.plans import grader_name, plan_of
from pointsman.control.purse import CapReachedError, Purse
from pointsman.control.redacted import redacted
from pointsman.control.review import intake
from pointsman.core.errors import ConfigError, PointsmanError
from pointsman.core.ledger import Occasion
from pointsman.core.record import Judgement, Sample
from pointsman.core.routing import Grader, Plan, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store

CONCURRENCY: Final = 8


@dataclass(frozen=True)
class _Job:
    """One sample with all that its grading needs. ``copied`` is the request as candidates get it."""

    snapshot: Snapshot
    plan: Plan
    grader: Grader
    trial: Trial
    reference: str
    sample: Sample
    copied: Copied
    purse: Purse

    @property
    def by_reference(self) -> bool:
        """Whether the reference answered, or a deployment that shares its requests: it is the same model."""
        return self.sample.deployment in self.snapshot.siblings(self.reference)

    @property
    def relative(self) -> bool:
        """Whether a grade needs the reference's answer to the same request."""
        return self.grader.kind == "judge" or (self.grader.against == "reference" and self.grader.kind in EXPECTING)

    def occasion(self, why: Literal["trial", "judge"]) -> Occasion:
        """Return what a call is made for."""
        return Occasion(why, self.sample.feature, self.sample.exchange, self.sample.route)


class Trials:
    """All running trials of an installation.

    ``current`` returns the snapshot in force, ``now_ms`` Unix milliseconds, and ``report`` takes a sentence about anything
    that went wrong with one sample (the next one is taken all the same).
    """

    def __init__(
        self,
        store: Store,
        calls: Calls,
        *,
        current: Callable[[], Snapshot],
        now_ms: Callable[[], int],
        report: Callable[[str], None],
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._store = store
        self._calls = calls
        self._current = current
        self._now_ms = now_ms
        self._report = report
        self._places = asyncio.Semaphore(concurrency)
        self._purses: dict[tuple[str, int], Purse] = {}

    async def run(self, samples: AsyncIterator[Sample]) -> None:
        """Take samples until there are no more, at most ``concurrency`` at a time; return when the last is graded."""
        async with asyncio.TaskGroup() as tasks:
            async for sample in samples:
                await self._places.acquire()
                task = tasks.create_task(self.take(sample))
                task.add_done_callback(lambda _: self._places.release())

    async def take(self, sample: Sample) -> None:
        """Grade one sample. Errors meant for people are reported; what they concern is not graded."""
        try:
            job = self._job(sample)
            if job is None:
                return
            if sample.arm not in ("policy", "explore") and job.by_reference:
                with suppress(CapReachedError):  # what is served is still measured, on both arms alike
                    await self._compare(job)
            if job.plan.acts and sample.arm in ("policy", "control", "explore"):
                with suppress(CapReachedError):
                    await self._as_served(job)
        except PointsmanError as error:
            self._report(f"exchange {sample.exchange}: {error}")
        except Exception as error:  # noqa: BLE001 - one odd sample must not end all trials; it is reported
            self._report(f"exchange {sample.exchange}: not graded, {type(error).__name__}: {error}")

    def _job(self, sample: Sample) -> _Job | None:
        snapshot = self._current()
        plan = find_plan(snapshot, sample)
        if plan is None or plan.trial is None or plan.grader is None or plan.reference is None:
            return None
        key = (plan.trial.id, plan.trial.cap_nano)
        purse = self._purses.setdefault(key, Purse(self._store.counters, plan.trial))
        copied = replace(copy(sample.body, sample.usage, sample.dialect), demands=sample.demands)
        return _Job(snapshot, plan, plan.grader, plan.trial, plan.reference, sample, copied, purse)

    async def _compare(self, job: _Job) -> None:
        """Ask the candidates what the reference was asked, and write each pair of grades."""
        own = self._grade_reference(job)
        row = self._judgement(
            job, job.reference, "reference", own, Answer(usage=job.sample.usage, cost_nano=job.sample.cost_nano)
        )
        rows: list[Judgement] = []
        kept: list[intake.Kept | None] = []
        try:
            for candidate in job.trial.candidates:
                if candidate == job.reference:
                    continue
                if own.score is None:
                    graded, answer = Grade(None, own.note), Answer()
                else:
                    answer = await self._calls.ask(job.snapshot, candidate, job.copied, job.purse, job.occasion("trial"))
                    graded = await self._grade(job, answer)
                rows.append(self._judgement(job, candidate, "candidate", graded, answer))
                kept.append(self._question(job, row, rows[-1], answer.text, job.sample.answer))
        finally:  # what was paid for is kept, also when the cap is reached in between
            if rows:
                self._store.journal.judge([row, *rows])
            self._ask_people(job, kept)

    async def _as_served(self, job: _Job) -> None:
        """Grade the answer that the client got, for the arm that it belongs to."""
        sample, other = job.sample, None
        served = Answer(text=sample.answer, usage=sample.usage, cost_nano=sample.cost_nano)
        if not job.relative:
            graded = self._absolute(job, sample.answer, sample.expected)
        elif job.purse.capped:  # a candidate's answer cannot be compared any more, so no reference's either
            return
        elif sample.arm == "control" or job.by_reference:
            graded = self._grade_reference(job)
        else:
            again = await self._calls.ask(job.snapshot, job.reference, job.copied, job.purse, job.occasion("trial"))
            if again.text is None:
                return
            graded = await self._grade(job, served, reference=again.text)
            graded = replace(graded, nano=graded.nano + (again.cost_nano or 0))
            other = again.text
        if graded.score is None and not graded.nano:
            return  # nothing was expected of this one
        row = replace(self._judgement(job, sample.deployment, sample.arm, graded, served), trial="")
        self._store.journal.judge([row])
        if not job.relative and job.plan.review_days:
            self._ask_people(job, [intake.alone(row, job.copied.request, sample.answer)])
        elif other is not None:
            reference = replace(row, deployment=job.reference, score=self._grade_reference(job).score)
            self._ask_people(job, [self._question(job, reference, row, sample.answer, other)])

    def _question(
        self, job: _Job, reference: Judgement, judged: Judgement, answer: str | None, other: str
    ) -> intake.Kept | None:
        """Return what people may be asked about an answer beside the reference's, where the owner wants them to be."""
        if not job.plan.review_days or answer is None:
            return None
        expected = intake.expected_share(job.snapshot, job.plan, job.sample, judged.deployment, job.reference)
        return intake.compared(reference, judged, job.copied.request, answer, other, expected)

    def _ask_people(self, job: _Job, kept: Sequence[intake.Kept | None]) -> None:
        """Put questions into the queue."""
        asked = [intake.redacted(one, job.snapshot.keeping) for one in kept if one is not None]
        if asked:
            self._store.reviews.keep(asked, most=intake.MOST)

    def _grade_reference(self, job: _Job) -> Grade:
        """Grade the reference's own answer: one half under a judge, 1 where it is what counts as right."""
        if job.grader.kind == "judge":
            return Grade(0.5)
        if job.relative:
            return Grade(1.0)
        return self._absolute(job, job.sample.answer, job.sample.expected)

    async def _grade(self, job: _Job, answer: Answer, reference: str | None = None) -> Grade:
        """Grade another answer to the sample's request. ``reference``: its answer, unless the sample has it."""
        if answer.text is None:
            return Grade(0.0 if answer.failed else None, answer.note)
        right = job.sample.answer if reference is None else reference
        if job.grader.kind == "judge":
            return await self._ask_judge(job, answer.text, right)
        return self._absolute(job, answer.text, right if job.relative else job.sample.expected)

    def _absolute(self, job: _Job, answer: str, expected: str | None) -> Grade:
        try:
            return grade(job.grader, job.copied.fields, answer, expected)
        except ConfigError as error:
            return Grade(None, str(error))

    async def _ask_judge(self, job: _Job, candidate: str, reference: str) -> Grade:
        """Ask the judge in both orders; what it said and what it cost."""
        rulings: list[judge.Ruling | None] = []
        spent = 0
        for first, second in ((candidate, reference), (reference, candidate)):
            asked = copy(judge.question(job.copied.request, first, second, model=job.grader.spec))
            asked = replace(asked, demands=job.copied.demands)  # it quotes the request
            try:
                reply = await self._calls.ask(job.snapshot, job.grader.spec, asked, job.purse, job.occasion("judge"))
            except CapReachedError:
                return Grade(None, "the cap was reached before the judge had been asked in both orders", spent)
            spent += reply.cost_nano or 0
            if reply.text is None:
                return Grade(None, f"judge: {reply.note}", spent)
            rulings.append(judge.ruling(reply.text))
        said = judge.ballot(rulings[0], rulings[1])
        return Grade(said.share, said.note, spent)

    def _judgement(self, job: _Job, deployment: str, arm: Any, graded: Grade, answer: Answer) -> Judgement:
        return Judgement(
            exchange=job.sample.exchange,
            at_ms=self._now_ms(),
            feature=job.sample.feature,
            deployment=deployment,
            arm=arm,
            score=graded.score,
            grader=grader_name(job.grader),
            trial=job.trial.id,
            usage=answer.usage,
            cost_nano=answer.cost_nano,
            grading_nano=graded.nano,
            vector=job.sample.vector,
            note=redacted(job.snapshot.keeping, graded.note),
        )


def find_plan(snapshot: Snapshot, sample: Sample) -> Plan | None:
    """Return the plan that a sample belongs to, its reference filled in.

    A client that named a model itself belongs to the first route that runs a trial for its feature against that model.
    """
    routes = [sample.route] if sample.route else list(snapshot.routes)
    for route in routes:
        if route not in snapshot.routes:
            continue
        plan = plan_of(snapshot, route, sample.feature)
        if sample.route or (plan.trial is not None and sample.deployment in snapshot.siblings(plan.reference or "")):
            return plan
    return None

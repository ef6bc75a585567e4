"""A replay with an installation's parts: which snapshot is asked about, and the journal read by as many processes as help.

Strategy: the journal is cut into stretches of ``SPAN`` exchanges; each is decided again by itself, here or in a process of
its own with its own connection, and the sums are added up. So memory is bounded by a stretch for each process, whatever the
journal's length.
"""

import gc
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from pointsman.control import learn
from pointsman.control.drill import TIMES, Drill, drill
from pointsman.control.replay import table
from pointsman.control.replay.aim import SAMPLE, aimed
from pointsman.control.replay.answer import Replay, answers, total
from pointsman.control.replay.question import Question, QuestionError, World, named, world
from pointsman.control.replay.tally import Tally, Whose, tally
from pointsman.control.tables import read_outcomes
from pointsman.core.errors import SnapshotError
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model
from pointsman.policy.estimate import largest
from pointsman.policy.model import Policy
from pointsman.serve.threads import one_thread
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter, Pasts, Published
from pointsman.store.past import GradeCount, Past, Span
from pointsman.store.seal import installation_key
from pointsman.store.sqlite import open_store

SPAN: Final = 10_000
ROUTE: Final = "auto"
_FEW: Final = 2  # stretches that are not worth a process
_SAMPLED: Final = 20  # stretches that an objective is resolved on


def replay(
    workspace: Workspace,
    question: Question,
    *,
    processes: int = 0,
    advance: Callable[[int, int], None] = lambda _done, _of: None,
) -> Replay:
    """Answer a question from the journal. Nothing is called, and nothing is written.

    ``processes`` read the journal (0: one for each core). ``advance`` is told how many exchanges are done, and of how many.
    Raises StoreError; QuestionError where the question names what is not there.
    """
    pasts = workspace.existing.past
    published = _asked_about(workspace, question)
    asked = world(question, workspace.decoded(published))
    notes: tuple[str, ...] = ()
    if question.objective is not None:
        sample = _sample(pasts, question.wanted)
        asked, notes = aimed(asked, question.objective, _policies(asked.snapshot), sample)
    whose = _whose(pasts, question)
    found = _whole(workspace.data, pasts, question.wanted, asked, whose, processes or os.cpu_count() or 1, advance)
    return Replay(published.number, published.made_by, total(found), answers(found, whose.graders), notes)


def drilled(
    workspace: Workspace, vendor: str, asked: Question, ask: Callable[[Workspace, Question], Replay] = replay
) -> Drill:
    """Say what the loss of a vendor, and ``TIMES`` its price, would mean in the period of a question.

    Raises StoreError; QuestionError where nothing is called like that. ``ask`` answers a question, as ``replay`` does.
    """
    snapshot = workspace.snapshot()
    gone = named(snapshot, vendor)
    without = ask(workspace, replace(asked, without=(vendor,)))
    prices = {one: Decimal(TIMES) for one in gone if snapshot.deployments[one].price is not None}
    return drill(vendor, gone, without, ask(workspace, replace(asked, prices=prices)) if prices else None)


def replay_table(workspace: Workspace, question: Question, path: Path) -> Replay:
    """Answer a question from an outcome table: its prompts as if they were asked of ``question.route`` (empty: ``auto``).

    Raises TableError; QuestionError as ``replay``, and where the table lacks the route's reference.
    """
    published, route = _asked_about(workspace, question), question.route or ROUTE
    asked = world(replace(question, route=route), workspace.decoded(published))
    outcomes, unmapped = learn.named(read_outcomes([path]), workspace.config.models, asked.snapshot.deployments)
    rows = list(table.past(asked.snapshot, route, outcomes))
    if question.feature is not None:
        rows = [row for row in rows if row[0].feature == question.feature]
    notes = tuple(f"{name} of the table is no deployment here, and is left out" for name in unmapped)
    policies, pasts = _policies(asked.snapshot), [past for past, _ in rows]
    if question.objective is not None:
        asked, more = aimed(asked, question.objective, policies, pasts[:: max(len(rows) // SAMPLE, 1)])
        notes += more
    counts = Counter(past.feature for past in pasts)
    whose = Whose(dict.fromkeys(counts, table.GRADER), {name: largest(count) for name, count in counts.items()}, {})
    found = Tally()
    for first in range(0, len(rows), SPAN):
        part = rows[first : first + SPAN]
        found.merge(tally(asked, policies, pasts[first : first + SPAN], [one for _, each in part for one in each], whose))
    return Replay(published.number, published.made_by, total(found), answers(found, whose.graders), notes)


def _asked_about(workspace: Workspace, question: Question) -> Published:
    """Return the snapshot that decides: the one named, the one of a moment, or today's."""
    snapshots = workspace.existing.snapshots
    if question.snapshot is not None:
        found, what = snapshots.numbered(question.snapshot), f"there is no snapshot {question.snapshot}"
    elif question.as_of_ms is not None:
        found, what = snapshots.in_force(question.as_of_ms), "nothing was published yet at that time"
    else:
        found, what = snapshots.current(), f"nothing is published in {workspace.data} yet: start with `pointsman up`"
    if found is None:
        newest = snapshots.current_number()
        raise QuestionError(f"{what}; snapshots are numbered 1 to {newest}" if newest else what)
    return found


def _sample(pasts: Pasts, wanted: Filter) -> list[Past]:
    """Return some exchanges from all over a period, the same for the same journal."""
    spans = pasts.spans(wanted, SAMPLE // _SAMPLED)
    step = max(len(spans) // _SAMPLED, 1)
    return [past for span in spans[::step][:_SAMPLED] for past in pasts.exchanges(wanted, span)]


def _whose(pasts: Pasts, question: Question) -> Whose:
    """Return whose grades count: of each feature, the grader named, or the check or judge that graded most."""
    counts = [count for count in pasts.grade_counts(question.wanted) if question.grader in ("", count.grader)]
    most = {count.feature: count for count in sorted(counts, key=_standing)}
    return Whose(
        {feature: count.grader for feature, count in most.items()},
        {feature: largest(count.exchanges) for feature, count in most.items()},
        {feature: largest(count) for feature, count in pasts.requests(question.wanted).items()},
    )


def _standing(count: GradeCount) -> tuple[bool, int, int]:
    """Return what graders are compared by: checks and judges see what chance drew, people and users what they like."""
    return not count.grader.startswith(("person:", "feedback:")), count.exchanges, count.last_ms


def _policies(snapshot: Snapshot) -> Callable[[str], Policy | None]:
    """Return what gives a snapshot's policies by name, each read once; it raises QuestionError for another version's."""
    known: dict[str, Policy | None] = {}

    def policy(name: str) -> Policy | None:
        if name not in known:
            data = snapshot.policies.get(name)
            try:
                known[name] = model.decode(data) if data else None
            except SnapshotError as error:
                raise QuestionError(
                    f"that snapshot chose for {name} by what another version of Pointsman had learned, which cannot be "
                    "decided again; ask of a later one with --snapshot or --as-of"
                ) from error
        return known[name]

    return policy


class _Job(msgspec.Struct, frozen=True):
    """What a process needs to decide stretches again."""

    data: Path
    wanted: Filter
    world: World
    whose: Whose


def _whole(
    data: Path,
    pasts: Pasts,
    wanted: Filter,
    asked: World,
    whose: Whose,
    processes: int,
    advance: Callable[[int, int], None],
) -> Tally:
    """Return the sums over all that is wanted."""
    spans = pasts.spans(wanted, SPAN)
    size = sum(_size(span) for span in spans)
    job, found, done = _Job(data, wanted, asked, whose), Tally(), 0
    for span, part in _parts(job, pasts, spans, processes):
        found.merge(part)
        done += _size(span)
        advance(done, size)
    return found


def _parts(job: _Job, pasts: Pasts, spans: list[Span], processes: int) -> Iterator[tuple[Span, Tally]]:
    """Yield the sums of each stretch, in the order in which they are done."""
    if processes < 2 or len(spans) <= _FEW:
        for span in spans:
            yield span, _part(pasts, job, span)
        return
    context, quiet = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends them from here
    with ProcessPoolExecutor(min(processes, len(spans)), context, signal.signal, quiet) as pool:
        with _one_thread_each():  # processes start as they are given work
            running = {pool.submit(_apart, job, span): span for span in spans}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start meanwhile compute with one thread: with one for each core they wait for one another."""
    added = one_thread()
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _apart(job: _Job, span: Span) -> Tally:
    """Return the sums of a stretch, in a process of its own."""
    store = open_store(job.data, vector_key=installation_key(job.data))
    try:
        return _part(store.past, job, span)
    finally:
        store.close()


def _part(pasts: Pasts, job: _Job, span: Span) -> Tally:
    with _no_collection():
        exchanges, grades = pasts.exchanges(job.wanted, span), pasts.grades(job.wanted, span)
        begun = pasts.beginnings(job.wanted, span)
        return tally(job.world, _policies(job.world.snapshot), exchanges, grades, job.whose, begun)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the collector of cycles rest: records have none, and it would walk through all of them, again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _size(span: Span) -> int:
    return span.last - span.first + 1

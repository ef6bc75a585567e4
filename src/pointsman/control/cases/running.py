"""All cases and deployments of an evaluation, together: what is still open is asked, graded and written, several at a time.

Laws: cases go round by case, so that what was asked when the money ended was asked of all deployments alike; where the cap
is reached no further call is made, and what has an answer is still graded; whatever ends a run, its rows are on the disk,
and the same command goes on from there.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from pointsman.control.cases.asking import Asked, Asking, UnansweredError, prepared
from pointsman.control.cases.case import Case
from pointsman.control.cases.checking import Checking
from pointsman.control.cases.rows import Table, key_of, row_of
from pointsman.control.purse import CapReachedError
from pointsman.core.snapshot import Snapshot

CONCURRENCY: Final = 8


class Open(Struct, frozen=True):
    """A case that a deployment has no row for yet."""

    case: Case
    deployment: str
    asked: Asked
    key: str


@dataclass
class Report:
    """How a run went: rows written, whether the cap was reached, and who did not answer, by note."""

    written: int = 0
    capped: bool = False
    unanswered: Counter[str] = field(default_factory=Counter)


def opened(cases: Sequence[Case], deployments: Sequence[str], snapshot: Snapshot, output_tokens: int) -> list[Open]:
    """Return every case with every deployment, case by case. Raises ConfigError where one cannot be called."""
    return [
        Open(
            case,
            name,
            asked := prepared(snapshot, name, case.fields, output_tokens),
            key_of(case, asked.name, deployments[0]),
        )
        for case in cases
        for name in deployments
    ]


async def run(
    todo: Sequence[Open],
    asking: Asking,
    checking: Checking,
    table: Table,
    *,
    labels: Collection[str],
    concurrency: int,
    told: Callable[[], None],
) -> Report:
    """Ask, grade and write what is open; ``told`` hears of each that is done with, written or not.

    ``labels`` are the columns of labels: those that any case of the file has.
    """
    report = Report()
    waiting = iter(todo)

    async def work(jobs: Iterator[Open]) -> None:
        for one in jobs:
            try:
                said = await asking.ask(one.asked)
                graded = await checking.grade(one.case, one.deployment, said)
            except CapReachedError:
                report.capped = True
            except UnansweredError as error:
                report.unanswered[str(error)] += 1
            else:
                table.add(row_of(one.case, one.deployment, said, graded, key=one.key, labels=labels))
                report.written += 1
            told()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(work(waiting))
    return report

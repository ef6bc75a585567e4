"""A new model on an owner's prompts: what is expected of it, which few prompts to ask it, and asking them.

Strategy: the prompts are chosen from outcome tables by what the known models scored on them (``policy/onboard``), and become
rows of a table of their own, whose grades are still to be filled in, by the owner or by a feature's check, with paid calls
within a cap. ``pointsman learn`` takes both tables together.

Laws: nothing is called without a price, or beyond the cap; no call is paid for whose answer could not be graded.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import replace

from pointsman.control.calls import Answer, Calls, CopyError, copy, worst_case
from pointsman.control.config.values import ReleaseRules
from pointsman.control.grade import EXPECTING, Grade, grade
from pointsman.control.purse import CapReachedError, Purse
from pointsman.core.demands import Demand
from pointsman.core.errors import ConfigError, TableError
from pointsman.core.ledger import Occasion
from pointsman.core.price import NANO_PER_USD, Price
from pointsman.core.routing import Grader
from pointsman.core.snapshot import Snapshot
from pointsman.policy import onboard, permits
from pointsman.policy.ability import WIDE, by_figures
from pointsman.policy.onboard import Expected
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

CONCURRENCY: Final = 8
ONBOARDING: Final = Occasion("onboard")
SPREAD: Final = 0.1  # of an expected quality, where the owner says none

Row = dict[str, Any]
"""A prompt of a table with its answer's grade, tokens and cost, by the names of its columns."""


def expectations(releases: Mapping[str, ReleaseRules], outcomes: Outcomes) -> dict[str, Expected]:
    """Return what is expected of new models: as the owner says, else by published figures that known models have too."""
    return {name: _expected(name, rules, releases, outcomes) for name, rules in releases.items()}


def _expected(name: str, rules: ReleaseRules, releases: Mapping[str, ReleaseRules], outcomes: Outcomes) -> Expected:
    if rules.quality is not None:
        return Expected(rules.quality, SPREAD if rules.spread is None else rules.spread, rules.like)
    graded = np.isfinite(outcomes.score)
    levels = np.where(graded, outcomes.score, 0.0).sum(axis=0) / np.maximum(graded.sum(axis=0), 1)
    known = {one: float(level) for one, level in zip(outcomes.deployments, levels, strict=True) if one != name}
    found = []
    for benchmark, figure in rules.published.items():
        others = [one for one in known if benchmark in releases.get(one, ReleaseRules()).published]
        figures = np.array([releases[one].published[benchmark] for one in others])
        told = by_figures(figures, np.array([known[one] for one in others]), figure)
        if told is not None:
            found.append(told)
    quality, spread = min(found, key=lambda one: one[1], default=(None, WIDE))
    return Expected(quality, spread, rules.like)


def choose(outcomes: Outcomes, name: str, count: int) -> tuple[str, ...]:
    """Return the groups of equal prompts to ask a new model, ``count`` of those that it was not asked.

    Raises TableError where fewer than two other models are known, or all prompts were asked.
    """
    rows = outcomes.grouped()
    mine = [place for place, one in enumerate(rows.deployments) if one == name]
    others = np.setdiff1d(np.arange(len(rows.deployments)), mine)
    asked = np.asarray(np.isfinite(rows.score[:, mine]).any(axis=1))
    if asked.all():
        raise TableError(f"{name} was graded on every prompt of the table: there is none left to ask")
    try:
        lesson = teach(rows.columns(others))
    except ValueError as error:
        raise TableError(f"no prompts can be chosen from this table: {error}") from error
    return tuple(lesson.outcomes.groups[onboard.prompts(lesson, count, asked)].tolist())


def to_ask(name: str, groups: Sequence[str], questions: Mapping[str, Row]) -> list[Row]:
    """Return rows for the chosen groups, their grades still open. ``questions`` is what tables say of the prompts."""
    ids = [questions[group]["prompt_id"] for group in groups]
    single = len(set(ids)) == len(ids)  # several tables may use the same id for different prompts
    opened: Row = {"score": None, "prompt_tokens": None, "completion_tokens": None, "cost_usd": None}
    return [
        {**questions[group], "prompt_id": str(one) if single else group, "dup_group": group, "model": name, **opened}
        for group, one in zip(groups, ids, strict=True)
    ]


def most_nano(snapshot: Snapshot, rows: Sequence[Row]) -> list[int | None]:
    """Return the most that asking each row can cost, in nano-dollars; None where it cannot be asked.

    The row's model has a price.
    """
    return [_most(snapshot.deployments[row["model"]].price, row) for row in rows]


def _most(price: Price | None, row: Row) -> int | None:
    body = msgspec.json.encode({"model": row["model"], "messages": _messages(row)})
    try:
        return None if price is None else worst_case(copy(body), len(body), price)
    except CopyError:
        return None


async def ask(
    calls: Calls, snapshot: Snapshot, rows: Sequence[Row], grader: Grader, purse: Purse, told: Callable[[], None]
) -> list[Row]:
    """Return the rows with what their model answered, graded by a check; ``told`` hears of each. Ungraded: a ``note``.

    Where the cap is reached the remaining rows stay open. Raises ConfigError for a judge, which compares answers.
    """
    if grader.kind == "judge":
        raise ConfigError("a judge compares two answers: grade these by a check, or fill in the scores yourself")
    places, demands = asyncio.Semaphore(CONCURRENCY), permits.of_feature(snapshot, "*")  # prompts may stem from traffic

    async def one(row: Row) -> Row:
        async with places:
            found = await answered(calls, snapshot, row, grader, purse, demands=demands)
            told()
            return found

    return list(await asyncio.gather(*(one(row) for row in rows)))


async def answered(
    calls: Calls,
    snapshot: Snapshot,
    row: Row,
    grader: Grader,
    purse: Purse,
    occasion: Occasion = ONBOARDING,
    demands: tuple[Demand, ...] = (),
) -> Row:
    """Return one row with what its model answered, graded by a check; ungraded: with a ``note``.

    ``demands`` say who may see the prompt.
    """
    expected = row.get("expected")
    if grader.kind in EXPECTING and expected is None:
        return {**row, "note": "there is no expected answer: add a column `expected`"}
    try:
        copied = replace(copy(msgspec.json.encode({"model": "auto", "messages": _messages(row)})), demands=demands)
        answer = await calls.ask(snapshot, row["model"], copied, purse, occasion)
    except (CapReachedError, CopyError) as error:
        return {**row, "note": str(error)}
    graded = _graded(grader, copied.fields, answer, None if expected is None else str(expected))
    return {
        **row,
        "score": graded.score,
        "prompt_tokens": answer.usage.input if answer.usage else None,
        "completion_tokens": answer.usage.output if answer.usage else None,
        "cost_usd": None if answer.cost_nano is None else answer.cost_nano / NANO_PER_USD,
        **({"note": graded.note} if graded.score is None else {}),
    }


def _graded(grader: Grader, fields: Mapping[str, Any], answer: Answer, expected: str | None) -> Grade:
    """Grade an answer; what a failure means is as in a trial."""
    if answer.text is None:
        return Grade(0.0 if answer.failed else None, answer.note)
    return grade(grader, fields, answer.text, expected)


def _messages(row: Row) -> Any:
    if row.get("messages") is None:
        text = row["prompt"]
        if not text.lstrip().startswith("[{"):
            return [{"role": "user", "content": text}]
    else:
        text = row["messages"]
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return [{"role": "user", "content": text}]

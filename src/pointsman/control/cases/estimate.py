"""What an evaluation will cost, before anything is called: what is likely, and what it cannot pass.

Strategy: input tokens are those of the text, output tokens the mean that rows of the same deployment already have, else a
guess that is said; what is kept costs nothing. The most is the sum of what is reserved call by call.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Final

from msgspec import Struct

from pointsman.control.cases.asking import Asked
from pointsman.control.cases.case import Case
from pointsman.control.cases.rows import Row
from pointsman.core.price import Price
from pointsman.policy import features
from pointsman.policy.cost import expected_one

GUESSED_TOKENS: Final = 400
"""Output tokens of an answer of which nothing is known."""

_VERDICT_TOKENS: Final = 150


class Line(Struct, frozen=True):
    """What calls to one deployment are expected to cost, in nano-dollars; ``kept`` answers are there already."""

    deployment: str
    calls: int
    kept: int
    likely_nano: int
    most_nano: int | None
    guessed: bool = False


def answers(deployment: str, wanted: Sequence[Asked], kept: int, rows: Iterable[Row]) -> Line:
    """Return what the answers of one deployment will cost; ``wanted`` are the calls still to be made."""
    known = [row["completion_tokens"] for row in rows if row["model"] == deployment and row.get("completion_tokens")]
    tokens = fmean(known) if known else float(GUESSED_TOKENS)
    likely = sum(
        expected_one(features.input_tokens(one.copied.request), min(tokens, one.copied.output_tokens), one.price)
        for one in wanted
    )
    return Line(
        deployment,
        len(wanted),
        kept,
        round(likely),
        sum(one.most_nano for one in wanted),
        guessed=bool(wanted) and not known,
    )


def judging(deployment: str, price: Price, cases: Sequence[Case]) -> Line:
    """Return what a judge will cost, asked twice of each answer: ``cases`` has one case for each.

    There is no most: it depends on what is answered.
    """
    likely = 0.0
    for case in cases:
        size = sum(len(str(message.get("content", ""))) for message in case.fields["messages"]) // 4
        likely += expected_one(size + 2 * GUESSED_TOKENS + _VERDICT_TOKENS, _VERDICT_TOKENS, price)
    return Line(deployment, 2 * len(cases), 0, round(2 * likely), None, guessed=True)

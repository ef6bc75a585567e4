"""What an evaluation will cost: from what is known of answers, and never more than what is reserved."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.cases.asking import Asked, prepared
from pointsman.control.cases.case import Case, Check
from pointsman.control.cases.estimate import GUESSED_TOKENS, answers, judging
from pointsman.control.cases.rows import Row
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Provider
from pointsman.core.snapshot import Snapshot

PRICE = Price(Rates(Decimal(1), Decimal(10)))
SNAPSHOT = Snapshot({"p": Provider("p", "http://p/v1")}, {"p/m": Deployment("p/m", "p", "m", "m", PRICE)})


def calls(count: int, text: str = "hi", limit: int = 4096) -> list[Asked]:
    fields = {"messages": [{"role": "user", "content": text}]}
    return [prepared(SNAPSHOT, "p/m", fields, limit)] * count


def test_without_rows_the_length_of_answers_is_guessed_and_that_is_said() -> None:
    found = answers("p/m", calls(10), 3, [])
    assert (found.calls, found.kept, found.guessed) == (10, 3, True)
    assert found.likely_nano == 10 * (5 * 1000 + GUESSED_TOKENS * 10_000)  # "hi" is a token, and four for its frame


def test_with_rows_it_is_their_mean() -> None:
    rows: list[Row] = [{"model": "p/m", "completion_tokens": 20}, {"model": "p/m", "completion_tokens": 40},
            {"model": "p/other", "completion_tokens": 9999}, {"model": "p/m", "completion_tokens": None}]  # fmt: skip
    found = answers("p/m", calls(1), 0, rows)
    assert (found.likely_nano, found.guessed) == (5 * 1000 + 30 * 10_000, False)


def test_what_is_there_costs_nothing() -> None:
    found = answers("p/m", [], 7, [])
    assert (found.calls, found.kept, found.likely_nano, found.most_nano, found.guessed) == (0, 7, 0, 0, False)


@given(st.text(max_size=300), st.integers(1, 9000), st.integers(1, 5))
def test_the_likely_is_never_more_than_the_most(text: str, limit: int, count: int) -> None:
    found = answers("p/m", calls(count, text, limit), 0, [])
    assert found.most_nano is not None
    assert found.likely_nano <= found.most_nano


def test_a_judge_is_asked_twice_of_each_answer() -> None:
    case = Case("1", {"messages": [{"role": "user", "content": "hi" * 40}]}, Check("judge", "p/m"), None, "g")
    found = judging("p/m", PRICE, [case] * 3)
    assert (found.calls, found.most_nano, found.guessed) == (6, None, True)
    assert found.likely_nano == 2 * judging("p/m", PRICE, [case]).likely_nano + judging("p/m", PRICE, [case]).likely_nano

"""Which answers are the same: what is compared of each kind, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.routing import Compared
from pointsman.policy.answers import LONGEST, compared

KINDS: tuple[Compared, ...] = ("exact", "numeric", "choice", "json")


@pytest.mark.parametrize(
    ("how", "one", "other"),
    [
        ("exact", "Rain  and\nsun", "rain and SUN"),
        ("numeric", "So the total is 1,234.50 euros", "1234.5"),
        ("numeric", "12 apples, hence −7", "-7.0"),
        ("numeric", "It is 1e3.", "1000"),
        ("numeric", "-0", "0"),
        ("choice", "The answer is (C).", "c"),
        ("choice", "**Answer: C**", "(C)"),
        ("choice", "(A) is wrong, so I say (B)", "The answer is B, not A"),
        ("choice", "Answer: **D**", "answer is D"),
        ("json", '```json\n{"a": 1.0, "b": " x "}\n```', '{"b": "x", "a": 1}'),
        ("json", 'Here: [1, {"a": null}]', '[1,{"a":null}]'),
    ],
)
def test_the_same_answer_in_other_words(how: Compared, one: str, other: str) -> None:
    assert compared(how, one) is not None
    assert compared(how, one) == compared(how, other)


@pytest.mark.parametrize(
    ("how", "one", "other"),
    [
        ("exact", "rain", "sun"),
        ("numeric", "1,234", "234"),
        ("numeric", "7", "-7"),
        ("choice", "(A)", "(B)"),
        ("json", '{"a": 1}', '{"a": "1"}'),
        ("json", '{"a": true}', '{"a": 1}'),
        ("json", "[1, 2]", "[2, 1]"),
    ],
)
def test_different_answers(how: Compared, one: str, other: str) -> None:
    assert compared(how, one) != compared(how, other)


@pytest.mark.parametrize(
    ("how", "answer"),
    [("exact", " \n"), ("numeric", "none at all"), ("choice", "I cannot tell."), ("json", "{broken"), ("json", "[NaN]")],
)
def test_what_holds_no_answer(how: Compared, answer: str) -> None:
    assert compared(how, answer) is None


@given(st.sampled_from(KINDS), st.text())
def test_whatever_a_model_writes_is_read(how: Compared, answer: str) -> None:
    found = compared(how, answer)
    assert found is None or found == compared(how, answer)


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("piece", ["(", "1,", "answer is ", "[", "{", "9", " ", "**", "-"])
def test_a_long_answer_is_read_at_its_end(how: Compared, piece: str) -> None:
    """A pattern that backtracks would not come back from these."""
    assert compared(how, piece * LONGEST + "\n" + piece * LONGEST) == compared(how, (piece * LONGEST)[-LONGEST:])

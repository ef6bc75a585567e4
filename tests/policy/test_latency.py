"""How long an answer is expected to take, and whom a ceiling leaves out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.routing import Ceiling, Context, Needs, Prediction
from pointsman.policy.latency import Speed, too_slow

SECONDS = st.floats(0.001, 1000)
SPEEDS = st.builds(Speed, st.none() | SECONDS, st.none() | SECONDS, st.none() | st.floats(1, 10_000))
CEILINGS = st.builds(Ceiling, st.none() | SECONDS, st.none() | SECONDS)


def context(*, streamed: bool = True, most: int | None = None) -> Context:
    return Context("f", Needs(max_output_tokens=most), streamed=streamed)


@pytest.mark.parametrize(
    ("speed", "expected", "most", "seconds"),
    [
        (Speed(), 100, None, None),
        (Speed(0.5, 50), None, None, None),
        (Speed(0.5, 50, 200), None, None, 4.5),
        (Speed(0.5, 50, 200), 100, None, 2.5),
        (Speed(0.5, 50, 200), 100, 25, 1.0),
        (Speed(None, 50, 200), None, None, 4.0),
    ],
)
def test_an_answer_takes_its_first_token_and_the_others(
    speed: Speed, expected: float | None, most: int | None, seconds: float | None
) -> None:
    assert speed.answer_s(expected, most) == seconds


def test_who_is_too_slow_is_told_why() -> None:
    speeds = {"a/late": Speed(3.0, 100, 10), "a/long": Speed(0.1, 10, 10), "a/good": Speed(0.1, 100, 10)}
    predictions = [Prediction("a/long", output_tokens=100), Prediction("a/good", output_tokens=100)]
    names = ("a/late", "a/long", "a/good", "a/unknown")
    found = too_slow(Ceiling(1.0, 5.0), names, predictions, speeds, context())
    assert found == {
        "a/late": "lately began its answers after 3 s, 1 are allowed",
        "a/long": "would take about 10 s, 5 are allowed",
    }
    whole = too_slow(Ceiling(1.0), names, predictions, speeds, context(streamed=False))
    assert whole == {}, "a ceiling on the first token says nothing about a whole answer"


@given(CEILINGS, st.booleans(), st.none() | st.integers(0, 10_000))
def test_nothing_is_held_against_the_unknown(ceiling: Ceiling, streamed: bool, tokens: int | None) -> None:
    expected = [Prediction("a/x", output_tokens=tokens)]
    assert too_slow(ceiling, ("a/x",), expected, {}, context(streamed=streamed)) == {}
    assert too_slow(ceiling, ("a/x",), expected, {"a/x": Speed()}, context(streamed=streamed)) == {}


@given(SPEEDS, CEILINGS, st.booleans(), st.none() | st.integers(0, 10_000), st.floats(1, 100))
def test_who_takes_longer_never_comes_back_under_a_ceiling(
    speed: Speed,
    ceiling: Ceiling,
    streamed: bool,
    tokens: int | None,
    factor: float,
) -> None:
    slower = Speed(
        speed.first_token_s and speed.first_token_s * factor,
        speed.tokens_per_s and speed.tokens_per_s / factor,
        speed.output_tokens,
    )
    expected = [Prediction("a/x", output_tokens=tokens)]
    before, after = (
        too_slow(ceiling, ("a/x",), expected, {"a/x": one}, context(streamed=streamed)) for one in (speed, slower)
    )
    assert before.keys() <= after.keys()

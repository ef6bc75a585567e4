"""Which call follows one that failed: the table row by row, and what holds whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.further import FIRST_WAIT_S, LONGEST_WAIT_S, Made, Next, backoff_s, next_call

BROKEN = Made("a", at_once=True, later=True)
FAILED = Made("a", at_once=False, later=True)
GIVEN_UP = Made("a", at_once=False, later=False)


def also(call: Made, name: str) -> Made:
    return Made(name, call.at_once, call.later, call.wait_s)


@pytest.mark.parametrize(
    ("names", "made", "most", "cooling", "expected"),
    [
        pytest.param("a", [BROKEN], 3, {}, Next("a", "retry"), id="alone: at once"),
        pytest.param("a", [BROKEN, BROKEN], 3, {}, Next("a", "retry", 0.0, 1), id="then after a wait"),
        pytest.param("a", [BROKEN, BROKEN, BROKEN], 3, {}, None, id="no more than so many"),
        pytest.param("a", [FAILED], 3, {}, Next("a", "retry", 0.0, 0), id="an error: after a wait"),
        pytest.param("a", [GIVEN_UP], 3, {}, None, id="a time-out is not repeated"),
        pytest.param("a", [Made("a", False, True, 2.0)], 3, {}, Next("a", "retry", 2.0, 0), id="it named its wait"),
        pytest.param("a", [Made("a", False, True, 5.0)], 3, {}, None, id="too long a wait"),
        pytest.param("a", [FAILED], 3, {"a": 9.0}, None, id="it cools for long"),
        pytest.param("a", [FAILED], 3, {"a": 1.0}, Next("a", "retry", 1.0, 0), id="it cools for a moment"),
        pytest.param("ab", [BROKEN], 3, {}, Next("a", "retry"), id="at once, since the other has its turn after"),
        pytest.param("abc", [BROKEN], 3, {}, Next("b", "fallback"), id="no repeat in a fallback's place"),
        pytest.param("ab", [FAILED], 3, {}, Next("b", "fallback"), id="another one first"),
        pytest.param("ab", [FAILED], 3, {"b": 0.1}, Next("a", "retry", 0.0, 0), id="not one that cools"),
        pytest.param("ab", [FAILED, also(FAILED, "b")], 3, {}, Next("a", "retry", 0.0, 0), id="who rests longest"),
        pytest.param("ab", [FAILED, also(FAILED, "b"), FAILED], 4, {}, Next("b", "retry", 0.0, 1), id="in turn"),
        pytest.param("ab", [GIVEN_UP, also(FAILED, "b")], 3, {}, Next("b", "retry", 0.0, 0), id="only who may"),
    ],
)
def test_row(names: str, made: list[Made], most: int, cooling: dict[str, float], expected: Next | None) -> None:
    assert next_call(names, made, most, cooling, retries=True) == expected


def test_without_retries_only_others_are_asked() -> None:
    assert next_call("ab", [BROKEN], 9, {}, retries=False) == Next("b", "fallback")
    assert next_call("ab", [BROKEN, also(BROKEN, "b")], 9, {}, retries=False) is None


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 10)), min_size=12, max_size=12),
    st.integers(1, 4),
    st.integers(1, 10),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 10)),
    st.booleans(),
)
def test_whatever_fails(
    fates: list[tuple[bool, bool, float]], count: int, most: int, cooling: dict[str, float], retries: bool
) -> None:
    """Calls are bounded; fallbacks are new ones; who named a wait gets it; who cools is not begun with."""
    names, made = "abcd"[:count], [Made("a", *fates[0])]
    while (step := next_call(names, made, most, cooling, retries=retries)) is not None:
        asked = {call.deployment: call for call in made}
        assert step.deployment in names
        if step.cause == "fallback":
            assert step.deployment not in asked
            assert step.deployment not in cooling
        else:
            assert retries
            assert step.wait_s(0.0) >= asked[step.deployment].wait_s or asked[step.deployment].at_once
            assert step.wait_s(0.999) <= max(LONGEST_WAIT_S, step.least_s)
        made.append(Made(step.deployment, *fates[len(made)]))
    assert len(made) <= max(most, 1)


@given(st.integers(0, 900), st.floats(0, 1, exclude_max=True))
def test_waits_fill_a_growing_bounded_range(waits: int, u: float) -> None:
    wait = backoff_s(waits, u)
    assert 0 <= wait <= min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**waits)
    assert wait <= backoff_s(waits + 1, u)

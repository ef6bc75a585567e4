"""The breaker's table, row by row."""

import random

import pytest

from pointsman.gateway.health import (
    FIRST_COOLDOWN_S,
    FORGIVEN,
    LONGEST_COOLDOWN_S,
    LONGEST_RETRY_AFTER_S,
    THRESHOLD,
    Breakers,
    Line,
    after_failure,
    after_success,
)

CLOSED = Line(THRESHOLD - 2)
LAST = Line(THRESHOLD - 1)
COOLING = Line(THRESHOLD, 1.0, until=101.0)
TRYING = Line(THRESHOLD, 1.0, until=99.0)


@pytest.mark.parametrize(
    ("line", "retry_after", "expected"),
    [
        (CLOSED, None, Line(THRESHOLD - 1)),
        (LAST, None, Line(THRESHOLD, FIRST_COOLDOWN_S, 100.0 + FIRST_COOLDOWN_S)),
        (COOLING, None, Line(THRESHOLD + 1, 1.0, 101.0)),
        (TRYING, None, Line(THRESHOLD + 1, 2.0, 102.0)),
        (Line(20, LONGEST_COOLDOWN_S), None, Line(21, LONGEST_COOLDOWN_S, 100.0 + LONGEST_COOLDOWN_S)),
        (Line(), 7.0, Line(1, 0.0, 107.0)),
        (COOLING, 0.5, Line(THRESHOLD + 1, 1.0, 101.0)),
        (TRYING, 7.0, Line(THRESHOLD + 1, 1.0, 107.0)),
        (Line(), 1e9, Line(1, 0.0, 100.0 + LONGEST_RETRY_AFTER_S)),
        (Line(), -5.0, Line(1, 0.0, 100.0)),
    ],
)
def test_one_more_failure(line: Line, retry_after: float | None, expected: Line) -> None:
    found = after_failure(line, 100.0, retry_after)
    assert (found.failures, found.cooldown_s, found.until) == (expected.failures, expected.cooldown_s, expected.until)
    assert found.asked == (0.0 if retry_after is None else 100.0 + min(max(retry_after, 0.0), LONGEST_RETRY_AFTER_S))


def test_a_success_forgets_everything() -> None:
    breakers = Breakers()
    for _ in range(THRESHOLD):
        breakers.failed("a", 10.0)
    assert breakers.cooling(10.5) == {"a"}
    assert breakers.wait_s(10.25) == pytest.approx(0.75)
    assert breakers.cooling(11.0) == frozenset()
    breakers.succeeded("a")
    breakers.failed("a", 11.0)
    assert breakers.cooling(11.0) == frozenset()
    assert breakers.wait_s(11.0) == 0


def test_deployments_do_not_share_blame() -> None:
    breakers = Breakers()
    breakers.failed("a", 0.0, 5.0)
    breakers.succeeded("b")
    assert breakers.cooling(1.0) == breakers.failing() == {"a"}
    breakers.succeeded("a", 9.0)
    assert breakers.failing() == frozenset()


def test_what_a_provider_asked_for_is_waited_though_others_still_answer() -> None:
    """A call that was on its way before the 429 may still end well: the limit stands all the same."""
    breakers = Breakers()
    breakers.failed("a", 100.0, 60.0)
    breakers.succeeded("a", 101.0)
    assert breakers.waits(101.0) == {"a": 59.0}
    breakers.succeeded("a", 161.0)
    assert breakers.waits(161.0) == {}


def test_the_rows_of_deployments_that_are_well_again_go() -> None:
    breakers = Breakers()
    breakers.failed("a", 0.0)
    for second in range(FORGIVEN):
        assert breakers._lines
        breakers.succeeded("a", float(second))
    assert breakers._lines == {}


def cooled(share: float, calls: int, seed: int) -> tuple[int, int]:
    """Return when a deployment that fails a share of its calls by chance first cools, and how often it did."""
    chance, line, first, times = random.Random(seed), Line(), 0, 0
    for call in range(calls):
        now = call * 0.001
        if line.until > now:
            continue
        before = line.until
        line = after_failure(line, now, None) if chance.random() < share else after_success(line, now)
        if line.until > before:
            first, times = first or call, times + 1
    return first, times


@pytest.mark.parametrize("seed", range(5))
def test_every_fifth_call_failing_by_chance_is_no_reason_to_leave_a_deployment_alone(seed: int) -> None:
    """Five in a row come about every three thousand calls."""
    assert cooled(0.2, 20_000, seed)[1] <= 1


@pytest.mark.parametrize(("share", "within"), [(1.0, 5), (0.9, 40), (0.7, 200)])
def test_one_that_fails_most_of_its_calls_soon_cools(share: float, within: int) -> None:
    for seed in range(20):
        first, times = cooled(share, 2_000, seed)
        assert times
        assert first <= within, seed


def test_one_that_was_well_and_breaks_down_cools_after_a_few_calls() -> None:
    line = Line()
    for call in range(FORGIVEN - 1):
        line = after_success(line, float(call))
    failures = 0
    while line.until == 0.0:
        failures += 1
        line = after_failure(line, 100.0, None)
    assert failures <= 11


def test_every_state_has_its_name() -> None:
    breakers = Breakers()
    breakers.failed("once", 10.0)
    for _ in range(THRESHOLD):
        breakers.failed("often", 10.0)
    assert breakers.states(10.5) == {"often": "cooling"}
    assert breakers.states(11.5) == {"often": "trying"}
    breakers.succeeded("often")
    assert breakers.states(11.5) == {}

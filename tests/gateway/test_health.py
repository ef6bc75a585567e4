"""The breaker's table, row by row."""

import pytest

from pointsman.gateway.health import (
    FIRST_COOLDOWN_S,
    LONGEST_COOLDOWN_S,
    LONGEST_RETRY_AFTER_S,
    THRESHOLD,
    Breakers,
    Line,
    after_failure,
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
    assert after_failure(line, 100.0, retry_after) == expected


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
    assert breakers.cooling(1.0) == {"a"}

"""After which time a call is late."""

import random

import pytest

from pointsman.gateway.delays import ENOUGH, KEPT, Delays


def test_too_few_are_no_measure() -> None:
    delays = Delays()
    for _ in range(ENOUGH - 1):
        delays.note("a", 1.0, streamed=False)
    assert delays.late_after("a", 0.95, streamed=False) is None
    delays.note("a", 1.0, streamed=False)
    assert delays.late_after("a", 0.95, streamed=False) == 1.0
    assert delays.late_after("a", 0.95, streamed=True) is None
    assert delays.late_after("b", 0.95, streamed=False) is None


def test_the_quantile_is_that_of_the_last_times() -> None:
    delays = Delays()
    for number in range(10 * KEPT):
        delays.note("a", float(number), streamed=True)
    found = delays.late_after("a", 0.9, streamed=True)
    assert found == pytest.approx(10 * KEPT - 0.1 * KEPT, abs=1.0)


@pytest.mark.parametrize("seed", range(5))
def test_calls_that_are_given_up_leave_the_quantile_where_it_is(seed: int) -> None:
    """What is late is given up a little later: known only as later than the quantile, it keeps its rank."""
    chance, delays, late, calls = random.Random(seed), Delays(), 0, 20_000
    for _ in range(calls):
        took = chance.expovariate(10.0)
        after = delays.late_after("a", 0.96, streamed=False)
        late += after is not None and took > after
        delays.note("a", took if after is None else min(took, after * 1.1), streamed=False)
    assert 0.03 < late / calls < 0.05

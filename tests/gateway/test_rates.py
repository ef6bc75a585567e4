"""What a key may send in a while is bounded, whatever it sends when, and nothing is too large for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import GatewayError
from pointsman.gateway.rates import MINUTE_S, Rates

PER_MINUTE = 600


def may(rates: Rates, whose: str = "k") -> float:
    """By how much it has to wait; 0: it may go on."""
    try:
        rates.check(whose, PER_MINUTE)
    except GatewayError as error:
        return error.retry_after or 0.0
    return 0.0


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 2000)), max_size=100))
def test_over_any_time_a_key_gets_its_rate_a_minutes_worth_and_one_body(events: list[tuple[float, int]]) -> None:
    now = [1000.0]
    rates = Rates(lambda: now[0])
    taken: list[tuple[float, int]] = []
    for pause, weight in events:
        now[0] += pause
        if not may(rates):
            rates.charge("k", weight, PER_MINUTE)
            taken.append((now[0], weight))
    for first, (since, _) in enumerate(taken):
        before_last = sum(weight for _, weight in taken[first:-1])
        assert before_last <= PER_MINUTE * (1 + (taken[-1][0] - since) / MINUTE_S) + 1e-6


def test_who_waits_as_long_as_was_said_goes_on_and_others_never_wait() -> None:
    now = [5.0]
    rates = Rates(lambda: now[0])
    rates.charge("k", 10 * PER_MINUTE, PER_MINUTE)
    assert may(rates) == pytest.approx(9 * MINUTE_S)
    assert may(rates, "another") == 0.0
    now[0] += may(rates) + 1e-9
    assert may(rates) == 0.0
    rates.charge("k", 1, PER_MINUTE)
    assert may(rates) == pytest.approx(MINUTE_S / PER_MINUTE)

import pytest

from choosing.floors import Verdict, at_least, at_most, plain, points
from choosing.statistics import Interval


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Interval(0.70, 0.66, 0.74), "beaten"),
        (Interval(0.72, 0.70, 0.74), "beaten"),
        (Interval(0.74, 0.71, 0.77), "met"),
        (Interval(0.76, 0.73, 0.79), "not met"),
    ],
)
def test_a_limit_from_above_is_met_while_the_interval_does_not_exclude_it(found: Interval, verdict: Verdict) -> None:
    assert at_most(found, 0.72) == verdict
    mirrored = Interval(-found.mean, -found.high, -found.low)
    assert at_least(mirrored, -0.72) == verdict


def test_figures_are_written_with_their_intervals() -> None:
    assert points(Interval(0.009, -0.0012, 0.0204)) == "+0.90 [-0.12, +2.04]"
    assert plain(Interval(0.7254, 0.7, 0.75)) == "0.725 [0.700, 0.750]"

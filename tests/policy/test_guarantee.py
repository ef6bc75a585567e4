"""The confidence sequence: its laws as properties, its coverage and its sharpness as seeded simulations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy.guarantee import (
    NEEDED_CAP,
    ConfidenceSequence,
    Interval,
    apart,
    confidence,
    log_capital,
    needed,
    verdict,
)

grades = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]) | st.floats(-1, 1, allow_nan=False)
samples = st.lists(grades, min_size=1, max_size=60)


def draw(rng: np.random.Generator, disagree: float, mean: float, n: int) -> list[float]:
    """Differences of two right-or-wrong grades that disagree with this chance, with this mean."""
    better, worse = (disagree + mean) / 2, (disagree - mean) / 2
    u = rng.random(n)
    return [float(d) for d in np.where(u < better, 1.0, np.where(u < better + worse, -1.0, 0.0))]


@given(samples)
@settings(max_examples=40, deadline=None)
def test_what_was_ruled_out_stays_ruled_out(differences: list[float]) -> None:
    sequence, before = ConfidenceSequence(), Interval(0.0, -1.0, 1.0, 0)
    for count, difference in enumerate(differences, start=1):
        now = sequence.add(difference)
        (low, high), (was_low, was_high) = now.ruled_out(), before.ruled_out()
        assert low >= was_low
        assert high <= was_high
        assert now.low <= now.mean <= now.high
        assert now.n == count
        before = now
    assert before.mean == pytest.approx(np.mean(differences))


@given(samples, st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_looks_worked_out_together_say_the_same_as_one_by_one(differences: list[float], cut: int) -> None:
    one_by_one, together = ConfidenceSequence(), ConfidenceSequence()
    for difference in differences:
        one_by_one.add(difference)
    together.extend(differences[:cut])
    together.extend(differences[cut:])
    assert one_by_one.counts == together.counts
    assert one_by_one.interval.ruled_out() == pytest.approx(together.interval.ruled_out(), abs=2e-4)


@given(samples)
@settings(max_examples=40, deadline=None)
def test_flipping_every_sign_flips_the_interval(differences: list[float]) -> None:
    here, there = confidence(differences), confidence([-d for d in differences])
    assert (there.low, there.high) == pytest.approx((-here.high, -here.low), abs=1e-12)
    assert there.ruled_out() == tuple(-bound for bound in reversed(here.ruled_out()))


@given(samples, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_capital_does_not_depend_on_the_order(differences: list[float], random: object) -> None:
    shuffled = list(differences)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ones = np.ones(len(differences))
    assert log_capital(np.array(shuffled), ones, -0.1) == pytest.approx(log_capital(np.array(differences), ones, -0.1))


@given(samples, st.floats(-0.95, 0.9), st.floats(0.001, 0.05))
@settings(max_examples=100, deadline=None)
def test_capital_falls_with_the_mean_it_bets_against(differences: list[float], mean: float, step: float) -> None:
    values, ones = np.array(differences), np.ones(len(differences))
    assert log_capital(values, ones, mean) >= log_capital(values, ones, mean + step) - 1e-12


@given(samples)
@settings(max_examples=40, deadline=None)
def test_the_bound_is_where_the_capital_reached_forty_at_some_time(differences: list[float]) -> None:
    low = confidence(differences).ruled_out()[0]
    if low == -1.0:
        return
    peaks = [
        log_capital(np.array(differences[:n]), np.ones(n), low + off)
        for off in (0.0, 2e-4)
        for n in range(1, len(differences) + 1)
    ]
    half = len(peaks) // 2
    assert max(peaks[:half]) >= math.log(40) - 1e-9
    assert max(peaks[half:]) < math.log(40)


@pytest.mark.parametrize("wrong", [1.0001, -2.0, math.nan, math.inf])
def test_a_difference_outside_its_range_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        ConfidenceSequence().add(wrong)


def test_nothing_is_known_before_the_first_difference() -> None:
    assert ConfidenceSequence().interval == Interval(0.0, -1.0, 1.0, 0)


@pytest.mark.parametrize(("disagree", "mean"), [(0.05, -0.05), (0.3, 0.05)])
def test_the_interval_covers_the_truth_at_all_times(disagree: float, mean: float) -> None:
    rng = np.random.default_rng(20261124)
    seeds, missed = 80, 0
    for _ in range(seeds):
        final = confidence(draw(rng, disagree, mean, 250))  # the running intersection: one miss is a miss for ever
        low, high = final.ruled_out()
        missed += not low <= mean <= high
    assert missed <= 0.05 * seeds + 2 * math.sqrt(0.05 * 0.95 * seeds)


def test_a_candidate_worse_than_the_tolerance_is_hardly_ever_ready_however_often_one_looks() -> None:
    rng = np.random.default_rng(7)
    seeds, ready = 60, 0
    for _ in range(seeds):
        sequence = ConfidenceSequence()
        ready += any(verdict(sequence.add(d), 0.05) == "ready" for d in draw(rng, 0.15, -0.0501, 250))
    assert ready <= 0.05 * seeds


@pytest.mark.parametrize("disagree", [0.06, 0.2, 0.9])
def test_false_ready_is_below_five_per_cent_even_at_the_upper_end_of_its_exact_interval(disagree: float) -> None:
    """Crossed bounds do not take a verdict back; so ``ready`` at any look is what the lower bound alone has ruled out."""
    rng = np.random.default_rng(20261125)
    seeds = 400
    ready = sum(confidence(draw(rng, disagree, -0.0501, 400)).ruled_out()[0] > -0.05 for _ in range(seeds))
    # Clopper and Pearson 1934: were 5 % the truth, so few would be seen with a chance below 2.5 %.
    assert sum(math.comb(seeds, k) * 0.05**k * 0.95 ** (seeds - k) for k in range(ready + 1)) < 0.025


@pytest.mark.parametrize(("lucky", "truth", "said"), [(-0.2, -0.6, "stay"), (0.5, 0.1, "ready")])
def test_a_lucky_start_crosses_the_bounds_and_the_verdict_stands_on_its_side(lucky: float, truth: float, said: str) -> None:
    rng = np.random.default_rng(4)
    interval = confidence([*draw(rng, 0.7, lucky, 150), *draw(rng, 0.7, truth, 1500)])
    low, high = interval.ruled_out()
    assert low > high
    assert interval.low < interval.mean < interval.high
    assert verdict(interval, 0.05) == said
    assert not interval.contradicts(0.05)


def looks(sequence: ConfidenceSequence, differences: list[float], wanted: set[str]) -> int:
    """After how many more differences, looked at in tens, the verdict is one of those wanted."""
    for start in range(0, len(differences), 10):
        sequence.extend(differences[start : start + 10])
        if verdict(sequence.interval, 0.05) in wanted:
            return start + 10
    raise AssertionError(f"never {wanted}")


def test_it_is_sharp_enough_to_be_useful() -> None:
    """Ten per cent disagreement, no true change, five points: some hundreds of judgements, not thousands."""
    rng = np.random.default_rng(3)
    sizes = [looks(ConfidenceSequence(), draw(rng, 0.1, 0.0, 5000), {"ready"}) for _ in range(40)]
    assert 250 <= float(np.median(sizes)) <= 500


@pytest.mark.parametrize(
    ("low", "high", "cheaper", "said"),
    [
        (-0.04, 0.02, True, "ready"),
        (-0.05, 0.02, True, "cannot tell"),
        (-0.30, -0.06, True, "stay"),
        (-0.30, -0.04, True, "cannot tell"),
        (-0.04, 0.02, False, "stay"),
        (-0.04, 0.02, None, "cannot tell"),
        (-0.30, -0.06, None, "stay"),
    ],
)
def test_verdicts(low: float, high: float, cheaper: bool | None, said: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high, 100), 0.05, cheaper=cheaper) == said


@pytest.mark.parametrize(
    ("low", "high", "cheaper", "said"),
    [
        (0.02, 0.01, True, "ready"),  # both above -5 points: that it is worse stays ruled out
        (-0.04, -0.05, True, "ready"),
        (0.02, 0.01, None, "cannot tell"),
        (-0.49, -0.50, True, "stay"),
        (-0.49, -0.50, None, "stay"),
        (-0.04, -0.06, True, "cannot tell"),  # found above at one look, and below at another
        (-0.04, -0.06, False, "stay"),
    ],
)
def test_crossed_bounds_leave_open_only_what_they_contradict(
    low: float, high: float, cheaper: bool | None, said: str
) -> None:
    interval = Interval(-0.05, -0.10, 0.0, 100, earlier=(low, high))
    assert verdict(interval, 0.05, cheaper=cheaper) == said
    assert interval.contradicts(0.05) == (high < -0.05 < low)


def test_how_many_more_are_needed_is_about_right() -> None:
    """From 150 judgements that look like the truth, half of all continuations are settled by about then."""
    rng = np.random.default_rng(11)
    start = ([0.0] * 9 + [1.0] + [0.0] * 9 + [-1.0]) * 7 + [0.0] * 10
    promised = needed({0.0: 136, 1.0: 7, -1.0: 7}, 0.05)
    took = []
    for _ in range(40):
        sequence = ConfidenceSequence()
        sequence.extend(start)
        took.append(looks(sequence, draw(rng, 0.1, 0.0, 4000), {"ready", "stay"}))
    assert promised is not None
    assert 0.6 <= float(np.median(took)) / promised <= 1.5


def test_more_than_the_cap_is_said_as_such() -> None:
    on_the_line = {0.0: 900, -1.0: 75, 1.0: 25}  # mean -0.05, the tolerance itself
    assert needed(on_the_line, 0.05) is None
    assert needed({0.0: 1000}, 0.05) == 0
    few = needed({0.0: 5}, 0.05)
    assert few is not None
    assert 100 < few < NEEDED_CAP


def test_five_equal_answers_are_not_taken_for_certainty() -> None:
    assert (needed({0.0: 5}, 0.05) or 0) > (needed({0.0: 100}, 0.05) or 0)


def test_answers_that_change_contradict_the_earlier_ones() -> None:
    interval = confidence([1.0] * 300 + [-1.0] * 3000)
    assert interval.contradicts(0.05)
    assert verdict(interval, 0.05) == "cannot tell"
    assert interval.low < interval.mean < interval.high


def test_what_serves_is_hardly_ever_found_worse_than_it_is_however_often_one_looks() -> None:
    """Two arms of different requests, truly 5 points apart: what was ruled out stays so, hence one look at the end."""
    rng, seeds = np.random.default_rng(12), 60
    found = [apart(rng.random(400) < 0.75, rng.random(60) < 0.8) for _ in range(seeds)]
    assert sum(most < -0.05 for most in found) <= 0.05 * seeds


def test_what_serves_far_worse_is_found_out() -> None:
    rng = np.random.default_rng(13)
    assert apart(rng.random(2000) < 0.5, rng.random(200) < 0.9) < -0.15
    assert apart([], [1.0]) > 0.9

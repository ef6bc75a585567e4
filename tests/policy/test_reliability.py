"""What a signal is worth, against worlds whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.feedback import FeedbackKind
from pointsman.policy.outcomes import Floats
from pointsman.policy.reliability import BELIEVED, Reliability, combined, reliability

NOTHING = np.zeros(0)
shares = st.floats(0, 1)
pairs = st.lists(st.tuples(shares, shares), max_size=30)


def answers(
    rng: np.random.Generator, count: int, good: float, sensitivity: float, specificity: float
) -> tuple[Floats, Floats]:
    """Return what a signal said of answers, and whether they were good."""
    true = (rng.random(count) < good).astype(float)
    wrongly = np.where(true == 1, rng.random(count) < sensitivity, rng.random(count) >= specificity)
    return wrongly.astype(float), true


def test_differences_between_deployments_come_back_unbiased_where_raw_ones_are_halved() -> None:
    raw, corrected = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        line = reliability("thumb", *answers(rng, 400, 0.7, 0.8, 0.7))
        one, two = (answers(rng, 1000, good, 0.8, 0.7)[0] for good in (0.9, 0.6))
        raw.append(float(one.mean() - two.mean()))
        corrected.append(float(np.mean([line.corrected(r) for r in one]) - np.mean([line.corrected(r) for r in two])))
    assert np.mean(raw) == pytest.approx(0.15, abs=0.01)
    error = float(np.std(corrected)) / math.sqrt(len(corrected))
    assert abs(float(np.mean(corrected)) - 0.3) < 3 * error + 0.01  # 4 imagined pairs of 404, and the bend of a quotient


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.8, 0.7), (0.95, 0.9), (0.6, 0.65), (0.3, 0.2)])
@pytest.mark.parametrize("good", [0.5, 0.8, 0.95])
def test_bounds_cover_the_truth_from_a_hundred_pairs_on(sensitivity: float, specificity: float, good: float) -> None:
    covered = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        line = reliability("thumb", *answers(rng, 100, good, sensitivity, specificity))
        found = line.quality(answers(rng, 1000, good, sensitivity, specificity)[0])
        if found is not None:
            mean, low, high = found
            assert 0 <= low <= mean <= high <= 1
            covered.append(low <= good <= high)
    assert len(covered) > 350
    assert np.mean(covered) >= 0.93 - 2 * math.sqrt(0.93 * 0.07 / len(covered))


def test_a_graded_signal_is_brought_onto_the_scale_of_the_truth() -> None:
    rng = np.random.default_rng(7)
    true = rng.beta(2, 2, 4000)
    said = np.clip(0.3 + 0.5 * true + rng.normal(0, 0.1, 4000), 0, 1)
    line = reliability("score", said, true)
    assert line.offset == pytest.approx(0.3, abs=0.02)
    assert line.slope == pytest.approx(0.5, abs=0.02)
    assert line.counts == pytest.approx(np.corrcoef(said, true)[0, 1] ** 2, abs=0.02)
    assert line.corrected(0.55) == pytest.approx(0.5, abs=0.03)


def test_a_label_counts_for_what_its_variance_says() -> None:
    rng = np.random.default_rng(3)
    said, true = answers(rng, 20_000, 0.7, 0.85, 0.75)
    line = reliability("thumb", said, true)
    corrected = np.array([line.corrected(r) for r in said])
    assert line.counts == pytest.approx(true.var() / corrected.var(), abs=0.02)
    assert corrected.mean() == pytest.approx(true.mean(), abs=0.001)


@pytest.mark.parametrize("kind", BELIEVED)
def test_an_unknown_signal_has_little_say_and_its_kind_says_how_little(kind: FeedbackKind) -> None:
    line = reliability(kind, NOTHING, NOTHING)
    assert line.pairs == 0
    assert line.slope == pytest.approx(BELIEVED[kind])
    assert line.counts == pytest.approx(BELIEVED[kind] ** 2)
    assert line.most < 8  # thousands of them weigh less than eight judgements of a person
    low, high = line.slope_bounds
    assert high - low > 0.4
    assert line.quality(np.array([1.0, 0.0, 1.0])) is not None


def test_what_says_the_opposite_is_turned_round_and_what_says_nothing_does_not_count() -> None:
    rng = np.random.default_rng(1)
    said, true = answers(rng, 500, 0.5, 0.9, 0.9)
    turned = reliability("thumb", 1 - said, true)
    assert turned.slope < -0.6
    assert turned.corrected(0.0) > 0.8
    assert turned.corrected(1.0) < 0.2
    deaf = reliability("thumb", np.tile((0.0, 1.0), 400), np.repeat((0.0, 1.0), 400))
    assert abs(deaf.slope) < 0.05
    assert (deaf.counts, deaf.weight(100), deaf.quality(np.array([0.0, 1.0]))) == (0.0, 0.0, None)


def test_an_outcome_of_a_conversation_is_one_observation_however_many_answers_it_speaks_of() -> None:
    rng = np.random.default_rng(5)
    said, true = answers(rng, 60, 0.6, 0.8, 0.8)
    once = reliability("thumb", said, true)
    shared = reliability("thumb", np.repeat(said, 5), np.repeat(true, 5), np.full(300, 0.2))
    assert (shared.offset, shared.slope, shared.counts) == pytest.approx((once.offset, once.slope, once.counts))
    assert shared.covariance == pytest.approx(once.covariance)
    assert shared.quality(np.repeat(said, 5), np.full(300, 0.2)) == pytest.approx(once.quality(said))


@given(found=pairs, kind=st.sampled_from(sorted(BELIEVED)), count=st.floats(0, 1e9))
def test_laws_of_every_line(found: list[tuple[float, float]], kind: FeedbackKind, count: float) -> None:
    said, true = (np.array([pair[place] for pair in found], dtype=np.float64) for place in (0, 1))
    line = reliability(kind, said, true)
    assert 0 <= line.counts < 1
    assert 0 <= line.weight(count) <= line.counts
    assert count * line.weight(count) <= line.most * (1 + 1e-9)
    assert all(math.isfinite(value) for value in (line.offset, line.slope, line.most, *line.covariance))
    if line.counts:
        assert math.isfinite(line.corrected(1.0))
        assert line.offset + line.slope * line.corrected(0.3) == pytest.approx(0.3)
    bounds = line.quality(said)
    if bounds is not None:
        assert 0 <= bounds[1] <= bounds[0] <= bounds[2] <= 1


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.001, 0.99)), min_size=1, max_size=6))
def test_several_words_on_one_answer_weigh_more_than_each_and_less_than_the_truth(said: list[tuple[float, float]]) -> None:
    score, weight = combined(said)
    assert min(s for s, _ in said) - 1e-9 <= score <= max(s for s, _ in said) + 1e-9
    assert max(w for _, w in said) <= weight * (1 + 1e-9)
    assert weight < 1
    assert combined(said[::-1]) == pytest.approx((score, weight))


def test_two_noisy_signals_together_are_as_good_as_their_weight_says() -> None:
    rng = np.random.default_rng(11)
    true = (rng.random(40_000) < 0.5).astype(float)

    def signal(right: float) -> tuple[Reliability, Floats]:
        said = np.where(rng.random(len(true)) < right, true, 1 - true)
        return reliability("thumb", said, true), said

    lines = [signal(0.8), signal(0.7)]
    both = [combined([(line.corrected(said[n]), line.counts) for line, said in lines]) for n in range(len(true))]
    scores = np.array([score for score, _ in both])
    assert true.var() / scores.var() == pytest.approx(both[0][1], abs=0.02)

"""Who is right, given who said what: chances that add up, that come true, and that know common errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy import belief
from pointsman.policy.belief import Beliefs, Heard, believe, chances
from pointsman.policy.outcomes import Floats, Indices

RIGHT = 0  # what the right answer is called; 1 to 9 are wrong ones


def voters(rng: np.random.Generator, count: int, quality: Floats, options: int = 10) -> Indices:
    """Answers (count, K) of models that are right with these chances (..., K), independently, else wrong by chance."""
    right = rng.random((count, quality.shape[-1])) < quality
    return np.where(right, RIGHT, rng.integers(1, options, right.shape))


def heard(said: Indices, quality: Floats, length: Floats | None = None) -> Heard:
    unknown = np.full(said.shape, np.nan)
    return Heard(
        belief.odds(np.broadcast_to(quality, said.shape).astype(np.float64)), said, unknown if length is None else length
    )


def learned(quality: Floats, seed: int = 0, count: int = 3000) -> tuple[Beliefs, Heard]:
    asked = heard(voters(np.random.default_rng(seed), count, quality), quality)
    return believe(asked, (asked.said == RIGHT).astype(np.float64)), asked


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_chances_are_those_of_answers_and_of_none_of_them(seed: int, pool: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.integers(-1, 4, (60, pool))
    asked = Heard(rng.normal(size=said.shape), said, rng.integers(1, 900, said.shape).astype(np.float64))
    beliefs = believe(asked, (said == RIGHT).astype(np.float64))
    for members in range(1, 1 << pool):
        found = chances(beliefs, members, asked)
        inside = list(belief.members(members))
        assert (found[:, [k for k in range(pool) if k not in inside]] == 0).all()
        assert (found[said < 0] == 0).all()
        for row, answers in zip(found, said, strict=True):
            each = {answer: {row[k] for k in inside if answers[k] == answer} for answer in set(answers[inside]) - {-1}}
            assert all(len(values) == 1 for values in each.values())  # who says the same is as likely right
            assert sum(next(iter(values)) for values in each.values()) < 1


@given(st.permutations(range(1, 10)))
@settings(max_examples=10, deadline=None)
def test_what_an_answer_says_does_not_matter(names: list[int]) -> None:
    beliefs, asked = learned(np.array([0.6, 0.7]), count=200)
    other = Heard(asked.odds, np.array([17, *names])[asked.said], asked.length)
    assert np.array_equal(chances(beliefs, 3, other), chances(beliefs, 3, asked))


def test_chances_of_independent_models_are_bayes() -> None:
    """Two models agree on the right one of ten options, or on one of nine wrong ones."""
    quality = np.array([0.6, 0.7])
    beliefs, asked = learned(quality, count=20_000)
    both = heard(np.array([[3, 3], [3, 4]]), quality)
    agreed, (first, second) = chances(beliefs, 3, both)
    wrong = (1 - quality) / 9
    right = quality.prod()
    assert agreed[0] == pytest.approx(right / (right + 9 * wrong.prod()), abs=0.02)
    apart = np.array([quality[0] * wrong[1], wrong[0] * quality[1], 8 * wrong.prod()])
    assert [first, second] == pytest.approx((apart / apart.sum())[:2], abs=0.03)
    assert chances(beliefs, 1, asked)[0, 0] == pytest.approx(0.6, abs=0.02)


def test_a_model_that_copies_another_adds_nothing() -> None:
    quality = np.array([0.6, 0.6])
    asked = heard(voters(np.random.default_rng(3), 4000, quality[:1]).repeat(2, axis=1), quality)
    beliefs = believe(asked, (asked.said == RIGHT).astype(np.float64))
    agreed = chances(beliefs, 3, heard(np.array([[5, 5]]), quality))[0, 0]
    assert agreed == pytest.approx(0.6, abs=0.03)


def test_how_long_an_answer_was_counts() -> None:
    rng = np.random.default_rng(4)
    long = rng.random((4000, 1)) < 0.5
    said = np.where(rng.random((4000, 1)) < np.where(long, 0.3, 0.9), RIGHT, 1)
    beliefs = believe(heard(said, np.array([0.6]), np.where(long, 900.0, 40.0)), (said == RIGHT).astype(np.float64))
    short, lengthy = (chances(beliefs, 1, heard(said[:1], np.array([0.6]), np.array([[n]])))[0, 0] for n in (40.0, 900.0))
    assert (short, lengthy) == (pytest.approx(0.9, abs=0.03), pytest.approx(0.3, abs=0.03))


def test_a_pool_is_small_and_graded() -> None:
    with pytest.raises(ValueError, match="1 to 4 models"):
        believe(heard(np.zeros((5, 5), dtype=np.int64), np.array([0.5])), np.ones((5, 5)))
    with pytest.raises(ValueError, match="some graded answers, not 2 and 0"):
        believe(heard(np.zeros((0, 2), dtype=np.int64), np.array([0.5])), np.ones((0, 2)))

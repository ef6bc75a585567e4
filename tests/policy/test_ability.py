"""What is told of a new deployment: the truth where much was seen, the prior where nothing was, and whom it is like."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy.ability import WIDE, Belief, Known, Population, Prior, told
from pointsman.policy.outcomes import Floats


def world(rows: int = 1500, width: int = 8, tasks: int = 4, seed: int = 0) -> tuple[Floats, Floats]:
    """Scores (N, M + 1) of models with one ability each and a bent for one task, and the chances of the tasks (N, T)."""
    rng = np.random.default_rng(seed)
    kind, hard = rng.integers(0, tasks, rows), rng.normal(size=rows)
    ability, bent = rng.normal(0.5, 0.8, width + 1), rng.normal(0, 0.4, (width + 1, tasks))
    chance = 1 / (1 + np.exp(hard[:, None] - ability - bent[:, kind].T))
    return (rng.random(chance.shape) < chance).astype(float), np.eye(tasks)[kind]


@cache
def made(seed: int) -> tuple[Known, Population, Floats]:
    scores, chances = world(seed=seed)
    known = Known.of(scores[:, :-1], chances)
    return known, Population.of(known), scores[:, -1]


def after(seed: int, count: int, prior: Prior | None = None, scores: Floats | None = None) -> Belief:
    known, population, own = made(seed)
    own = own if scores is None else scores
    rows = np.random.default_rng(seed).permutation(len(own))[:count]
    return told(known, population, known.columns[rows], own[rows], prior or Prior())


def test_the_mean_is_told_as_well_as_it_says() -> None:
    off = np.array([(after(seed, 100).mean[0] - made(seed)[2].mean()) / after(seed, 100).level_sd for seed in range(40)])
    assert 0.7 < off.std() < 1.4
    assert abs(off.mean()) < 0.5


def test_more_is_told_by_more() -> None:
    def loss(count: int) -> float:
        return float(np.mean([(after(seed, count).mean[0] - made(seed)[2].mean()) ** 2 for seed in range(20)]))

    assert loss(400) < loss(32) / 4


def test_knowing_the_others_tells_more_than_the_mean_of_what_was_seen() -> None:
    ours, plain = [], []
    for seed in range(40):
        own = made(seed)[2]
        rows = np.random.default_rng(seed).permutation(len(own))[:32]
        ours.append((after(seed, 32).mean[0] - own.mean()) ** 2)
        plain.append((own[rows].mean() - own.mean()) ** 2)
    assert np.mean(ours) < 0.9 * np.mean(plain)


def test_a_known_one_with_little_changed_is_recognised() -> None:
    known, _, _ = made(0)
    base = known.columns[:, 3] + known.level[2]
    rng = np.random.default_rng(1)
    changed = np.where(rng.random(len(base)) < 0.04, 1 - base, base)
    found = after(0, 64, Prior(like=2), changed)
    assert found.mean[3] > 0.8
    assert found.level_sd < after(0, 64, scores=changed).level_sd / 2
    assert abs(found.mean[0] - changed.mean()) < 0.05


def test_who_names_the_wrong_one_is_not_believed() -> None:
    named, alone = after(0, 64, Prior(like=2)), after(0, 64)
    assert named.mean == pytest.approx(alone.mean, abs=0.02)


def test_without_scores_there_is_the_prior() -> None:
    known, population, _ = made(0)
    nothing = np.zeros((0, known.columns.shape[1]))
    found = told(known, population, nothing, np.zeros(0), Prior(0.9, 0.05))
    assert (found.mean[0], found.level_sd) == pytest.approx((0.9, 0.05))
    believed = population.belief(8, 4, Prior(0.9, 0.05))
    assert believed.mean[0] == 0.9
    assert believed.level_sd == pytest.approx(0.05)


def test_what_an_owner_expects_is_given_up_where_it_is_wrong() -> None:
    own = made(3)[2]
    assert abs(after(3, 400, Prior(0.05, 0.2)).mean[0] - own.mean()) < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_teaches_nothing_and_doubt_only_shrinks(seed: int, count: int, chance: int) -> None:
    known, population, own = made(seed)
    rows = np.random.default_rng(chance).permutation(len(own))[:count]
    one = told(known, population, known.columns[rows], own[rows], Prior())
    other = told(known, population, known.columns[rows[::-1]], own[rows[::-1]], Prior())
    assert one.mean == pytest.approx(other.mean, abs=1e-6)
    assert 0 < one.level_sd <= WIDE
    assert np.linalg.eigvalsh(one.covariance).min() > -1e-9


def test_unwound_coefficients_say_the_same() -> None:
    known, _, _ = made(1)
    found = after(1, 50)
    add, weights, tasks = found.unwound(known)
    scores, usual = known.columns[:, 1:9] + known.level, known.columns[:, 9:] + known.usual
    assert add + scores @ weights + usual @ tasks == pytest.approx(known.columns @ found.mean)


def test_two_known_ones_and_a_single_task_suffice() -> None:
    rng = np.random.default_rng(0)
    known = Known.of((rng.random((50, 2)) < 0.5).astype(float), np.ones((50, 1)))
    found = told(known, Population.of(known), known.columns[:10], np.ones(10), Prior())
    assert np.isfinite(found.mean).all()
    assert found.mean[0] > 0.6

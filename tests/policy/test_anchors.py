"""The prompts that stand for all: as many as asked for, none twice, spread, and more where there is more to see."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.policy.anchors import anchors


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 90), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_as_many_as_wanted_and_none_twice(rows: int, count: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places, mass = rng.integers(0, 3, (rows, width)).astype(float), rng.random(rows) + 0.01
    found = anchors(places, mass, rng.random(rows), count)
    assert len(found) == min(rows, count)
    assert (np.diff(found) > 0).all()
    assert set(found.tolist()) <= set(range(rows))


def test_every_cluster_has_its_own() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(8), [4, 5, 6, 7, 30, 40, 50, 60])
    centres = 100 * np.eye(8)
    mass = 1 / np.bincount(kind)[kind]  # all clusters weigh the same
    found = anchors(centres[kind] + rng.normal(size=(len(kind), 8)), mass, rng.random(len(kind)), 8)
    assert sorted(kind[found]) == list(range(8))


def test_where_the_outcome_is_open_there_are_more() -> None:
    rng = np.random.default_rng(1)
    places = rng.random((1000, 2))
    open_ = places[:, 0] > 0.5
    found = anchors(places, np.where(open_, 0.5, 0.1), rng.random(1000), 60)
    assert open_[found].mean() > 0.7


def test_they_stand_for_the_mean_better_than_as_many_at_random() -> None:
    rng = np.random.default_rng(2)
    places = rng.normal(size=(2000, 3))
    value = places @ np.array([1.0, -2.0, 0.5])
    drawn = [anchors(places, np.ones(2000), rng.random(2000), 40) for _ in range(100)]
    ours = np.mean([abs(value[one].mean() - value.mean()) for one in drawn])
    random = np.mean([abs(value[rng.choice(2000, 40, replace=False)].mean() - value.mean()) for _ in range(100)])
    assert ours < random / 2

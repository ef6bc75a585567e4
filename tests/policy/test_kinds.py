"""Kinds that nobody named: those that differ are told apart, chance has no part, and what is odd is ordinary."""

from dataclasses import replace

import numpy as np
import pytest

from pointsman.policy import features, kinds, model
from pointsman.policy.linear import Axes
from pointsman.policy.outcomes import Floats, Indices, Outcomes
from pointsman.policy.teach import teach
from tests.policy.test_quality import made


def placed(rows: Outcomes) -> tuple[Floats, Indices]:
    """Return the coordinates and folds of rows."""
    nothing = np.zeros(features.FLAGS, dtype=np.float32)
    one = np.ones(features.FLAGS, dtype=np.float32)
    return Axes.of(model.design(rows.vectors, nothing, one).astype(np.float64)).coordinates, rows.folds(5)


def purity(labels: Indices, truth: Indices) -> float:
    """Return the share of rows that are of the truth that is most common among those of their label."""
    return sum(int(np.bincount(truth[labels == label]).max()) for label in np.unique(labels)) / len(labels)


def test_what_differs_is_told_apart() -> None:
    """Four kinds of words, and two of them answered well by different deployments."""
    rows = made(1200, labels=False)[0].grouped()
    truth = made(1200)[0].task
    labels, count = kinds.found(rows, *placed(rows))
    assert purity(labels, truth) > 0.9
    assert 4 <= count <= kinds.MOST
    assert np.bincount(labels, minlength=count).min() > 0


def test_of_few_rows_there_is_one_kind() -> None:
    rows = made(kinds.FEWEST - 1, labels=False)[0].grouped()
    labels, count = kinds.found(rows, *placed(rows))
    assert count == 1
    assert not labels.any()


def test_there_is_no_chance_in_it_and_gaps_are_ordinary() -> None:
    rows = made(700, missing=0.3, labels=False)[0].grouped()
    first, second = (kinds.found(rows, *placed(rows))[0] for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("known", ["tokens", "costs", "nothing"])
def test_how_long_the_answers_are_is_told_by_tokens_else_by_costs(known: str) -> None:
    """Nothing but length tells two kinds apart here: a structural feature that says nothing of quality."""
    rows = made(1000, labels=False)[0].grouped()
    rng = np.random.default_rng(4)
    long = rng.random(1000) < 0.5
    vectors = np.full_like(rows.vectors, 0x88)
    vectors[:, 1 : 1 + features.FLAGS] = 0
    vectors[:, 1] = 40 * long
    vectors[:, 300:] = rng.integers(0, 256, vectors[:, 300:].shape)
    amounts = np.exp(np.where(long, 7.0, 4.0)[:, None] + 0.2 * rng.normal(size=(1000, 3)))
    amounts[::7, 1] = np.nan
    rows = replace(rows, vectors=vectors, score=(rng.random((1000, 3)) < 0.5).astype(float))
    rows = {
        "tokens": replace(rows, output_tokens=amounts),
        "costs": replace(rows, cost_nano=amounts),
        "nothing": rows,
    }[known]
    labels, _ = kinds.found(rows, *placed(rows))
    assert (purity(labels, long.astype(np.int64)) > 0.9) == (known != "nothing")


def test_prompts_that_are_all_alike_are_of_one_kind() -> None:
    rows = made(600, labels=False)[0].grouped()
    rows = replace(rows, vectors=np.repeat(rows.vectors[:1], 600, axis=0))
    policy = teach(rows).policy
    assert len(policy.tasks) == 1
    assert np.isfinite(policy.maps).all()

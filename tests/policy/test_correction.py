"""Answers of one alone correct what is predicted, against known truth, and leave the rest as it was."""

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.policy import correction, model
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.teach import teach
from tests.policy.test_policy_contract import DEPLOYMENTS, NAMES, outcomes

LESSON = teach(outcomes(300, tagged=True), DEPLOYMENTS)
LEARNED = LESSON.policy


def corrected(policy: model.Policy, rows: Outcomes) -> model.Policy:
    return correction.corrected(policy, rows, LESSON.outcomes, LESSON.quality)


def predicted(policy: model.Policy, rows: Outcomes) -> Floats:
    tags = [(rows.features[place],) for place in rows.feature]
    return np.asarray(model.estimate(policy, rows.vectors, tags).quality, dtype=np.float64)


def alone(count: int, chosen: Floats, chance: Floats, seed: int) -> Outcomes:
    """Rows of which one deployment each (``chosen``) was graded, right with its chance (N, M)."""
    rows = outcomes(count, tagged=True, seed=seed)
    rng = np.random.default_rng([seed, 1])
    score = np.where(rng.random(chance.shape) < chance, 1.0, 0.0)
    seen = np.arange(len(NAMES)) == np.asarray(chosen)[:, None]
    return dataclasses.replace(rows, score=np.where(seen, score, np.nan))


def test_without_grades_nothing_changes() -> None:
    rows = outcomes(50, tagged=True)
    nothing = dataclasses.replace(rows, score=np.full(rows.score.shape, np.nan))
    assert model.encode(corrected(LEARNED, nothing)) == model.encode(LEARNED)
    assert corrected(LEARNED, rows.rows(np.zeros(0, dtype=np.int64))) is LEARNED


@pytest.mark.parametrize("seed", range(5))
def test_who_was_predicted_too_well_is_put_right_and_only_there(seed: int) -> None:
    """The second is good at sums, and was always asked them; in truth it became wrong half of the time."""
    rows = outcomes(2000, tagged=True, seed=seed)
    sums = rows.feature == rows.features.index("maths")
    chance = np.full(rows.score.shape, 0.9)
    chance[:, 1] = np.where(sums, 0.45, 0.2)
    graded = alone(2000, np.where(sums, 1.0, 2.0), chance, seed)
    after, before = predicted(corrected(LEARNED, graded), rows), predicted(LEARNED, rows)
    assert after[sums, 1].mean() == pytest.approx(0.45, abs=0.04)
    assert np.abs(after[:, [0, 3]] - before[:, [0, 3]]).max() < 1e-5, "of whom nothing new was seen"
    assert after[~sums, 1].mean() == pytest.approx(before[~sums, 1].mean(), abs=0.3), "far from what was seen: hardly"


@pytest.mark.parametrize("seed", range(5))
def test_asking_only_where_it_is_strong_flatters_nobody(seed: int) -> None:
    """Predictions are right; each deployment is only asked where it is best. Nothing is to be corrected."""
    rows = outcomes(3000, tagged=True, seed=seed)
    chance = predicted(LEARNED, rows)
    graded = alone(3000, chance.argmax(axis=1).astype(np.float64), chance, seed)
    after = predicted(corrected(LEARNED, graded), rows)
    assert np.abs(after - chance).mean() < 0.03


@pytest.mark.parametrize("seed", range(2))
def test_who_is_chosen_where_he_is_predicted_too_well_is_not_taken_for_worse_elsewhere(seed: int) -> None:
    """Predictions err by chance from request to request, so that whoever is chosen is worse there than predicted.

    A line through what was chosen alone would lower him everywhere; the rows that several answered know better.
    """
    lesson = teach(outcomes(800, tagged=True, seed=50 + seed), DEPLOYMENTS)
    rows, fresh = outcomes(4000, tagged=True, seed=seed), outcomes(1000, tagged=True, seed=100 + seed)
    rng = np.random.default_rng(seed)
    chance = predicted(lesson.policy, rows)
    noisy = chance + rng.normal(0, 0.25, chance.shape)
    graded = alone(4000, noisy.argmax(axis=1).astype(np.float64), np.clip(2 * chance - noisy, 0, 1), seed)
    nothing = dataclasses.replace(lesson.outcomes, score=np.full(lesson.outcomes.score.shape, np.nan))
    held = correction.corrected(lesson.policy, graded, lesson.outcomes, lesson.quality)
    free = correction.corrected(lesson.policy, graded, nothing, lesson.quality)
    truth = predicted(lesson.policy, fresh)
    errors = [float(np.abs(predicted(each, fresh) - truth).mean()) for each in (held, free)]
    assert errors[0] < 0.85 * errors[1]


def test_neither_order_of_rows_nor_of_columns_matters() -> None:
    rows = outcomes(200, tagged=True, missing=0.7, seed=3)
    turned = rows.rows(np.arange(200)[::-1]).columns([2, 0, 3, 1])
    one, other = predicted(corrected(LEARNED, rows), rows), predicted(corrected(LEARNED, turned), rows)
    assert one == pytest.approx(other, abs=1e-5)


def test_a_policy_without_tags_is_corrected_too() -> None:
    plain = replace(LEARNED, known_tags=(), tags=LEARNED.tags[:0])
    rows = outcomes(500, tagged=True, seed=4)
    wrong = dataclasses.replace(rows, score=np.where(np.arange(4) == 1, 0.0, np.nan) * np.ones((500, 1)))
    assert predicted(corrected(plain, wrong), rows)[:, 1].mean() < 0.1


def test_somebody_unknown_is_refused() -> None:
    rows = outcomes(20, tagged=True)
    with pytest.raises(ValueError, match="stranger"):
        corrected(LEARNED, dataclasses.replace(rows, deployments=("stranger", *NAMES[1:])))

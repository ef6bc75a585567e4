"""Quality: known truths are found again, gaps and labels handled, and what is predicted is calibrated."""

from dataclasses import replace

import numpy as np
import pytest

from pointsman.policy import features, model
from pointsman.policy.linear import TASK_PENALTIES
from pointsman.policy.outcomes import Outcomes, Tagged
from pointsman.policy.quality import MOST_TASKS, SMALLEST_TASK, _labels, _penalty, _Table
from pointsman.policy.teach import teach


def made(
    count: int = 600, seed: int = 0, *, missing: float = 0.0, labels: bool = True, tasks: int = 4
) -> tuple[Outcomes, np.ndarray]:
    """Return outcomes of three models on ``tasks`` kinds of prompts, and the chances that drew them.

    Each kind has words of its own in its sketch; a structural feature makes prompts harder for all.
    """
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, tasks, count)
    hard = rng.random(count)
    vectors = np.full((count, features.LENGTH), 0x88, dtype=np.uint8)
    vectors[:, 0] = features.VERSION
    vectors[:, 1 : 1 + features.FLAGS] = 0
    vectors[:, 1] = np.rint(255 * hard)
    words = np.random.default_rng(99).integers(0, 256, (tasks, 40))
    start = 1 + features.FLAGS
    vectors[:, start : start + 40] = words[kind]
    vectors[:, start + 40 : start + 80] = rng.integers(0, 256, (count, 40))
    level = np.array([[0.9, 0.8, 0.3], [0.9, 0.3, 0.8], [0.6, 0.6, 0.6], [0.7, 0.5, 0.2]])[np.arange(tasks) % 4]
    chance = np.clip(level[kind] - 0.25 * (hard - 0.5)[:, None], 0.02, 0.98)
    score = (rng.random((count, 3)) < chance).astype(float)
    score[rng.random(score.shape) < missing] = np.nan
    nothing = np.full(count, -1, dtype=np.int64)
    outcomes = Outcomes(
        deployments=("a", "b", "c"),
        groups=np.array([f"{seed}.{n:05d}" for n in range(count)]),
        vectors=vectors,
        score=score,
        cost_nano=np.full((count, 3), np.nan),
        input_tokens=np.full(count, 10.0),
        output_tokens=np.full((count, 3), np.nan),
        task=kind if labels else nothing,
        tasks=tuple(f"t{n}" for n in range(tasks)) if labels else (),
        feature=nothing,
        features=(),
    )
    return outcomes, chance


def predicted(learned: Outcomes, asked: Outcomes) -> model.Estimates:
    return model.estimate(teach(learned).policy, asked.vectors, [()] * len(asked))


@pytest.mark.parametrize("labels", [True, False])
def test_the_truth_is_found_again(*, labels: bool) -> None:
    asked, chance = made(500, 77)
    error = predicted(made(2500, labels=labels)[0], asked).quality - chance
    assert np.sqrt(np.square(error).mean()) < 0.075
    assert np.abs(error.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize(("telling", "expected"), [(3.0, TASK_PENALTIES[:-1]), (0.0, TASK_PENALTIES[-1:])])
def test_tasks_are_told_as_firmly_as_helps_to_foretell_scores(telling: float, expected: tuple[float, ...]) -> None:
    """Where the coordinates tell tasks for sure, less than the largest; where they are noise, that."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1000)
    x = rng.normal(size=(1000, 30)) * 0.3
    x[:, 0] += telling * labels
    score = np.column_stack((labels, 1 - labels)).astype(float)
    squares = np.append(np.square(x).sum(axis=0), len(x))
    assert _penalty(score, labels, 2, x, rng.integers(0, 5, 1000), squares) in expected


@pytest.mark.parametrize(("shown", "gap"), [(False, 0.1), (True, 0.5)])
def test_deployments_are_told_apart_within_a_task_only_where_that_was_shown(*, shown: bool, gap: float) -> None:
    """A structural feature makes every prompt harder for all; it tells a from b only where it truly does, and by much."""
    learned, _ = made(1500)
    hard = learned.vectors[:, 1] / 255
    if shown:
        score = learned.score.copy()
        score[:, 0], score[:, 1] = hard > 0.5, hard < 0.5
        learned = replace(learned, score=score)
    first = learned.rows(learned.task == 0)
    sure = learned.vectors[learned.task == 0, 1] / 255
    found = predicted(learned, first).quality
    apart = found[:, 0] - found[:, 1]
    assert (apart[sure > 0.8].mean() - apart[sure < 0.2].mean() > gap) == shown
    assert found[sure < 0.2, 2].mean() > found[sure > 0.8, 2].mean() - 0.01


def test_labels_teach_faster_and_are_not_needed_to_predict() -> None:
    asked, chance = made(500, 77)
    with_labels, without = (
        np.mean(
            [np.square(predicted(made(250, seed, labels=labels)[0], asked).quality - chance).mean() for seed in range(3)]
        )
        for labels in (True, False)
    )
    assert with_labels < without


def test_predictions_are_calibrated_over_seeds_and_beat_the_mean() -> None:
    """Expected calibration error over 15 bins of equal count, against what binomial chance alone would give."""
    errors, luck, gains = [], [], []
    rng = np.random.default_rng(5)
    asked, _ = made(1500, 1234)
    for seed in range(4):
        learned, _ = made(900, seed)
        quality = predicted(learned, asked).quality
        errors.append(calibration_error(quality.ravel(), asked.score.ravel()))
        luck.append(calibration_error(quality.ravel(), (rng.random(quality.shape) < quality).astype(float).ravel()))
        flat = np.square(learned.score.mean(axis=0) - asked.score).mean()
        gains.append(flat - np.square(quality - asked.score).mean())
    assert np.mean(errors) < np.mean(luck) + 0.012
    assert min(gains) > 0.02


def calibration_error(predictions: np.ndarray, seen: np.ndarray) -> float:
    bins = np.array_split(np.argsort(predictions, kind="stable"), 15)
    return float(sum(len(each) / len(seen) * abs(predictions[each].mean() - seen[each].mean()) for each in bins))


def test_the_standard_error_covers_the_truth() -> None:
    asked, chance = made(800, 4321)
    found = predicted(made(1500)[0], asked)
    within = np.abs(found.quality - chance) < 2 * found.quality_sd
    assert within.mean() > 0.75
    assert found.quality_sd.mean() < 0.15  # and is not merely wide


def test_held_out_predictions_are_honest() -> None:
    """What is predicted for rows held out is as good as on new rows: neither has seen its own grades."""
    learned, _ = made(1200)
    asked, _ = made(1200, 8)
    held = np.square(teach(learned).quality - learned.score).mean()
    fresh = np.square(predicted(learned, asked).quality - asked.score).mean()
    assert held == pytest.approx(fresh, rel=0.06)


def test_grades_that_say_nothing_teach_nothing() -> None:
    learned, _ = made(600)
    noise = replace(learned, score=(np.random.default_rng(3).random((600, 3)) < [0.8, 0.5, 0.2]).astype(float))
    quality = predicted(noise, made(200, 5)[0]).quality
    np.testing.assert_allclose(quality, np.tile(noise.score.mean(axis=0), (200, 1)), atol=0.08)


def test_missing_cells_and_unequal_coverage_do_not_bias() -> None:
    """A model that was asked only what it is good at is not taken to be good at everything."""
    learned, _ = made(2000)
    score = learned.score.copy()
    score[learned.task != 0, 1] = np.nan  # b has answered nothing but the first kind, where it is good
    score[np.random.default_rng(1).random(2000) < 0.5, 2] = np.nan
    asked, chance = made(600, 6)
    quality = predicted(replace(learned, score=score), asked).quality
    assert np.abs(quality[:, [0, 2]].mean(axis=0) - chance[:, [0, 2]].mean(axis=0)).max() < 0.03
    assert np.abs(quality[asked.task == 0, 1].mean() - chance[asked.task == 0, 1].mean()) < 0.05
    assert quality[asked.task != 0, 1].mean() < quality[asked.task == 0, 1].mean()


def test_missing_cells_cost_some_accuracy_and_no_calibration() -> None:
    asked, chance = made(600, 6)
    error = predicted(made(1500, missing=0.4)[0], asked).quality - chance
    assert np.abs(error.mean(axis=0)).max() < 0.03
    assert np.sqrt(np.square(error).mean()) < 0.1


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_constant_grades_are_predicted_as_they_are(constant: float) -> None:
    learned, _ = made(100)
    found = predicted(replace(learned, score=np.full((100, 3), constant)), learned)
    np.testing.assert_allclose(found.quality, np.clip(constant, 0.002, 0.998), atol=0.003)
    assert np.isfinite(found.quality_sd).all()


def test_a_model_without_any_grade_is_predicted_with_finite_numbers() -> None:
    learned, _ = made(100)
    score = learned.score.copy()
    score[:, 2] = np.nan
    found = predicted(replace(learned, score=score), learned)
    assert np.isfinite(found.quality).all()
    assert ((found.quality > 0) & (found.quality < 1)).all()


def test_duplicates_teach_no_more_than_one() -> None:
    learned, _ = made(200)
    twice = learned.rows(np.concatenate((np.arange(200), np.zeros(100, dtype=np.int64))))
    np.testing.assert_allclose(predicted(twice, learned).quality, predicted(learned, learned).quality, atol=1e-5)


def test_feature_tags_add_what_the_text_does_not_say() -> None:
    learned, _ = made(1000, labels=False)
    tag = np.arange(1000) % 2
    score = np.where((tag == 1)[:, None], np.clip(learned.score * [1, 0, 1], 0, 1), learned.score)
    tagged = replace(learned, score=score, feature=tag.astype(np.int64), features=("plain", "odd"))
    policy = teach(tagged).policy
    asked = made(200, 4)[0].vectors
    plain, odd, unknown = (
        model.estimate(policy, asked, [(name,)] * 200).quality.mean(axis=0) for name in ("plain", "odd", "new")
    )
    assert odd[1] < 0.15
    assert plain[1] > 0.4
    assert odd[1] < unknown[1] < plain[1]
    assert abs(odd[0] - plain[0]) < 0.1


def test_rare_tasks_are_merged_and_none_is_needed() -> None:
    learned, _ = made(100)
    few = np.zeros(100, dtype=np.int64)
    few[: SMALLEST_TASK - 1] = 1
    few[50:60] = -1
    labels, names = _labels(replace(learned, task=few, tasks=("many", "few")))
    assert names == ("many", "other")
    assert set(labels[: SMALLEST_TASK - 1]) == set(labels[50:60]) == {1}
    nothing, names = _labels(replace(learned, task=np.full(100, -1), tasks=()))
    assert (set(nothing), names) == ({0}, ("other",))
    many = replace(learned, task=np.arange(100), tasks=tuple(map(str, range(100))))
    assert len(_labels(many.rows(np.arange(1000) % 100))[1]) == MOST_TASKS + 1


def test_a_table_gives_small_cells_to_the_sum_of_the_effects() -> None:
    """A cell seen once is near what its row and column say; one seen often is near what was seen."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], (300, 300, 300))
    score = (rng.random((900, 2)) < np.array([[0.8, 0.4], [0.6, 0.2], [0.2, 0.6]])[labels]).astype(float)
    score[301:600, 1] = np.nan
    score[300, 1] = 1.0
    table = _Table.of(score, labels, 3)
    assert table.quality[2, 1] == pytest.approx(score[600:, 1].mean(), abs=0.05)
    assert table.quality[1, 1] < 0.75
    assert table.variance[1, 1] > 3 * table.variance[1, 0]


def test_a_customer_adds_what_its_feature_does_not_say() -> None:
    learned, _ = made(2000, labels=False)
    feature, customer = np.arange(2000) % 2, np.arange(2000) // 2 % 3
    factor = np.ones((2000, 3))
    factor[feature == 1, 1] = 0.5
    factor[customer == 2, 0] = 0.2
    tagged = replace(
        learned,
        score=learned.score * factor,
        feature=feature.astype(np.int64),
        features=("plain", "odd"),
        tagged=(Tagged(("customer:x", "customer:y", "customer:z"), customer.astype(np.int64)),),
    )
    lesson = teach(tagged)
    assert lesson.policy.known_tags == ("plain", "odd", "customer:x", "customer:y", "customer:z")
    asked = made(200, 4)[0].vectors
    hard, usual, nobody = (
        model.estimate(lesson.policy, asked, [("plain", name)] * 200).quality.mean(axis=0)
        for name in ("customer:z", "customer:x", "customer:new")
    )
    assert usual[0] - hard[0] > 0.3
    assert abs(usual[1] - hard[1]) < 0.1
    assert hard[0] < nobody[0] < usual[0]
    for number in range(3):  # held-out predictions know of customers too
        mine = lesson.outcomes.tagged[0].place == number
        assert lesson.quality[mine, 0].mean() == pytest.approx(lesson.outcomes.score[mine, 0].mean(), abs=0.06)

"""Evaluation: splits that never leak, baselines known by hand, and a verdict that luck does not reach."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from tests.policy.test_teach import NAMES, PRICED, table

from pointsman.control.evaluate import (
    AUTO,
    CHEAPEST,
    KNN,
    LABEL,
    POSSIBLE,
    RANDOM,
    SINGLE,
    Evaluation,
    Measured,
    _best_fixed,
    _gain,
    _interval,
    _split,
    evaluate,
)  # fmt: skip
from pointsman.core.errors import TableError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective
from pointsman.policy.outcomes import Outcomes

MATCH = Objective("match", tolerance=0.02)


def ways(found: Evaluation) -> dict[str, Measured]:
    return {each.way: each for each in found.ways}


def by_hand(count: int = 200) -> Outcomes:
    """``p/big`` is always right, for 10; ``p/sums`` on even prompts, for 1, ``p/words`` on odd ones, for 2."""
    rows = table(count)
    kind = np.arange(count) % 2
    score = np.column_stack((np.ones(count), kind == 0, kind == 1)).astype(float)
    return replace(
        rows,
        score=score,
        cost_nano=np.tile([10e6, 1e6, 2e6], (count, 1)),
        task=kind.astype(np.int64),
        tasks=("sums", "words"),
    )


def test_simple_ways_of_choosing_are_what_they_are_by_hand() -> None:
    found = ways(evaluate(by_hand(), MATCH, known={}, seeds=3))
    single, label, cheapest, lucky, possible = (found[name] for name in (SINGLE, LABEL, CHEAPEST, RANDOM, POSSIBLE))
    assert (single.quality, single.change, single.share) == (1.0, (0.0, 0.0, 0.0), 1.0)
    assert single.usd == pytest.approx(0.01)
    assert label.quality == 1.0
    assert label.usd == possible.usd
    assert cheapest.usd == pytest.approx(0.001)
    assert cheapest.share == pytest.approx(0.1)
    assert 0.4 < cheapest.quality < 0.6
    assert lucky.quality == pytest.approx(2 / 3)
    assert lucky.usd == pytest.approx(0.013 / 3)
    assert possible.quality == 1.0
    assert possible.usd == pytest.approx(0.001 * cheapest.quality + 0.002 * (1 - cheapest.quality))


def test_choosing_that_pays_is_shown_to_pay() -> None:
    found = evaluate(table(), MATCH, known={one.name: one for one in PRICED}, seeds=2)
    assert not found.suffices
    assert found.gain[1] > 0
    assert found.fixed == found.singles == ("p/big", "p/big")
    auto = ways(found)[AUTO]
    assert auto.share is not None
    assert auto.share < 0.5
    assert auto.change[0] > -0.05
    assert found.gain[0] == pytest.approx((ways(found)[SINGLE].usd or 0) - (auto.usd or 0))


def test_where_nothing_differs_one_model_suffices() -> None:
    rng = np.random.default_rng(1)
    rows = replace(table(), score=(rng.random((400, 3)) < [0.9, 0.6, 0.6]).astype(float))
    for objective in (MATCH, Objective("best"), Objective("worth", usd_per_answer=1.0)):
        found = evaluate(rows, objective, known={}, seeds=2)
        assert found.suffices
        assert found.gain[1] <= 0
        assert found.gain[0] <= found.gain[2]


def test_saving_money_at_more_loss_than_tolerated_is_no_gain() -> None:
    """The cheap models are good at something where it is learned, and always wrong where it is asked."""
    rows = table()
    score = rows.score.copy()
    score[_split(rows.grouped(), 0)[1], 1:] = 0.0
    found = evaluate(replace(rows, score=score), MATCH, known={one.name: one for one in PRICED}, seeds=1)
    assert found.gain[1] > 0
    assert ways(found)[AUTO].change[0] < -0.1
    assert found.suffices


def test_splits_are_of_groups_and_never_leak() -> None:
    rows = table(100)
    twins = replace(rows, groups=np.array([f"g{n // 2}" for n in range(100)]))
    for seed in range(20):
        fit, test = _split(twins.grouped(), seed)
        assert not set(fit) & set(test)
        assert len(test) == 15
        assert sorted((*fit, *test)) == list(range(50))
    assert not np.array_equal(_split(twins.grouped(), 0)[1], _split(twins.grouped(), 1)[1])


def test_what_is_set_aside_teaches_nothing() -> None:
    """Other grades on the prompts set aside change what is measured there, and no choice."""
    rows = table(200)
    test = _split(rows.grouped(), 0)[1]
    score = rows.score.copy()
    score[test] = 1 - score[test]
    first, second = (evaluate(each, Objective("best"), known={}, seeds=1) for each in (rows, replace(rows, score=score)))
    assert first.singles == second.singles
    for name in (SINGLE, LABEL, AUTO, KNN, RANDOM):
        assert ways(first)[name].quality == pytest.approx(1 - ways(second)[name].quality)
        assert ways(first)[name].usd == ways(second)[name].usd


def test_repeated_prompts_count_once() -> None:
    rows = table(150)
    again = rows.rows(np.concatenate((np.arange(150), np.zeros(60, dtype=np.int64))))
    assert evaluate(again, MATCH, known={}, seeds=1) == evaluate(rows, MATCH, known={}, seeds=1)


def test_a_missing_grade_counts_as_wrong_and_a_missing_cost_as_the_mean() -> None:
    rows = by_hand()
    score, cost = rows.score.copy(), rows.cost_nano.copy()
    score[::40, 0], cost[::3, 0] = np.nan, np.nan
    found = ways(evaluate(replace(rows, score=score, cost_nano=cost), Objective("best"), known={}, seeds=4))
    assert found[SINGLE].usd == pytest.approx(0.01)
    assert found[SINGLE].quality == pytest.approx(0.975, abs=0.02)


def test_models_that_answered_too_little_are_left_out_and_named() -> None:
    """Otherwise prompts that a model was not asked would count as its failures, wherever it is chosen for being good."""
    rows = by_hand()
    score = rows.score.copy()
    score[::10, 1] = np.nan
    found = evaluate(replace(rows, score=score), MATCH, known={}, seeds=2)
    assert found.left_out == ("p/sums",)
    assert [name for name, _, _ in found.models] == ["p/big", "p/words"]
    score[1::10, [0, 2]] = np.nan
    nobody = evaluate(replace(rows, score=score), MATCH, known={}, seeds=1)
    assert (nobody.left_out, len(nobody.models)) == ((), 3)


def test_without_any_cost_only_quality_counts_and_no_model_is_cheapest() -> None:
    rows = replace(table(), cost_nano=np.full((400, 3), np.nan), output_tokens=np.full((400, 3), np.nan))
    found = evaluate(rows, MATCH, known={}, seeds=1)
    assert found.kind == "best"
    assert CHEAPEST not in ways(found)
    assert all(each.usd is None and each.share is None for each in found.ways)


def test_costs_are_at_prices_and_as_recorded_only_without_one() -> None:
    rows = replace(table(), output_tokens=np.full((400, 3), 10.0))
    price = Price(Rates(Decimal(1), Decimal(8)))
    found = evaluate(rows, MATCH, known={"p/big": Deployment("p/big", "p", "big", "big", price)}, seeds=1)
    costs = {name: usd for name, usd, _ in found.models}
    assert costs["p/big"] == pytest.approx(20e-6 + 80e-6)
    assert costs["p/sums"] == pytest.approx(50e-6)


def test_the_gain_is_in_the_objectives_own_terms() -> None:
    score, paid = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[3e9, 1e9], [3e9, 1e9]])
    chosen = np.array([0, 1])
    first, second = np.zeros(2, dtype=int), np.ones(2, dtype=int)
    np.testing.assert_allclose(_gain(MATCH, score, paid, chosen, first), [0, 2])
    np.testing.assert_allclose(_gain(Objective("best"), score, paid, chosen, second), [1, 0])
    np.testing.assert_allclose(_gain(Objective("worth", usd_per_answer=5.0), score, paid, chosen, second), [5 - 2, 0])
    np.testing.assert_allclose(_gain(MATCH, score, paid, chosen, chosen), [0, 0])


@pytest.mark.parametrize(
    ("aim", "best"),
    [
        (Objective("best"), 0),
        (Objective("match", tolerance=0.05), 1),
        (Objective("match", tolerance=0.0), 0),
        (Objective("match", tolerance=0.9), 2),
        (Objective("worth", usd_per_answer=0.01), 1),
        (Objective("worth", usd_per_answer=0.001), 2),
        (Objective("budget", usd_per_1000=5.0), 1),
        (Objective("budget", usd_per_1000=0.01), 2),
    ],
)
def test_the_best_fixed_model_is_the_objectives(aim: Objective, best: int) -> None:
    """Right in 1.0, 0.96 and 0.2 of all cases, for $10, $4 and $0.1 per 1,000."""
    score = np.column_stack((np.ones(50), np.arange(50) >= 2, np.arange(50) < 10)).astype(float)
    assert _best_fixed(aim, score, np.tile([10e6, 4e6, 0.1e6], (50, 1)), 0) == best


def labelled(count: int = 600) -> Outcomes:
    """On one label the cheap model is nearly as good as the dear one, on the other bad: labels say all there is to know."""
    rng = np.random.default_rng(0)
    rows = table(count)
    label = np.random.default_rng(0).integers(0, 2, count)  # the kind of each prompt, as table() draws it
    dear = rng.random(count) < 0.9
    dear[np.flatnonzero(label == 0)[::100]] = True
    cheap = np.where(label == 0, dear, rng.random(count) < 0.3)
    cheap[np.flatnonzero(label == 0)[::100]] = False
    score = np.column_stack((dear, cheap)).astype(float)
    return replace(
        rows,
        deployments=("big", "small"),
        score=score,
        cost_nano=np.tile([1e6, 1e5], (count, 1)),
        output_tokens=np.full((count, 2), np.nan),
        feature=label.astype(np.int64),
        features=("rail", "tax"),
    )


def test_choosing_must_beat_what_is_fixed_for_each_label_by_the_same_objective() -> None:
    """Against the best fixed model choosing saves nearly half of the money; for each label so does a fixed one."""
    found = evaluate(labelled(), Objective("match", tolerance=0.02), known={})
    label, auto = ways(found)[LABEL], ways(found)[AUTO]
    assert label.share == pytest.approx(0.55, abs=0.03)
    assert -0.02 <= label.change[0] < 0
    assert auto.share is not None
    assert auto.share < 0.75
    assert (found.bar, found.suffices) == (LABEL, True)
    assert found.gain[0] == pytest.approx((label.usd or 0) - (auto.usd or 0))


def test_what_was_not_accepted_is_never_chosen() -> None:
    """The second of three is always wrong: choosing is between the others, as it is where a gateway acts on it."""
    rows = table()
    score = rows.score.copy()
    score[:, 1] = 0.0
    found = ways(evaluate(replace(rows, score=score), MATCH, known={one.name: one for one in PRICED}, seeds=2))
    auto = found[AUTO]
    assert auto.share is not None
    assert auto.share < 0.8
    assert auto.change[0] > -0.05


def test_labels_that_tell_nothing_are_no_bar() -> None:
    label = np.random.default_rng(7).integers(0, 2, 400)
    rows = replace(table(), feature=label.astype(np.int64), features=("a", "b"))
    found = evaluate(rows, MATCH, known={one.name: one for one in PRICED}, seeds=2)
    assert (found.bar, found.suffices) == (SINGLE, False)
    assert found.gain[1] > 0


def test_a_fixed_way_that_breaks_the_tolerance_is_no_bar() -> None:
    """The cheap one is right on its label where that is learned, and always wrong where it is asked."""
    rows = labelled()
    score = rows.score.copy()
    score[_split(rows.grouped(), 0)[1], 1] = 0.0
    found = evaluate(replace(rows, score=score), Objective("match", tolerance=0.02), known={}, seeds=1)
    assert ways(found)[LABEL].change[0] < -0.02
    assert found.bar == SINGLE
    assert found.suffices


def test_intervals_cover_the_mean_nineteen_times_in_twenty() -> None:
    covered = 0
    for seed in range(60):
        mean, low, high = _interval(np.random.default_rng(seed).normal(0.3, 1.0, 120))
        assert low < mean < high
        covered += low < 0.3 < high
    assert 51 <= covered <= 60


def test_the_curve_goes_from_quality_to_thrift() -> None:
    curve = evaluate(table(), MATCH, known={one.name: one for one in PRICED}, seeds=1).curve
    assert curve[0][0] > curve[-1][0]
    assert curve[0][1] > curve[-1][1] - 0.02
    assert [name for name, _, _ in evaluate(table(), MATCH, known={}, seeds=1).models] == list(NAMES)


def test_too_little_to_learn_from_is_an_error() -> None:
    for count in (1, 3):
        with pytest.raises(TableError, match="too few prompts"):
            evaluate(table(count), MATCH, known={}, seeds=1)
    assert evaluate(table(4), MATCH, known={}, seeds=1).prompts == 1

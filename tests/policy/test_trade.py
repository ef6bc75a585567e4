"""Objectives mean what they say, on evidence small enough to be checked by hand or by trying everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.routing import Objective
from pointsman.policy.trade import FEWEST, LEAST, Evidence, Trade, _falling, earns, resolve

NAMES = ("dear", "cheap")


def known(quality: object, score: object, cost: object, names: tuple[str, ...] = NAMES) -> Evidence:
    quality, score = np.asarray(quality, dtype=float), np.asarray(score, dtype=float)
    cost = np.broadcast_to(np.asarray(cost, dtype=float), score.shape).copy()
    return Evidence.of(names, quality, cost, score, cost)


def resolved(objective: Objective, evidence: Evidence, reference: str = "dear") -> Trade:
    return resolve(objective, evidence, reference, np.random.default_rng(0))


def halves(count: int = 400) -> Evidence:
    """The cheap one is as good on half of the prompts, and fails on the others; predictions know which."""
    easy = np.arange(count) % 2 == 0
    score = np.column_stack((np.ones(count), easy))
    return known(np.column_stack((np.full(count, 0.95), np.where(easy, 0.95, 0.05))), score, (100.0, 10.0))


def chancy(seed: int, rows: int = 60, columns: int = 3) -> Evidence:
    rng = np.random.default_rng(seed)
    quality = rng.random((rows, columns))
    score = (rng.random((rows, columns)) < quality).astype(float)
    cost = rng.integers(1, 1000, columns) * rng.uniform(0.5, 1.5, (rows, columns))
    return known(quality, score, cost, tuple(f"m{n}" for n in range(columns)))


def test_match_saves_exactly_where_the_cheap_one_is_as_good() -> None:
    trade = resolved(Objective("match", tolerance=0.01), halves())
    assert (trade.one_model, trade.fixed) == (None, "dear")
    assert trade.quality == 1.0
    assert trade.cost_nano == pytest.approx(55)
    assert trade.gain[1] == pytest.approx(45)


def test_match_with_room_for_all_errors_takes_the_cheap_one_for_everything() -> None:
    trade = resolved(Objective("match", tolerance=0.6), halves())
    assert trade.cost_nano == pytest.approx(10)
    assert trade.fixed == trade.one_model == "cheap"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.3))
def test_match_never_promises_more_loss_than_its_tolerance(seed: int, tolerance: float) -> None:
    evidence = chancy(seed)
    trade = resolved(Objective("match", tolerance=tolerance), evidence, "m0")
    used = trade.one_model
    change = trade.quality - evidence.score[:, 0].mean()
    assert used is None or change >= -tolerance - 1e-9
    rows = np.arange(len(evidence.score))
    if used is None and trade.value_nano is not None:
        found = evidence.score[rows, evidence.choices(trade.value_nano)] - evidence.score[:, 0]
        assert found.mean() == pytest.approx(change, abs=0.04)  # the value is rounded to whole nano-dollars
        assert change >= -tolerance - 0.1  # pooling may give to one value what its neighbours have


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_more_tolerance_never_costs_more(seed: int) -> None:
    evidence = chancy(seed, rows=200)
    spent = [resolved(Objective("match", tolerance=each), evidence, "m0").choosing[1] for each in (0.02, 0.1, 0.3)]
    assert (
        spent[0] >= spent[1] - 1e-9 >= spent[2] - 2e-9
        or resolved(Objective("match", tolerance=0.02), evidence, "m0").one_model
    )


def test_match_keeps_its_distance_where_evidence_is_thin() -> None:
    """A loss of one point seen on few prompts is not within a tolerance of two; on many it is."""

    def made(count: int) -> Evidence:
        lost = np.arange(count) % 100 == 0
        score = np.column_stack((np.ones(count), ~lost))
        return known(np.full((count, 2), 0.9), score, (100.0, 10.0))

    assert resolved(Objective("match", tolerance=0.012), made(200)).fixed == "dear"
    assert resolved(Objective("match", tolerance=0.012), made(40_000)).fixed == "cheap"


def two_kinds(count: int, *, loss: float, saving: float) -> Evidence:
    """Half of the prompts lose nothing with the cheap one; the other half loses ``loss`` each, and saves ``saving``."""
    easy = np.arange(count) % 2 == 0
    score = np.column_stack((np.ones(count), np.where(easy, 1.0, 1.0 - loss)))
    cost = np.column_stack((np.full(count, 100.0), np.where(easy, 10.0, 100.0 - saving)))
    return known(score * 0.9, score, cost)


@pytest.mark.parametrize(("saving", "sold"), [(60.0, True), (2.0, False)])
def test_match_spends_its_tolerance_only_where_that_buys_something(saving: float, *, sold: bool) -> None:
    """The first half is free and saves 45 a request; a loss of one point on the rest saves much, or next to nothing."""
    trade = resolved(Objective("match", tolerance=0.02), two_kinds(4000, loss=0.02, saving=saving))
    assert trade.value_nano is not None
    assert (trade.choosing[0] < 1.0) == sold
    assert trade.choosing[1] == pytest.approx(100 - 45 - (saving / 2 if sold else 0))
    if not sold:
        assert trade.value_nano >= LEAST * 45 / 0.02


def test_without_tolerance_no_quality_is_sold() -> None:
    trade = resolved(Objective("match", tolerance=0.0), two_kinds(400, loss=0.02, saving=60))
    assert trade.value_nano is None
    assert trade.choosing == pytest.approx((1.0, 55.0))


def told(seed: int, *, skill: float) -> tuple[Evidence, Evidence]:
    """Return what who tells prompts apart (right by ``skill``) and who tells nothing would predict, of the same answers."""
    rng = np.random.default_rng(seed)
    easy = rng.random(600) < 0.5
    score = np.column_stack((rng.random(600) < 0.7, rng.random(600) < np.where(easy, 0.95, 0.3))).astype(float)
    thought = np.where(rng.random(600) < skill, easy, rng.random(600) < 0.5)
    bold = np.column_stack((np.full(600, 0.7), np.where(thought, 0.95, 0.3)))
    plain = np.tile([0.7, 0.625], (600, 1))
    return known(bold, score, (100.0, 10.0)), known(plain, score, (100.0, 10.0))


def test_predictions_earn_their_place_by_better_choices() -> None:
    assert all(earns(*told(seed, skill=1.0)) for seed in range(20))


def test_predictions_that_know_nothing_more_do_not_but_by_chance() -> None:
    assert sum(earns(*told(seed, skill=0.0)) for seed in range(100)) <= 10
    bold, plain = told(0, skill=1.0)
    assert not earns(plain, plain)
    assert not earns(plain, bold)


def test_predictions_earn_their_place_by_quality_where_no_cost_is_known() -> None:
    score = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    assert earns(known(score, score, np.nan), known(np.full(score.shape, 0.5), score, np.nan))


def test_match_stays_where_even_the_best_predictions_lose_too_much() -> None:
    wrong = known([[0.1, 0.9]] * 50, [[1, 0]] * 50, (100.0, 10.0))
    trade = resolved(Objective("match", tolerance=0.01), wrong)
    assert (trade.one_model, trade.quality) == ("dear", 1.0)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(1e-9, 1e-6))
def test_worth_chooses_what_trying_everything_finds(seed: int, usd: float) -> None:
    evidence = chancy(seed)
    trade = resolved(Objective("worth", usd_per_answer=usd), evidence, "m0")
    assert trade.value_nano == round(usd * 1e9)
    chosen = evidence.choices(usd * 1e9)
    for row, column in enumerate(chosen):
        utility = usd * 1e9 * evidence.quality[row] - evidence.cost_nano[row]
        assert utility[column] == utility.max()
    means = (usd * 1e9 * evidence.score - evidence.spent_nano).mean(axis=0)
    assert means[evidence.deployments.index(trade.fixed)] == pytest.approx(means.max())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_budget_is_kept_or_the_cheapest_is_used(seed: int, share: float) -> None:
    evidence = chancy(seed)
    means = evidence.spent_nano.mean(axis=0)
    most = means.min() + share * (means.max() - means.min())
    trade = resolved(Objective("budget", usd_per_1000=most / 1e6), evidence, "m0")
    assert trade.choosing[1] <= most * (1 + 1e-9) or trade.value_nano == 0
    assert means[evidence.deployments.index(trade.fixed)] <= most * (1 + 1e-9)


def test_budget_spends_where_it_buys_most() -> None:
    trade = resolved(Objective("budget", usd_per_1000=56 / 1e6), halves())
    assert (trade.quality, trade.one_model) == (1.0, None)
    assert trade.choosing[1] == pytest.approx(55)


def test_within_a_budget_money_that_is_left_is_worth_nothing() -> None:
    """A few more right answers at twice the cost: that is what a budget is there for."""
    rng = np.random.default_rng(1)
    cheap = np.linspace(0.4, 1.0, 2000)
    quality = np.column_stack((np.full(2000, 0.9), cheap))
    evidence = known(quality, rng.random(quality.shape) < quality, (100.0, 10.0))
    found = resolved(Objective("budget", usd_per_1000=20 / 1e6), evidence)
    assert (found.fixed, found.one_model) == ("cheap", None)
    assert found.gain[1] == pytest.approx(found.quality - evidence.score[:, 1].mean())
    assert found.gain[1] > 0
    assert 15 < found.cost_nano <= 20


def test_within_a_budget_who_is_chosen_at_a_larger_worth_may_serve_too() -> None:
    """The worth of a right answer rises there where money is left: a day's rest must find somebody to go to."""
    trade = resolved(Objective("budget", usd_per_1000=11 / 1e6), halves())
    assert trade.choosing[1] <= 11
    assert set(trade.chosen) == {"dear", "cheap"} == set(resolved(Objective("best"), halves()).chosen)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.floats(0.0, 3.0))
def test_within_a_budget_one_model_serves_all_only_where_it_is_surely_no_worse(
    seed: int, share: float, caution: float
) -> None:
    evidence = chancy(seed)
    means = evidence.spent_nano.mean(axis=0)
    most = means.min() + share * (means.max() - means.min())
    trade = resolved(Objective("budget", usd_per_1000=most / 1e6, caution=caution), evidence, "m0")
    assert (trade.one_model is None) == (trade.gain[2] > 0)


def test_best_takes_the_highest_prediction_and_the_cheaper_of_equals() -> None:
    evidence = halves()
    trade = resolved(Objective("best"), evidence)
    assert trade.value_nano is None
    assert list(evidence.choices(None)[:4]) == [1, 0, 1, 0]


def test_without_costs_best_works_and_money_cannot_be_weighed() -> None:
    evidence = known([[0.2, 0.8]] * 30, [[0, 1]] * 30, np.nan)
    assert resolved(Objective("best"), evidence).fixed == "cheap"
    for objective in (Objective("match"), Objective("budget", usd_per_1000=1.0), Objective("worth", usd_per_answer=1.0)):
        with pytest.raises(ValueError, match="weighs money"):
            resolved(objective, evidence)


@pytest.mark.parametrize("kind", ["budget", "worth"])
def test_an_objective_without_its_number_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="needs usd_per"):
        resolved(Objective(kind), halves())  # type: ignore[arg-type]


def test_what_has_no_cost_is_chosen_only_where_money_does_not_count() -> None:
    evidence = known([[0.5, 0.9]] * 40, [[0, 1]] * 40, [[10.0, np.nan]])
    assert set(evidence.choices(1000.0)) == {0}
    assert set(evidence.choices(None)) == {1}
    assert resolved(Objective("match", tolerance=0.5), evidence).fixed == "dear"


def test_gaps_count_as_they_were_predicted_and_as_predictions_turned_out() -> None:
    evidence = Evidence.of(
        NAMES, np.array([[0.9, 0.3]]), np.array([[5.0, 2.0]]), np.array([[1.0, np.nan]]), np.full((1, 2), np.nan)
    )
    np.testing.assert_array_equal(evidence.score, [[1.0, 0.3]])
    np.testing.assert_array_equal(evidence.spent_nano, [[5.0, 2.0]])
    half = Evidence.of(("a",), np.array([[0.5], [0.5]]), np.ones((2, 1)), np.array([[0.9], [np.nan]]), np.ones((2, 1)))
    assert half.score.mean() == pytest.approx(0.9)


def gappy(seed: int, graded: int, rows: int = 600) -> Evidence:
    """The cheap model is truly 10 points worse, was graded on few prompts only, and predicted as those few told."""
    rng = np.random.default_rng(seed)
    score = np.column_stack((rng.random(rows) < 0.8, rng.random(rows) < 0.7)).astype(float)
    score[rng.permutation(rows)[graded:], 1] = np.nan
    quality = np.broadcast_to(np.nanmean(score, axis=0), score.shape)
    cost = np.tile([1e6, 1e5], (rows, 1))
    return Evidence.of(NAMES, quality, cost, score, np.where(np.isfinite(score), cost, np.nan))


def leaves(evidence: Evidence, objective: Objective, reference: str) -> bool:
    trade = resolved(objective, evidence, reference)
    return trade.one_model != reference


@pytest.mark.parametrize(("graded", "most"), [(5, 0), (FEWEST - 1, 0), (40, 2), (600, 0)])
def test_a_handful_of_grades_never_makes_a_model_serve(graded: int, most: int) -> None:
    """Predictions in place of grades are no evidence: 16 of 20 runs left the reference when they counted as such."""
    assert sum(leaves(gappy(seed, graded), Objective("match", tolerance=0.05), "dear") for seed in range(20)) <= most


def test_grades_enough_make_a_model_serve_whatever_the_gaps() -> None:
    assert all(leaves(gappy(seed, 300), Objective("match", tolerance=0.25), "dear") for seed in range(20))


def test_gaps_are_as_uncertain_as_what_was_seen_is() -> None:
    """The error that is computed is the error that is made, over many tables of which one in ten cells was seen."""
    means, errors = [], []
    for seed in range(300):
        score = gappy(seed, 60).score[:, 1]
        means.append(score.mean())
        errors.append(score.std() / np.sqrt(len(score)))
    assert np.mean(means) == pytest.approx(0.7, abs=0.012)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


@pytest.mark.parametrize("kind", ["best", "match", "worth"])
def test_a_model_hardly_seen_is_not_chosen_however_good_it_is_thought(kind: str) -> None:
    score = np.column_stack((np.zeros(200), np.where(np.arange(200) < FEWEST - 1, 1.0, np.nan)))
    evidence = Evidence.of(NAMES, np.tile([0.1, 0.9], (200, 1)), np.full((200, 2), 9.0), score, np.full((200, 2), 9.0))
    objective = Objective(kind, usd_per_answer=1.0)  # type: ignore[arg-type]
    assert resolved(objective, evidence).chosen == ("dear",)
    assert resolve(objective, evidence, "dear", np.random.default_rng(0), fewest=1).chosen == ("cheap",)


def slightly_worse(seed: int, models: int, rows: int) -> Evidence:
    """Every candidate is truly 1.5 points worse than the reference, and far cheaper; predictions tell no prompt apart."""
    rng = np.random.default_rng(seed)
    reference = (rng.random(rows) < 0.8).astype(float)
    columns = [reference]
    for _ in range(models):
        luck = rng.random(rows)
        lost, won = (reference == 1) & (luck < 0.0575 / 0.8), (reference == 0) & (luck < 0.0425 / 0.2)
        columns.append(np.where(lost, 0.0, np.where(won, 1.0, reference)))
    quality = np.tile([0.8] + [0.785] * models, (rows, 1))
    cost = [1e6] + [2e5 + 1e3 * place for place in range(models)]
    return known(quality, np.column_stack(columns), cost, ("dear", *(f"c{place}" for place in range(models))))


@pytest.mark.parametrize(("models", "rows"), [(1, 1000), (8, 300), (8, 1000)])
def test_of_many_that_are_too_bad_the_luckiest_does_not_serve(models: int, rows: int) -> None:
    """With 0.75 standard errors for each of eight, more than half of the runs left the reference."""
    aim = Objective("match", tolerance=0.01)
    assert sum(leaves(slightly_worse(seed, models, rows), aim, "dear") for seed in range(40)) <= 4


def test_one_that_is_truly_within_tolerance_serves_given_prompts_enough() -> None:
    aim = Objective("match", tolerance=0.04)
    assert all(leaves(slightly_worse(seed, 8, 3000), aim, "dear") for seed in range(5))


def test_where_choosing_is_worse_one_model_suffices() -> None:
    """Predictions that know nothing lose ten points against always the better of two models."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        evidence = known(rng.random((300, 2)), rng.random((300, 2)) < (0.7, 0.5), (10.0, 10.0))
        assert resolved(Objective("best", caution=0.0), evidence).one_model == "dear"


def test_where_choosing_is_luck_one_model_suffices() -> None:
    """Predictions that know nothing must not be acted on, but for the five in a hundred that an interval allows."""
    acted = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        evidence = known(rng.random((300, 2)), rng.random((300, 2)) < 0.6, (10.0, 10.0))
        acted += resolved(Objective("best"), evidence).one_model is None
    assert acted <= 4


def test_as_an_even_bet_choosing_is_done_where_it_is_expected_to_be_better() -> None:
    score = np.ones((40, 2))
    score[:3, 0] = 0
    score[3:5, 1] = 0
    right = np.where(score == score.max(axis=1, keepdims=True), 0.9, 0.1)
    right[5:] = (0.9, 0.1)
    right[4] = (0.1, 0.9)
    evidence = known(right, score, (10.0, 10.0))
    bet, usual = (resolved(Objective("best", caution=each), evidence) for each in (0.0, 1.0))
    assert bet.gain[0] <= 0 < bet.gain[1]
    assert (bet.one_model, usual.one_model) == (None, "cheap")  # which is right once more


@pytest.mark.parametrize("seed", range(5))
def test_without_caution_the_tolerance_is_used_up_and_with_more_less_of_it(seed: int) -> None:
    """The cheap one fails the oftener the harder a prompt is, and predictions know how hard each is."""
    rng = np.random.default_rng(seed)
    quality = np.column_stack((np.full(3000, 0.9), 0.9 * (1 - rng.random(3000))))
    evidence = known(quality, rng.random(quality.shape) < quality, (100.0, 10.0))
    found = [resolved(Objective("match", tolerance=0.05, caution=each), evidence).choosing for each in (0.0, 1.0, 3.0)]
    assert found[0][1] < found[1][1] < found[2][1]
    assert evidence.score[:, 0].mean() - found[0][0] == pytest.approx(0.05, abs=0.005)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_pooled_values_never_rise_and_keep_the_sum(values: list[float]) -> None:
    found = _falling(values)
    assert len(found) == len(values)
    assert (np.diff(found) <= 1e-12).all()
    assert found.sum() == pytest.approx(sum(values), abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_pooled_values_are_the_nearest_that_never_rise(values: list[float], other: list[float]) -> None:
    rival = np.sort(other[: len(values)])[::-1]
    assert np.square(_falling(values) - values).sum() <= np.square(rival - values).sum() + 1e-9

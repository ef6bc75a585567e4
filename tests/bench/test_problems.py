import numpy as np
import pytest

from choosing import baselines, text
from choosing.problems import TRADES, Problem, parts
from choosing.rows import split
from choosing.statistics import Floats, Indices


def problem(*, priced: bool = True) -> tuple[Problem, Floats, Floats, Indices]:
    """Return two kinds of prompts with few words in common; two models are each right on one, a dear one is 0.6 right."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, 400)
    texts = [" ".join(f"word{word}" for word in rng.integers(0, 30, 12) + 25 * kind) for kind in kinds]
    right = np.stack((kinds == 0, kinds == 1, np.full(400, 0.6)), axis=1).astype(float)
    paid = np.tile([1.0, 1.0, 10.0], (400, 1)) if priced else np.full((400, 3), np.nan)
    fit, asked = split(400, 0)
    space = text.space(text.count(texts), fit)
    given = Problem(
        near=space.near[asked],
        near_fit=space.near[fit],
        asked=space.coordinates[asked],
        known=space.coordinates[fit],
        score=right[fit],
        paid=paid[fit],
        labels=kinds[fit],
        asked_labels=kinds[asked],
    )
    return given, right[asked], paid[asked], kinds[asked]


@pytest.mark.parametrize("priced", [True, False])
@pytest.mark.parametrize("name", ["kNN", "k-means", "per-model logistic", "UniRoute clusters", "item response", "label"])
def test_a_way_that_reads_the_text_learns_who_is_right_on_what(name: str, priced: bool) -> None:
    given, score, paid, _ = problem(priced=priced)
    way = baselines.per_label if name == "label" else baselines.DEPLOYABLE[name]
    chosen = way(given, 0)
    assert chosen.picks.shape == (TRADES, len(score))
    assert score[np.arange(len(score)), chosen.picks[0]].mean() > 0.95
    assert parts(given, chosen.picks, score, paid).mean() > 0.95


def test_what_does_not_read_the_text_is_told_apart_by_its_area() -> None:
    given, score, paid, _ = problem()
    found = {name: parts(given, way(given, 0).picks, score, paid).mean() for name, way in baselines.DEPLOYABLE.items()}
    assert found["cheapest"] < found["best single"] < found["kNN"]
    best = baselines.possible(given, score, paid)
    assert parts(given, best.picks, score, paid).mean() >= max(found.values())


def test_the_cheapest_within_a_point_is_chosen_inside_the_fit_part() -> None:
    given, _, _, _ = problem()
    chosen = baselines.neighbours(given, 0)
    assert set(np.unique(chosen.picks[chosen.within])) == {0, 1}


def test_the_inner_problem_holds_nothing_of_what_is_asked() -> None:
    given, _, _, _ = problem()
    inner, held = given.inner(3)
    assert len(inner.score) + len(held) == len(given.score)
    kept = np.setdiff1d(np.arange(len(given.score)), held)
    np.testing.assert_array_equal(inner.near, given.near_fit[np.ix_(held, kept)])
    np.testing.assert_array_equal(inner.score, given.score[kept])


def test_equal_texts_are_nearest_and_words_of_the_test_part_weigh_nothing() -> None:
    texts = ["red fish swims fast", "red fish swims fast", "blue bird sings well", "blue bird sings well", "zebra zebra"]
    space = text.space(text.count(texts), np.arange(4))
    assert space.near[0] == pytest.approx([1, 1, 0, 0], abs=1e-6)
    assert space.near[4] == pytest.approx([0, 0, 0, 0])
    assert np.linalg.norm(space.coordinates, axis=1)[:4] == pytest.approx(1.0, abs=1e-5)


def test_the_postings_of_rare_terms_add_up_to_the_dense_product(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    texts = [" ".join(f"word{place}" for place in rng.integers(0, 60, 20)) for _ in range(300)]
    counts, fit = text.count(texts), np.arange(0, 300, 2)
    whole = text.space(counts, fit).near
    monkeypatch.setattr(text, "_DENSE", 7)
    assert text.space(counts, fit).near == pytest.approx(whole, abs=1e-5)


def test_splits_are_those_of_the_data_card() -> None:
    names = np.array([f"group{place:03}" for place in range(50)])
    order = np.random.default_rng(7).permutation(names)
    fit, asked = split(50, 7)
    assert sorted(order[:15]) == list(names[asked])
    assert sorted(order[15:]) == list(names[fit])

"""Choosing whom to ask: what each objective makes of what was rehearsed."""

import numpy as np
import pytest

from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Objective
from pointsman.policy import rehearsal
from pointsman.policy.rehearsal import FEWEST, FOLDS, Graded, outcome, rehearsed
from tests.policy.test_belief import RIGHT, voters

NAMES = ("best", "cheap", "cheaper", "poor", "poor and dear")
QUALITY = np.array([0.75, 0.65, 0.6, 0.2, 0.5])
COST = np.array([1_000_000.0, 150_000.0, 100_000.0, 90_000.0, 900_000.0])


def graded(seed: int = 0, count: int = 600) -> Graded:
    """Models that err independently, all more often where a request is hard, which is known beforehand."""
    rng = np.random.default_rng(seed)
    quality = 1 / (1 + np.exp(rng.normal(size=(count, 1)) - np.log(QUALITY / (1 - QUALITY))))
    said = voters(rng, count, quality)
    cost = np.tile(COST, (count, 1))
    return Graded(
        deployments=NAMES,
        quality=quality,
        cost_nano=cost,
        said=said,
        length=np.full(said.shape, np.nan),
        score=(said == RIGHT).astype(np.float64),
        spent_nano=cost,
        fold=np.arange(count) % FOLDS,
    )


def usd_per_1000(share: float) -> float:
    return float(share * COST[0] * 1000 / NANO_PER_USD)


@pytest.mark.parametrize(("share", "gain"), [(0.8, 0.0), (1.1, 0.03)])
def test_a_budget_is_kept_on_other_requests_and_buys_quality(share: float, gain: float) -> None:
    found = rehearsed(graded(), "best", Objective("budget", usd_per_1000=usd_per_1000(share)))
    assert found is not None
    others = graded(1)
    score, spent = outcome(found.plan, others)
    assert spent.mean() <= 1.05 * share * COST[0]
    assert score.mean() > others.score[:, 0].mean() + gain
    assert found.score.mean() == pytest.approx(score.mean(), abs=0.03)  # what was rehearsed comes true


def test_match_costs_less_the_more_it_may_lose() -> None:
    spent = []
    for tolerance in (0.0, 0.12):
        found = rehearsed(graded(), "best", Objective("match", tolerance=tolerance))
        assert found is not None
        assert found.score.mean() >= found.other_score.mean() - tolerance
        spent.append(found.spent_nano.mean())
    assert spent[1] < spent[0] < COST[0]


def test_a_worth_is_taken_as_it_is_and_best_asks_more() -> None:
    worth = rehearsed(graded(), "best", Objective("worth", usd_per_answer=0.002))
    best = rehearsed(graded(), "best", Objective("best"))
    assert worth is not None
    assert best is not None
    assert worth.plan.value_nano == 0.002 * NANO_PER_USD
    assert best.spent_nano.mean() > worth.spent_nano.mean()
    assert best.score.mean() > worth.score.mean()


def test_helpers_are_the_best_of_the_cheaper_ones() -> None:
    found = rehearsed(graded(), "best", Objective("best"))
    assert found is not None
    assert set(found.plan.models) == {"best", "cheap", "cheaper"}


def test_nothing_is_planned_where_too_little_is_known() -> None:
    assert rehearsed(graded(count=FEWEST - 1), "best", Objective("best")) is None
    assert rehearsed(graded(), "poor", Objective("best")) is None  # nobody is cheaper
    assert (
        rehearsed(graded(), "best", Objective("budget", usd_per_1000=usd_per_1000(0.05))) is None
    )  # nobody costs so little


def test_requests_of_which_something_is_unknown_take_no_part() -> None:
    some = graded()
    some.score[:150, 0] = np.nan
    found = rehearsed(some, "best", Objective("best"))
    assert found is not None
    assert len(found.score) == len(found.other_nano) == 450


@pytest.mark.parametrize(("kind", "missing"), [("worth", "usd_per_answer"), ("budget", "usd_per_1000")])
def test_an_objective_without_its_number_is_refused(kind: str, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        rehearsed(graded(), "best", Objective(kind))  # type: ignore[arg-type]


def test_a_plan_has_to_beat_what_would_answer_otherwise() -> None:
    """Where one of three is always right, and known beforehand, nothing is left to gain by asking twice."""
    some = graded()
    known = some.score.argmax(axis=1)
    assert rehearsed(some, "best", Objective("best")) is not None
    assert rehearsed(some, "best", Objective("best"), known) is None


def test_of_many_requests_some_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "ENOUGH", 300)
    found = rehearsed(graded(), "best", Objective("best"))
    assert found is not None
    assert len(found.score) == 300

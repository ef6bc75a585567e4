"""A new model beside a lesson: what is known stays, what is new is predicted, and chosen only where it is better."""

from dataclasses import replace
from decimal import Decimal
from functools import cache

import numpy as np
import pytest

from pointsman.core.price import NANO_PER_USD, Price, Rates
from pointsman.core.routing import Deployment, Objective
from pointsman.policy import encoding, model, onboard
from pointsman.policy.onboard import Expected
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.teach import Lesson, teach
from pointsman.policy.trade import Trade, resolve
from tests.policy.test_teach import vector

ROWS = 1200
NEW = "p/new"


@cache
def whole(seed: int = 0) -> Outcomes:
    """Two kinds of prompts, labelled; a dear model good at both, a cheap one for each, and a middling one."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, ROWS)
    texts = [f"{'add the numbers' if k == 0 else 'write a letter about tea,'} {rng.integers(1000)}" for k in kind]
    chance = np.array([[0.95, 0.94, 0.2, 0.6], [0.95, 0.2, 0.94, 0.6]])[kind]
    return Outcomes(
        deployments=("p/big", "p/sums", "p/words", "p/middling"),
        groups=np.array([f"g{n:04d}" for n in range(ROWS)]),
        vectors=np.stack([np.frombuffer(vector(text), dtype=np.uint8) for text in texts]),
        score=(rng.random((ROWS, 4)) < chance).astype(float),
        cost_nano=np.tile([80_000.0, 20_000.0, 20_000.0, 20_000.0], (ROWS, 1)),
        input_tokens=np.full(ROWS, 20.0),
        output_tokens=rng.integers(20, 60, (ROWS, 4)).astype(float),
        task=kind,
        tasks=("sums", "words"),
        feature=np.full(ROWS, -1, dtype=np.int64),
        features=(),
    )


@cache
def lesson(seed: int = 0) -> Lesson:
    return teach(whole(seed))


def test_with_encodings_all_is_learned_with_them_and_once_more_without() -> None:
    rows = whole()
    numbers = np.stack((rows.task, 1 - rows.task), axis=1).astype(np.float32)
    encoded = replace(rows, vectors=np.hstack((rows.vectors, encoding.packed("e", numbers))), encoder="e")
    found, plain = onboard.taught(encoded).policy, onboard.taught(rows).policy
    assert model.decode(model.encode(found)).encoder == "e"
    assert found.bare is not None
    assert model.encode(found.bare) == model.encode(plain)
    assert len(found.maps) == len(plain.maps) + encoding.WIDTH
    np.testing.assert_array_equal(encoded.plain().vectors, rows.vectors)


def release(score: Floats, cost: float = 20_000.0, seed: int = 0) -> Outcomes:
    """Rows of a new model."""
    base = whole(seed).columns([0])
    shape = (ROWS, 1)
    return replace(
        base,
        deployments=(NEW,),
        score=score.reshape(shape),
        cost_nano=np.full(shape, cost),
        output_tokens=np.full(shape, 40.0),
    )


def graded(rows: Outcomes, asked: np.ndarray) -> Outcomes:
    """Rows as they are when only some prompts were asked."""
    unseen = np.setdiff1d(np.arange(len(rows)), asked)
    parts = {name: getattr(rows, name).copy() for name in ("score", "cost_nano", "output_tokens")}
    for part in parts.values():
        part[unseen] = np.nan
    return replace(rows, **parts)


def coin(chance: Floats | float, seed: int) -> Floats:
    return (np.random.default_rng(seed).random(ROWS) < chance).astype(float)


def worth(taught: Lesson) -> Trade:
    aim = Objective("worth", usd_per_answer=500_000 / NANO_PER_USD)
    return resolve(aim, taught.evidence, "p/big", np.random.default_rng(0))


def test_what_is_known_is_predicted_as_before() -> None:
    rows = graded(release(coin(0.9, 0)), onboard.prompts(lesson(), 64))
    taught = onboard.beside(lesson(), rows)
    assert taught.policy.deployments == (*lesson().policy.deployments, NEW)
    before = model.estimate(lesson().policy, whole().vectors, [""] * ROWS)
    after = model.estimate(model.decode(model.encode(taught.policy)), whole().vectors, [""] * ROWS)
    for part in ("quality", "quality_sd", "recorded", "tokens"):
        assert getattr(after, part)[:, :-1] == pytest.approx(getattr(before, part), rel=1e-5, nan_ok=True)


@pytest.mark.parametrize("chance", [0.5, 0.7, 0.93])
def test_quality_and_cost_are_predicted_from_a_hundred_prompts(chance: float) -> None:
    off = []
    for seed in range(16):
        rows = release(coin(chance, seed), 33_000.0)
        taught = onboard.beside(lesson(), graded(rows, onboard.prompts(lesson(), 100)))
        found = model.estimate(taught.policy, whole().vectors, [""] * ROWS)
        off.append(float(found.quality[:, -1].mean()) - rows.score.mean())
        assert found.recorded[:, -1] == pytest.approx(33_000.0, rel=0.05)
        assert found.tokens[:, -1] == pytest.approx(40.0, rel=0.05)
    assert -0.06 < np.mean(off) < 0.03  # the doubt is in it
    assert np.std(off) < 0.08


def test_a_specialist_is_known_for_what_it_is() -> None:
    sums = whole().task == 0
    rows = release(coin(np.where(sums, 0.95, 0.1), 5))
    found = onboard.beside(lesson(), graded(rows, onboard.prompts(lesson(), 100)))
    predicted = model.estimate(found.policy, whole().vectors, [""] * ROWS).quality[:, -1]
    assert predicted[sums].mean() > 0.8
    assert predicted[~sums].mean() < 0.25


def test_a_good_release_is_taken_and_a_bad_one_left() -> None:
    taken = {0.97: 0, 0.5: 0}
    for chance in taken:
        for seed in range(8):
            rows = graded(release(coin(chance, seed)), onboard.prompts(lesson(), 64))
            taken[chance] += NEW in (trade := worth(onboard.beside(lesson(), rows))).chosen and trade.one_model in (
                None,
                NEW,
            )
    assert taken[0.97] >= 6
    assert taken[0.5] == 0


def test_caution_costs_the_new_one_something() -> None:
    rows = graded(release(coin(0.9, 1)), onboard.prompts(lesson(), 40))
    bold, careful = (onboard.beside(lesson(), rows, caution=caution).quality[:, -1].mean() for caution in (0.0, 4.0))
    assert careful < bold - 0.02


def test_with_too_few_grades_it_is_predicted_and_never_chosen() -> None:
    rows = graded(release(np.ones(ROWS), 1_000.0), onboard.prompts(lesson(), 20))
    taught = onboard.beside(lesson(), rows)
    assert np.isfinite(model.estimate(taught.policy, whole().vectors[:5], [""] * 5).quality[:, -1]).all()
    assert NEW not in worth(taught).chosen


def test_prices_count_where_there_are_any() -> None:
    priced = [Deployment(NEW, "p", "new", "new", Price(Rates(Decimal(1), Decimal(4))))]
    rows = graded(release(coin(0.9, 2)), onboard.prompts(lesson(), 64))
    taught = onboard.beside(lesson(), rows, priced)
    assert taught.cost_nano[:, -1] == pytest.approx((20 * 1 + 40 * 4) * 1000, rel=0.05)


def test_what_an_owner_expects_is_where_it_starts() -> None:
    rows = graded(release(coin(0.9, 3)), np.arange(0))
    hopeful = onboard.beside(lesson(), rows, expected={NEW: Expected(quality=0.9, spread=0.02)})
    like = onboard.beside(lesson(), rows, expected={NEW: Expected(like="p/sums")})
    unknown = onboard.beside(lesson(), rows)
    mean = {name: each.quality[:, -1].mean() for name, each in (("hope", hopeful), ("none", unknown))}
    assert mean["hope"] > mean["none"]
    sums = whole().task == 0
    assert like.quality[sums, -1].mean() > like.quality[~sums, -1].mean() + 0.3


def test_the_prompts_to_run_are_not_those_that_were_run() -> None:
    first = onboard.prompts(lesson(), 50)
    asked = np.zeros(ROWS, dtype=bool)
    asked[first] = True
    more = onboard.prompts(lesson(), 50, asked)
    assert len(np.unique(np.concatenate((first, more)))) == 100


def test_the_prompts_to_run_are_of_every_kind() -> None:
    asked = onboard.prompts(lesson(), 32)
    assert 8 <= (whole().task[asked] == 0).sum() <= 24


def test_a_table_with_a_sparse_column_is_learned_from_so() -> None:
    rows = graded(release(coin(0.97, 4)), onboard.prompts(lesson(), 64))
    both = whole().beside(rows, rows.score)
    taught, known = onboard.taught(both), onboard.taught(whole())
    assert taught.policy.deployments == (*known.policy.deployments, NEW)
    assert taught.quality[:, :-1] == pytest.approx(known.quality)
    assert known.quality == pytest.approx(lesson().quality)


def test_without_two_that_are_known_all_are_learned_from_alike() -> None:
    sparse = whole().score.copy()
    sparse[100:, 1:] = np.nan
    rows = replace(whole(), score=sparse)
    assert not len(onboard.new(rows))
    assert onboard.taught(rows).quality == pytest.approx(teach(rows).quality)


def test_several_at_once_are_each_told_by_what_was_known_before() -> None:
    one = graded(release(coin(0.9, 7)), onboard.prompts(lesson(), 64))
    other = replace(graded(release(coin(0.4, 8)), np.arange(64)), deployments=("p/other",))
    both = onboard.beside(lesson(), one.beside(other, other.score))
    alone = onboard.beside(lesson(), other)
    assert both.quality[:, -1] == pytest.approx(alone.quality[:, -1])
    assert both.policy.deployments[-2:] == (NEW, "p/other")

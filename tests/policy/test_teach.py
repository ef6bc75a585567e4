"""What every learned policy keeps: bounds, honesty about what it has not seen, and indifference to order and repetition."""

from decimal import Decimal

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import SnapshotError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Context, Deployment, Needs, Objective
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import Lesson, teach
from pointsman.policy.trade import Evidence, Trade, resolve

NAMES = ("p/big", "p/sums", "p/words")
PRICED = [Deployment(name, "p", name[2:], name[2:], Price(Rates(Decimal(cost), Decimal(4 * cost))))
          for name, cost in zip(NAMES, (10, 1, 1), strict=True)]  # fmt: skip


def vector(text: str) -> bytes:
    return features.vector(ChatRequest("", (Message("user", (Text(text),)),)))


def table(count: int = 400, seed: int = 0, missing: float = 0.0) -> Outcomes:
    """Two kinds of prompts; a dear model good at both, and a cheap one for each."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, count)
    texts = [
        f"please add the numbers {rng.integers(1000)} and {rng.integers(1000)} and give the sum" if k == 0
        else f"write a friendly letter about {rng.choice(['rain', 'trains', 'tea', 'snow'])} number {rng.integers(1000)}"
        for k in kind
    ]  # fmt: skip
    chance = np.array([[0.95, 0.94, 0.2], [0.95, 0.2, 0.94]])[kind]
    score = (rng.random((count, 3)) < chance).astype(float)
    score[rng.random(score.shape) < missing] = np.nan
    return Outcomes(
        deployments=NAMES,
        groups=np.array([f"g{n:04d}" for n in range(count)]),
        vectors=np.stack([np.frombuffer(vector(text), dtype=np.uint8) for text in texts]),
        score=score,
        cost_nano=np.full((count, 3), 50_000.0),
        input_tokens=np.full(count, 20.0),
        output_tokens=rng.integers(20, 60, (count, 3)).astype(float),
        task=np.full(count, -1, dtype=np.int64),
        tasks=(),
        feature=np.full(count, -1, dtype=np.int64),
        features=(),
    )


def evidence(lesson: Lesson) -> Evidence:
    return Evidence.of(lesson.policy.deployments, lesson.quality, lesson.cost_nano, lesson.outcomes.score, lesson.spent_nano)


def traded(lesson: Lesson, objective: Objective) -> Trade:
    return resolve(objective, evidence(lesson), "p/big", np.random.default_rng(0))


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return teach(table(), PRICED)


def quality(policy: model.Policy, text: str) -> list[float]:
    found = model.predict(policy, Context("f", Needs(input_tokens=20), vector(text)), PRICED)
    return [one.quality or 0.0 for one in found]


def test_it_learns_who_is_good_at_what(lesson: Lesson) -> None:
    sums = quality(lesson.policy, "please add the numbers 17 and 4 and give the sum")
    words = quality(lesson.policy, "write a short friendly letter about tea number 3")
    assert sums[1] > sums[2] + 0.4
    assert words[2] > words[1] + 0.4


def test_predictions_are_finite_bounded_and_calibrated_on_average(lesson: Lesson) -> None:
    other = table(600, seed=9)
    found = model.estimate(lesson.policy, other.vectors, [()] * 600)
    assert np.isfinite(found.quality).all()
    assert ((found.quality > 0) & (found.quality < 1)).all()
    assert (found.quality_sd > 0).all()
    assert np.abs(found.quality.mean(axis=0) - other.score.mean(axis=0)).max() < 0.06


def test_one_request_is_predicted_as_in_a_batch(lesson: Lesson) -> None:
    texts = ["add the numbers 1 and 2", "写一封短信", ""]
    batch = model.estimate(lesson.policy, np.stack([np.frombuffer(vector(t), dtype=np.uint8) for t in texts]), [("f",)] * 3)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(quality(lesson.policy, text), batch.quality[row], rtol=1e-5)


def test_order_and_repetition_teach_nothing(lesson: Lesson) -> None:
    rows = table()
    order = np.random.default_rng(1).permutation(len(rows))
    twice = np.concatenate((order, order[:100]))
    for other in (rows.rows(order), rows.rows(twice)):
        again = teach(other, PRICED)
        np.testing.assert_allclose(again.quality, lesson.quality, atol=1e-6)


def test_more_data_makes_it_surer() -> None:
    few, many = (teach(table(count), PRICED).policy for count in (100, 1600))
    text = "please add the numbers 17 and 4 and give the sum"
    assert model.estimate(many, np.frombuffer(vector(text), dtype=np.uint8)[None], [()]).quality_sd.mean() < (
        model.estimate(few, np.frombuffer(vector(text), dtype=np.uint8)[None], [()]).quality_sd.mean()
    )


def test_missing_cells_are_ordinary() -> None:
    found = model.estimate(teach(table(800, missing=0.4), PRICED).policy, table().vectors, [()] * 400)
    assert np.isfinite(found.quality).all()
    assert np.abs(found.quality.mean(axis=0) - table().score.mean(axis=0)).max() < 0.08


def test_what_was_not_learned_has_no_prediction(lesson: Lesson) -> None:
    stranger = Deployment("q/new", "q", "new", "new")
    (found,) = model.predict(lesson.policy, Context("f", Needs(), vector("x")), [stranger])
    assert (found.quality, found.cost_nano) == (None, None)


def test_cost_is_tokens_times_price_and_recorded_only_without_one(lesson: Lesson) -> None:
    context = Context("f", Needs(input_tokens=20), vector("please add the numbers 17 and 4 and give the sum"))
    dear, cheap, _ = model.predict(lesson.policy, context, PRICED)
    assert dear.cost_nano is not None
    assert cheap.cost_nano is not None
    assert dear.cost_nano == pytest.approx(10 * cheap.cost_nano, rel=0.2)
    (unpriced,) = model.predict(lesson.policy, context, [replace(PRICED[0], price=None)])
    assert unpriced.cost_nano == pytest.approx(50_000, rel=0.05)


def test_bytes_come_back_as_the_same_policy_and_damage_is_seen(lesson: Lesson) -> None:
    data = model.encode(lesson.policy)
    text = "add the numbers 1 and 2"
    assert quality(model.decode(data), text) == quality(lesson.policy, text)
    for damaged in (data[: len(data) // 2], b"", data + b"x", b"\x00" * 40):
        with pytest.raises(SnapshotError):
            model.decode(damaged)


class TestTrade:
    def test_match_saves_where_quality_allows(self, lesson: Lesson) -> None:
        trade = traded(lesson, Objective("match", tolerance=0.03))
        assert trade.one_model is None
        assert trade.cost_nano < 0.4 * evidence(lesson).spent_nano[:, 0].mean()
        assert trade.quality >= evidence(lesson).score[:, 0].mean() - 0.03

    def test_worth_follows_the_worth_of_an_answer(self, lesson: Lesson) -> None:
        low, high = (traded(lesson, Objective("worth", usd_per_answer=usd)) for usd in (1e-9, 10.0))
        assert low.cost_nano <= high.cost_nano
        assert high.quality >= low.quality

    def test_budget_is_kept_on_held_out_prompts(self, lesson: Lesson) -> None:
        means = evidence(lesson).spent_nano.mean(axis=0)
        usd = float(means[1] + 0.3 * (means[0] - means[1])) / 1e6
        trade = traded(lesson, Objective("budget", usd_per_1000=usd))
        assert trade.cost_nano <= usd * 1e6 * 1.0001

    def test_best_ignores_money(self, lesson: Lesson) -> None:
        assert traded(lesson, Objective("best")).value_nano is None

    def test_where_there_is_nothing_to_choose_one_model_suffices(self) -> None:
        rng = np.random.default_rng(4)
        rows = table()
        same = Outcomes(**{**rows.__dict__, "score": (rng.random(rows.score.shape) < [0.9, 0.5, 0.5]).astype(float)})
        trade = traded(teach(same, PRICED), Objective("match", tolerance=0.01))
        assert trade.one_model == "p/big"


def test_what_was_never_graded_is_not_learned() -> None:
    outcomes = table()
    outcomes.score[:, 2] = np.nan
    lesson = teach(outcomes, PRICED)
    assert lesson.policy.deployments == NAMES[:2]
    context = Context("", Needs(20), vector("please add the numbers 1 and 2"))
    known, never = model.predict(lesson.policy, context, (PRICED[1], PRICED[2]))
    assert known.quality is not None
    assert (never.quality, never.quality_sd) == (None, None)

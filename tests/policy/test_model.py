"""A policy as a value: it survives its bytes, refuses damaged ones, and predicts one request as it predicts many."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.errors import SnapshotError
from pointsman.core.price import Price, Rates, TierRates
from pointsman.core.routing import BoundTest, Context, Deployment, Needs, Plan
from pointsman.policy import encoding, features, model
from pointsman.policy.model import Policy

M, T = 2, 3
PRICE = Price(Rates(Decimal(2), Decimal(8)))
ONE, TWO = (Deployment(name, "p", name, name) for name in ("p/one", "p/two"))


def policy(seed: int = 0) -> Policy:
    rng = np.random.default_rng(seed)

    def drawn(*shape: int, size: float = 0.1) -> model.Matrix:
        return (size * rng.normal(size=shape)).astype(np.float32)

    bias = drawn(T + 3 * M)
    bias[T:] += [0.5, 0.5, 10, 11, 4, 5]
    return Policy(
        deployments=("p/one", "p/two"),
        tasks=("a", "b", "c"),
        known_tags=("letters",),
        flag_centre=np.abs(drawn(features.FLAGS)),
        flag_scale=np.ones(features.FLAGS, dtype=np.float32),
        centre=drawn(features.DIMS),
        maps=drawn(features.DIMS, T + 3 * M, size=0.3),
        bias=bias,
        table=drawn(T, 3 * M),
        table_variance=np.full((T, M), 0.01, dtype=np.float32),
        variance=np.full(M, 0.01, dtype=np.float32),
        tags=np.array([[0.2, -0.2]], dtype=np.float32),
        most=np.array([[1e6, 1e6], [500, 500]], dtype=np.float32),
        quantiles=np.array([[0.8, 0.7, 0.9, 0.6], [2, 3, 1.5, 4]], dtype=np.float32),
        learned_from=7,
    )


def vectors(count: int, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).integers(0, 256, (count, features.LENGTH)).astype(np.uint8)
    found[:, 0] = features.VERSION
    return found


LEARNED = policy()
BYTES = model.encode(LEARNED)


def test_a_policy_comes_back_from_its_bytes() -> None:
    again = model.decode(BYTES)
    for name in Policy.__struct_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(LEARNED, name))
    assert model.encode(again) == BYTES


@given(st.integers(0, len(BYTES) - 1))
def test_cut_bytes_are_refused(length: int) -> None:
    with pytest.raises(SnapshotError, match="damaged"):
        model.decode(BYTES[:length])


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    for damaged in (data, BYTES + b"\x00"):
        with pytest.raises(SnapshotError):
            model.decode(damaged)


@pytest.mark.parametrize("changed", [{"format": 1}, {"vector_version": 99}])
def test_another_version_is_refused_with_the_remedy(changed: dict[str, int]) -> None:
    with pytest.raises(SnapshotError, match="pointsman learn"):
        model.decode(model.encode(replace(LEARNED, **changed)))


@pytest.mark.parametrize("name", [n for n in Policy.__struct_fields__ if isinstance(getattr(LEARNED, n), np.ndarray)])
def test_parts_that_do_not_fit_together_are_refused(name: str) -> None:
    short = getattr(LEARNED, name)[:-1]
    with pytest.raises(SnapshotError, match="fit together"):
        model.decode(model.encode(replace(LEARNED, **{name: short})))


def test_a_field_of_another_kind_is_refused() -> None:
    fields = msgspec.msgpack.decode(BYTES)
    fields["bias"] = "not numbers"
    with pytest.raises(SnapshotError):
        model.decode(msgspec.msgpack.encode(fields))


def test_predictions_are_what_the_definition_says() -> None:
    """Worked out again, plainly, in double precision."""
    rows = vectors(5)
    found = model.estimate(LEARNED, rows, [(), ("letters",), (), (), ("other",)])
    x = features.dense(rows).astype(np.float64)
    x[:, : features.FLAGS] = np.clip((x[:, : features.FLAGS] - LEARNED.flag_centre) * LEARNED.flag_scale, -0.6, 0.6)
    out = x @ LEARNED.maps + LEARNED.bias
    chance = np.exp(out[:, :T]) / np.exp(out[:, :T]).sum(axis=1, keepdims=True)
    quality, recorded, tokens = np.split(out[:, T:] + chance @ LEARNED.table, 3, axis=1)
    quality[1] += LEARNED.tags[0]
    np.testing.assert_allclose(found.quality, np.clip(quality, 0.002, 0.998), atol=1e-5)
    np.testing.assert_allclose(found.recorded, np.exp(recorded), rtol=1e-4)
    np.testing.assert_allclose(found.tokens, np.minimum(np.exp(tokens), 500), rtol=1e-4)
    np.testing.assert_allclose(found.quality_sd, np.sqrt(np.square(chance) @ LEARNED.table_variance + 0.01), rtol=1e-4)


def test_a_task_that_is_said_is_believed_and_need_not_be_told_from_the_text() -> None:
    rows = vectors(4, 1)
    found = model.estimate(LEARNED, rows, [("task:b",), ("f", "task:b"), ("task:none",), ("b",)])
    told = model.estimate(LEARNED, rows, [()] * 4)
    x = model.design(rows[:2], LEARNED.flag_centre, LEARNED.flag_scale) @ LEARNED.maps + LEARNED.bias
    np.testing.assert_allclose(found.quality[:2], np.clip(x[:, T : T + M] + LEARNED.table[1, :M], 0.002, 0.998), atol=1e-5)
    np.testing.assert_allclose(
        found.tokens[:2], np.minimum(np.exp(x[:, T + 2 * M :] + LEARNED.table[1, 2 * M :]), 500), rtol=1e-4
    )
    np.testing.assert_allclose(found.quality_sd[:2], np.sqrt(LEARNED.table_variance[[1, 1]] + 0.01), rtol=1e-4)
    np.testing.assert_array_equal(found.quality[2:], told.quality[2:], "what was not learned says nothing")


def test_tags_of_several_kinds_add_up() -> None:
    known, added = ("letters", "customer:acme"), np.array([[0.02, -0.02], [-0.01, 0.03]], dtype=np.float32)
    plain = replace(LEARNED, maps=np.zeros_like(LEARNED.maps), known_tags=known, tags=added)
    asked = ((), ("letters",), ("letters", "customer:acme"))
    none, one, both = (model.estimate(plain, vectors(1), [tags]).quality[0] for tags in asked)
    np.testing.assert_allclose(one - none, added[0], atol=1e-6)
    np.testing.assert_allclose(both - one, added[1], atol=1e-6)


def test_one_request_is_predicted_as_in_a_batch() -> None:
    rows = vectors(20, 3)
    many = model.estimate(LEARNED, rows, [("letters",)] * 20)
    for place, row in enumerate(rows):
        one, two = model.predict(LEARNED, Context("letters", Needs(), row.tobytes()), (ONE, TWO))
        assert (one.quality, two.quality) == pytest.approx(tuple(many.quality[place]), abs=1e-5)
        assert (one.quality_sd, two.quality_sd) == pytest.approx(tuple(many.quality_sd[place]), abs=1e-5)
        assert one.cost_nano == pytest.approx(float(many.recorded[place, 0]), rel=1e-5, abs=1)


def test_unknown_deployments_have_no_prediction_and_the_order_is_the_callers() -> None:
    stranger = Deployment("q/new", "q", "new", "new", PRICE)
    two, new, one = model.predict(LEARNED, Context("", Needs(), vectors(1)[0].tobytes()), (TWO, stranger, ONE))
    assert [p.deployment for p in (two, new, one)] == ["p/two", "q/new", "p/one"]
    assert (new.quality, new.quality_sd, new.cost_nano) == (None, None, None)
    assert two.quality is not None
    assert one.quality is not None


def test_a_price_makes_the_cost_and_the_record_only_where_there_is_none() -> None:
    rows = vectors(1, 5)
    found = model.estimate(LEARNED, rows, [()])
    context = Context("", Needs(input_tokens=100), rows[0].tobytes())
    priced, recorded = model.predict(LEARNED, context, (replace(ONE, price=PRICE), TWO))
    assert priced.cost_nano == pytest.approx(100 * 2_000 + float(found.tokens[0, 0]) * 8_000, abs=1)
    assert recorded.cost_nano == pytest.approx(float(found.recorded[0, 1]), abs=1)
    batch = model.expected_cost(found, 0, np.array([100.0]), replace(ONE, price=PRICE))
    assert priced.cost_nano == pytest.approx(batch[0], abs=1)


def test_a_request_on_a_service_tier_is_expected_to_cost_what_that_does() -> None:
    half = replace(PRICE, tiers=(TierRates("flex", Rates(Decimal(1), Decimal(4))),))
    vector = vectors(1, 5)[0].tobytes()
    costs = {
        tier: model.predict(LEARNED, Context("", Needs(input_tokens=100, tier=tier), vector), (replace(ONE, price=half),))[0]
        for tier in ("", "flex", "priority")
    }
    usual = costs[""].cost_nano
    assert usual is not None
    assert costs["flex"].cost_nano == pytest.approx(usual / 2, abs=1)
    assert costs["priority"].cost_nano == usual


def wide(count: int, seed: int = 0, encoder: str = "e") -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=(count, encoding.WIDTH)).astype(np.float32)
    return np.hstack((vectors(count, seed), encoding.packed(encoder, numbers)))


def encoding_policy() -> Policy:
    rng = np.random.default_rng(9)
    maps = (0.3 * rng.normal(size=(features.DIMS + encoding.WIDTH, T + 3 * M))).astype(np.float32)
    return replace(LEARNED, maps=maps, centre=np.zeros(len(maps), dtype=np.float32), encoder="e", bare=LEARNED)


def test_a_policy_with_an_encoder_comes_back_from_its_bytes() -> None:
    found = model.decode(model.encode(encoding_policy()))
    assert found.encoder == "e"
    assert found.bare is not None
    np.testing.assert_array_equal(found.maps, encoding_policy().maps)
    np.testing.assert_array_equal(found.bare.maps, LEARNED.maps)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(LEARNED, encoder="e", bare=LEARNED),
        replace(encoding_policy(), bare=None),
        replace(LEARNED, bare=LEARNED),
        replace(encoding_policy(), bare=encoding_policy()),
        replace(encoding_policy(), bare=replace(LEARNED, deployments=("p/two", "p/one"))),
    ],
    ids=["narrow", "nothing without", "no encoder", "an encoder twice", "others without"],
)
def test_a_policy_whose_halves_do_not_fit_is_refused(wrong: Policy) -> None:
    with pytest.raises(SnapshotError, match="do not fit together"):
        model.decode(model.encode(wrong))


def test_a_request_without_an_encoding_is_predicted_by_what_was_learned_without() -> None:
    policy, rows = encoding_policy(), wide(5)
    bare = model.estimate(LEARNED, features.plain(rows), [()] * 5)
    np.testing.assert_array_equal(model.estimate(policy, features.plain(rows), [()] * 5).quality, bare.quality)
    np.testing.assert_array_equal(model.estimate(LEARNED, rows, [()] * 5).quality, bare.quality)
    assert (model.estimate(policy, rows, [()] * 5).quality != bare.quality).any()
    (one,) = model.predict(policy, Context("", Needs(), features.plain(rows)[0].tobytes()), (ONE,))
    assert one.quality == pytest.approx(float(bare.quality[0, 0]), abs=1e-5)


def test_one_request_with_an_encoding_is_predicted_as_in_a_batch() -> None:
    rows = wide(5)
    many = model.estimate(encoding_policy(), rows, [()] * 5)
    for place, row in enumerate(rows):
        one, two = model.predict(encoding_policy(), Context("", Needs(), row.tobytes()), (ONE, TWO))
        assert (one.quality, two.quality) == pytest.approx(tuple(many.quality[place]), abs=1e-5)


def test_encodings_of_another_encoder_are_refused_in_a_table_and_passed_over_in_a_request() -> None:
    others = wide(2, encoder="another")
    with pytest.raises(SnapshotError, match=r"learned with the encoder e.*`pointsman learn`"):
        model.estimate(encoding_policy(), others, [()] * 2)
    (one,) = model.predict(encoding_policy(), Context("", Needs(), others[0].tobytes()), (ONE,))
    assert one.quality == pytest.approx(
        float(model.estimate(LEARNED, features.plain(others), [()] * 2).quality[0, 0]), abs=1e-5
    )


def test_what_was_tested_with_encodings_decides_only_with_one() -> None:
    tested = Plan("*", tested=BoundTest(500, 0.02, 0.95))
    mine, others = (Context("", Needs(), wide(1, encoder=name)[0].tobytes()) for name in ("e", "another"))
    bare = Context("", Needs(), vectors(1)[0].tobytes())
    policy = encoding_policy()
    assert [model.may_decide(policy, tested, each) for each in (mine, others, bare)] == [True, False, False]
    assert model.may_decide(policy, Plan("*"), bare)
    assert model.may_decide(LEARNED, tested, bare)


def test_a_quantile_of_tokens_is_one_of_cost_too_and_within_what_was_seen() -> None:
    found = model.estimate(LEARNED, vectors(20), [()] * 20)
    usual, high = (model.at_quantile(LEARNED, found, each) for each in (model.MEDIAN, model.HIGH))
    np.testing.assert_allclose(usual.tokens, found.tokens * [0.9, 0.6], rtol=1e-6)
    np.testing.assert_allclose(high.tokens, np.minimum(found.tokens * [1.5, 4], 500), rtol=1e-6)
    np.testing.assert_allclose(high.recorded, np.minimum(found.recorded * [2, 3], 1e6), rtol=1e-6)
    np.testing.assert_array_equal(high.quality, found.quality)
    priced = replace(ONE, price=PRICE)
    costs = [model.expected_cost(each, 0, np.full(20, 100.0), priced) for each in (usual, high)]
    np.testing.assert_allclose(costs[1] - costs[0], 8000 * (high.tokens[:, 0] - usual.tokens[:, 0]), rtol=1e-4)


def test_what_was_never_recorded_has_no_cost() -> None:
    bias = LEARNED.bias.copy()
    bias[T + M :] = np.nan
    blind = replace(LEARNED, bias=bias, most=np.full((2, M), np.nan, dtype=np.float32))
    context = Context("", Needs(input_tokens=100), vectors(1)[0].tobytes())
    for found in model.predict(blind, context, (ONE, replace(TWO, price=PRICE))):
        assert found.quality is not None
        assert found.cost_nano is None


@pytest.mark.parametrize("vector", [b"", b"\x07" * features.LENGTH, vectors(1)[0].tobytes()[:-1]])
def test_a_vector_that_cannot_be_read_stands_for_an_average_request(vector: bytes) -> None:
    (one,) = model.predict(LEARNED, Context("", Needs(), vector), (ONE,))
    assert one.quality == pytest.approx(float(model.estimate(LEARNED, None, [()]).quality[0, 0]))


@given(st.integers(0, 500))
def test_predictions_are_bounded_whatever_the_vector(seed: int) -> None:
    wild = replace(LEARNED, maps=LEARNED.maps * 100)
    found = model.estimate(wild, vectors(3, seed), [()] * 3)
    assert ((found.quality > 0) & (found.quality < 1)).all()
    assert (found.quality_sd > 0).all()
    assert (found.recorded <= 1e6).all()
    assert (found.tokens <= 500).all()

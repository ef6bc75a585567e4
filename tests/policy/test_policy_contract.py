"""What every quality policy keeps, whatever it was learned from and however: a row in ``POLICIES`` is all that it takes."""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import SnapshotError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Context, Deployment, Needs, Prediction
from pointsman.policy import features, model
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

NAMES: Final = ("p/big", "p/sums", "p/words", "p/free")
PRICE: Final = Price(Rates(Decimal(2), Decimal(8)))
DEPLOYMENTS: Final = tuple(Deployment(name, "p", name[2:], name[2:], None if name == "p/free" else PRICE) for name in NAMES)


def vector(text: str) -> bytes:
    return features.vector(ChatRequest("", (Message("user", (Text(text),)),)))


def outcomes(count: int, *, missing: float = 0.0, tagged: bool = False, costs: bool = True, seed: int = 0) -> Outcomes:
    """Sums and letters; one deployment good at both, one at each, one at neither."""
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 2
    texts = [f"add {n} and {n + 3} and give the sum" if k == 0 else f"写一封短信给 friend {n} about tea"
             for n, k in enumerate(kind)]  # fmt: skip
    score = (rng.random((count, 4)) < np.array([[0.95, 0.9, 0.2, 0.1], [0.95, 0.2, 0.9, 0.1]])[kind]).astype(float)
    score[rng.random(score.shape) < missing] = np.nan
    return Outcomes(
        deployments=NAMES,
        groups=np.array([f"g{n:04d}" for n in range(count)]),
        vectors=np.stack([np.frombuffer(vector(text), dtype=np.uint8) for text in texts]),
        score=score,
        cost_nano=rng.lognormal(10, 1, (count, 4)) if costs else np.full((count, 4), np.nan),
        input_tokens=np.full(count, 20.0),
        output_tokens=rng.integers(5, 60, (count, 4)).astype(float),
        task=kind if tagged else np.full(count, -1, dtype=np.int64),
        tasks=("sums", "letters") if tagged else (),
        feature=kind if tagged else np.full(count, -1, dtype=np.int64),
        features=("maths", "post") if tagged else (),
    )


def learned(count: int, **options: object) -> Callable[[], Policy]:
    return cache(lambda: teach(outcomes(count, **options), DEPLOYMENTS).policy)  # type: ignore[arg-type]


POLICIES: Final[dict[str, Callable[[], Policy]]] = {
    "from many": learned(300),
    "from two": learned(2),
    "from a few with gaps": learned(12, missing=0.5),
    "with gaps": learned(200, missing=0.6, seed=2),
    "with tasks and tags": learned(200, tagged=True),
    "without costs": learned(100, costs=False),
}


@pytest.fixture(params=POLICIES, scope="module")
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]()


def context(text: str = "add 1 and 2", feature: str = "maths", tokens: int = 20) -> Context:
    return Context(feature, Needs(input_tokens=tokens), vector(text))


def sound(found: tuple[Prediction, ...]) -> None:
    for one in found:
        assert (one.quality is None) == (one.quality_sd is None)
        if one.quality is not None and one.quality_sd is not None:
            assert 0 <= one.quality <= 1
            assert 0 <= one.quality_sd < float("inf")
        assert one.cost_nano is None or (type(one.cost_nano) is int and one.cost_nano >= 0)


@settings(max_examples=30)
@given(st.text(max_size=300), st.text(max_size=10), st.integers(0, 10**7))
@pytest.mark.parametrize("name", POLICIES)
def test_predictions_are_bounded_for_any_request(name: str, text: str, feature: str, tokens: int) -> None:
    found = model.predict(POLICIES[name](), context(text, feature, tokens), DEPLOYMENTS)
    assert [one.deployment for one in found] == list(NAMES)
    sound(found)


@settings(max_examples=30)
@given(st.binary(max_size=2 * features.LENGTH))
@pytest.mark.parametrize("name", POLICIES)
def test_any_bytes_for_a_vector_give_bounded_predictions(name: str, data: bytes) -> None:
    whole = bytes([vector("x")[0]]) + data.ljust(features.LENGTH - 1, b"\xff")[: features.LENGTH - 1]
    for odd in (data, whole):
        sound(model.predict(POLICIES[name](), Context("f", Needs(), odd), DEPLOYMENTS))


def test_far_from_everything_seen_predictions_stay_bounded(policy: Policy) -> None:
    vectors = np.random.default_rng(1).integers(0, 256, (500, features.LENGTH), dtype=np.uint8)
    found = model.estimate(policy, vectors, [()] * 500)
    assert np.isfinite(found.quality_sd).all()
    for shift in (-9, 0, 9):  # a linear map knows no bounds
        quality = model.estimate(replace(policy, bias=policy.bias + np.float32(shift)), vectors, [()] * 500).quality
        assert ((quality >= 0) & (quality <= 1)).all()
    assert (np.isnan(found.tokens) | (found.tokens >= 0)).all()


def test_the_same_request_is_predicted_alike_every_time(policy: Policy) -> None:
    assert len({model.predict(policy, context(), DEPLOYMENTS) for _ in range(3)}) == 1


def test_what_was_not_learned_has_no_evidence(policy: Policy) -> None:
    stranger = replace(DEPLOYMENTS[0], name="p/new")
    found = model.predict(policy, context(), (stranger, *DEPLOYMENTS))
    assert found[0] == Prediction("p/new")
    assert found[1:] == model.predict(policy, context(), DEPLOYMENTS)
    assert model.predict(policy, context(), ()) == ()


def test_the_same_model_elsewhere_is_as_good_at_its_own_price(policy: Policy) -> None:
    known = DEPLOYMENTS[0]
    dearer = Price(Rates(PRICE.rates.input * 3, PRICE.rates.output * 3))
    elsewhere = replace(known, name="q/big", price=dearer)
    one, other = model.predict(policy, context(), (known, elsewhere), {"q/big": known.name, known.name: "p/sums"})
    assert (other.deployment, other.quality, other.quality_sd) == ("q/big", one.quality, one.quality_sd)
    assert other.cost_nano == (None if one.cost_nano is None else pytest.approx(3 * one.cost_nano, abs=3))


def test_neither_order_nor_company_of_deployments_matters(policy: Policy) -> None:
    whole = {one.deployment: one for one in model.predict(policy, context(), DEPLOYMENTS)}
    for part in (DEPLOYMENTS[::-1], DEPLOYMENTS[1:3], DEPLOYMENTS[2:]):
        found = model.predict(policy, context(), part)
        assert [one.deployment for one in found] == [one.name for one in part]
        assert all(one == whole[one.deployment] for one in found)


def test_it_comes_back_from_its_bytes_as_it_was(policy: Policy) -> None:
    data = model.encode(policy)
    again = model.decode(data)
    assert model.encode(again) == data
    for text in ("add 1 and 2", "写一封短信", ""):
        assert model.predict(again, context(text), DEPLOYMENTS) == model.predict(policy, context(text), DEPLOYMENTS)


def test_damaged_bytes_are_an_error_in_words(policy: Policy) -> None:
    data = model.encode(policy)
    for length in [*range(0, min(len(data), 400), 7), *range(400, len(data), len(data) // 40)]:
        with pytest.raises(SnapshotError):
            model.decode(data[:length])
    for junk in (b"", b"\xc0", b"\x80", b"\x81\xa7formatx\x01", data + b"\x00", b"\xff" * 99):
        with pytest.raises(SnapshotError):
            model.decode(junk)


def test_an_altered_byte_is_an_error_in_words_or_still_a_policy(policy: Policy) -> None:
    """A snapshot's digest finds every change; this is about bytes that never were a policy of this version."""
    data = model.encode(policy)
    for place in range(0, min(len(data), 1500), 3):
        altered = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        try:
            found = model.decode(altered)
        except SnapshotError:
            continue
        assert isinstance(found, Policy)


def test_many_requests_at_once_are_predicted_as_one_by_one(policy: Policy) -> None:
    texts, tags = ["add 1 and 2", "写一封短信", "", "tea " * 50], ["maths", "post", "nobody", ""]
    batch = model.estimate(
        policy, np.stack([np.frombuffer(vector(text), dtype=np.uint8) for text in texts]), [(tag,) for tag in tags]
    )
    for row, (text, tag) in enumerate(zip(texts, tags, strict=True)):
        single = model.predict(policy, context(text, tag), [DEPLOYMENTS[NAMES.index(name)] for name in policy.deployments])
        assert batch.quality[row].tolist() == pytest.approx([one.quality for one in single], abs=1e-5)
        assert batch.quality_sd[row].tolist() == pytest.approx([one.quality_sd for one in single], abs=1e-5)


def test_a_feature_that_was_not_learned_adds_nothing(policy: Policy) -> None:
    adding = np.full((1, len(policy.deployments)), 0.25, dtype=np.float32)
    plain, tagged = (replace(policy, known_tags=tags, tags=adding[: len(tags)]) for tags in ((), ("maths",)))
    for feature in ("nobody", ""):
        asked = context(feature=feature)
        assert model.predict(tagged, asked, DEPLOYMENTS) == model.predict(plain, asked, DEPLOYMENTS)
    assert model.predict(tagged, context(), DEPLOYMENTS) != model.predict(plain, context(), DEPLOYMENTS)


def test_an_expected_cost_follows_price_and_length(policy: Policy) -> None:
    priced = DEPLOYMENTS[0]
    assert priced.price is not None
    rates = priced.price.rates
    dear = replace(priced, price=Price(Rates(10 * rates.input, 10 * rates.output)))
    (usual,), (tenfold,) = (model.predict(policy, context(), (one,)) for one in (priced, dear))
    (longer,) = model.predict(policy, context(tokens=1020), (priced,))
    assert usual.cost_nano is not None
    assert tenfold.cost_nano == pytest.approx(10 * usual.cost_nano, abs=10)
    assert longer.cost_nano == usual.cost_nano + 1000 * 2000


def test_without_a_price_the_cost_is_what_was_recorded_or_unknown() -> None:
    free = DEPLOYMENTS[3]
    (known,) = model.predict(POLICIES["from many"](), context(), (free,))
    assert known.cost_nano is not None
    assert known.cost_nano > 0
    (unknown,) = model.predict(POLICIES["without costs"](), context(), (free,))
    assert unknown.cost_nano is None
    assert unknown.quality is not None


def test_learning_the_same_again_gives_the_same_bytes() -> None:
    for options in ({"missing": 0.5}, {"tagged": True}):
        assert model.encode(learned(60, **options)()) == model.encode(learned(60, **options)())


def test_the_order_of_columns_in_a_table_teaches_nothing() -> None:
    table = outcomes(120, missing=0.3)
    straight, turned = teach(table, DEPLOYMENTS).policy, teach(table.columns([3, 1, 0, 2]), DEPLOYMENTS).policy
    for text in ("add 1 and 2", "写一封短信"):
        pairs = zip(*(model.predict(one, context(text), DEPLOYMENTS) for one in (straight, turned)), strict=True)
        for one, other in pairs:
            assert one.quality == pytest.approx(other.quality, abs=2e-3)
            assert one.cost_nano == pytest.approx(other.cost_nano, rel=0.02)

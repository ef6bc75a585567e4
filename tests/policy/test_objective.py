"""The argmax and its laws, against an argmax by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.routing import Prediction
from pointsman.policy.objective import choose, dearest_as_good, ranked, utility

NAN = float("nan")
QUALITY = st.none() | st.just(NAN) | st.sampled_from([0.1, 0.5, 0.9]) | st.floats(0, 1)
COST = st.none() | st.sampled_from([0, 100, 200]) | st.integers(0, 10**12)
VALUE = st.none() | st.sampled_from([0, 1000]) | st.integers(0, 10**12)


@st.composite
def fields(draw: st.DrawFn) -> list[Prediction]:
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True))
    return [Prediction(name, draw(QUALITY), 0.1, draw(COST)) for name in names]


def comparable(one: Prediction, among: list[Prediction], value: int | None) -> bool:
    """Whether it can be weighed against the others at all."""
    known = [p for p in among if p.quality is not None and not math.isnan(p.quality)]
    priced = value is not None and any(p.cost_nano is not None for p in known)
    return one in known and (one.cost_nano is not None or not priced)


@given(fields(), st.sampled_from("abcdef"), VALUE)
def test_what_cannot_be_compared_with_the_reference_is_never_chosen_over_it(
    among: list[Prediction], reference: str, value: int | None
) -> None:
    chosen = next(p for p in among if p.deployment == choose(among, reference, value))
    home = next((p for p in among if p.deployment == reference), None)
    if home is not None and chosen is not home:
        assert comparable(home, among, value)
        assert comparable(chosen, among, value)
    elif home is None and any(comparable(p, among, value) for p in among):
        assert comparable(chosen, among, value)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 10**12)), min_size=1, max_size=6), st.integers(0, 10**13))
def test_the_largest_utility_is_chosen(pairs: list[tuple[float, int]], value: int) -> None:
    among = [Prediction(f"p{place}", quality, 0.1, cost) for place, (quality, cost) in enumerate(pairs)]
    utilities = {f"p{place}": value * quality - cost for place, (quality, cost) in enumerate(pairs)}
    assert utilities[choose(among, "p0", value)] == max(utilities.values())
    order = [utilities[name] for name in ranked(among, "p0", value)]
    assert order == sorted(order, reverse=True)


@given(fields(), st.sampled_from("abcdef"), VALUE, st.randoms(use_true_random=False))
def test_every_deployment_is_ranked_once_and_the_order_given_hardly_matters(
    among: list[Prediction], reference: str, value: int | None, chance: object
) -> None:
    order = ranked(among, reference, value)
    assert sorted(order) == sorted(p.deployment for p in among)
    shuffled = list(among)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    if all(comparable(p, among, value) for p in among):
        worth = {p.deployment: utility(p, value, priced=any(q.cost_nano is not None for q in among)) for p in among}
        assert worth[choose(shuffled, None, value)] == worth[choose(among, None, value)]


@pytest.mark.parametrize("value", [None, 1000])
def test_equals_go_to_the_reference_wherever_it_stands(value: int | None) -> None:
    same = [Prediction(name, 0.5, 0.1, 100) for name in "abc"]
    for reference in "abc":
        assert choose(same, reference, value) == reference
    assert choose(same, None, value) == "a"


def test_where_only_quality_counts_cost_breaks_ties() -> None:
    among = [Prediction("dear", 0.9, 0.1, 500), Prediction("cheap", 0.9, 0.1, 100), Prediction("worse", 0.89, 0.1, 0)]
    assert ranked(among, "dear", None) == ["cheap", "dear", "worse"]


def test_a_known_cost_beats_an_unknown_one_at_equal_quality() -> None:
    assert choose([Prediction("a", 0.9), Prediction("b", 0.9, 0.1, 10**12)], None, None) == "b"


def test_without_any_cost_quality_alone_decides() -> None:
    assert choose([Prediction("a", 0.2), Prediction("b", 0.3)], "a", 10**9) == "b"


def test_a_reference_that_cannot_be_weighed_keeps_its_place() -> None:
    good = Prediction("good", 1.0, 0.0, 1)
    for home in (Prediction("home"), Prediction("home", 0.1, 0.1, None), Prediction("home", NAN, 0.1, 1)):
        assert choose([good, home], "home", 10**9) == "home"


def test_nothing_to_choose_from_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing to choose from"):
        choose([], "a", None)


@given(fields(), st.data())
def test_what_is_as_good_and_dearer_is_the_dearest_within_a_standard_error(
    among: list[Prediction], data: st.DataObject
) -> None:
    one = data.draw(st.sampled_from(among))
    others = [p for p in among if p is not one or data.draw(st.booleans())]
    found = next(p for p in among if p.deployment == dearest_as_good(others, one))
    quality = math.nan if one.quality is None else one.quality
    good = [p for p in others if p.quality is not None and p.quality + 0.1 >= quality and p.cost_nano is not None]
    if one in others and (one.cost_nano is None or all((p.cost_nano or 0) <= one.cost_nano for p in good)):
        assert found is one
    else:
        assert found is max(good, key=lambda p: p.cost_nano or 0, default=one)

"""The most that a call can have taken: valid whatever the provider counts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Text, ToolResult, Usage
from pointsman.core.price import Price, Rates, TierRates
from pointsman.core.routing import Deployment, Variant
from pointsman.policy.bounds import (
    FRAME,
    LARGEST,
    MEDIA,
    UNKNOWN_CONTEXT,
    UNLIMITED_OUTPUT,
    Most,
    between,
    most_tokens,
    output_limit,
)  # fmt: skip
from pointsman.policy.cost import amount
from pointsman.wire.openai_chat import request

PRICE = Price(Rates(Decimal(1), Decimal(10), Decimal("0.1"), Decimal("1.25")))
TO = Deployment("p/m", "p", "m", "m", PRICE, context_tokens=8_000)
ASKED = ChatRequest("auto", (Message("user", (Text("hello"),)),), max_output_tokens=50)


def test_a_plain_request_takes_no_more_tokens_than_bytes_and_what_is_put_around_it() -> None:
    assert most_tokens(ASKED, 300, TO) == Most(300 + FRAME, 50)
    assert most_tokens(replace(ASKED, choices=3), 300, TO).output == 150


@pytest.mark.parametrize("limit", [None, -1, 0])
def test_without_a_limit_the_deployments_own_holds(limit: int | None) -> None:
    asked = replace(ASKED, max_output_tokens=limit)
    assert most_tokens(asked, 300, TO).output == 8_000
    assert most_tokens(asked, 300, replace(TO, context_tokens=None)).output == UNLIMITED_OUTPUT


def test_of_two_limits_the_larger_one_bounds_for_providers_differ_in_which_they_heed() -> None:
    for limits in (b'"max_completion_tokens":7,"max_tokens":90', b'"max_completion_tokens":90,"max_tokens":7'):
        body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],%s}' % limits
        assert output_limit(request.glance(body)) == output_limit(request.decode(body)) == 90


@pytest.mark.parametrize("number", [2**32, 2**64, 10**30])
def test_no_number_that_a_client_writes_makes_an_amount_too_large_to_keep(number: int) -> None:
    asked = replace(ASKED, max_output_tokens=number, choices=number)
    assert most_tokens(asked, 300, TO) == Most(300 + FRAME, LARGEST)
    assert between(None, most_tokens(asked, 300, TO), PRICE, partial=False)[1] < 2**63


def test_a_variants_limit_counts_where_it_is_larger() -> None:
    assert most_tokens(ASKED, 300, replace(TO, variant=Variant(max_output_tokens=900))).output == 900
    assert most_tokens(ASKED, 300, replace(TO, variant=Variant(max_output_tokens=9))).output == 50


@pytest.mark.parametrize("inside", [False, True])
def test_media_count_beside_their_bytes_and_what_is_only_named_by_what_the_model_holds(inside: bool) -> None:
    def asked(part: Media) -> ChatRequest:
        return replace(ASKED, messages=(Message("user", (ToolResult("c", (part,)) if inside else part,)),))

    assert most_tokens(asked(Media("image", data="AAAA")), 300, TO).input == 300 + FRAME + MEDIA
    named = asked(Media("image", url="https://example.org/cat.png"))
    assert most_tokens(named, 300, TO).input == 300 + FRAME + MEDIA + 8_000
    assert most_tokens(named, 300, replace(TO, context_tokens=None)).input == 300 + FRAME + MEDIA + UNKNOWN_CONTEXT


@pytest.mark.parametrize(
    "asked",
    [
        replace(ASKED, previous="resp_1"),
        replace(ASKED, own={"cachedContent": Raw(b'"cachedContents/1"')}),
        replace(ASKED, tools=(Opaque("web_search", Raw(b"{}")),)),
    ],
)
def test_what_the_provider_holds_counts_as_all_that_the_model_holds(asked: ChatRequest) -> None:
    assert most_tokens(asked, 300, TO).input == 300 + FRAME + 8_000


COUNTS = st.integers(0, 100_000)
TIERS = ("batch", "flex")
RATE = st.decimals(0, 100, places=4)
RATES = st.builds(Rates, RATE, RATE, st.none() | RATE, st.none() | RATE)
PRICES = st.builds(
    Price, RATES, per_request=RATE, long_above=st.none() | COUNTS, long_rates=st.none() | RATES,
    tiers=st.lists(st.builds(TierRates, st.sampled_from(TIERS), RATES, st.none() | RATES), max_size=2).map(tuple),
)  # fmt: skip


@given(PRICES, COUNTS, COUNTS, st.data())
def test_whatever_was_taken_within_the_tokens_costs_something_within_the_bounds(
    price: Price, taken: int, given_: int, data: st.DataObject
) -> None:
    most = Most(taken, given_)
    input_ = data.draw(st.integers(0, taken))
    cached = data.draw(st.integers(0, input_))
    usage = Usage(
        input_, data.draw(st.integers(0, given_)), cached, data.draw(st.integers(0, input_ - cached)),
        tier=data.draw(st.sampled_from(("", *TIERS))),
    )  # fmt: skip
    least, greatest = between(None, most, price, partial=False)
    assert least <= amount(usage, price) <= greatest


def test_an_estimate_lies_within_and_what_was_reported_so_far_is_the_least() -> None:
    most = Most(100, 10)
    assert between(7, most, PRICE, partial=False)[0] == 0
    assert between(10**12, most, PRICE, partial=False) == (0, 10**12)
    assert between(7, most, PRICE, partial=True)[0] == 7

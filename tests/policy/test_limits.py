"""What a call may use at most, and who gives way as a budget drains."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Text, ToolResult, Usage
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective, Plan, Route, Variant
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cost
from pointsman.policy.limits import DRAINING, UNSEEN_TOKENS, Level, ceiling, draining, most
from pointsman.wire.openai_chat.request import decode, glance

ONE = Deployment("p/m", "p", "m", "m", Price(Rates(Decimal(2), Decimal(8))))
HI = ChatRequest("auto", (Message("user", (Text("hi"),)),), max_output_tokens=100)


def asking(*parts: object, **more: object) -> ChatRequest:
    return replace(HI, messages=(Message("user", tuple(parts)),), **more)  # type: ignore[arg-type]


class TestMost:
    """An upper bound of what a call takes."""

    @given(st.integers(0, 10_000), st.integers(0, 5_000), st.integers(0, 100))
    def test_no_usage_within_the_stated_limits_costs_more(self, size: int, out: int, saved: int) -> None:
        found = most(ONE, replace(HI, max_output_tokens=5_000), size)
        usage = Usage(input=max(size - saved, 0), output=out)
        assert ONE.price is not None
        assert found.nano is not None
        assert cost.amount(usage, ONE.price) <= found.nano
        assert usage.input + usage.output <= found.tokens

    def test_what_bounds_the_output_in_this_order(self) -> None:
        stated = most(ONE, HI, 60).tokens
        unstated = replace(HI, max_output_tokens=None)
        own = replace(ONE, variant=Variant(max_output_tokens=7))
        assert most(own, HI, 60).tokens == stated - 93
        assert most(ONE, unstated, 60).tokens == stated - 100 + 16_384
        assert most(ONE, replace(unstated, choices=2), 60).tokens == stated - 100 + 2 * 16_384

    def test_a_limit_that_nobody_stated_is_the_one_that_was_counted(self) -> None:
        unstated = replace(HI, max_output_tokens=None, choices=3)
        plain = most(ONE, HI, 60).tokens - 100
        for one, translated, limit in (
            (ONE, None, 16_384),
            (replace(ONE, output_tokens=5_000), None, 5_000),
            (ONE, 4_096, 4_096),
            (ONE, 20_480, 20_480),
        ):
            found = most(one, unstated, 60, translated)
            assert (found.limit, found.tokens) == (limit, plain + 3 * limit)
        assert most(ONE, HI, 60, 4_096).limit is None
        assert most(replace(ONE, variant=Variant(max_output_tokens=7)), unstated, 60, 4_096).limit is None

    def test_a_picture_counts_by_its_place_and_what_is_not_in_the_request_by_the_context(self) -> None:
        plain = most(ONE, HI, 60).tokens
        picture = asking(Media("image", data="x" * 10_000))
        assert most(ONE, picture, 10_060).tokens == plain + 2_000
        assert most(ONE, asking(Media("image", url="https://x")), 60).tokens == plain + 2_000
        for unseen in (asking(Media("file", file_id="f")), replace(HI, previous="resp_1")):
            assert most(ONE, unseen, 60).tokens == UNSEEN_TOKENS + 100
            assert most(replace(ONE, context_tokens=9_000), unseen, 60).tokens == 9_100
        assert most(ONE, asking(Media("file", text="hi")), 60).tokens == plain

    def test_what_the_provider_adds_is_counted_wherever_a_request_names_it(self) -> None:
        named = Media("file", file_id="f")
        for unseen in (asking(ToolResult("c", (named,))), replace(HI, tools=(Opaque("web_search", Raw(b"{}")),))):
            assert most(ONE, unseen, 60).tokens == UNSEEN_TOKENS + 100

    def test_nothing_goes_in_beyond_the_context(self) -> None:
        assert most(replace(ONE, context_tokens=1_000), HI, 10**6).tokens == 1_100

    @pytest.mark.parametrize("asked", [0, -1, -5_000_000])
    def test_no_number_of_a_client_makes_a_call_take_less_than_nothing(self, asked: int) -> None:
        unstated = most(ONE, replace(HI, max_output_tokens=None), 60)
        assert most(ONE, replace(HI, max_output_tokens=asked), 60) == unstated

    @pytest.mark.parametrize("asked", [{"max_output_tokens": 10**30}, {"choices": 10**30}])
    def test_no_number_of_a_client_is_too_large_to_be_kept(self, asked: dict[str, int]) -> None:
        found = most(ONE, replace(HI, **asked), 60)
        assert found.nano is not None
        assert 2**32 < found.tokens < found.nano < 2**50

    def test_of_two_limits_the_larger_one_counts(self) -> None:
        stated = most(ONE, HI, 60).tokens
        own = {"max_tokens": Raw(b"900")}  # as in a request that names max_completion_tokens, too
        assert most(ONE, replace(HI, own=own), 60).tokens == stated + 800
        for odd in (b"null", b'"900"', b"-900", b"9"):
            assert most(ONE, replace(HI, own={"max_tokens": Raw(odd)}), 60).tokens == stated
        body = b'{"model":"m", "messages": [{"role": "user", "content": ""}], "max_completion_tokens": 1, "max_tokens": 900}'
        assert most(ONE, glance(body), 60).tokens == most(ONE, decode(body), 60).tokens == stated + 800

    def test_what_its_provider_has_cached_for_a_request_counts(self) -> None:
        cached = replace(HI, own={"cachedContent": Raw(b'"cachedContents/1"')})
        assert most(ONE, cached, 60).tokens == UNSEEN_TOKENS + 100

    def test_without_a_price_nobody_knows(self) -> None:
        assert most(replace(ONE, price=None), HI, 60).nano is None


class TestCeiling:
    """How dear a call may be as a budget drains."""

    @given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**9), st.integers(0, 10**9))
    def test_it_falls_and_never_below_the_cheapest(self, one: float, other: float, reference: int, cheapest: int) -> None:
        less, more = sorted((one, other))
        assert ceiling(less, reference, cheapest) >= ceiling(more, reference, cheapest) >= cheapest

    def test_its_ends(self) -> None:
        assert ceiling(DRAINING - 0.001, 10, 2) == float("inf")
        assert ceiling(DRAINING, 10, 2) == pytest.approx(10)
        assert ceiling(0.9, 10, 2) == pytest.approx(6)
        assert ceiling(1.0, 10, 2) == 2


def priced(usd: str | None, name: str) -> Deployment:
    return replace(ONE, name=name, model_key=name, price=None if usd is None else Price(Rates(Decimal(usd), Decimal(usd))))


SNAPSHOT = Snapshot(
    deployments={
        one.name: one for one in (priced("10", "p/dear"), priced("4", "p/mid"), priced("1", "p/cheap"), priced(None, "p/x"))
    }
)
ROUTE = Route("auto", "p/dear", ("p/cheap", "p/mid", "p/x"), Objective(), 0.05, {})
LEFT = 10**12


class TestDraining:
    """Who is left out, and who stands in."""

    def found(self, spent: float, left: int = LEFT, **plan: object) -> tuple[set[str], tuple[str, ...]]:
        rules = Plan("*", **plan)  # type: ignore[arg-type]
        found = draining(SNAPSHOT, ROUTE, rules, [Level("b", spent, left)], HI, 60)
        return set(found.closed), found.stand_ins

    def test_the_dear_ones_leave_one_after_another_and_the_dearest_left_stands_in(self) -> None:
        assert self.found(0.5) == ({"p/x"}, ("p/mid", "p/cheap"))
        assert self.found(0.80) == ({"p/x"}, ("p/mid", "p/cheap"))
        assert self.found(0.85) == ({"p/x", "p/dear"}, ("p/mid", "p/cheap"))
        assert self.found(0.95) == ({"p/x", "p/dear", "p/mid"}, ("p/cheap",))
        assert self.found(1.0, left=0) == ({"p/x", "p/dear", "p/mid", "p/cheap"}, ())

    def test_who_costs_more_than_is_left_is_out_however_little_is_spent(self) -> None:
        nano = most(SNAPSHOT.deployments["p/mid"], HI, 60).nano
        assert nano is not None
        assert self.found(0.0, left=nano) == ({"p/x", "p/dear"}, ("p/mid", "p/cheap"))
        assert self.found(0.0, left=nano - 1) == ({"p/x", "p/dear", "p/mid"}, ("p/cheap",))

    def test_nobody_stands_in_who_is_no_candidate_or_not_allowed(self) -> None:
        assert self.found(0.85, candidates=("p/cheap",))[1] == ("p/cheap",)
        assert self.found(0.85, allow=("p/mid", "p/dear"))[1] == ("p/mid",)

    def test_without_levels_or_a_reference_nothing_happens(self) -> None:
        assert draining(SNAPSHOT, ROUTE, Plan("*"), [], HI, 60).closed == {}
        nowhere = replace(ROUTE, reference=None)
        assert draining(SNAPSHOT, nowhere, Plan("*"), [Level("b", 1.0, 0)], HI, 60).closed == {}

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.imports import fields
from pointsman.control.imports.call import LineError
from pointsman.core.chat import Usage

AT = 1_764_000_000_123


@pytest.mark.parametrize(
    "value",
    [
        "2025-11-24T16:00:00.123Z", "2025-11-24T16:00:00.123+00:00", "2025-11-24T17:00:00.123+01:00",
        "2025-11-24 16:00:00.123000", AT / 1000, str(AT / 1000), AT, str(AT), AT * 1000, AT * 1_000_000, str(AT * 1_000_000),
    ],
)  # fmt: skip
def test_every_way_to_write_a_time_is_the_same_moment(value: object) -> None:
    assert fields.moment(value, "at") == AT


@pytest.mark.parametrize("value", [None, True, "soon", "", [], {}, float("nan"), float("inf"), -5, 0, 12, "1999-01-01"])
def test_what_is_no_time_is_named(value: object) -> None:
    with pytest.raises(LineError, match="at is"):
        fields.moment(value, "at")


@pytest.mark.parametrize(
    ("value", "nano"),
    [(0.1, 100_000_000), ("0.000000001", 1), (1e-9, 1), (1.5e-9, 2), (2.5e-9, 2), (3, 3_000_000_000), (0, 0), (None, None)],
)
def test_dollars_become_whole_nano_dollars(value: object, nano: int | None) -> None:
    assert fields.nano(value, "cost") == nano


@given(nano=st.integers(0, 10**15))
def test_a_written_amount_is_read_exactly(nano: int) -> None:
    assert fields.nano(f"{nano // 10**9}.{nano % 10**9:09d}", "cost") == nano


@pytest.mark.parametrize("value", ["free", True, -0.1, float("nan"), float("inf"), 1e12, []])
def test_what_is_no_amount_is_named(value: object) -> None:
    with pytest.raises(LineError, match="cost is no amount"):
        fields.nano(value, "cost")


@pytest.mark.parametrize("value", [True, -1, 1.5, "many", 2**60, [], "١٢x"])
def test_what_is_no_count_is_named(value: object) -> None:
    with pytest.raises(LineError, match="tokens"):
        fields.count(value, "input tokens")


def test_counts_are_read_from_numbers_and_text() -> None:
    assert [fields.count(value, "n") for value in (None, 0, 7, 7.0, "7")] == [0, 0, 7, 7, 7]


def test_usage_of_both_openai_interfaces() -> None:
    chat = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
    chat["completion_tokens_details"] = {"reasoning_tokens": 3}
    responses = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 4}}
    responses["output_tokens_details"] = {"reasoning_tokens": 3}
    expected = Usage(input=10, output=5, cached=4, reasoning=3)
    assert fields.usage(chat) == fields.usage(responses) == expected
    assert fields.usage({}) is None


def test_an_input_that_leaves_the_cache_out_is_made_whole() -> None:
    anthropic = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    assert fields.usage(anthropic) == Usage(input=130, output=5, cached=100, cache_written=20)


def test_tags_with_a_sign_are_labels() -> None:
    assert fields.tags(["feature:support", "team=blue", "plain", 7, ":x", "x:"]) == {"feature": "support", "team": "blue"}


def test_messages_that_are_none_give_no_request() -> None:
    for messages in (None, [], "text", [1], [{"content": "no role"}], {"role": "user"}):
        assert fields.chat("m", messages) is None
    request = fields.chat("m", [{"role": "user", "content": "hi"}], tools=[{}])
    assert request is not None
    assert (request.user_text, len(request.tools)) == ("hi", 1)

"""What is read of a quota in the headers of replies, as providers send them; and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.quota import UNSAID_S, quota

NOW = 1_800_000_000.0


def headers(**fields: str) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items())


@pytest.mark.parametrize(
    ("said", "left", "whole_in_s"),
    [
        (
            headers(
                x_ratelimit_limit_requests="5000",
                x_ratelimit_remaining_requests="4999",
                x_ratelimit_reset_requests="12ms",
                x_ratelimit_limit_tokens="160000",
                x_ratelimit_remaining_tokens="40000",
                x_ratelimit_reset_tokens="6m0s",
            ),
            0.25,
            360.0,
        ),
        (
            headers(
                anthropic_ratelimit_requests_limit="1000",
                anthropic_ratelimit_requests_remaining="999",
                anthropic_ratelimit_requests_reset="2027-01-15T08:00:01Z",
                anthropic_ratelimit_input_tokens_limit="80000",
                anthropic_ratelimit_input_tokens_remaining="8000",
                anthropic_ratelimit_input_tokens_reset="2027-01-15T08:00:30Z",
            ),
            0.1,
            30.0,
        ),
        (headers(x_ratelimit_limit="100", x_ratelimit_remaining="50", x_ratelimit_reset="30.5"), 0.5, 30.5),
        (headers(x_ratelimit_limit="100", x_ratelimit_remaining="50", x_ratelimit_reset="1800000005"), 0.5, 5.0),
        (headers(x_ratelimit_limit="100", x_ratelimit_remaining="50", x_ratelimit_reset="1800000005000"), 0.5, 5.0),
        (headers(x_ratelimit_limit_tokens_minute="9", x_ratelimit_remaining_tokens_minute="9"), 1.0, UNSAID_S),
        (headers(x_ratelimit_remaining_tokens="-27689", x_ratelimit_reset_tokens="64"), 0.0, 64.0),
        (headers(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="2m52.8s"), 0.0, 172.8),
        (headers(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1h2m"), 0.0, 3720.0),
        (headers(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="9d"), 0.0, 86_400.0),
        (headers(x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="soon"), 0.0, UNSAID_S),
        (headers(x_ratelimit_limit="9", x_ratelimit_remaining="90", x_ratelimit_reset="-1"), 1.0, 0.0),
        (headers(azure_openai_deployment_utilization="44.5%"), 0.555, UNSAID_S),
        (headers(azure_openai_deployment_utilization="103"), 0.0, UNSAID_S),
    ],
)
def test_what_providers_say(said: tuple[tuple[bytes, bytes], ...], left: float, whole_in_s: float) -> None:
    found = quota(said, NOW)
    assert found is not None
    assert (found.left, found.whole_in_s) == pytest.approx((left, whole_in_s))


@pytest.mark.parametrize(
    "said",
    [
        (),
        headers(content_type="application/json", retry_after="5"),
        headers(x_ratelimit_limit_requests="100", x_ratelimit_reset_requests="1s"),
        headers(x_ratelimit_remaining_requests="50"),
        headers(x_ratelimit_limit_requests="many", x_ratelimit_remaining_requests="some"),
        headers(x_ratelimit_limit_requests="0", x_ratelimit_remaining_requests="5"),
        headers(x_ratelimit_limit_requests="100", x_ratelimit_remaining_requests="nan"),
        headers(x_ratelimit_limit_requests="100", x_ratelimit_remaining_requests="inf"),
        headers(azure_openai_deployment_utilization="high"),
    ],
)
def test_what_says_nothing(said: tuple[tuple[bytes, bytes], ...]) -> None:
    assert quota(said, NOW) is None


NAME = st.sampled_from(
    [f"x-ratelimit-{what}-tokens".encode() for what in ("limit", "remaining", "reset")]
    + [f"anthropic-ratelimit-tokens-{what}".encode() for what in ("limit", "remaining", "reset")]
    + [b"azure-openai-deployment-utilization"]
)


@given(st.lists(st.tuples(NAME, st.binary(max_size=20) | st.from_regex(rb"-?[0-9.]{1,12}[smhd%]?", fullmatch=True))))
def test_any_bytes_give_a_part_and_a_bounded_time_or_nothing(said: list[tuple[bytes, bytes]]) -> None:
    found = quota(said, NOW)
    assert found is None or (0 <= found.left <= 1 and 0 <= found.whole_in_s <= 86_400)

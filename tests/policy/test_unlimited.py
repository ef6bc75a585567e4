"""How long an answer may get where nobody said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.routing import Deployment
from pointsman.policy.explore import UNLIMITED_TOKENS
from pointsman.policy.features import input_tokens
from pointsman.policy.unlimited import answer_limit

ONE = Deployment("p/m", "p", "m", "m")


def asking(size: int) -> ChatRequest:
    return ChatRequest("auto", (Message("user", (Text("x" * size),)),))


@given(st.none() | st.integers(1, 2_000_000), st.none() | st.integers(1, 200_000), st.integers(0, 50_000))
def test_it_is_never_more_than_the_model_can_give_and_never_nothing(
    context: int | None, output: int | None, size: int
) -> None:
    found = answer_limit(replace(ONE, context_tokens=context, output_tokens=output), asking(size), size + 500)
    assert 1 <= found <= min(UNLIMITED_TOKENS, output or UNLIMITED_TOKENS, context or UNLIMITED_TOKENS)


@given(st.integers(2_000, 300_000), st.integers(0, 1_000_000))
def test_beside_a_prompt_of_which_the_guess_is_right_there_is_room_for_it(context: int, size: int) -> None:
    request = asking(size)
    taken = input_tokens(request)
    found = answer_limit(replace(ONE, context_tokens=context), request, size + 500)
    assert taken + found <= context or taken > context - context // 64
    if size + 500 + UNLIMITED_TOKENS <= context:
        assert found == UNLIMITED_TOKENS


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-5", 16_384),
        ("gpt-4o", 16_384),
        ("gpt-4.1", 16_384),
        ("gpt-4o-2024-05-13", 4_096),
        ("gpt-4-turbo-2024-04-09", 4_096),
        ("gpt-35-turbo", 4_096),
        ("anthropic.claude-3-haiku-20240307-v1:0", 4_096),
        ("claude-3-5-haiku-latest", 8_192),
        ("claude-3-7-sonnet-latest", 16_384),
        ("claude-sonnet-4-5", 16_384),
        ("gemini-2.0-flash", 8_192),
        ("gemini-2.5-pro", 16_384),
        ("us.amazon.nova-pro-v1:0", 5_000),
        ("deepseek/deepseek-chat", 8_192),
    ],
)
def test_what_older_models_can_give_is_known_by_name(model: str, limit: int) -> None:
    assert answer_limit(replace(ONE, model=model), asking(2), 500) == limit
    assert answer_limit(replace(ONE, model="our-own", model_key=model), asking(2), 500) == limit
    assert answer_limit(replace(ONE, model=model, output_tokens=9_000), asking(2), 500) == 9_000, "what is stated wins"

"""A limit that nobody stated, in the bytes of a request: it is read there, and nothing else changes."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Reasoning, Text
from pointsman.wire.anthropic import compose
from pointsman.wire.bedrock_converse import request as converse
from pointsman.wire.dialect import Address
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.limited import asked, edited, translated

LIMIT: Final = 16_384
FIELDS: Final = {
    "openai_chat": "max_tokens",
    "openai_responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "gemini": "generationConfig",
}
NEEDED: Final[dict[str, dict[str, Any]]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": 'a "max_tokens": 1 {'}]},
    "openai_responses": {"model": "m", "input": 'a "max_output_tokens": 1 {'},
    "anthropic": {"model": "m", "messages": [{"role": "user", "content": '"max_tokens":1}'}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": '"generationConfig":{"maxOutputTokens":1}'}]}]},
}
alike = st.sampled_from([*FIELDS.values(), "max_completion_tokens", "maxOutputTokens", "generation_config", 'x"', "\\", "{"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | alike,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(alike | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
around = st.dictionaries(st.sampled_from(["metadata", "labels", "new", "x"]), values, max_size=3)
spacings = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n ")])
unlimited = st.sampled_from(["absent", None, 0, -1])
in_dialects = pytest.mark.parametrize("dialect", FIELDS)


def written(
    fields: dict[str, Any], order: Callable[[list[Any]], Any], spacing: tuple[str, str], *, ascii_only: bool
) -> bytes:
    items = list(fields.items())
    order(items)
    return json.dumps(dict(items), separators=spacing, ensure_ascii=ascii_only).encode(errors="replace")


@in_dialects
@given(around=around, said=unlimited, random=st.randoms(use_true_random=False), spacing=spacings, ascii_only=st.booleans())
def test_it_says_the_limit_and_all_else_is_as_it_was(
    dialect: str, around: dict[str, Any], said: Any, random: Any, spacing: tuple[str, str], ascii_only: bool
) -> None:
    fields = {**around, **NEEDED[dialect]}
    if said != "absent":
        fields[FIELDS[dialect]] = {"maxOutputTokens": said, "topP": 0.5} if dialect == "gemini" else said
    body = written(fields, random.shuffle, spacing, ascii_only=ascii_only)
    found = json.loads(edited(body, dialect, LIMIT, "max_tokens"))
    whole = {**found.get("generationConfig", {})} if dialect == "gemini" else found
    assert whole[{"gemini": "maxOutputTokens"}.get(dialect, FIELDS[dialect])] == LIMIT
    wanted = json.loads(body)
    if dialect == "gemini":
        wanted["generationConfig"] = {**(wanted.get("generationConfig") or {}), "maxOutputTokens": LIMIT}
    else:
        wanted[FIELDS[dialect]] = LIMIT
    assert found == wanted


@in_dialects
@given(around=around, spacing=spacings)
def test_what_is_not_there_is_put_in_front_of_the_bytes_that_came(
    dialect: str, around: dict[str, Any], spacing: tuple[str, str]
) -> None:
    body = written({**around, **NEEDED[dialect]}, lambda items: items, spacing, ascii_only=True)
    front = b'{"%b":%b,' % (FIELDS[dialect].encode(), b'{"maxOutputTokens":16384}' if dialect == "gemini" else b"16384")
    assert edited(body, dialect, LIMIT, "max_tokens") == front + body[1:]


@in_dialects
def test_its_decoder_reads_the_limit(dialect: str) -> None:
    body = edited(json.dumps(NEEDED[dialect]).encode(), dialect, LIMIT, "max_tokens")
    assert DIALECTS[dialect].request.decode(body, Address("m")).max_output_tokens == LIMIT


@pytest.mark.parametrize(
    ("dialect", "body", "after"),
    [
        ("anthropic", b'{"max_tokens":null,"x":1,"max_tokens":0}', b'{"max_tokens":9,"x":1,"max_tokens":9}'),
        ("anthropic", b'{"x":{"max_tokens":1},"y":"max_tokens"}', b'{"max_tokens":9,"x":{"max_tokens":1},"y":"max_tokens"}'),
        ("anthropic", b'{"max\\u005ftokens" : null }', b'{"max\\u005ftokens" : 9 }'),
        ("anthropic", b' { } ', b' {"max_tokens":9 } '),
        ("anthropic", b'{"\\ud800":"max_tokens","\\u0041":1}', b'{"max_tokens":9,"\\ud800":"max_tokens","\\u0041":1}'),
        ("openai_chat", b'{"max_completion_tokens":null}', b'{"max_tokens":9,"max_completion_tokens":null}'),
        ("openai_chat", b'{"max_completion_tokens":-1}', b'{"max_tokens":9,"max_completion_tokens":9}'),
        ("openai_chat", b'{"max_tokens":-1,"max_completion_tokens":0}', b'{"max_tokens":9,"max_completion_tokens":9}'),
        ("gemini", b'{"generationConfig":null}', b'{"generationConfig":{"maxOutputTokens":9}}'),
        ("gemini", b'{"generation_config":{ }}', b'{"generation_config":{"maxOutputTokens":9 }}'),
        ("gemini", b'{"generationConfig":{"max_output_tokens":"0"}}', b'{"generationConfig":{"max_output_tokens":9}}'),
        (
            "gemini",
            b'{"generationConfig":{"x":{"maxOutputTokens":1}},"generation_config":{"maxOutputTokens":null}}',
            b'{"generationConfig":{"maxOutputTokens":9,"x":{"maxOutputTokens":1}},"generation_config":{"maxOutputTokens":9}}',
        ),
    ],
)  # fmt: skip
def test_however_it_stands_there(dialect: str, body: bytes, after: bytes) -> None:
    assert edited(body, dialect, 9, "max_tokens") == after


def test_chat_completions_has_the_field_that_its_provider_knows() -> None:
    assert edited(b'{"x":1}', "openai_chat", 9, "max_completion_tokens") == b'{"max_completion_tokens":9,"x":1}'
    body = b'{"max_tokens":null,"x":1}'
    assert edited(body, "openai_chat", 9, "max_completion_tokens") == b'{"max_completion_tokens":9,"max_tokens":null,"x":1}'


@in_dialects
def test_however_deep_it_is(dialect: str) -> None:
    deep = b'{"x":' + b'[{"max_tokens":' * 100_000 + b"1" + b"}]" * 100_000 + b"}"
    assert edited(deep, dialect, LIMIT, "max_tokens").endswith(deep[1:])


HI = ChatRequest("auto", (Message("user", (Text("hi"),)),))
efforts = st.sampled_from(["", "none", "low", "medium", "high", "max"])
budgets = st.none() | st.integers(-1, 200_000)


@given(efforts, budgets, st.sampled_from(["claude-sonnet-4-5", "claude-3-haiku", "claude-opus-4-7"]))
@example("high", None, "claude-sonnet-4-5")
def test_what_a_translation_to_claude_states_by_itself_is_what_it_writes(
    effort: str, budget: int | None, model: str
) -> None:
    request = replace(HI, model=model, reasoning=Reasoning(effort, budget))
    limit = translated(request, "anthropic")
    assert limit is not None
    plain = compose.encode(request)
    assert json.loads(plain.body)["max_tokens"] == limit
    assert compose.encode(asked(request, "anthropic", limit)) == plain, "and stating it changes nothing"


def test_beside_a_budget_of_thinking_claude_gets_room_for_an_answer_at_bedrock_too() -> None:
    request = replace(HI, model="anthropic.claude-sonnet-4-5-20250929-v1:0", reasoning=Reasoning("high"))
    limit = translated(request, "bedrock_converse")
    assert limit is not None
    sent = json.loads(converse.encode(asked(request, "bedrock_converse", limit)).body)
    thinking = sent["additionalModelRequestFields"]["thinking"]
    assert sent["inferenceConfig"]["maxTokens"] == limit == thinking["budget_tokens"] + compose.MAX_TOKENS
    assert translated(replace(request, reasoning=None), "bedrock_converse") is None
    assert translated(replace(request, model="amazon.nova-pro-v1:0"), "bedrock_converse") is None


def test_other_dialects_state_none() -> None:
    for dialect in ("openai_chat", "openai_responses", "gemini"):
        assert translated(replace(HI, reasoning=Reasoning("high")), dialect) is None


def test_a_limit_of_a_client_is_none_of_the_translations() -> None:
    assert translated(replace(HI, max_output_tokens=-1), "anthropic") == compose.MAX_TOKENS

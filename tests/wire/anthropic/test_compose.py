"""What another dialect asked for, as Messages: what is carried, what is named, what makes it unfit."""

import json
from base64 import b64encode
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    Media,
    Message,
    Opaque,
    Output,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.wire.anthropic.request import decode, encode, unfit

HI = Message("user", (Text("hi"),))
LOOK = Tool("look", schema=Raw(b'{"type":"object"}'))


def asked(*messages: Message, model: str = "claude-opus-4-6", **fields: Any) -> ChatRequest:
    return ChatRequest(model, messages or (HI,), **fields)


def made(request: ChatRequest) -> tuple[dict[str, Any], set[str]]:
    encoded = encode(request)
    assert decode(encoded.body).model == request.model
    assert list(encoded.lost) == sorted(set(encoded.lost))
    return json.loads(encoded.body), set(encoded.lost)


def turns(*messages: Message) -> tuple[list[Any], set[str]]:
    body, lost = made(asked(*messages))
    return body["messages"], lost


def said(*parts: Part, role: str = "user") -> Message:
    return Message(role, parts)


def test_instructions_become_the_system_prompt() -> None:
    body, lost = made(asked(said(Text("a"), role="system"), said(Text("b", CacheMark("1h")), role="developer"), HI))
    assert body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert body["max_tokens"] == 4096
    assert not lost


def test_instructions_alone_are_the_question() -> None:
    body, lost = made(asked(said(Text("a"), role="system"), said(Text("b"), role="system")))
    assert (body["system"], body["messages"]) == ("a", [{"role": "user", "content": "b"}])
    assert lost == {"system position"}


def test_later_instructions_are_said_by_the_user_and_named() -> None:
    messages, lost = turns(HI, said(Text("a"), role="assistant"), said(Text("now"), role="system"), HI)
    assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
    assert [block["text"] for block in messages[2]["content"]] == ["now", "hi"]
    assert lost == {"system position"}


def test_results_of_one_round_are_one_turn_and_stand_first() -> None:
    messages, lost = turns(
        HI,
        said(Text("so"), ToolCall("look", "", "a.1"), ToolCall("find", '{"x":1}', "b"), role="assistant"),
        said(Text("wait")),
        said(ToolResult("b", (Text("2"),)), role="tool"),
        said(ToolResult("a.1", (Text("1"), Media("image", data="iVBOR")), error=True), role="tool"),
    )
    assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"][1:] == [
        {"type": "tool_use", "id": "a_1", "name": "look", "input": {}},
        {"type": "tool_use", "id": "b", "name": "find", "input": {"x": 1}},
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}
    assert messages[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "b", "is_error": False, "content": "2"},
        {"type": "tool_result", "tool_use_id": "a_1", "is_error": True, "content": [{"type": "text", "text": "1"}, image]},
        {"type": "text", "text": "wait"},
    ]
    assert not lost


def test_ids_are_made_where_there_are_none_and_never_used_twice() -> None:
    messages, _ = turns(
        HI,
        said(ToolCall("look", "{}"), ToolCall("find", "{}"), ToolCall("look", "{}"), role="assistant"),
        said(ToolResult("", name="find"), ToolResult("", name="look"), ToolResult("", name="look")),
        said(ToolCall("look", "{}", "x"), role="assistant"),
        said(ToolResult("x")),
        said(ToolCall("look", "{}", "x"), role="assistant"),
        said(ToolResult("x")),
    )
    calls = [block["id"] for turn in messages if turn["role"] == "assistant" for block in turn["content"]]
    results = [block["tool_use_id"] for turn in messages[1:] if turn["role"] == "user" for block in turn["content"]]
    assert len(set(calls)) == 5
    assert results == [calls[1], calls[0], calls[2], calls[3], calls[4]]


@pytest.mark.parametrize(
    ("arguments", "value", "lost"),
    [
        ("", {}, set()),
        (" \n", {}, set()),
        ('{"a": 1}', {"a": 1}, set()),
        ("[1]", {"arguments": [1]}, {"tool_calls.arguments"}),
        ('{"a"', {"arguments": '{"a"'}, {"tool_calls.arguments"}),
        ("\ud83d", {"arguments": "?"}, {"tool_calls.arguments"}),
    ],
)
def test_arguments_are_objects(arguments: str, value: object, lost: set[str]) -> None:
    messages, named = turns(HI, said(ToolCall("look", arguments, "1"), role="assistant"))
    assert messages[1]["content"][0]["input"] == value
    assert named == lost


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Media("image", url="https://x/y"), {"type": "image", "source": {"type": "url", "url": "https://x/y"}}),
        (
            Media("file", url="https://x/y", name="n"),
            {"type": "document", "source": {"type": "url", "url": "https://x/y"}, "title": "n"},
        ),
        (
            Media("file", data="JVBERi0"),
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0"}},
        ),
        (
            Media("file", data=b64encode("Zwölf".encode()).decode(), mime="text/csv; charset=utf-8"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Zwölf"}},
        ),
        (
            Media("image", data="/9j/", mime="image/jpg"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
        ),
    ],
)
def test_media_are_written_as_the_api_reads_them(part: Media, block: object) -> None:
    assert turns(said(part)) == ([{"role": "user", "content": [block]}], set())


@pytest.mark.parametrize(
    ("part", "role", "lost"),
    [
        (Text("a", citations=(Raw(b"{}"),)), "assistant", {"citations"}),
        (Text("a", signature="s"), "assistant", {"thinking.signature"}),
        (Text("a", own={"x": Raw(b"1"), "y": Raw(b"null")}), "user", {"x"}),
        (Text("a", CacheMark("2d")), "user", {"cache_control.ttl"}),
        (Refusal("a"), "assistant", {"refusal"}),
        (Thinking("a", "s"), "assistant", {"thinking"}),
        (ToolCall("n", "free", "1", "custom"), "assistant", {"tool_calls.arguments", "tool_calls.custom"}),
        (ToolCall("n", "{}", "1", signature="s"), "assistant", {"thinking.signature"}),
        (Media("image", data="iVBOR"), "assistant", {"image"}),
        (Media("image", url="u", detail="low"), "user", {"detail"}),
        (Opaque("web_search_call", Raw(b"{}")), "assistant", {"web_search_call"}),
        (Text(" "), "user", set()),
    ],
)
def test_what_a_part_loses_is_named(part: Part, role: str, lost: set[str]) -> None:
    assert turns(HI, said(Text("there"), part, role=role))[1] == lost


@pytest.mark.parametrize(
    ("fields", "body", "lost"),
    [
        ({"temperature": 1.5}, {"temperature": 1.0}, {"temperature"}),
        ({"temperature": 0.7, "top_p": 1.0}, {"temperature": 0.7}, set()),
        ({"temperature": 0.7, "top_p": 0.5}, {"temperature": 0.7}, {"top_p"}),
        ({"top_k": 3, "stop": ("a", "\n")}, {"top_k": 3, "stop_sequences": ["a"]}, {"stop"}),
        (
            {"presence_penalty": 0.0, "frequency_penalty": 1.0, "seed": 0},
            {},
            {"presence_penalty", "frequency_penalty", "seed"},
        ),
        ({"service_tier": "default", "user": "u"}, {"service_tier": "standard_only", "metadata": {"user_id": "u"}}, set()),
        ({"service_tier": "flex", "store": True, "cache_key": "k"}, {}, {"service_tier", "store", "cache_key"}),
        (
            {"metadata": {"a": "b"}, "verbosity": "low", "own": {"moderation": Raw(b"1")}},
            {},
            {"metadata", "verbosity", "moderation"},
        ),
        ({"store": False, "include_usage": True, "stream": True}, {"stream": True}, set()),
        (
            {"tools": (LOOK,), "parallel_tools": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            set(),
        ),
        ({"tool_choice": ToolChoice("none"), "parallel_tools": True}, {}, set()),
        (
            {"tools": (Tool("a"), Tool("b"), LOOK), "tool_choice": ToolChoice("named", ("a", "b"))},
            {
                "tools": [
                    {"name": n, "description": "", "input_schema": {"type": "object", "properties": {}}} for n in "ab"
                ],
                "tool_choice": {"type": "any"},
            },
            set(),
        ),
    ],
)
def test_parameters(fields: dict[str, Any], body: dict[str, Any], lost: set[str]) -> None:
    found, named = made(asked(**fields))
    assert named == lost
    expected = {
        "model": "claude-opus-4-6",
        "max_tokens": 4096,
        "stream": False,
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert {name: value for name, value in found.items() if name != "tools" or "tools" in body} == expected | body


@pytest.mark.parametrize(
    ("model", "fields", "body", "lost"),
    [
        (
            "claude-opus-4-6",
            {"effort": "high"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            set(),
        ),
        ("us.anthropic.claude-opus-4-8", {"budget": -1}, {"thinking": {"type": "adaptive"}}, set()),
        ("claude-opus-4-6", {"budget": 5000}, {"thinking": {"type": "adaptive"}}, {"reasoning.budget"}),
        (
            "claude-sonnet-4-5",
            {"budget": 5000},
            {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 9096},
            set(),
        ),
        ("claude-sonnet-4-20250514", {"effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, set()),
        (
            "claude-3-7-sonnet",
            {"budget": 10},
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"reasoning.budget"},
        ),
        ("claude-opus-4-6", {"effort": "none"}, {"thinking": {"type": "disabled"}}, set()),
        ("claude-opus-4-6", {"budget": 0}, {"thinking": {"type": "disabled"}}, set()),
        (
            "claude-opus-4-6",
            {"effort": "minimal", "shown": True, "summary": "detailed"},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
            {"reasoning.effort", "reasoning.summary"},
        ),
    ],
)
def test_thinking_is_asked_for_as_the_model_takes_it(
    model: str, fields: dict[str, Any], body: dict[str, Any], lost: set[str]
) -> None:
    found, named = made(asked(model=model, reasoning=Reasoning(**fields)))
    assert {name: found[name] for name in body} == body
    assert named == lost


def test_thinking_gives_way_where_the_api_would_refuse_it() -> None:
    forced = asked(reasoning=Reasoning("high"), tools=(LOOK,), tool_choice=ToolChoice("any"))
    small = asked(model="claude-sonnet-4-5", reasoning=Reasoning("high"), max_output_tokens=500)
    call = said(ToolCall("look", "{}", "1"), role="assistant")
    under_way = asked(HI, call, said(ToolResult("1")), model="claude-sonnet-4-5", reasoning=Reasoning("high"))
    for request in (forced, small, under_way):
        body, lost = made(request)
        assert "thinking" not in body
        assert lost == {"reasoning"}
    body, lost = made(asked(reasoning=Reasoning("high"), temperature=0.2, top_k=5))
    assert not body.keys() & {"temperature", "top_k"}
    assert lost == {"temperature", "top_k"}


def test_a_schema_is_closed_and_its_limits_are_told() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "d"}}}
    body, lost = made(asked(output=Output("json_schema", Raw(json.dumps(schema).encode()), "answer", strict=False)))
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"n": {"type": "integer", "description": "d\n\n{minimum: 1}"}},
            "additionalProperties": False,
        },
    }
    assert lost == {"output.name", "output.strict", "output.schema"}
    nested = b'{"anyOf":[{"type":"null"},{"$ref":"#/$defs/x"}]}'
    strict = b'{"type" : "object","properties":{"a":' + nested + b'},"additionalProperties":false}'
    encoded = encode(asked(output=Output("json_schema", Raw(strict), strict=True)))
    assert strict in encoded.body
    assert encoded.lost == ()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, None),
        ({"choices": 2}, "several choices"),
        ({"logprobs": 0}, "probabilities"),
        ({"previous": "r"}, "does not hold the reply"),
        ({"output": Output("json")}, "JSON without a schema"),
        ({"tools": (Opaque("file_search", Raw(b"{}")),)}, "file_search"),
        ({"tools": (Tool("a", kind="custom"),)}, "free text"),
        ({"tools": (Tool("a.b"),)}, "'a.b'"),
        ({"messages": (said(Media("image", url="u")),)}, None),
        ({"messages": (said(Media("audio", data="x")),)}, "audio"),
        ({"messages": (said(Media("image", data="x", mime="image/svg+xml")),)}, "image/svg"),
        ({"messages": (said(ToolResult("1", (Media("file", data="x", mime="application/zip"),))),)}, "application/zip"),
        ({"messages": (said(Media("image", file_id="f")),)}, "uploaded file"),
    ],
)
def test_what_would_be_answered_wrongly(fields: dict[str, Any], words: str | None) -> None:
    request = replace(asked(), **fields)
    reason = unfit(request)
    assert reason is None if words is None else reason is not None and words in reason
    assert unfit(replace(request, dialect="anthropic")) is None

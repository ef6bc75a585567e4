"""Requests as they come: what is read, what is kept, what is refused, and what is edited."""

import json
from typing import Any

import pytest
from msgspec import Raw

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    Media,
    Message,
    Opaque,
    Output,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.errors import WireError
from pointsman.wire.anthropic.request import count_request, decode, edit, encode, path
from pointsman.wire.dialect import Address


def read(**fields: Any) -> ChatRequest:
    body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
    return decode(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def parts(*blocks: object, role: str = "user") -> tuple[Any, ...]:
    return read(messages=[{"role": role, "content": list(blocks)}]).messages[0].parts


def raw(value: object) -> Raw:
    return Raw(json.dumps(value, separators=(",", ":")).encode())


def test_every_plain_field_has_its_place() -> None:
    request = read(
        system="Be brief.",
        stream=True,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop_sequences=["END"],
        service_tier="auto",
        metadata={"user_id": "u"},
        tools=[{"name": "look", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "tool", "name": "look", "disable_parallel_tool_use": True},
    )
    assert request == ChatRequest(
        model="claude-x",
        messages=(Message("system", (Text("Be brief."),)), Message("user", (Text("hi"),))),
        stream=True,
        tools=(Tool("look", "d", raw({"type": "object"}), strict=True),),
        tool_choice=ToolChoice("named", ("look",)),
        parallel_tools=False,
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("END",),
        service_tier="auto",
        user="u",
        dialect="anthropic",
    )


def test_content_blocks_become_parts() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert parts(
        {"type": "text", "text": "a", "cache_control": mark},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y"}, "cache_control": {"type": "ephemeral"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}, "title": "t"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, "context": "c"},
        {"type": "tool_result", "tool_use_id": "1", "content": "out", "is_error": True},
        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "tool_reference", "tool_name": "n"}]},
        {"type": "tool_result", "tool_use_id": "3"},
        {"type": "container_upload", "file_id": "f"},
    ) == (
        Text("a", CacheMark("1h")),
        Media("image", data="iVBOR", mime="image/png"),
        Media("image", url="https://x/y", cache=CacheMark()),
        Media("image", file_id="f"),
        Media("file", data="JVBER", mime="application/pdf", name="t"),
        Media("file", text="words", mime="text/plain", own={"context": raw("c")}),
        ToolResult("1", (Text("out"),), error=True),
        ToolResult("2", (Opaque("tool_reference", raw({"type": "tool_reference", "tool_name": "n"})),)),
        ToolResult("3"),
        Opaque("container_upload", raw({"type": "container_upload", "file_id": "f"})),
    )


def test_a_document_of_blocks_has_its_text_for_others_and_its_blocks_for_its_own() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert parts({"type": "document", "source": source}) == (Media("file", text="a\nb", own={"source": raw(source)}),)
    pictures = {"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}}
    assert parts(pictures) == (Opaque("document", raw(pictures)),)


def test_what_a_model_said_comes_back_byte_for_byte() -> None:
    body = (
        b'{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"Eq+/=\\u003d"},'
        b'{"type":"redacted_thinking","data":"x=="},{"type":"tool_use","id":"t","name":"n","input":{"b": 1.0,  "a":[ ]}}]}]}'
    )
    request = decode(body)
    assert request.messages[0].parts == (
        Thinking(signature="Eq+/=="),
        Thinking(encrypted="x=="),
        ToolCall("n", '{"b": 1.0,  "a":[ ]}', "t"),
    )
    assert b'"input":{"b": 1.0,  "a":[ ]}' in encode(request).body


def test_unknown_fields_stay_where_they_stand() -> None:
    request = read(
        container="c",
        metadata={"user_id": "u", "team": 1},
        output_config={"effort": "high", "task_budget": {"total": 1}},
        messages=[{"role": "user", "content": [{"type": "text", "text": "a", "new": [1]}], "id": "m"}],
        tools=[{"name": "n", "defer_loading": True}, {"type": "web_search_20250305", "name": "web_search"}],
        tool_choice={"type": "none", "new": 1},
    )
    assert request.own == {
        "container": raw("c"),
        "metadata": raw({"team": 1}),
        "output_config": raw({"task_budget": {"total": 1}}),
    }
    assert request.messages[0] == Message("user", (Text("a", own={"new": raw([1])}),), own={"id": raw("m")})
    assert request.tools[0] == Tool("n", own={"defer_loading": raw(True)})
    assert request.tools[1] == Opaque("web_search_20250305", raw({"type": "web_search_20250305", "name": "web_search"}))
    assert request.tool_choice == ToolChoice("none", own={"new": raw(1)})
    assert decode(encode(request).body) == request


@pytest.mark.parametrize(
    ("fields", "reasoning"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Reasoning(budget=2000)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning(budget=-1, shown=False)),
        ({"thinking": {"type": "disabled"}}, Reasoning(budget=0)),
        ({"output_config": {"effort": "max"}}, Reasoning("max")),
        (
            {"thinking": {"type": "adaptive", "display": "summarized", "x": 1}, "output_config": {"effort": "low"}},
            Reasoning("low", -1, shown=True, own={"x": raw(1)}),
        ),
        ({"thinking": {"type": "between_tools"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, None),
    ],
)
def test_thinking_is_read_and_written_back(fields: dict[str, Any], reasoning: Reasoning | None) -> None:
    request = read(**fields)
    assert request.reasoning == reasoning
    assert request.own == ({} if reasoning else {"thinking": raw(fields["thinking"])})
    body = json.loads(encode(request).body)
    assert {name: body[name] for name in fields} == fields


def test_a_schema_is_read_in_both_of_its_places() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    expected = Output("json_schema", raw({"type": "object"}))
    assert read(output_config={"format": form}).output == expected
    assert read(output_format=form).output == expected
    assert json.loads(encode(read(output_format=form)).body)["output_config"] == {"format": form}
    assert read(output_config={"format": {"type": "grammar"}}).own == {"output_config": raw({"format": {"type": "grammar"}})}


def test_instructions_within_a_conversation_stay_in_their_place() -> None:
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user", "system")]
    request = read(system=[{"type": "text", "text": "first"}], messages=turns)
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user", "system"]
    body = json.loads(encode(request).body)
    assert (body["system"], body["messages"]) == ("first", turns)


def test_half_a_surrogate_pair_is_read_without_it() -> None:
    assert decode(rb'{"model":"m","messages":[{"role":"user","content":"a\ud83d"}]}').user_text == "a\ufffd"
    assert decode(rb'{"model":"m","messages":[{"role":"user","content":"\ud83d\ude82"}]}').user_text == "🚂"


def test_a_model_may_stand_in_the_address() -> None:
    body = b'{"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user","content":"hi"}]}'
    request = decode(body, Address("m", stream=True))
    assert (request.model, request.stream, list(request.own)) == ("m", True, ["anthropic_version"])


USER = b'{"role":"user","content":"hi"}'


@pytest.mark.parametrize(
    ("body", "words", "param"),
    [
        (b"", "not valid JSON", None),
        (b"[]", "the body: is of the wrong type", None),
        (b'{"model":"m"}', "'messages' is missing", "messages"),
        (b'{"model":"m","messages":[]}', "'messages' is empty", "messages"),
        (b'{"messages":[' + USER + b"]}", "'model' is missing", "model"),
        (b'{"model":1,"messages":[' + USER + b"]}", "'model' is of the wrong type", "model"),
        (b'{"model":"m","messages":[{"content":"a"}]}', "'messages[0].role' is missing", "messages[0].role"),
        (
            b'{"model":"m","messages":[' + USER + b',{"role":"user","content":[{"type":"text","text":1}]}]}',
            "'messages[1].content[0].text' is of the wrong type",
            "messages[1].content[0].text",
        ),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{}]}]}]}',
            "'messages[0].content[0].content[0].type' is missing",
            "messages[0].content[0].content[0].type",
        ),
        (
            b'{"model":"m","tools":[{"type":"custom"}],"messages":[' + USER + b"]}",
            "'tools[0].name' is missing",
            "tools[0].name",
        ),
        (b'{"model":"m","metadata":[],"messages":[' + USER + b"]}", "'metadata' is of the wrong type", "metadata"),
        (b'{"model":"m","container":"\xff","messages":[' + USER + b"]}", "not UTF-8", None),
        (b'{"model":"m","messages":' + b"[" * 100_000, "nested too deeply", None),
    ],
)
def test_what_is_wrong_is_named(body: bytes, words: str, param: str | None) -> None:
    with pytest.raises(WireError, match=words.replace("[", r"\[")) as caught:
        decode(body)
    assert caught.value.param == param


def test_counting_takes_no_more_than_the_prompt() -> None:
    request = read(
        system="s", stream=True, temperature=1, tools=[{"name": "n", "input_schema": {}}], metadata={"user_id": "u"}
    )
    assert json.loads(count_request(request).body).keys() == {"model", "system", "messages", "tools"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model": "a","x" : [ 1.0 ] }', b'{"model": "b","x" : [ 1.0 ] }'),
        (b'{"tools":[{"model":"t"}],"model":"a"}', b'{"tools":[{"model":"t"}],"model":"b"}'),
        (b'{"model":"a","\\u006dodel" : "c"}', b'{"model":"b","\\u006dodel" : "b"}'),
        (b'{"anthropic_version":"v","tools":[{"model":"t"}]}', b'{"anthropic_version":"v","tools":[{"model":"t"}]}'),
    ],
)
def test_only_the_model_is_edited(before: bytes, after: bytes) -> None:
    assert edit(before, model="b", include_usage=True) == after
    assert edit(before, include_usage=True) is before


def test_the_path_is_the_same_for_streams() -> None:
    assert path("m", stream=False) == path("m", stream=True) == "/messages"

"""Requests: what is read of them, and that an edit touches nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from tests.wire.transcripts import differences

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    Media,
    Message,
    Opaque,
    Output,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.errors import WireError
from pointsman.wire.openai_chat.request import decode, edit, encode, glance, path, unfit

HELLO = b'{"model":"auto","messages":[{"role":"user","content":"hello"}]}'


PNG = "data:image/png;base64,iVBORw0KGgo="
FULL: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/x.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": PNG}},
                {"type": "image_url", "image_url": PNG},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                {"type": "video_url", "video_url": {"url": "https://example.org/x.mp4"}, "fps": 1},
                {"type": "new_kind", "new_kind": {"x": 1.50}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "refusal": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}, "index": 0},
                {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "1"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "prefix": True},
    ],
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": {"b": 1, "a": 2.50}, "strict": True}},
        {"type": "custom", "custom": {"name": "sql", "description": "SQL", "format": {"type": "text"}}},
        {"type": "vendor:search", "parameters": {}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "required",
            "tools": [{"type": "function", "function": {"name": "look"}}, {"type": "custom", "custom": {"name": "sql"}}],
        },
    },
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"z": 1, "a": 2}, "strict": False}},
    "max_tokens": 5,
    "max_completion_tokens": 7,
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 40,
    "presence_penalty": -1.5,
    "frequency_penalty": 0,
    "seed": 7,
    "stop": "END",
    "logprobs": True,
    "top_logprobs": 3,
    "n": 2,
    "reasoning_effort": "low",
    "verbosity": "high",
    "service_tier": "flex",
    "user": "u1",
    "metadata": {"feature": "support", "count": 3},
    "prompt_cache_key": "k",
    "store": False,
    "logit_bias": None,
    "something_new": {"deep": [1, 2.50, None]},
}


def raw(value: object) -> Raw:
    return Raw(json.dumps(value).encode())


def test_everything_is_read() -> None:
    null = raw(None)
    assert decode(json.dumps(FULL).encode()) == ChatRequest(
        model="auto",
        messages=(
            Message("developer", (Text("Be brief."),)),
            Message(
                "user",
                (
                    Text("What is this?", CacheMark("1h")),
                    Media("image", url="https://example.org/x.png", detail="low"),
                    Media("image", data="iVBORw0KGgo=", mime="image/png"),
                    Media("image", data="iVBORw0KGgo=", mime="image/png", own={"image_url": null}),
                    Media("audio", data="UklGRg==", mime="audio/wav"),
                    Media("file", file_id="f"),
                    Media("file", data="JVBERi0=", mime="application/pdf", name="a.pdf"),
                    Media("video", url="https://example.org/x.mp4", own={"fps": raw(1)}),
                    Opaque("new_kind", raw({"type": "new_kind", "new_kind": {"x": 1.50}})),
                ),
                "ann",
            ),
            Message(
                "assistant",
                (Thinking("hm"), ToolCall("look", '{"x": 1}', "c1"), ToolCall("sql", "select 1", "c2", "custom")),
            ),
            Message("tool", (ToolResult("c1", (Text("a cat"),)),)),
            Message("tool", (ToolResult("c2", (Text("1"),), kind="custom"),)),
            Message("assistant", (Refusal("No."),), own={"prefix": raw(True)}),
        ),
        stream=True,
        include_usage=True,
        tools=(
            Tool("look", schema=raw({"b": 1, "a": 2.50}), strict=True),
            Tool("sql", "SQL", kind="custom", own={"custom": Raw(b'{"format":{"type": "text"}}')}),
            Opaque("vendor:search", raw({"type": "vendor:search", "parameters": {}})),
        ),
        tool_choice=ToolChoice("named", ("look", "sql")),
        parallel_tools=False,
        output=Output("json_schema", raw({"z": 1, "a": 2}), "x", strict=False),
        max_output_tokens=7,
        temperature=1.0,
        top_p=0.5,
        top_k=40,
        presence_penalty=-1.5,
        frequency_penalty=0.0,
        seed=7,
        stop=("END",),
        logprobs=3,
        choices=2,
        reasoning=Reasoning("low"),
        verbosity="high",
        service_tier="flex",
        user="u1",
        metadata={"feature": "support"},
        cache_key="k",
        store=False,
        own={
            "stream_options": Raw(b'{"include_obfuscation":false}'),
            "max_tokens": raw(5),
            "metadata": Raw(b'{"count":3}'),
            "something_new": raw({"deep": [1, 2.50, None]}),
        },
    )


def test_what_was_read_is_written_again() -> None:
    encoded = encode(decode(json.dumps(FULL).encode()))
    assert encoded.lost == ()
    written = json.loads(encoded.body)
    written["messages"][2]["tool_calls"][0]["index"] = 0  # is its place
    written["messages"][4]["content"] = [{"type": "text", "text": "1"}]
    assert differences({**FULL, "stop": ["END"]}, written) == []


def test_a_glance_sees_what_choosing_and_accounting_rest_on() -> None:
    body = json.dumps(FULL).encode()
    seen, read = glance(body), decode(body)
    for name in ("model", "stream", "include_usage", "max_output_tokens", "choices", "user", "metadata", "cache_key"):
        assert getattr(seen, name) == getattr(read, name), name
    assert seen.json_schema == read.json_schema
    assert (seen.user_text, seen.system_text, seen.media) == (read.user_text, read.system_text, read.media)
    assert seen.media == {"image", "audio", "file", "video"}
    assert seen.tools == read.tools
    assert seen.messages[2] == read.messages[2]


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_content": "a"}, [Thinking("a")]),
        ({"reasoning": "a"}, [Thinking("a", own={"reasoning": raw(None)})]),
        (
            {"reasoning": "a", "reasoning_content": "a"},
            [Thinking("a", own={"reasoning": raw(None), "reasoning_content": raw(None)})],
        ),
        (
            {
                "reasoning": "ab",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "a", "signature": "c2ln", "format": "f"},
                    {"type": "reasoning.summary", "summary": "b", "id": "i"},
                    {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "index": 2},
                ],
            },
            [
                Thinking("a", "c2ln", own={"reasoning_details": Raw(b'{"format":"f"}'), "reasoning": raw(None)}),
                Thinking(summary=("b",), id="i", own={"reasoning_details": raw(None)}),
                Thinking(encrypted="ZGF0YQ==", own={"reasoning_details": Raw(b'{"index":2}')}),
            ],
        ),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}], "closed": True}]},
            [Thinking("a", own={"closed": raw(True), "content": raw(None)})],
        ),
    ],
)
def test_reasoning_is_read_in_every_form_and_written_in_its_own(fields: dict[str, Any], thinking: list[Thinking]) -> None:
    body = {"model": "m", "messages": [{"role": "assistant", "content": "x", **fields}]}
    read = decode(msgspec.json.encode(body))
    assert [part for part in read.messages[0].parts if isinstance(part, Thinking)] == thinking
    assert differences(body, json.loads(encode(read).body)) == []
    elsewhere = encode(replace(read, dialect="anthropic"))
    assert "thinking" in elsewhere.lost
    assert b"reasoning" not in elsewhere.body


def test_the_old_functions_stay_what_they_are() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
        "functions": [{"name": "f", "parameters": {}}],
        "function_call": {"name": "f"},
    }
    read = decode(msgspec.json.encode(body))
    assert read.messages[0].tool_calls[0].name == "f"
    assert [(tool.name, tool.own) for tool in read.tools if isinstance(tool, Tool)] == [("f", {"functions": raw(None)})]
    assert read.tool_choice == ToolChoice("named", ("f",), {"function_call": raw(None)})
    assert differences(body, json.loads(encode(read).body)) == []
    elsewhere = json.loads(encode(replace(read, dialect="gemini")).body)
    assert elsewhere["messages"][0]["tool_calls"][0]["id"] == elsewhere["messages"][1]["tool_call_id"] == "call_1"
    assert elsewhere["tools"][0]["function"]["name"] == "f"


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": "hot", "seed": 1.5, "tool_choice": 7, "stop": [1], "logprobs": "yes", "reasoning": [], "store": 0},
        {"top_logprobs": 2, "n": 0, "reasoning_effort": 3, "response_format": {"type": "grammar", "grammar": "x"}},
        {"tools": [7, {"type": "function"}, {"function": {"name": 3}}], "parallel_tool_calls": "no", "top_k": "many"},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "new", "tools": []}}, "function_call": 7},
    ],
)
def test_odd_values_pass_as_they_are(fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x", "name": 7}], **fields}
    assert differences(body, json.loads(encode(decode(msgspec.json.encode(body))).body)) == []
    assert glance(msgspec.json.encode(body)).user_text == "x"


def test_a_turn_of_another_dialect_is_grouped_anew_and_what_has_no_word_is_named() -> None:
    asked = ChatRequest(
        model="m",
        messages=(
            Message("system", (Text("Be brief.", CacheMark()),)),
            Message(
                "assistant",
                (
                    Thinking("hm", "c2ln"),
                    Text("I look."),
                    ToolCall("look", "", signature="c2ln"),
                    ToolCall("see", "{}", "c2"),
                ),
            ),
            Message(
                "user",
                (
                    ToolResult("", (Text("a cat"), Media("image", data="iVBORw0KGgo=")), name="look"),
                    ToolResult("c2", (), error=True),
                    Text("So?", citations=(raw({"x": 1}),)),
                ),
            ),
        ),
        tools=(Tool("look", schema=raw({}), cache=CacheMark(), own={"eager": raw(True)}), Tool("see")),
        tool_choice=ToolChoice("any"),
        parallel_tools=True,
        max_output_tokens=9,
        top_k=5,
        stop=("a", "b", "c", "d", "e"),
        reasoning=Reasoning(budget=5000, shown=True),
        service_tier="standard_only",
        metadata={"a": "b"},
        user="u",
        dialect="anthropic",
        own={"container": raw("c")},
    )
    encoded = encode(asked)
    assert json.loads(encoded.body) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    {"id": "c2", "type": "function", "function": {"name": "see", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "content": "a cat", "tool_call_id": "call_1"},
            {"role": "tool", "content": "", "tool_call_id": "c2"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
        "tools": [
            {"type": "function", "function": {"name": "look", "parameters": {}}},
            {"type": "function", "function": {"name": "see"}},
        ],
        "parallel_tool_calls": True,
        "tool_choice": "required",
        "max_completion_tokens": 9,
        "stop": ["a", "b", "c", "d"],
        "service_tier": "default",
        "user": "u",
        "reasoning_effort": "medium",
    }
    assert encoded.lost == (
        "cache",
        "citations",
        "container",
        "eager",
        "metadata",
        "reasoning.budget",
        "reasoning.shown",
        "stop",
        "thinking",
        "thinking.signature",
        "tool_result.error",
        "tool_result.media",
        "top_k",
    )


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ChatRequest("m", (Message("user", (Text("x"),)),)), None),
        (ChatRequest("m", (Message("user", (Media("video", data="eA=="),)),)), "cannot read videos"),
        (ChatRequest("m", (Message("user", (Media("image", file_id="f"),)),)), "cannot read an uploaded image"),
        (
            ChatRequest("m", (Message("user", (Media("file", url="https://a.example/b"),)),)),
            "cannot read files by their address",
        ),
        (
            ChatRequest("m", (Message("user", (ToolResult("c", (Media("audio", url="https://a.example/b"),)),)),)),
            "cannot read sound that is not in the request itself",
        ),
        (ChatRequest("m", (), tools=(Opaque("web_search", raw({})),)), "cannot offer the tool web_search"),
        (ChatRequest("m", (), previous="resp_1"), "cannot go on from a reply that its provider keeps"),
        (ChatRequest("m", (Message("user", (Media("image", data="eA=="),)),), choices=3), None),
    ],
)
def test_what_would_be_answered_wrongly_is_said_before(asked: ChatRequest, reason: str | None) -> None:
    assert unfit(replace(asked, dialect="gemini")) == reason
    assert unfit(asked) is None


def test_the_limit_is_written_in_the_word_that_it_came_in() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5}'
    assert json.loads(encode(decode(body)).body)["max_tokens"] == 5
    assert json.loads(encode(replace(decode(body), max_output_tokens=6)).body)["max_tokens"] == 6
    assert json.loads(encode(replace(decode(body), dialect="gemini")).body)["max_completion_tokens"] == 5


def test_the_path() -> None:
    assert path("m", stream=True) == path("m", stream=False) == "/chat/completions"


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"", None, "not valid JSON"),
        (b'{"model":"a",', None, "not valid JSON"),
        (b"[]", None, "Expected `object`"),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model", "missing"),
        (b'{"model":"a"}', "messages", "missing"),
        (b'{"model":"a","messages":[]}', "messages", "at least one"),
        (b'{"model":"a","messages":"hi"}', "messages", "wrong type"),
        (b'{"model":3,"messages":[]}', "model", "wrong type"),
        (b'{"model":"a","messages":[{"role":"user","content":"x"}],"tools":7}', "tools", "wrong type"),
        (b'{"model":"a","messages":[{"content":"x"}]}', "messages[0].role", "missing"),
        (b'{"model":"a","messages":[{"role":"user","content":7}]}', "messages[0].content", "wrong type"),
        (b'{"model":"a","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream", "wrong type"),
        (b'{"model":"\xff","messages":[]}', None, "not UTF-8"),
        (b'{"model":"a","messages":[],"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", None, "nested too deeply"),
        (b'{"model":"a","messages":' + b"[" * 200_000, None, ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(body: bytes, param: str | None, words: str) -> None:
    for read in (decode, glance):
        with pytest.raises(WireError) as caught:
            read(body)
        assert words in str(caught.value)
        if words:
            assert caught.value.param == param


@pytest.mark.parametrize("lone", ["\\ud83d", "\\ud83d\\ud83d\\ude00", "\\ude00\\ude00", "\\uD83D end"])
def test_half_a_surrogate_pair_is_read_and_forwarded_as_it_is(lone: str) -> None:
    body = b'{"model":"auto","messages":[{"role":"user","content":"%b"}]}' % lone.encode()
    assert "�" in decode(body).messages[0].text
    assert "�" in glance(body).messages[0].text
    assert edit(body, model="m") == body.replace(b'"auto"', b'"m"')


def test_half_a_surrogate_pair_in_what_is_looked_at_later_is_read_too() -> None:
    tool = b'{"function":{"name":"f","description":"\\ud83d"}}'
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[%b]}' % tool
    assert decode(body).tools == (Tool("f", "�"),)
    assert len(glance(body).tools) == 1


def test_nothing_to_change_returns_the_same_bytes() -> None:
    assert edit(HELLO) is HELLO


def test_only_the_value_of_the_model_changes() -> None:
    body = (
        b'\n{ "messages" : [ {"role":"user","content":"\\"model\\": \\"auto\\""} ] ,\t"model"\n:  "auto"  , "n":1.50e0 }\n'
    )
    assert edit(body, model='a"b/ü') == body.replace(b'"auto"  ,', '"a\\"b/ü"  ,'.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"model":"inner"},"model":"auto","messages":[{"role":"model","content":"model"}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"x"}],"tools":[{"model":"auto","x":[{"model":"auto"}]}]}',
        b'{"mod\\u0065l":"auto","messages":[{"role":"user","content":"x"}],"y":{"model":"auto"}}',
        b'{"a\\"model":"auto","model":"auto","messages":[{"role":"user","content":"}{][,:\\\\"}]}',
    ],
)
def test_the_models_name_is_found_at_the_top_level_only(body: bytes) -> None:
    before, after = json.loads(body), json.loads(edit(body, model="chosen"))
    assert after == {**before, "model": "chosen"}
    assert len(edit(body, model="chosen")) == len(body) + len("chosen") - len("auto")


def test_a_model_that_stands_twice_is_changed_twice() -> None:
    body = b'{"model":"a","messages":[{"role":"user","content":"x"}],"model":"b"}'
    assert edit(body, model="c") == b'{"model":"c","messages":[{"role":"user","content":"x"}],"model":"c"}'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ',"stream_options":{"include_usage":true}'),
        (',"stream_options":null', ',"stream_options":{"include_usage":true}'),
        (
            ',"stream_options": {"include_obfuscation": false , "include_usage":false} ',
            ',"stream_options": {"include_obfuscation":false,"include_usage":true} ',
        ),
    ],
)
def test_usage_is_asked_for(options: str, expected: str) -> None:
    body = f'{{"model":"m"{options},"stream":true,"messages":[]}}'.encode()
    assert edit(body, include_usage=True).decode() == f'{{"model":"m"{expected},"stream":true,"messages":[]}}'


_names = st.text() | st.sampled_from(["model", "stream_options"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=12,
)
_members = st.dictionaries(st.text().filter(lambda name: name not in ("model", "stream_options")), _json, max_size=4)
_blanks = st.text(" \t\r\n", max_size=3)


@given(
    before=_members,
    after=_members,
    model=st.text(max_size=20),
    chosen=st.text(max_size=20),
    blanks=st.tuples(_blanks, _blanks, _blanks),
    ascii_only=st.booleans(),
    include_usage=st.booleans(),
)
def test_an_edit_changes_nothing_else(
    before: dict[str, Any],
    after: dict[str, Any],
    model: str,
    chosen: str,
    blanks: tuple[str, str, str],
    ascii_only: bool,
    include_usage: bool,
) -> None:
    def body_with(name: bytes, addition: bytes) -> bytes:
        head, tail = (json.dumps(members, ensure_ascii=ascii_only).encode() for members in (before, after))
        key = b'"model"' + blanks[0].encode() + b":" + blanks[1].encode() + name + addition + blanks[2].encode()
        members = [part for part in (head[1:-1], key, tail[1:-1]) if part]
        return b"{" + b",".join(members) + b"}"

    body = body_with(json.dumps(model, ensure_ascii=ascii_only).encode(), b"")
    addition = b',"stream_options":{"include_usage":true}' if include_usage else b""
    expected = body_with(msgspec.json.encode(chosen), addition)
    assert edit(body, model=chosen, include_usage=include_usage) == expected

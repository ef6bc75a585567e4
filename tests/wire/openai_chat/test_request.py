"""Requests: what is read of them, and that an edit touches nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Media, Message, Output, Text, Tool, ToolCall
from pointsman.core.errors import WireError
from pointsman.wire.openai_chat.request import decode, edit

HELLO = b'{"model":"auto","messages":[{"role":"user","content":"hello"}]}'


def test_everything_that_choosing_needs_is_read() -> None:
    body: dict[str, Any] = {
        "model": "auto",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
                    {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
                    {"type": "file", "file": {"file_id": "f"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}},
                    {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
        "max_tokens": 5,
        "max_completion_tokens": 7,
        "user": "u1",
        "metadata": {"feature": "support", "count": 3},
        "something_new": {"deep": [1, 2.50, None]},
    }
    assert decode(json.dumps(body).encode()) == ChatRequest(
        model="auto",
        messages=(
            Message("developer", (Text("Be brief."),)),
            Message("user", (Text("What is this?"), Media("image"), Media("audio"), Media("file"))),
            Message("assistant", (ToolCall("look", '{"x":1}', "c1"), ToolCall("sql", "select 1", "c2"))),
            Message("tool", (Text("a cat"),)),
        ),
        stream=True,
        include_usage=True,
        tools=(Tool(""),),
        output=Output("json_schema"),
        max_output_tokens=7,
        user="u1",
        metadata={"feature": "support"},
    )


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
        (b'{"model":"a","messages":[{"content":"x"}]}', "messages[0].role", "missing"),
        (b'{"model":"a","messages":[{"role":"user","content":7}]}', "messages[0].content", "wrong type"),
        (b'{"model":"a","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream", "wrong type"),
        (b'{"model":"\xff","messages":[]}', None, "not UTF-8"),
        (b'{"model":"a","messages":[],"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", None, "nested too deeply"),
        (b'{"model":"a","messages":' + b"[" * 200_000, None, ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(body)
    assert words in str(caught.value)
    if words:
        assert caught.value.param == param


@pytest.mark.parametrize("lone", ["\\ud83d", "\\ud83d\\ud83d\\ude00", "\\ude00\\ude00", "\\uD83D end"])
def test_half_a_surrogate_pair_is_read_and_forwarded_as_it_is(lone: str) -> None:
    body = b'{"model":"auto","messages":[{"role":"user","content":"%b"}]}' % lone.encode()
    assert "�" in decode(body).messages[0].text
    assert edit(body, model="m") == body.replace(b'"auto"', b'"m"')


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

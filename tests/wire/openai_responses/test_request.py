"""Requests: what is read, what is written, and what is named as lost."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from pointsman.core.errors import WireError
from pointsman.wire.openai_responses import request

NAME = "openai_responses"
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "s"}],
    "encrypted_content": "E==",
}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
        "content": [{"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal",
         "refusal": "no"}]}  # fmt: skip
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "look",
    "arguments": '{"x": 1}',
    "status": "completed",
}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "seen"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}


def decoded(**fields: Any) -> ChatRequest:
    return request.decode(json.dumps({"model": "m", "input": "hi", **fields}).encode())


def encoded(asked: ChatRequest) -> tuple[Any, tuple[str, ...]]:
    made = request.encode(asked)
    return json.loads(made.body), made.lost


def again(**fields: Any) -> Any:
    """What a body comes back as; nothing may be lost."""
    asked = decoded(**fields)
    body, lost = encoded(asked)
    assert lost == ()
    assert request.decode(json.dumps(body).encode()) == asked
    return body


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest("m", messages or (Message("user", (Text("hi"),)),), **fields)


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


def test_a_string_is_what_the_user_says() -> None:
    assert decoded().messages == (Message("user", (Text("hi"),)),)
    assert again()["input"] == [{"type": "message", "role": "user", "content": "hi"}]


def test_instructions_are_a_system_message_at_the_head_and_a_system_item_stays_an_item() -> None:
    asked = decoded(instructions="be brief")
    assert asked.messages[0] == Message("system", (Text("be brief"),))
    assert asked.system_text == "be brief"
    assert again(instructions="be brief")["instructions"] == "be brief"
    item = {"type": "message", "role": "system", "content": "be brief"}
    assert again(input=[item]) == {"model": "m", "input": [item]}
    assert encoded(replace(decoded(input=[item]), dialect="elsewhere"))[1] == ()
    both = again(instructions="one", input=[item])
    assert (both["instructions"], both["input"]) == ("one", [item])


def test_what_the_model_did_in_a_row_is_one_turn_and_comes_back_as_its_items() -> None:
    items = [
        {"type": "message", "role": "user", "content": "go"},
        REASONING,
        SAID,
        CALL,
        SEARCH,
        {**SAID, "id": "msg_2"},
        OUTPUT,
    ]
    asked = decoded(input=items)
    assert [message.role for message in asked.messages] == ["user", "assistant", "tool"]
    kinds = [type(part) for part in asked.messages[1].parts]
    assert kinds == [Thinking, Text, Refusal, ToolCall, Opaque, Text, Refusal]
    assert asked.messages[1].parts[0] == Thinking(encrypted="E==", summary=("s",), id="rs_1")
    assert asked.messages[1].tool_calls[0].arguments == '{"x": 1}'
    assert again(input=items)["input"] == items


@pytest.mark.parametrize(
    "items",
    [
        [SAID, {**SAID, "id": "msg_2", "phase": "final_answer"}],
        [{"type": "message", "role": "assistant", "content": "a"}, {"type": "message", "role": "assistant", "content": "b"}],
        [SAID, {"type": "message", "role": "assistant", "content": "b"}, SAID],
        [{"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": []}, SAID],
        [{"type": "message", "role": "assistant", "phase": "final_answer", "content": "a"}, CALL],
        [{**REASONING, "content": [{"type": "reasoning_text", "text": "why"}]}, CALL],
        [{**REASONING, "content": [{"type": "reasoning_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}]}],
        [{"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls {"},
         {"type": "custom_tool_call_output", "call_id": "c", "output": "x"}],
        [{"type": "item_reference", "id": "msg_9"}, OUTPUT],
        [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}],
        [{"type": "additional_tools", "role": "developer", "tools": []}],
        [{"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": "u"}}],
        [{**CALL, "namespace": "n", "caller": {"type": "direct"}}],
        [{"type": "message", "role": "critic", "content": "?"}],
        [{"type": "message", "role": "user", "content": [{"type": "input_hologram", "x": 1.50}]}],
        [{**OUTPUT, "output": [{"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                               {"type": "input_file", "file_id": "file_1"}, {"type": "input_text", "text": "t"}]}],
        [],
    ],
)  # fmt: skip
def test_items_come_back_as_they_were(items: list[Any]) -> None:
    assert again(input=items)["input"] == items


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ({"type": "input_image", "image_url": "https://x/y.png", "detail": "high"}, Media("image",
         url="https://x/y.png", detail="high")),
        ({"type": "input_image", "image_url": "data:image/png;base64,AA=="}, Media("image", data="AA==", mime="image/png")),
        ({"type": "input_image", "image_url": "data:image/svg+xml,<svg/>"}, Media("image", url="data:image/svg+xml,<svg/>")),
        ({"type": "input_image", "file_id": "f"}, Media("image", file_id="f")),
        ({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
         Media("file", data="AA==", mime="application/pdf", name="a.pdf")),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, Media("file", url="https://x/a.pdf")),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}, Media("audio", data="AA==",
         mime="audio/mpeg")),
        ({"type": "input_text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
         Text("t", own={"prompt_cache_breakpoint": Raw(b'{"mode": "explicit"}')})),
    ],
)  # fmt: skip
def test_content(part: dict[str, Any], read: Part) -> None:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "see"}, part]}
    assert decoded(input=[item]).messages[0].parts[1] == read
    assert again(input=[item])["input"] == [item]


def test_parameters() -> None:
    fields: dict[str, Any] = {
        "stream": True, "parallel_tool_calls": False, "max_output_tokens": 7, "temperature": 0.5, "top_p": 0.25,
        "service_tier": "flex", "user": "u", "metadata": {"a": "b"}, "prompt_cache_key": "k", "store": False,
        "previous_response_id": "resp_0", "reasoning": {"effort": "low", "summary": "auto", "mode": "pro"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
         "verbosity": "low"},
        "include": ["message.output_text.logprobs"], "top_logprobs": 3,
    }  # fmt: skip
    asked = decoded(**fields)
    assert asked == replace(
        asked, stream=True, parallel_tools=False, max_output_tokens=7, temperature=0.5, top_p=0.25, service_tier="flex",
        user="u", metadata={"a": "b"}, cache_key="k", store=False, previous="resp_0", verbosity="low", logprobs=3,
        output=Output("json_schema", Raw(b'{"type": "object"}'), "n", strict=True),
        reasoning=Reasoning("low", shown=True, summary="auto", own={"mode": Raw(b'"pro"')}), own={},
    )  # fmt: skip
    assert {name: again(**fields)[name] for name in fields} == fields


def test_what_only_this_dialect_says_comes_back_verbatim_and_is_named_elsewhere() -> None:
    asked = request.decode(
        b'{"model":"m","input":"hi","truncation":"auto","x":1.50,"include":["message.output_text.logprobs","other"],'
        b'"text":{"new":[1]},"metadata":{"a":1},"background":false,"top_logprobs":2}'
    )
    assert asked.own.keys() == {"truncation", "x", "include", "text", "metadata", "background"}
    assert b'"x":1.50' in request.encode(asked).body
    body, lost = encoded(asked)
    assert (body["include"], body["top_logprobs"], body["text"]) == (
        ["message.output_text.logprobs", "other"],
        2,
        {"new": [1]},
    )
    assert lost == ()
    assert encoded(replace(asked, dialect="elsewhere"))[1] == tuple(sorted(asked.own))


@pytest.mark.parametrize(
    ("choice", "read"),
    [
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("any")),
        ("none", ToolChoice("none")),
        ({"type": "function", "name": "look"}, ToolChoice("named", ("look",))),
        ({"type": "custom", "name": "sh"}, ToolChoice("named", ("sh",))),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"},
         {"type": "custom", "name": "sh"}]},
         ToolChoice("named", ("look", "sh"))),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]}, None),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}, None),
        ({"type": "web_search"}, None),
    ],
)  # fmt: skip
def test_tool_choice(choice: Any, read: ToolChoice | None) -> None:
    tools = [{"type": "function", "name": "look", "parameters": {}, "strict": True, "defer_loading": True},
             {"type": "custom", "name": "sh", "format": {"type": "text"}}, {"type": "web_search",
              "filters": None}]  # fmt: skip
    asked = decoded(tools=tools, tool_choice=choice)
    if read is None:
        mode = "auto" if choice.get("mode") == "auto" else "any"
        read = ToolChoice(mode, own={"tool_choice": Raw(json.dumps(choice).encode())})  # type: ignore[arg-type]
    assert asked.tool_choice == read
    body = again(tools=tools, tool_choice=choice)
    assert (body["tools"], body["tool_choice"]) == (tools, choice)


def test_a_request_of_another_dialect_names_what_it_loses() -> None:
    cached = CacheMark("5m")
    asked = foreign(
        Message("system", (Text("s", cache=cached),)),
        Message("user", (Text("hi"),), name="bob"),
        Message("assistant", (Thinking("t", signature="x"), Text("said", signature="g"), ToolCall("f", "{}", "c",
         own={"i": raw(1)}))),
        Message("user", (ToolResult("c", (Text("bad"),), error=True), Text("and now?"))),
        tools=(Tool("f", schema=raw({})),), seed=1, top_k=2, presence_penalty=0.1, frequency_penalty=0.1, stop=("x",),
        choices=2, reasoning=Reasoning(budget=4000), own={"logit_bias": raw({})},
    )  # fmt: skip
    body, lost = encoded(asked)
    assert lost == (
        "cache", "choices", "frequency_penalty", "i", "logit_bias", "name", "presence_penalty", "reasoning.budget",
         "seed", "stop",
        "thinking", "thinking.signature", "tool_result.error", "top_k",
    )  # fmt: skip
    assert body == {
        "model": "m", "instructions": "s", "store": False, "reasoning": {"effort": "medium"},
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": False}],
        "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "message", "role": "assistant", "content": "said"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "bad"},
            {"type": "message", "role": "user", "content": "and now?"},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("tier", "written", "lost"), [
    ("priority", "priority", ()), ("standard", "default", ()), ("batch", None, ("service_tier",)), ("", None, ()),
])  # fmt: skip
def test_service_tiers_of_other_dialects(tier: str, written: str | None, lost: tuple[str, ...]) -> None:
    body, gone = encoded(foreign(service_tier=tier))
    assert (body.get("service_tier"), gone) == (written, lost)
    assert again(service_tier="batch")["service_tier"] == "batch"


def test_calls_without_an_id_get_one_and_their_results_the_same() -> None:
    calls = Message("assistant", (ToolCall("f", "{}"), ToolCall("g", "{}")))
    body, _ = encoded(foreign(calls, Message("tool", (ToolResult("", name="g"), ToolResult("", name="f")))))
    assert [item["call_id"] for item in body["input"]] == ["call_1", "call_2", "call_2", "call_1"]


def test_results_of_custom_tools_are_known_by_their_call() -> None:
    body, _ = encoded(
        foreign(Message("assistant", (ToolCall("f", "x", "c", "custom"),)), Message("tool", (ToolResult("c"),)))
    )
    assert [item["type"] for item in body["input"]] == ["custom_tool_call", "custom_tool_call_output"]


def test_media_of_other_dialects() -> None:
    parts = (
        Media("image", data="AA==", mime="image/gif"),
        Media("file", data="AA==", mime="application/pdf"),
        Media("file", text="plain", name="a.txt"),
        Media("audio", data="AA==", mime="audio/wav"),
    )
    body, lost = encoded(foreign(Message("user", parts)))
    assert body["input"][0]["content"] == [
        {"type": "input_image", "image_url": "data:image/gif;base64,AA==", "detail": "auto"},
        {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_text", "text": "plain"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]
    assert lost == ("media.name",)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (foreign(), None),
        (foreign(choices=2), "several choices"),
        (foreign(stop=("x",)), "stop"),
        (foreign(tools=(Opaque("web_search_20250305", raw({})),)), "web_search_20250305"),
        (foreign(Message("user", (Media("video", url="v"),))), "video"),
        (foreign(Message("user", (Media("audio", data="A", mime="audio/ogg"),))), "audio"),
        (foreign(Message("user", (Media("audio", url="a", mime="audio/wav"),))), "audio"),
        (foreign(Message("user", (ToolResult("c", (Media("file", file_id="f"),)),))), "uploaded"),
        (foreign(own={"audio": raw({})}), "sound"),
        (foreign(own={"generationConfig.responseModalities": raw(["TEXT"])}), None),
        (foreign(own={"generationConfig.responseModalities": raw(["TEXT", "IMAGE"])}), "pictures"),
        (foreign(own={"mcp_servers": raw([])}), "MCP"),
        (foreign(Message("user", (Opaque("container_upload", raw({})),))), "container_upload"),
        (foreign(Message("assistant", (Opaque("server_tool_use", raw({})),))), None),
        (decoded(tools=[{"type": "web_search"}]), None),
    ],
)
def test_unfit(asked: ChatRequest, reason: str | None) -> None:
    found = request.unfit(asked)
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({}, None),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": None, "prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"background": False}, None),
        ({"input": [{"id": "msg_1"}]}, "item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "file_id"),
        ({"input": [{**OUTPUT, "output": [{"type": "input_file", "file_id": "f"}]}]}, "file_id"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "vector_store"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "container"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, None),
        ({"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}]}, "container"),
        ({"tools": [{"type": "web_search"}]}, None),
    ],
)
def test_state(fields: dict[str, Any], bound: str | None) -> None:
    assert request.state(decoded(**fields)) == bound
    assert request.state(replace(decoded(**fields), dialect="elsewhere")) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b"{", None),
        (b"\xff", None),
        (b'{"input":"x"}', "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":1,"input":"x"}', "model"),
        (b'{"model":"m","input":7}', "input"),
        (b'{"model":"m","input":[7]}', "input[0]"),
        (b'{"model":"m","input":[{"content":"x"}]}', "input[0].type"),
        (b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":1}]}]}', "input[0].content[0].text"),
        (b'{"model":"m","input":[{"type":"function_call_output","output":{}}]}', "input[0].output"),
        (b'{"model":"m","input":"x","tools":[{}]}', "tools[0].type"),
        (b'{"model":"m","input":"x","tool_choice":"maybe"}', "tool_choice"),
        (b'{"model":"m","input":"x","text":{"format":{"type":"json_schema","strict":"no"}}}', "text.format.strict"),
        (b'{"model":"m","input":"x","temperature":"hot"}', "temperature"),
        (b'{"model":"m","input":' + b"[" * 100_000, None),
    ],
)
def test_what_is_wrong_is_named(body: bytes, param: str | None) -> None:
    with pytest.raises(WireError) as caught:
        request.decode(body)
    assert caught.value.param == param


def test_half_a_surrogate_pair_is_read_on() -> None:
    asked = request.decode(rb'{"model":"m","input":[{"role":"user","content":"cut \ud83d off"}]}')
    assert asked.user_text == "cut \ufffd off"


def test_an_edit_changes_the_model_only() -> None:
    body = b'{ "input":"x", "model" : "a", "new":1.0 }'
    assert request.edit(body, model="b") == b'{ "input":"x", "model" : "b", "new":1.0 }'
    assert request.edit(body, include_usage=True) is body
    assert request.path("m", stream=True) == "/responses"


words = st.text(max_size=8)
names = st.text("abcdef_", min_size=1, max_size=8)
objects = st.dictionaries(names, st.integers(0, 9) | words, max_size=2).map(raw)
texts = st.builds(Text, words)
media = (
    st.builds(Media, st.just("image"), data=st.just("AA=="), mime=st.just("image/png"), detail=st.sampled_from(["", "low"]))
    | st.builds(Media, st.just("file"), file_id=names)
    | st.builds(Media, st.just("file"), url=names, name=words)
)
opaque = names.map(lambda kind: Opaque(kind + "_call", raw({"type": kind + "_call", "x": [1, None]})))
calls = st.builds(ToolCall, names, words, names, st.sampled_from(["function", "custom"]))
thoughts = st.builds(
    Thinking,
    words,
    encrypted=words,
    summary=st.lists(words, max_size=2).map(tuple),
    id=words,
    own=st.just({"status": raw("x")}),
)
said = st.builds(Text, words, citations=st.lists(objects, max_size=2).map(tuple)) | st.builds(Refusal, words)
users = st.lists(texts | media, max_size=3).map(lambda parts: Message("user", tuple(parts)))
turns = st.lists(said | calls | thoughts | opaque, min_size=1, max_size=5).map(
    lambda parts: Message("assistant", tuple(parts))
)
result_parts = st.lists(texts | media, min_size=1, max_size=2).map(tuple)
results = st.builds(ToolResult, names.map(lambda name: "no call " + name), result_parts)
exchanges = st.tuples(users, turns, results.map(lambda result: Message("tool", (result,))))
tools = st.builds(Tool, names, words, objects, st.none() | st.booleans()) | st.builds(
    Tool, names, words, kind=st.just("custom")
)
requests = st.builds(
    ChatRequest,
    words,
    st.lists(exchanges, max_size=3).map(lambda several: tuple(message for one in several for message in one)),
    stream=st.booleans(),
    tools=st.lists(tools, max_size=2).map(tuple),
    tool_choice=st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("any"), ToolChoice("none")]),
    parallel_tools=st.none() | st.booleans(),
    output=st.none()
    | st.just(Output("json"))
    | st.builds(Output, st.just("json_schema"), objects, names, words, st.booleans()),
    max_output_tokens=st.none() | st.integers(0, 9),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    logprobs=st.none() | st.integers(0, 9),
    reasoning=st.none() | st.builds(Reasoning, words),
    verbosity=words,
    service_tier=words,
    user=st.none() | words,
    metadata=st.dictionaries(names, words, max_size=2),
    cache_key=words,
    store=st.none() | st.booleans(),
    previous=words,
    dialect=st.just(NAME),
    own=st.dictionaries(names.map(lambda name: "x_" + name), objects, max_size=2),
)


@given(requests)
def test_what_is_written_reads_the_same(asked: ChatRequest) -> None:
    made = request.encode(asked)
    assert made.lost == ()
    assert request.decode(made.body) == asked


@given(requests, st.sampled_from(["openai_chat", "anthropic", "gemini"]))
def test_what_another_dialect_loses_is_named_and_the_rest_is_a_request(asked: ChatRequest, dialect: str) -> None:
    made = request.encode(replace(asked, dialect=dialect))
    thought = any(isinstance(part, Thinking) for message in asked.messages for part in message.parts)
    assert ("thinking" in made.lost) == thought
    assert set(asked.own) <= set(made.lost)
    assert request.decode(made.body).user_text is not None


shapes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "role", "content", "input", "text", "output", "id", "summary", "tools", "format", "name", "file_data"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.binary(max_size=40) | shapes.map(lambda value: json.dumps({"model": "m", "input": value, "tools": []}).encode()))
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    try:
        asked = request.decode(body)
    except WireError:
        return
    assert request.decode(request.encode(asked).body) == asked


@given(st.dictionaries(st.sampled_from(
    ["input", "tools", "tool_choice", "text", "reasoning", "metadata", "include", "instructions", "top_logprobs", "stream"]
), shapes))  # fmt: skip
def test_fields_of_any_kind_are_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        asked = decoded(**fields)
    except WireError:
        return
    request.encode(asked)
    request.unfit(asked)
    request.state(asked)

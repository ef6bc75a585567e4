"""Requests: what is read, what is written from other dialects, what is named as lost, and what is refused."""

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
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Address
from pointsman.wire.gemini import request
from pointsman.wire.gemini.parts import UNNAMED
from pointsman.wire.gemini.signatures import SKIP_VALIDATION

HELLO = Message("user", (Text("hello"),))


def read(body: object, model: str = "gemini-3-pro", *, stream: bool = False) -> ChatRequest:
    return request.decode(json.dumps(body).encode(), Address(model, stream))


def said(*parts: object, role: str = "user") -> dict[str, object]:
    return {"role": role, "parts": list(parts)}


def written(*messages: Message, model: str = "gemini-3-pro", **fields: Any) -> tuple[Any, tuple[str, ...]]:
    encoded = request.encode(ChatRequest(model, messages, **fields))
    return json.loads(encoded.body), encoded.lost


def test_model_and_form_come_from_the_url_and_snake_case_is_read() -> None:
    body = {
        "system_instruction": {"parts": {"text": "be brief"}},
        "contents": {"parts": [{"inline_data": {"mime_type": "image/png", "data": "aGk="}}, {"text": "what is it?"}]},
        "generation_config": {"max_output_tokens": "10", "top_k": 40.0, "thinking_config": {"thinking_level": "HIGH"}},
        "tools": {"function_declarations": {"name": "look", "parameters_json_schema": {"type": "object"}}},
    }
    found = read(body, stream=True)
    assert (found.model, found.stream, found.dialect) == ("gemini-3-pro", True, "gemini")
    assert found.messages == (
        Message("system", (Text("be brief"),)),
        Message("user", (Media("image", data="aGk=", mime="image/png"), Text("what is it?"))),
    )
    assert (found.max_output_tokens, found.top_k, found.reasoning) == (10, 40, Reasoning("high"))
    assert found.tools == (Tool("look", schema=Raw(b'{"type": "object"}')),)
    assert found.own == {}


def test_what_only_gemini_knows_is_kept_where_it_stood() -> None:
    body = {
        "contents": [
            said({"executableCode": {"code": "1"}, "thoughtSignature": "s"}, {"text": "x", "videoMetadata": {"fps": 1}})
        ],
        "tools": [{"googleSearch": {}}],
        "toolConfig": {"retrievalConfig": {"languageCode": "de"}, "functionCallingConfig": {"mode": "VALIDATED"}},
        "generationConfig": {"responseModalities": ["TEXT"], "topK": 1.5, "logprobs": 3},
        "safetySettings": [],
    }
    found = read(body)
    code, text = found.messages[0].parts
    assert isinstance(code, Opaque)
    assert (code.kind, json.loads(bytes(code.raw))["thoughtSignature"]) == ("executableCode", "s")
    assert text == Text("x", own={"videoMetadata": Raw(b'{"fps": 1}')})
    assert found.tools == (Opaque("googleSearch", Raw(b'{"googleSearch":{}}')),)
    assert found.tool_choice == ToolChoice("auto", own={"mode": Raw(b'"VALIDATED"')})
    assert sorted(found.own) == [
        "generationConfig.logprobs",
        "generationConfig.responseModalities",
        "generationConfig.topK",
        "safetySettings",
        "toolConfig.retrievalConfig",
    ]
    again = json.loads(request.encode(found).body)
    assert again == body


def test_calls_without_an_id_get_one_that_is_not_written_back() -> None:
    call, result = (
        {"functionCall": {"name": "look", "args": {"x": 1}}},
        {"functionResponse": {"name": "look", "response": {"y": 2}}},
    )
    body = {"contents": [said(call, call, role="model"), said(result, result)]}
    found = read(body, "gemini-2.5-pro")
    assert [part.id for part in found.messages[0].tool_calls] == [f"{UNNAMED}1", f"{UNNAMED}2"]
    assert [part.id for part in found.messages[1].parts if isinstance(part, ToolResult)] == [f"{UNNAMED}1", f"{UNNAMED}2"]
    assert json.loads(request.encode(found).body) == body


def test_arguments_and_signatures_stay_the_characters_that_came() -> None:
    call = b'{"functionCall":{"name":"f","args":{"n": 1.0e2,"n":2}},"thoughtSignature":"A+/="}'
    raw = b'{"contents":[{"role":"model","parts":[%b]}]}' % call
    (found,) = request.decode(raw).messages[0].tool_calls
    assert (found.arguments, found.signature) == ('{"n": 1.0e2,"n":2}', "A+/=")
    assert b'"args":{"n": 1.0e2,"n":2}' in request.encode(request.decode(raw)).body


@pytest.mark.parametrize(
    ("response", "text", "error"),
    [
        ({"result": "fine"}, "fine", False),
        ({"error": "no such file"}, "no such file", True),
        ({"output": "fine"}, '{"output": "fine"}', False),
        ({"error": {"code": 1}}, '{"error": {"code": 1}}', True),
        ({}, None, False),
    ],
)
def test_results_are_text_where_they_hold_one(response: object, text: str | None, error: bool) -> None:
    body = {"contents": [said({"functionResponse": {"name": "f", "id": "c", "response": response}})]}
    (result,) = read(body).messages[0].parts
    assert result == ToolResult("c", () if text is None else (Text(text),), error=error, name="f")
    assert json.loads(request.encode(read(body)).body) == body


def test_older_schemas_become_json_schema_and_go_back_as_they_came() -> None:
    older = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}, "propertyOrdering": ["a"]}
    declaration = {"name": "f", "description": "d", "parameters": older}
    generation = {
        "responseMimeType": "application/json",
        "responseSchema": {"type": "ARRAY", "min_items": "2", "items": older},
    }
    body = {
        "contents": [said({"text": "x"})],
        "tools": [{"functionDeclarations": [declaration]}],
        "generationConfig": generation,
    }
    found = read(body)
    (tool,) = found.tools
    assert isinstance(tool, Tool)
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    assert json.loads(bytes(tool.schema)) == schema
    assert found.output is not None
    assert json.loads(bytes(found.output.schema)) == {"type": "array", "minItems": 2, "items": schema}
    assert json.loads(request.encode(found).body) == body


def test_a_conversation_of_another_dialect() -> None:
    body, lost = written(
        Message("system", (Text("be brief"),)),
        Message("developer", (Text("really"),)),
        HELLO,
        Message("assistant", (Thinking("hm", "anthropic's"), ToolCall("look", '{"x":1}', "a"))),
        Message("assistant", (ToolCall("find", "", "b"),)),
        Message("tool", (ToolResult("a", (Text('{"y":2}'),)),)),
        Message("tool", (ToolResult("b", (Text("none"),), error=True),)),
        Message("user", (Text("and?"), Media("image", url="https://a.example/b.jpg?c"))),
        dialect="anthropic",
    )
    assert body["systemInstruction"] == said({"text": "be brief"}, {"text": "really"})
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user", "user"]
    thought, look, find = body["contents"][1]["parts"]
    assert thought == {"text": "hm", "thought": True}
    assert look == {"functionCall": {"name": "look", "args": {"x": 1}, "id": "a"}, "thoughtSignature": SKIP_VALIDATION}
    assert find["functionCall"] == {"name": "find", "args": {}, "id": "b"}
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"name": "look", "response": {"y": 2}, "id": "a"}},
        {"functionResponse": {"name": "find", "response": {"error": "none"}, "id": "b"}},
    ]
    assert body["contents"][3]["parts"][1] == {
        "fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.example/b.jpg?c"}
    }
    assert lost == ("thinking.signature",)


def test_unsigned_calls_are_marked_only_for_models_that_check() -> None:
    called = Message("assistant", (ToolCall("f", "{}", "a"), ToolCall("g", "{}", "b")))
    newer, _ = written(HELLO, called)
    assert ["thoughtSignature" in part for part in newer["contents"][1]["parts"]] == [True, False]
    older, _ = written(HELLO, called, model="gemini-2.5-flash")
    assert not any("thoughtSignature" in part for part in older["contents"][1]["parts"])
    stripped, _ = written(HELLO, called, dialect="gemini")
    assert stripped["contents"][1]["parts"][0]["thoughtSignature"] == SKIP_VALIDATION


def test_an_instruction_in_the_middle_keeps_its_place_and_is_named() -> None:
    body, lost = written(HELLO, Message("system", (Text("now in French"),)))
    assert "systemInstruction" not in body
    assert body["contents"][1] == said({"text": "now in French"})
    assert lost == ("messages.role",)


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "lost"),
    [
        ("gemini-3-pro", Reasoning("low"), {"thinkingLevel": "LOW"}, ()),
        ("gemini-3-flash", Reasoning("none"), {"thinkingLevel": "MINIMAL"}, ("reasoning.effort",)),
        ("gemini-3-pro", Reasoning("minimal"), {"thinkingLevel": "LOW"}, ("reasoning.effort",)),
        ("gemini-3-pro", Reasoning("xhigh"), {"thinkingLevel": "HIGH"}, ("reasoning.effort",)),
        ("gemini-2.5-pro", Reasoning("medium"), {"thinkingBudget": 8192}, ()),
        ("gemini-2.5-flash", Reasoning("none"), {"thinkingBudget": 0}, ()),
        ("gemini-3-pro", Reasoning("high", 99), {"thinkingLevel": "HIGH"}, ("reasoning.budget",)),
        ("gemini-3-pro", Reasoning(budget=99, shown=True), {"thinkingBudget": 99, "includeThoughts": True}, ()),
    ],
)
def test_effort_is_a_level_or_a_budget(
    model: str, reasoning: Reasoning, thinking: dict[str, object], lost: tuple[str, ...]
) -> None:
    body, gone = written(HELLO, model=model, reasoning=reasoning)
    assert (body["generationConfig"]["thinkingConfig"], gone) == (thinking, lost)


def test_every_loss_is_named() -> None:
    parts = (
        Text("x", CacheMark(), (Raw(b"{}"),), own={"phase": Raw(b"1")}),
        Refusal("no"),
        Thinking(encrypted="e", id="r", summary=("s",)),
        Opaque("server_tool_use", Raw(b"{}")),
        Media("image", file_id="f"),
        Media("image", data="iVBORw0KGgo=", name="n", detail="low"),
        ToolCall("f", "not json", "a"),
    )
    body, lost = written(
        Message("assistant", parts, name="bob"),
        tools=(Tool("t", strict=True), Tool("c", kind="custom"), Opaque("web_search", Raw(b"{}"))),
        output=Output("json_schema", Raw(b"{}"), "n", "d", strict=False),
        parallel_tools=False, verbosity="low", user="u", metadata={"a": "b"}, cache_key="k", store=False, previous="p",
        service_tier="scale", own={"logit_bias": Raw(b"{}")},
    )  # fmt: skip
    assert body["contents"][0]["parts"][2:] == [
        {"text": "s", "thought": True},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"functionCall": {"name": "f", "args": {"input": "not json"}, "id": "a"}, "thoughtSignature": SKIP_VALIDATION},
    ]
    assert set(lost) == {
        "cache", "citations", "phase", "refusal", "thinking.encrypted", "thinking.id", "thinking.summary",
        "server_tool_use", "media.file_id", "media.name", "media.detail", "tool_calls.arguments", "messages.name",
        "tools.strict", "tools.custom", "tools.web_search", "output.name", "output.description", "output.strict",
        "parallel_tools", "verbosity", "user", "metadata", "cache_key", "store", "previous", "service_tier",
        "logit_bias",
    }  # fmt: skip


def test_media_of_a_result_go_within_it_or_beside_it() -> None:
    result = Message("tool", (ToolResult("a", (Text("see"), Media("image", data="aGk=", mime="image/png")), name="f"),))
    image = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    newer, lost = written(HELLO, result)
    assert (newer["contents"][1]["parts"][0]["functionResponse"]["parts"], lost) == ([image], ())
    older, lost = written(HELLO, result, model="gemini-2.5-pro")
    assert (older["contents"][1]["parts"][1], lost) == (image, ("tool_result.media",))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"previous": "r"}, "earlier replies"),
        ({"choices": 9}, "8 choices"),
        ({"stop": tuple("abcdef")}, "5 stop sequences"),
        ({"logprobs": 21}, "20 alternatives"),
        ({"tools": (Opaque("web_search", Raw(b"{}")),)}, "web_search"),
        ({"tools": (Tool("c", kind="custom"),)}, "free text"),
        ({"messages": (Message("user", (ToolResult("a", (Media("file", file_id="f"),)),)),)}, "uploaded"),
    ],
)
def test_what_would_be_answered_wrongly_is_unfit(fields: dict[str, Any], reason: str) -> None:
    assert reason in (request.unfit(ChatRequest(**{"model": "m", "messages": (HELLO,), **fields})) or "")


def test_what_is_only_lossy_is_fit() -> None:
    assert request.unfit(ChatRequest("m", (HELLO,), user="u", choices=8, stop=tuple("abcde"), tools=(Tool("t"),))) is None
    assert (
        request.unfit(read({"contents": [said({"fileData": {"fileUri": "gs://a/b"}})], "tools": [{"googleSearch": {}}]}))
        is None
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"\xff", None),
        (b"{}", "contents"),
        (b'{"contents":[]}', "contents"),
        (b'{"contents":[{"parts":[{"text":3}]}]}', "contents[0].parts[0].text"),
        (b'{"contents":[{"parts":[{"functionCall":[]}]}]}', "contents[0].parts[0].functionCall"),
        (b'{"contents":[{}],"generationConfig":{"temperature":"hot"}}', "generationConfig.temperature"),
        (b'{"contents":[{}],"a.b":1}', "a.b"),
        (b'{"contents":' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    ],
)
def test_what_is_no_request_names_the_field(body: bytes, param: str | None) -> None:
    with pytest.raises(WireError) as caught:
        request.decode(body)
    assert caught.value.param == param


def test_half_a_surrogate_pair_is_read_without_it() -> None:
    assert request.decode(b'{"contents":[{"parts":[{"text":"a\\ud83d"}]}]}').user_text == "a\ufffd"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3-pro", "/models/gemini-3-pro:generateContent"),
        ("models/gemini-3-pro", "/models/gemini-3-pro:generateContent"),
        ("tunedModels/mine", "/tunedModels/mine:generateContent"),
        ("a/b?c#d:e", "/models/a%2Fb%3Fc%23d%3Ae:generateContent"),
        ("models/../../x", "/models/%2E%2E/%2E%2E/x:generateContent"),
        ("ü\r\n", "/models/%C3%BC%0D%0A:generateContent"),
    ],
)
def test_the_path_names_the_model_and_nothing_else(model: str, path: str) -> None:
    assert request.path(model, stream=False) == path
    assert request.path(model, stream=True) == path.replace(":generateContent", ":streamGenerateContent?alt=sse")


def test_the_body_is_never_edited() -> None:
    assert request.edit(b"{ }", model="m", include_usage=True) == b"{ }"


def test_tokens_are_counted_bare_or_wrapped() -> None:
    inner = {"contents": [said({"text": "x"})], "systemInstruction": said({"text": "s"})}
    for body in (inner, {"generateContentRequest": {"model": "models/m", **inner}}):
        found = request.decode_count(json.dumps(body).encode(), Address("m"))
        assert (found.system_text, found.user_text, found.model) == ("s", "x", "m")
    asked = request.decode_count(json.dumps(inner).encode(), Address("m"))
    assert json.loads(request.encode_count(asked).body)["generateContentRequest"] == {"model": "models/m", **inner}
    assert json.loads(request.encode_count(asked, bare=True).body) == inner

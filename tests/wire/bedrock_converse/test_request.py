"""Requests as Converse: what each canonical field becomes, what is named as lost, what makes a request unfit."""

import json
from typing import Any

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
from pointsman.wire.bedrock_converse import request
from pointsman.wire.dialect import Address

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
PNG = "iVBORw0KGgo="
TOOL = Tool("look", "Looks.", Raw(b'{"type":"object"}'))


def asked(*parts: Part, model: str = CLAUDE, **fields: Any) -> ChatRequest:
    return ChatRequest(model, (Message("user", parts or (Text("hi"),)),), **fields)


def written(one: ChatRequest, *lost: str) -> Any:
    encoded = request.encode(one)
    assert encoded.lost == lost
    return json.loads(encoded.body)


def test_the_least_request() -> None:
    assert written(asked()) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def test_a_model_stands_in_the_path_encoded() -> None:
    assert request.path(NOVA, stream=False) == "/model/us.amazon.nova-lite-v1%3A0/converse"
    assert request.path("arn:aws:a/b", stream=True) == "/model/arn%3Aaws%3Aa%2Fb/converse-stream"
    assert request.path("..", stream=False) == "/model/%2E%2E/converse"
    assert request.edit(b"{}", model="x") == b"{}"


def test_a_count_is_asked_for_with_what_the_prompt_is_made_of() -> None:
    encoded = request.count_request(asked(model=NOVA, tools=(TOOL,), max_output_tokens=9, seed=1, top_k=3))
    counted = json.loads(encoded.body)["input"]["converse"]
    assert counted.keys() == {"messages", "toolConfig", "additionalModelRequestFields"}
    assert encoded.lost == ("seed",)
    assert request.count_path(NOVA) == "/model/us.amazon.nova-lite-v1%3A0/count-tokens"


def test_sampling_and_labels() -> None:
    body = written(
        asked(
            model=NOVA,
            max_output_tokens=9,
            temperature=0.5,
            top_p=0.25,
            top_k=3,
            stop=("X",),
            service_tier="priority",
            metadata={"team": "a"},
        )
    )
    del body["messages"]
    assert body == {
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.25, "stopSequences": ["X"]},
        "serviceTier": {"type": "priority"},
        "requestMetadata": {"team": "a"},
        "additionalModelRequestFields": {"inferenceConfig": {"topK": 3}},
    }


def test_claude_takes_one_of_temperature_and_top_p_and_neither_beside_thinking() -> None:
    body = written(asked(temperature=1.5, top_p=0.5, top_k=4), "temperature", "top_p")
    assert body["inferenceConfig"] == {"temperature": 1.0}
    assert body["additionalModelRequestFields"] == {"top_k": 4}
    body = written(asked(temperature=0.5, top_k=4, reasoning=Reasoning(budget=2000)), "temperature", "top_k")
    assert "inferenceConfig" not in body
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2000}}


@pytest.mark.parametrize(
    ("model", "reasoning", "fields", "lost"),
    [
        (
            "us.anthropic.claude-opus-4-6-v1",
            Reasoning("high"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
            (),
        ),
        ("openai.gpt-oss-120b-1:0", Reasoning("high"), {"reasoning_effort": "high"}, ()),
        ("openai.gpt-oss-120b-1:0", Reasoning("minimal"), {"reasoning_effort": "low"}, ("reasoning.effort",)),
        ("qwen.qwen3-32b-v1:0", Reasoning("low", 5), {"reasoning_config": "low"}, ("reasoning.budget",)),
        (NOVA, Reasoning("low"), None, ("reasoning",)),
        (NOVA, Reasoning(budget=100), None, ("reasoning",)),
    ],
)
def test_reasoning_is_asked_for_as_the_model_takes_it(
    model: str, reasoning: Reasoning, fields: Any, lost: tuple[str, ...]
) -> None:
    assert written(asked(model=model, reasoning=reasoning), *lost).get("additionalModelRequestFields") == fields


@pytest.mark.parametrize(
    ("choice", "written_choice", "shown"),
    [
        (None, None, 2),
        (ToolChoice("auto"), {"auto": {}}, 2),
        (ToolChoice("any"), {"any": {}}, 2),
        (ToolChoice("named", ("look",)), {"tool": {"name": "look"}}, 2),
        (ToolChoice("named", ("look", "gone")), {"any": {}}, 1),
        (ToolChoice("none"), None, 0),
    ],
)
def test_tools_and_their_choice(choice: ToolChoice | None, written_choice: Any, shown: int) -> None:
    lost = () if shown else ("tools",)
    one = asked(tools=(TOOL, Tool("bare", strict=True)), tool_choice=choice)
    config = written(one, *lost).get("toolConfig", {"tools": []})
    assert config.get("toolChoice") == written_choice
    assert (
        config["tools"]
        == [
            {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}},
            {"toolSpec": {"name": "bare", "inputSchema": {"json": {"type": "object", "properties": {}}}, "strict": True}},
        ][:shown]
    )


def test_a_conversation_with_tools() -> None:
    one = ChatRequest(
        CLAUDE,
        (
            Message("system", (Text("Be brief.", CacheMark()),)),
            Message("user", (Text("Where?"),)),
            Message("assistant", (Thinking("Hm.", "sig"), Thinking(encrypted="eHg="), ToolCall("look", "", "a|1"))),
            Message(
                "tool", (ToolResult("a|1", (Text("here"), Media("image", data=PNG)), error=True, cache=CacheMark("1h")),)
            ),
            Message("user", (Text(" "), Text("And?"))),
        ),
        tools=(replace(TOOL, cache=CacheMark()),),
        dialect="anthropic",
    )
    body = written(one)
    assert body["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "Where?"}]},
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "eHg="}},
                {"toolUse": {"toolUseId": "a_1", "name": "look", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "a_1",
                        "content": [{"text": "here"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
                        "status": "error",
                    }
                },
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"text": "And?"},
            ],
        },
    ]


def test_results_come_first_and_what_instructs_late_is_said_by_the_user() -> None:
    one = ChatRequest(
        NOVA,
        (Message("user", (Text("a"),)), Message("developer", (Text("b"),)), Message("tool", (ToolResult("i"),))),
    )
    assert written(one, "system position")["messages"] == [
        {"role": "user", "content": [{"toolResult": {"toolUseId": "i", "content": []}}, {"text": "a"}, {"text": "b"}]}
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (Media("image", data="/9j/", mime="image/jpg"), {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}}),
        (
            Media("file", data="JVBERi0=", name="A report, v1.pdf"),
            {"document": {"format": "pdf", "name": "A report v1", "source": {"bytes": "JVBERi0="}}},
        ),
        (Media("file", text="plain"), {"document": {"format": "txt", "name": "Document", "source": {"text": "plain"}}}),
        (
            Media("file", data="YQ==", name="t.csv"),
            {"document": {"format": "csv", "name": "t", "source": {"bytes": "YQ=="}}},
        ),
        (
            Media("video", url="s3://b/film.mp4"),
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/film.mp4"}}}},
        ),
    ],
)
def test_media(media: Media, block: Any) -> None:
    assert request.unfit(asked(media)) is None
    assert written(asked(media))["messages"][0]["content"] == [block]


def test_documents_have_names_of_their_own() -> None:
    content = written(asked(*[Media("file", text=text) for text in "ab"]))["messages"][0]["content"]
    assert [block["document"]["name"] for block in content] == ["Document", "Document 2"]


def test_the_form_of_the_answer() -> None:
    schema = b'{"type":"object","properties":{},"additionalProperties":false}'
    body = written(asked(output=Output("json_schema", Raw(schema), "form", "A form.", strict=True)))
    assert body["outputConfig"] == {
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"schema": schema.decode(), "name": "form", "description": "A form."}},
        }
    }


def test_what_there_is_no_word_for_is_named() -> None:
    one = asked(
        Text("a", CacheMark()),
        Refusal("no"),
        model="meta.llama3-8b-instruct-v1:0",
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        user="u",
        verbosity="low",
        cache_key="k",
        store=True,
        parallel_tools=False,
        tools=(TOOL,),
        service_tier="scale",
        metadata={"a b!": "ü"},
        own={"odd": Raw(b"1")},
    )
    body = written(
        one,
        "cache_control",
        "cache_key",
        "frequency_penalty",
        "metadata",
        "odd",
        "parallel_tools",
        "presence_penalty",
        "refusal",
        "seed",
        "service_tier",
        "store",
        "user",
        "verbosity",
    )
    assert body["messages"][0]["content"] == [{"text": "a"}, {"text": "no"}]


@pytest.mark.parametrize("thinking", [Thinking("unsigned"), Thinking("signed elsewhere", "sig"), Thinking(encrypted="x")])
def test_thinking_that_the_model_did_not_sign_stays_behind(thinking: Thinking) -> None:
    one = ChatRequest(CLAUDE, (Message("user", (Text("a"),)), Message("assistant", (thinking, Text("b")))))
    assert written(one, "thinking")["messages"][1]["content"] == [{"text": "b"}]


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (asked(choices=2), "several choices"),
        (asked(logprobs=0), "probabilities"),
        (asked(previous="r"), "reply that this one continues"),
        (asked(output=Output("json")), "without a schema"),
        (asked(tools=(Opaque("web_search", Raw(b"{}")),)), "hosted tool web_search"),
        (asked(tools=(Tool("a", kind="custom"),)), "free text"),
        (asked(tools=(Tool("a b"),)), "of the name 'a b'"),
        (asked(Media("image", url="https://a/b.png")), "images at a URL"),
        (asked(Media("audio", data="x")), "audio input"),
        (asked(Media("file", file_id="f")), "uploaded file"),
        (asked(Media("image", data="Qk0=", mime="image/bmp")), "images of type image/bmp"),
        (asked(ToolResult("i", (Media("image", url="https://a/b"),)), tools=(TOOL,)), "images at a URL"),
        (asked(ToolResult("i")), "where none may be called"),
        (asked(ToolResult("i"), tools=(TOOL,), tool_choice=ToolChoice("none")), "where none may be called"),
    ],
)
def test_what_would_be_answered_wrongly_is_unfit(one: ChatRequest, words: str) -> None:
    assert words in (request.unfit(one) or "")


def test_what_is_fit() -> None:
    assert request.unfit(asked(tools=(TOOL,), tool_choice=ToolChoice("none"))) is None


def test_what_only_this_dialect_knows_comes_back() -> None:
    body = {
        "system": [{"text": "s"}, {"guardContent": {"text": {"text": "g"}}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"cachePoint": {"type": "default"}},
                    {"document": {"format": "md", "name": "d", "source": {"text": "x"}, "citations": {"enabled": True}}},
                    {"image": {"format": "odd", "source": {"s3Location": {"uri": "s3://a/b", "bucketOwner": "1"}}}},
                    {"toolResult": {"toolUseId": "i", "content": [{"json": {"a": 1.50}}], "status": "error"}},
                ],
            },
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "i", "name": "n", "input": {}, "type": "server_tool_use"}}],
            },
        ],
        "inferenceConfig": {"maxTokens": 1, "odd": 2},
        "toolConfig": {
            "tools": [
                {"systemTool": {"name": "t"}},
                {"toolSpec": {"name": "n", "inputSchema": {"json": {}}, "strict": False}},
            ],
            "toolChoice": {"any": {}},
        },
        "guardrailConfig": {"guardrailIdentifier": "g"},
        "performanceConfig": {"latency": "optimized"},
        "additionalModelRequestFields": {"top_k": 3},
    }
    one = request.decode(json.dumps(body).encode(), Address("m", stream=True))
    assert (one.model, one.stream, one.dialect) == ("m", True, "bedrock_converse")
    assert written(one) == body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "messages"),
        (b"[]", None),
        (b"nonsense", None),
        (b'{"messages":[{"role":"user","content":[{"text":1}]}]}', "messages[0][0].text"),
        (b'{"messages":[],"toolConfig":{"tools":[{"toolSpec":{"name":"a"}}]}}', "tools[0].inputSchema"),
        (b'{"messages":[],"toolConfig":{"tools":[],"toolChoice":{"odd":{}}}}', "toolChoice.odd"),
        (b'{"messages":[{"role":"user","content":[{}]}]}', "messages[0][0]"),
    ],
)
def test_what_is_no_request_is_refused_with_its_place(body: bytes, param: str | None) -> None:
    with pytest.raises(WireError) as caught:
        request.decode(body)
    assert caught.value.param == param


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "messages",
                        "system",
                        "role",
                        "content",
                        "text",
                        "toolUse",
                        "toolConfig",
                        "tools",
                        "image",
                        "source",
                        "name",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_bytes_of_any_kind_are_a_request_or_an_error(body: bytes) -> None:
    try:
        one = request.decode(body)
    except WireError:
        return
    assert request.decode(request.encode(one).body) == one


parts = st.one_of(
    st.builds(Text, st.text(max_size=8), st.none() | st.builds(CacheMark, st.sampled_from(["", "5m"]))),
    st.builds(Media, st.just("image"), data=st.just(PNG), mime=st.just("image/png")),
    st.builds(
        Media, st.just("file"), text=st.text(min_size=1, max_size=4), mime=st.just("text/plain"), name=st.text(max_size=4)
    ),
    st.builds(Thinking, st.text(max_size=5), st.text(max_size=5)),
    st.builds(ToolCall, st.text(max_size=5), st.sampled_from(["{}", '{"a": [1.50]}']), st.text(max_size=5)),
    st.builds(ToolResult, st.text(max_size=5), st.tuples(st.builds(Text, st.text(max_size=5))), st.booleans()),
)


@given(
    st.builds(
        ChatRequest,
        st.just("m"),
        st.lists(
            st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(parts, max_size=4).map(tuple)), max_size=4
        ).map(tuple),
        tools=st.lists(
            st.builds(Tool, st.text(max_size=5), st.text(max_size=5), st.just(Raw(b'{"a": 1}')), st.none() | st.booleans()),
            max_size=2,
        ).map(tuple),
        max_output_tokens=st.none() | st.integers(1, 9),
        temperature=st.none() | st.floats(0, 1),
        stop=st.lists(st.text(max_size=3), max_size=2).map(tuple),
        service_tier=st.sampled_from(["", "flex"]),
        metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        dialect=st.just("bedrock_converse"),
    )
)
def test_a_request_of_this_dialect_comes_back(one: ChatRequest) -> None:
    encoded = request.encode(one)
    assert encoded.lost == ()
    assert request.decode(encoded.body, Address("m")) == one

"""What binds a request to one deployment: seen wherever it stands, and taken off without taking anything else."""

import json

import pytest
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Part, Reasoning, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.dialect import Address
from pointsman.wire.gemini import request as gemini
from pointsman.wire.gemini.signatures import SKIP_VALIDATION
from pointsman.wire.seals import bond, sealed, unsealed, unsigned

USER = Message("user", (Text("look"),))
RESULT = Message("user", (ToolResult("c1", (Text("4"),), name="look"),))
CALL = ToolCall("look", "{}", "c1")


def asked(*parts: Part, dialect: str = "gemini") -> ChatRequest:
    return ChatRequest("m", (USER, Message("assistant", parts), RESULT), dialect=dialect)


SEALED: list[tuple[Part, Part | None]] = [
    (Thinking("hm", signature="s"), None),
    (Thinking(encrypted="e", id="rs_1"), None),
    (Text("a", signature="s"), Text("a")),
    (Text("", signature="s"), None),
    (replace(CALL, signature="s"), CALL),
    (Media("image", data="AA==", own={"thoughtSignature": Raw(b'"s"'), "new": Raw(b"1")}),
     Media("image", data="AA==", own={"new": Raw(b"1")})),
    (Opaque("executableCode", Raw(b'{"executableCode":{"code":"1"},"thoughtSignature":"s"}')),
     Opaque("executableCode", Raw(b'{"executableCode":{"code":"1"}}'))),
    (Opaque("executableCode", Raw(b'{"executable_code":{"code":"1"},"thought_signature":"s"}')),
     Opaque("executableCode", Raw(b'{"executable_code":{"code":"1"}}'))),
]  # fmt: skip


@pytest.mark.parametrize(("part", "left"), SEALED)
def test_a_seal_is_seen_and_taken_off(part: Part, left: Part | None) -> None:
    request = asked(Text("I look."), part)
    assert sealed(request)
    opened, lost = unsealed(request)
    assert opened.messages[1].parts == (Text("I look."), *([left] if left is not None else []))
    assert lost == ("thinking.signature",)
    assert not sealed(opened)


@pytest.mark.parametrize(
    "part",
    [
        Text("a"),
        CALL,
        Thinking("hm"),
        Media("image", data="AA==", own={"videoMetadata": Raw(b"{}")}),
        Opaque("executableCode", Raw(b'{"executableCode":{"code":"thoughtSignature"},"thought":true}')),
        *[
            replace(CALL, signature=word)
            for word in (SKIP_VALIDATION, "skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
        ],
    ],
)
def test_what_seals_nothing_binds_nobody(part: Part) -> None:
    request = asked(part)
    assert not sealed(request)
    assert unsealed(request) == (request, ())


def test_reasoning_is_switched_off_where_it_cannot_go_on() -> None:
    request = replace(
        asked(Thinking("hm", signature="s"), CALL, dialect="anthropic"),
        reasoning=Reasoning(budget=2048),
        own={"thinking": Raw(b"{}"), "new": Raw(b"1")},
    )
    opened, lost = unsealed(request)
    assert (opened.reasoning, opened.own, lost) == (None, {"new": Raw(b"1")}, ("reasoning", "thinking.signature"))


@pytest.mark.parametrize(
    ("turns", "model", "refused"),
    [
        ((USER, Message("assistant", (CALL,)), RESULT), "gemini-3-flash", True),
        ((USER, Message("assistant", (CALL,)), RESULT), "gemini-2.5-flash", False),
        ((USER, Message("assistant", (replace(CALL, signature="s"), CALL)), RESULT), "gemini-3-flash", False),
        ((USER, Message("assistant", (replace(CALL, signature=SKIP_VALIDATION),)), RESULT), "gemini-3-flash", False),
        ((USER, Message("assistant", (CALL,)), RESULT, USER), "gemini-3-flash", False),
        ((USER, Message("assistant", (CALL,)), RESULT, Message("assistant", (replace(CALL, signature="s"),)), RESULT),
         "gemini-3-flash", True),
        ((USER, Message("assistant", (Text("4"),)), USER), "gemini-3-flash", False),
    ],
)  # fmt: skip
def test_a_call_of_the_current_turn_must_be_signed(turns: tuple[Message, ...], model: str, refused: bool) -> None:
    request = ChatRequest(model, turns, dialect="gemini")
    assert unsigned(request, model) is refused
    assert not unsigned(replace(request, dialect="openai_chat"), model)
    again = gemini.decode(gemini.encode(request).body, Address(model))
    assert not unsigned(again, model)


def test_a_signature_that_chat_completions_brought_back_is_gemini_s_own() -> None:
    request = replace(asked(replace(CALL, signature="s"), dialect="openai_chat"), model="gemini-3-flash")
    encoded = gemini.encode(request)
    call = json.loads(encoded.body)["contents"][1]["parts"][0]
    assert (call["thoughtSignature"], encoded.lost) == ("s", ())


def test_what_a_provider_keeps_binds() -> None:
    assert bond(ChatRequest("m", (USER,))) == ""
    assert bond(ChatRequest("m", (USER,), previous="resp_1")) == "reply:resp_1"
    assert bond(ChatRequest("m", (Message("user", (Media("file", file_id="f1"),)),))) == "file:f1"
    held = ChatRequest("m", (USER,), dialect="openai_responses", own={"conversation": Raw(b'"conv_1"')})
    assert bond(held) == "state:conversation"

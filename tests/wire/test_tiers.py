"""The service tier that a reply names: whole or streamed, counted or read, in every dialect that has one."""

import json
from typing import Any

import pytest

from pointsman.core.chat import Usage
from pointsman.core.price import tier_of
from pointsman.wire.answer import Answer
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.fold import fold
from pointsman.wire.openai_chat.request import decode, glance

CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
CHAT = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "service_tier": "flex", "usage": CHAT_USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
}  # fmt: skip
CHAT_ODD = {**CHAT, "usage": {"prompt_tokens": "many"}}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "service_tier": "flex"}
CHAT_STREAM = [
    {**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "four"}, "finish_reason": None}]},
    {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {**CHUNK, "choices": [], "usage": CHAT_USAGE},
]
RESPONSE = {
    "id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "service_tier": "flex",
    "output": [{"id": "m1", "type": "message", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "four", "annotations": []}]}],
    "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
}  # fmt: skip
RESPONSE_STREAM = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": [], "service_tier": "auto"}},
    {"type": "response.completed", "response": RESPONSE},
]
MESSAGE = {
    "id": "msg", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "text", "text": "four"}],
    "usage": {"input_tokens": 9, "output_tokens": 2, "service_tier": "batch"},
}  # fmt: skip
MESSAGE_STREAM = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
CONTENT = {
    "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "four"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11, "serviceTier": "FLEX"},
    "responseId": "g", "modelVersion": "m",
}  # fmt: skip

WHOLE = [
    ("openai_chat", CHAT, "flex"),
    ("openai_chat", CHAT_ODD, "flex"),
    ("openai_responses", RESPONSE, "flex"),
    ("anthropic", MESSAGE, "batch"),
    ("gemini", CONTENT, "FLEX"),
]
STREAMED = [
    ("openai_chat", CHAT_STREAM, "flex"),
    ("anthropic", MESSAGE_STREAM, "batch"),
    ("gemini", [CONTENT], "FLEX"),
]


def sent(events: list[dict[str, Any]]) -> bytes:
    lines = [f"event: {event['type']}\ndata: " if "type" in event else "data: " for event in events]
    return "".join(f"{line}{json.dumps(event)}\n\n" for line, event in zip(lines, events, strict=True)).encode()


@pytest.mark.parametrize(("dialect", "body", "tier"), WHOLE)
def test_a_whole_reply_names_its_tier(dialect: str, body: dict[str, Any], tier: str) -> None:
    spoken, data = OF_PROVIDERS[dialect], json.dumps(body).encode()
    assert spoken.count.count(data).tier == spoken.count.answer(data).tier == tier
    if body is not CHAT_ODD:
        assert fold(spoken.reply.decode(data)).tier == tier


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize(("dialect", "events", "tier"), STREAMED)
def test_a_streamed_reply_names_its_tier(dialect: str, events: list[dict[str, Any]], tier: str, texts: bool) -> None:
    spoken = DIALECTS[dialect]
    reader = spoken.watch.watch(texts=texts)
    reader.feed(sent(events))
    reader.end()
    decoder = spoken.stream.decoder()
    folded = fold((*decoder.feed(sent(events)), *decoder.end()))
    assert (reader.answer().tier, reader.answer().usage) == (tier, Usage(9, 2)) == (folded.tier, folded.usage)


def test_the_end_of_a_streamed_response_names_its_tier() -> None:
    reader = DIALECTS["openai_responses"].watch.watch()
    reader.feed(sent(RESPONSE_STREAM))
    assert reader.answer().tier == "flex"


@pytest.mark.parametrize("tier", [None, 7, {"type": "flex"}])
def test_a_tier_that_is_no_word_is_none(tier: object) -> None:
    data = json.dumps({**CHAT, "service_tier": tier}).encode()
    assert OF_PROVIDERS["openai_chat"].count.count(data) == Answer(finish="stop", usage=Usage(9, 2))


@pytest.mark.parametrize(
    ("replied", "asked", "billed"),
    [
        ("flex", "", "flex"),
        ("default", "flex", ""),
        ("", "flex", "flex"),
        ("", "auto", ""),
        ("STANDARD", "priority", ""),
        ("FLEX", "", "flex"),
        ("batch", "auto", "batch"),
        ("", "standard_only", ""),
        ("standard", "auto", ""),
    ],
)
def test_what_a_reply_says_is_billed_before_what_was_asked(replied: str, asked: str, billed: str) -> None:
    assert Answer(usage=Usage(9, 2), tier=replied).billed(asked) == Usage(9, 2, tier=billed)
    assert Answer(tier=replied).billed(asked) is None
    assert tier_of(billed) == billed


def test_a_glance_sees_the_tier_that_is_asked_for() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"service_tier":"flex"}'
    assert glance(body).service_tier == decode(body).service_tier == "flex"

"""Whole replies: events, counts, errors; and streams that pass as they are."""

import json

import pytest

from pointsman.core.chat import (
    ChatRequest,
    Failed,
    Finish,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCall,
    Usage,
    Used,
)
from pointsman.core.errors import GatewayError, WireError
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.dialect import Fault, Stamp
from pointsman.wire.gemini import count, errors, reply, stream, watch

USAGE = {
    "promptTokenCount": 10, "cachedContentTokenCount": 4, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2, "totalTokenCount": 20,
}  # fmt: skip
PARTS = [{"text": "hm", "thought": True}, {"text": "a"}, {"text": "b"}, {"functionCall": {"name": "f", "args": {"x": 1}}}]
WHOLE = {
    "candidates": [{"content": {"parts": PARTS, "role": "model"}, "finishReason": "STOP"}],
    "usageMetadata": USAGE,
    "responseId": "r",
}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("tier", "written", "lost"),
    [("default", "standard", ()), ("flex", "flex", ()), ("scale", None, ("service_tier",)), ("", None, ())],
)
def test_a_tier_is_said_in_googles_words_or_named(tier: str, written: str | None, lost: tuple[str, ...]) -> None:
    events = (Start("r", "m", service_tier=tier), TextDelta(0, "x"), Finish("stop"), Used(Usage(3, 2)))
    encoded = reply.encode(events, ChatRequest("m", ()), Stamp())
    assert (json.loads(encoded.body)["usageMetadata"].get("serviceTier"), encoded.lost) == (written, lost)


def test_a_refusal_does_not_end_as_an_answer_does() -> None:
    events: tuple[StreamEvent, ...] = (Start("r"), RefusalDelta(0, "no"), Finish("stop", "stop"), Used(Usage(3, 2)))
    whole = reply.encode(events, ChatRequest("m", ()), Stamp())
    assert json.loads(whole.body)["candidates"][0]["finishReason"] == "SAFETY"
    encoder = stream.encoder(ChatRequest("m", ()), Stamp())
    assert b'"finishReason":"SAFETY"' in b"".join([*map(encoder.feed, events), encoder.end()])


def test_a_reply_is_counted_and_graded_alike() -> None:
    usage = Usage(input=15, output=5, cached=4, reasoning=2)
    assert count.count(body(WHOLE)) == Answer(finish="STOP", usage=usage, id="r")
    assert count.answer(body(WHOLE)) == Answer("ab", (ToolCall("f", '{"x": 1}'),), "STOP", usage, "r")


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ("many", None),
        ({"promptTokenCount": 10**13}, None),
        ({"promptTokenCount": "7", "candidatesTokenCount": -1}, Usage(7)),
        ({}, Usage()),
    ],
)
def test_counts_are_read_as_far_as_they_go(usage: object, expected: Usage | None) -> None:
    whole = {**WHOLE, "usageMetadata": usage}
    used = [event.usage for event in reply.decode(body(whole)) if isinstance(event, Used)]
    assert used == ([] if expected is None else [expected])
    assert count.count(body(whole)).usage == expected or usage is None


def test_a_blocked_prompt_and_an_empty_answer_have_an_end() -> None:
    blocked = body({"promptFeedback": {"blockReason": "SAFETY"}})
    empty = body({"candidates": [{"content": {}, "finishReason": "RECITATION"}]})
    cut = body({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})
    for each, finish in ((blocked, "SAFETY"), (empty, "RECITATION"), (cut, "other")):
        assert (count.count(each).finish, count.answer(each).finish) == (finish, finish)
    assert json.loads(reply.encode(reply.decode(blocked), ChatRequest("m", ()), Stamp()).body) == json.loads(blocked)


@pytest.mark.parametrize("what", [b"", b"<html>", b"{}", b"[]", b'{"candidates":[]}', b'{"candidates":3}', b"\xff"])
def test_what_is_no_reply_is_refused(what: bytes) -> None:
    for read in (count.count, count.answer, reply.decode):
        with pytest.raises(WireError):
            read(what)


def test_tokens_are_counted() -> None:
    assert count.tokens(count.tokens_reply(12)) == 12
    with pytest.raises(WireError):
        count.tokens(b'{"totalTokens":-1}')


def test_an_error_has_code_message_and_status() -> None:
    error = GatewayError(429, "budget_spent", "wait", param="contents", retry_after=3)
    inner = json.loads(errors.envelope(error))["error"]
    assert (inner["code"], inner["message"], inner["status"]) == (429, "wait", "RESOURCE_EXHAUSTED")
    assert errors.read(429, errors.envelope(error)) == Fault("wait", "BUDGET_SPENT", "RESOURCE_EXHAUSTED", "contents")
    assert errors.event(error) == b"data: " + errors.envelope(error) + b"\r\n\r\n"
    assert [json.loads(errors.envelope(GatewayError(code, "", "")))["error"]["status"] for code in (418, 529, 599)] == [
        "INVALID_ARGUMENT", "UNAVAILABLE", "INTERNAL",
    ]  # fmt: skip


def test_errors_are_found_in_objects_and_arrays() -> None:
    inner = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE", "details": [3, {"@type": "x"}]}}
    for each in (inner, [inner]):
        assert errors.read(503, body(each)) == Fault("overloaded", "", "UNAVAILABLE")
        assert errors.reported(body(each)) == 503
    assert errors.reported(b'{"error":{"message":"x","code":7}}') == 502
    for none in (b"", b'{"error":3}', b'"error"', body(WHOLE)):
        assert (errors.read(500, none), errors.reported(none)) == (None, None)
    assert reply.decode(body(inner)) == (Failed("overloaded", 503, "UNAVAILABLE"),)


def frame(*parts: object, **candidate: object) -> bytes:
    one = {"content": {"parts": parts}, **candidate}
    return (
        b"data: "
        + body({"candidates": [one], "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": len(parts)}})
        + b"\r\n\r\n"
    )


def test_a_watched_stream_passes_whole_and_says_what_it_means() -> None:
    frames = [b": hi\n\n", frame(), frame({"text": "a"}), frame({"text": "b"}, {"text": "c"}), frame(finishReason="STOP")]
    for texts in (True, False):
        reader = watch.watch(texts=texts)
        seen = [pair for each in frames for pair in reader.feed(each)] + reader.end()
        assert [raw for raw, _ in seen] == frames
        assert [one.content for _, one in seen] == [False, False, True, True, False]
        assert (seen[-1][1].finish, reader.ended, reader.overflowed) == ("STOP", {0}, False)
        assert reader.answer() == Answer("abc" if texts else "", finish="STOP", usage=Usage(1, 0))


def test_a_stream_that_was_cut_still_says_what_it_took() -> None:
    reader = watch.watch()
    reader.feed(frame({"text": "a"}) + frame({"text": "b"}, {"text": "c"}))
    assert reader.answer().usage == Usage(1, 2)
    assert reader.ended == set()


def test_an_error_and_what_is_no_json_pass_and_are_said() -> None:
    reader = watch.watch()
    assert reader.feed(b"data: <html>\n\n") == [(b"data: <html>\n\n", Seen())]
    (_, seen), *_ = reader.feed(b'data: {"error":{"code":503,"message":"no"}}\n\n')
    assert seen.error == "no"


def test_texts_are_kept_up_to_the_limit() -> None:
    reader = watch.watch(texts=True, limit=2)
    reader.feed(frame({"text": "abc"}))
    assert reader.overflowed


def test_a_reply_from_events_of_another_dialect() -> None:
    events = (
        Start("c1", "gpt"),
        TextDelta(0, "a"),
        TextDelta(0, "b"),
        Finish("content_filter", "content_filter"),
        Used(Usage(1, 2)),
    )
    encoded = reply.encode(events, ChatRequest("m", ()), Stamp("s", 1, "m"))
    assert json.loads(encoded.body) == {
        "candidates": [{"content": {"parts": [{"text": "ab"}], "role": "model"}, "index": 0, "finishReason": "SAFETY"}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3},
        "modelVersion": "gpt",
        "responseId": "c1",
    }
    assert encoded.lost == ()

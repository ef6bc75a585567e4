"""Streamed replies: frames as they came, and what they mean."""

import json

import pytest

from pointsman.core.chat import ToolCall, Usage
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.openai_chat.watch import StreamReader


def frame(delta: object, finish: str | None = None, **fields: object) -> bytes:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": None, **fields}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def call(index: int, name: str | None, arguments: str, id_: str | None = None) -> object:
    return {"tool_calls": [{"index": index, "id": id_, "function": {"name": name, "arguments": arguments}}]}


ROLE = frame({"role": "assistant", "content": ""})
USAGE = frame({}, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3})
DONE = b"data: [DONE]\n\n"
STREAM = [
    b": keep-alive\n\n",
    ROLE,
    frame({"content": "Zwölf "}),
    frame({"content": "火车 🚂"}),
    frame(call(0, "look", "", "c1")),
    frame(call(0, None, '{"x"')),
    frame(call(1, "find", "{}", "c2")),
    frame(call(0, None, ":1}")),
    frame({}, "tool_calls"),
    USAGE,
    DONE,
]
ANSWER = Answer(
    "Zwölf 火车 🚂",
    (ToolCall("look", '{"x":1}', "c1"), ToolCall("find", "{}", "c2")),
    "tool_calls",
    Usage(input=7, output=3),
)


def read(*chunks: bytes, texts: bool) -> tuple[bytes, list[Seen], Answer]:
    reader = StreamReader(texts=texts)
    found = [pair for chunk in chunks for pair in reader.feed(chunk)] + reader.end()
    return b"".join(raw for raw, _ in found), [event for _, event in found], reader.answer()


def test_a_stream_adds_up_to_its_answer() -> None:
    raw, events, answer = read(*STREAM, texts=True)
    assert raw == b"".join(STREAM)
    assert answer == ANSWER
    assert [event.content for event in events] == [False, False, *[True] * 6, False, False, False]
    assert "".join(event.text for event in events) == "Zwölf 火车 🚂"
    assert "".join(event.tool_text for event in events) == '{"x"{}:1}'
    assert events[-1].done


def test_the_answer_is_the_first_choice_and_each_comes_to_its_own_end() -> None:
    def other(delta: object, finish: str | None = None) -> bytes:
        return frame({}, choices=[{"index": 1, "delta": delta, "finish_reason": finish}])

    reader = StreamReader(texts=True)
    for one in (ROLE, frame({"content": "fo"}), other({"content": "fi"}), frame({"content": "ur"}), other({}, "length")):
        reader.feed(one)
    assert reader.ended == {1}
    reader.feed(frame({}, "stop"))
    assert reader.ended == {0, 1}
    assert (reader.answer().text, reader.answer().finish) == ("four", "stop")


def test_a_delta_may_be_a_list_of_parts() -> None:
    thought = frame({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]})
    _, events, answer = read(ROLE, thought, frame({"content": [{"type": "text", "text": "four"}]}), DONE, texts=True)
    assert answer.text == "four"
    assert [event.content for event in events] == [False, True, True, False]


@pytest.mark.parametrize("texts", [True, False])
def test_every_cut_gives_the_same_bytes_and_the_same_answer(texts: bool) -> None:
    stream = b"".join(STREAM)
    whole = read(stream, texts=texts)[2]
    for cut in range(1, len(stream)):
        raw, events, answer = read(stream[:cut], stream[cut:], texts=texts)
        assert raw == stream
        assert answer == whole
        assert events[-1].done
    assert (whole.finish, whole.usage) == (ANSWER.finish, ANSWER.usage)


def test_plain_content_is_passed_on_in_one_piece_uncopied() -> None:
    reader = StreamReader()
    reader.feed(frame({"content": "a"}))
    burst = frame({"content": "b"}) + frame({"content": "c"})
    [(raw, event)] = reader.feed(burst)
    assert raw is burst
    assert event.content


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": "", "refusal": None, "tool_calls": []}, False),
        ({}, False),
        ({"content": " "}, True),
        ({"refusal": "No."}, True),
        ({"reasoning_content": "hm"}, True),
        ({"audio": {"id": "a"}}, True),
        (call(0, "look", ""), True),
    ],
)
def test_what_a_user_would_see_is_content(delta: object, content: bool) -> None:
    [(_, event)] = StreamReader().feed(frame(delta))
    assert event.content is content


@pytest.mark.parametrize("began", [True, False])
def test_an_error_is_seen_whenever_it_comes(began: bool) -> None:
    reader = StreamReader()
    if began:
        reader.feed(frame({"content": "a"}))
    [(_, event)] = reader.feed(b'data: {"error":{"message":"overloaded","code":529}}\n\n')
    assert event.error == "overloaded"


def test_words_that_look_like_marks_are_only_words() -> None:
    reader = StreamReader()
    reader.feed(frame({"content": "a"}))
    for text in ("[DONE]", '"error"', '"usage": {', '"finish_reason":"stop"'):
        [(_, event)] = reader.feed(frame({"content": text}))
        assert (event.done, event.error, event.finish, event.usage) == (False, None, None, None)


def test_a_bom_at_the_beginning_hides_nothing() -> None:
    sent = b"\xef\xbb\xbf" + frame({"content": "a"})
    [(passed, seen)] = StreamReader(texts=True).feed(sent)
    assert (passed, seen.text) == (sent, "a")


def test_what_is_not_json_is_passed_on() -> None:
    reader = StreamReader()
    assert reader.feed(b"data: oops\n\n") == [(b"data: oops\n\n", Seen())]


def test_text_beyond_the_limit_is_given_up() -> None:
    reader = StreamReader(texts=True, limit=10)
    reader.feed(frame({"content": "x" * 10}))
    assert not reader.overflowed
    reader.feed(frame({"content": "x"}))
    assert reader.overflowed


def test_the_frame_that_include_usage_adds_is_told_from_others() -> None:
    frames = [USAGE, frame({}, "stop", usage={"prompt_tokens": 7}), frame({}, choices=[]), DONE]
    for texts in (False, True):
        reader = StreamReader(texts=texts)
        reader.feed(frame({"content": "x"}))
        seen = [seen for one in frames for _, seen in reader.feed(one)]
        assert [one.usage_only for one in seen] == [True, False, False, False]

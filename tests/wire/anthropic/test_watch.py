"""Streamed replies that pass as they are: frames as they came, and what they mean."""

import pytest
from tests.wire.anthropic.vectors import PING, call, ending, frame, start, text

from pointsman.core.chat import ToolCall, Usage
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.anthropic.watch import watch

STREAM = (
    start()
    + PING
    + text(0, "Zwölf ", "火车 🚂")
    + call(1, "t", "look", '{"x"', ":1}")
    + call(2, "u", "none")
    + ending("tool_use")
)
USAGE = Usage(input=10, output=9, cached=2, cache_written=1)
ANSWER = Answer("Zwölf 火车 🚂", (ToolCall("look", '{"x":1}', "t"), ToolCall("none", "{}", "u")), "tool_use", USAGE, "msg_1")


def read(*chunks: bytes, texts: bool) -> tuple[bytes, list[Seen], Answer]:
    reader = watch(texts=texts)
    found = [pair for chunk in chunks for pair in reader.feed(chunk)] + reader.end()
    return b"".join(raw for raw, _ in found), [seen for _, seen in found], reader.answer()


def test_a_stream_adds_up_to_its_answer() -> None:
    raw, seen, answer = read(STREAM, texts=True)
    assert raw == STREAM
    assert answer == ANSWER
    assert "".join(each.text for each in seen) == "Zwölf 火车 🚂"
    assert "".join(each.tool_text for each in seen) == '{"x":1}{}'
    assert [each.content for each in seen[:5]] == [False, False, False, True, True]
    assert (seen[0].usage, seen[-2].finish, seen[-2].usage, seen[-2].done, seen[-1].done) == (
        Usage(input=10, output=1, cached=2, cache_written=1), "tool_use", USAGE, False, True
    )  # fmt: skip


@pytest.mark.parametrize("texts", [True, False])
def test_cuts_change_nothing(texts: bool) -> None:
    expected = ANSWER if texts else Answer(finish="tool_use", usage=USAGE, id="msg_1")
    for cut in range(1, len(STREAM)):
        raw, seen, answer = read(STREAM[:cut], STREAM[cut:], texts=texts)
        assert (raw, answer) == (STREAM, expected)
        assert [each.done for each in seen][-1:] == [True]
        assert sum(each.finish == "tool_use" for each in seen) == 1


def test_plain_content_passes_in_one_piece() -> None:
    reader = watch()
    reader.feed(start() + text(0, "a"))
    plain = text(1, "b", 'says "message_stop" and "error"') + PING
    assert reader.feed(plain) == [(plain, Seen(content=True))]
    assert reader.ended == set()
    assert [seen.finish for _, seen in reader.feed(ending("end_turn"))] == ["end_turn", None]
    assert reader.ended == {0}


def test_an_error_within_a_stream() -> None:
    fault = frame({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    for before in (b"", start() + text(0, "a")):
        reader = watch()
        reader.feed(before)
        assert reader.feed(fault) == [(fault, Seen(error="Overloaded"))]


def test_what_cannot_be_read_passes() -> None:
    raw, seen, answer = read(b"data: {\n\n", b": comment\n\n", b'data: {"type":"message_delta","usage":[]}', texts=False)
    assert raw.endswith(b'"usage":[]}')
    assert seen == [Seen()] * 3
    assert answer == Answer()


def test_texts_are_kept_up_to_their_limit() -> None:
    reader = watch(texts=True, limit=3)
    reader.feed(start() + text(0, "abcd") + ending("end_turn"))
    assert reader.overflowed
    assert reader.answer().finish == "end_turn"


def test_an_empty_usage_is_none_and_not_a_usage_of_nothing() -> None:
    opening = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","role":"assistant","content":[]}}\n\n'
    )
    last = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}\n\n'
    _, _, answer = read(opening + text(0, "hello") + last, texts=True)
    assert (answer.text, answer.finish, answer.usage) == ("hello", "end_turn", None)

"""Whole replies: usage, finish, text and tool calls."""

import json

import pytest

from pointsman.core.chat import ToolCall, Usage
from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat.count import answer, count

CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"x": 1}'}}]


def reply(message: object, usage: object = None, finish: str = "stop") -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage}).encode()


def test_tokens_of_every_kind_are_counted() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    expected = Usage(input=100, output=50, cached=60, cache_written=20, reasoning=30)
    assert count(reply({"content": "x"}, usage)) == Answer(finish="stop", usage=expected)
    assert answer(reply({"content": "x"}, usage)) == Answer("x", (), "stop", expected)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}, Usage(input=9, cached=4)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None, "completion_tokens": None}, Usage(input=9)),
        ({"prompt_tokens": -9, "completion_tokens": -1, "prompt_tokens_details": {"cached_tokens": -4}}, Usage()),
        ({"prompt_tokens": 100.0, "completion_tokens": "7"}, Usage(input=100, output=7)),
        ({"prompt_tokens": 10**19}, None),
        ({"prompt_tokens": "many"}, None),
        ({"prompt_tokens_details": []}, None),
        ([], None),
        (7, None),
        (None, None),
    ],
)
def test_usage_that_says_less_is_read_as_far_as_it_goes(usage: object, expected: Usage | None) -> None:
    assert count(reply({"content": "x"}, usage)).usage == expected


def test_tool_calls_are_part_of_the_graded_answer() -> None:
    found = answer(reply({"content": None, "tool_calls": CALLS}, finish="tool_calls"))
    assert found.tool_calls == (ToolCall("look", '{"x": 1}', "c1"),)
    assert json.loads(found.graded) == [{"name": "look", "arguments": '{"x": 1}'}]
    assert answer(reply({"content": "Well:", "tool_calls": CALLS})).graded.startswith("Well:\n[")


def test_an_odd_end_is_none_and_never_costs_the_answer() -> None:
    found = answer(json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": 3}]}).encode())
    assert (found.text, found.finish) == ("x", None)


def test_a_refusal_is_text() -> None:
    assert answer(reply({"content": None, "refusal": "No."})).graded == "No."


def test_content_may_be_a_list_of_parts_and_only_its_text_is_the_answer() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    found = answer(reply({"content": [thought, {"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}]}))
    assert found.text == "four"


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"{}", b'{"error":{"message":"x"}}', b"", b'{"choices":3}', b"\xff"]
)
def test_what_is_no_completion_is_refused(body: bytes) -> None:
    for read in (count, answer):
        with pytest.raises(WireError, match="not a chat completion"):
            read(body)

"""Replies that pass as they are: their frames, what each means, and what is counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ToolCall, Usage
from pointsman.core.errors import WireError
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.openai_responses import count, watch

USAGE = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 6,
         "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15}  # fmt: skip
TOOK = Usage(9, 6, 4, 0, 2)
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}"}
REPLY = {"id": "resp_1", "status": "completed", "usage": USAGE, "output": [
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Zwölf",
     "annotations": []}]},
    CALL,
]}  # fmt: skip
ANSWER = Answer("Zwölf", (ToolCall("look", "{}", "c1"),), "completed", TOOK, "resp_1")


def frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def delta(text: str) -> bytes:
    return frame("response.output_text.delta", output_index=1, content_index=0, delta=text)


STREAM = [
    b": comment\n\n",
    frame("response.created", response={"id": "resp_1"}),
    frame("response.in_progress", response={}),
    frame("response.output_item.added", output_index=0, item={"type": "reasoning", "id": "rs_1"}),
    frame("response.output_item.added", output_index=1, item={"type": "message", "id": "msg_1"}),
    frame("response.content_part.added", output_index=1, content_index=0, part={}),
    delta("Zwö"),
    delta("lf"),
    frame("response.output_item.added", output_index=2, item={**CALL, "arguments": ""}),
    frame("response.function_call_arguments.delta", output_index=2, delta="{}"),
    frame("response.completed", response=REPLY),
]


def read(*chunks: bytes, texts: bool) -> tuple[bytes, list[Seen], Answer]:
    reader = watch.watch(texts=texts)
    found = [pair for chunk in chunks for pair in reader.feed(chunk)] + reader.end()
    return b"".join(raw for raw, _ in found), [seen for _, seen in found], reader.answer()


def test_a_stream_adds_up_to_its_answer() -> None:
    raw, seen, answer = read(*STREAM, texts=True)
    assert raw == b"".join(STREAM)
    assert answer == ANSWER == count.answer(json.dumps(REPLY).encode())
    assert [each.content for each in seen] == [False] * 6 + [True] * 4 + [False]
    assert "".join(each.text for each in seen) == "Zwölf"
    assert "".join(each.tool_text for each in seen) == "{}"
    assert seen[-1] == Seen(finish="completed", usage=TOOK, done=True)


def test_without_texts_finish_usage_and_id_are_the_same() -> None:
    raw, seen, answer = read(*STREAM, texts=False)
    assert raw == b"".join(STREAM)
    assert answer == Answer(finish="completed", usage=TOOK, id="resp_1") == count.count(json.dumps(REPLY).encode())
    assert [each.content for each in seen] == [False] * 6 + [True] * 4 + [False]


def test_plain_content_passes_in_one_piece() -> None:
    reader = watch.watch()
    for each in STREAM[:7]:
        reader.feed(each)
    chunk = delta("a") + delta("b")
    assert reader.feed(chunk) == [(chunk, Seen(content=True))]
    named = delta("they said response.completed") + delta("c")
    assert reader.feed(named) == [(named, Seen(content=True))]
    assert reader.ended == set()


@pytest.mark.parametrize("texts", [False, True])
def test_the_cuts_change_nothing(*, texts: bool) -> None:
    whole = b"".join(STREAM)
    raw, _, answer = read(whole, texts=texts)
    assert raw == whole
    for cut in range(len(whole)):
        again = read(whole[:cut], whole[cut:], texts=texts)
        assert (again[0], again[2]) == (whole, answer), cut


@pytest.mark.parametrize(
    "broken",
    [
        frame(
            "response.failed", response={"status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}}
        ),
        frame("error", code="server_error", message="m"),
        frame("error", error={"code": "server_error", "message": "m"}),
        b'data: {"error": {"message": "m"}}\n\n',
    ],
)
@pytest.mark.parametrize("before", [[], STREAM[:8]])
def test_an_error_is_seen_before_and_behind_content(broken: bytes, before: list[bytes]) -> None:
    for texts in (False, True):
        seen = read(*before, broken, texts=texts)[1]
        assert seen[-1] == Seen(error="m")


def test_new_kinds_of_content_count_and_what_is_no_json_passes() -> None:
    seen = read(frame("response.hologram.delta", delta="x"), texts=False)[1]
    assert seen == [Seen(content=True)]
    odd = [b"data: {\n\n", b"data: 7\n\n", b"\n\n", b"data: [DONE]\n\n"]
    raw, seen, _ = read(*odd, texts=True)
    assert raw == b"".join(odd)
    assert seen[-1] == Seen(done=True)
    assert not any(each.content or each.error for each in seen)


def test_an_incomplete_reply_says_why() -> None:
    cut = {**REPLY, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert count.count(json.dumps(cut).encode()).finish == "max_output_tokens"
    assert count.answer(json.dumps(cut).encode()).finish == "max_output_tokens"
    reader = watch.watch()
    reader.feed(frame("response.incomplete", response=cut))
    assert reader.answer().finish == "max_output_tokens"
    assert reader.ended == {0}


def test_texts_beyond_the_limit_are_left_out() -> None:
    reader = watch.watch(texts=True, limit=4)
    for each in STREAM:
        reader.feed(each)
    assert reader.overflowed
    assert reader.answer().usage == TOOK


@pytest.mark.parametrize("usage", [None, 7, {"input_tokens": "x"}, {"input_tokens": 10**15}, []])
def test_usage_that_cannot_be_counted_costs_nobody_the_reply(usage: Any) -> None:
    assert count.count(json.dumps({**REPLY, "usage": usage}).encode()).usage is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b'{"output":{}}', b'{"choices":[]}', b"\xff"])
def test_what_is_no_response_is_refused(body: bytes) -> None:
    for read_ in (count.count, count.answer):
        with pytest.raises(WireError):
            read_(body)


@given(st.binary(max_size=60), st.booleans())
def test_bytes_of_any_kind_pass(body: bytes, texts: bool) -> None:
    assert read(body, texts=texts)[0].rstrip() == body.rstrip()

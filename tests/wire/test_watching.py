"""Plain content passes in bulk: what a stream means, and which bytes go on, is as when every frame is read alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.answer import Answer, Seen
from pointsman.wire.dialect import StreamWatch
from pointsman.wire.dialects import DIALECTS

Known = tuple[set[int], Answer, list[str], bool]


def _event(fields: dict[str, Any], *, named: bool, spaced: bool = False) -> bytes:
    data = json.dumps(fields, separators=(", ", ": ") if spaced else (",", ":")).encode()
    return (b"event: %b\n" % fields["type"].encode() if named else b"") + b"data: " + data + b"\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, *, spaced: bool = False, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return _event({"id": "c", "choices": [choice], **more}, named=False, spaced=spaced)


ODD = [
    b": ping\n\n",
    b"\n\n",
    b"data: oops\n\n",
    b"data: 7\n\n",
    b"event: x\n\n",
    b"id: 1\ndata: {}\n\n",
    b"data: [DONE]\n\n",
]
CHAT = [
    _chunk({"role": "assistant", "content": ""}),
    _chunk({"content": 'they said "finish_reason":"stop" and [DONE]'}),
    _chunk({"content": "a"}, spaced=True),
    _chunk({"content": "b"}, usage=None),
    _chunk({"content": "c"}, usage={"prompt_tokens": 1, "completion_tokens": 2}),
    _chunk({"content": "d"}, index=1),
    _chunk({}, "stop"),
    _chunk({}, "length", 1, spaced=True),
    _event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, named=False),
    _event({"choices": []}, named=False),
    _event({"error": {"message": "overloaded"}}, named=False),
    b'data: {"choices":[{"index":0,\ndata: "delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\r\n\r\n',
]
DELTA = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 'a "message_stop" b'}}
MESSAGES: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    DELTA,
    {"type": "ping"},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    {"type": "new_kind", "error": "x"},
]
ITEM = {"item_id": "i", "output_index": 0, "content_index": 0}
RESPONSES: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"id": "r", "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", **ITEM, "delta": "response.completed"},
    {"type": "response.function_call_arguments.delta", **ITEM, "delta": '{"error":1}'},
    {"type": "response.hologram.delta", "error": "x"},
    {
        "type": "response.completed",
        "response": {"id": "r", "status": "completed", "usage": {"input_tokens": 1}},
    },
    {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": {"code": "x", "message": "m"}}},
    {"type": "error", "code": "x", "message": "m"},
]
FRAMES = {
    "openai_chat": [*CHAT, *ODD],
    "anthropic": [*(_event(one, named=named) for one in MESSAGES for named in (True, False)), *ODD],
    "openai_responses": [*(_event(one, named=named) for one in RESPONSES for named in (True, False)), *ODD],
}


def _known(reader: StreamWatch, chunks: list[bytes]) -> tuple[bytes, Known, bytes]:
    """Return what came out, what is known at the end, and what came out without frames that only usage brought."""
    found: list[tuple[bytes, Seen]] = []
    for chunk in chunks:
        if reader.passes(chunk):
            found.append((chunk, Seen(content=True)))
        else:
            found += reader.feed(chunk)
    found += reader.end()
    errors = [seen.error for _, seen in found if seen.error is not None]
    done = any(seen.done for _, seen in found)
    kept = b"".join([frame for frame, seen in found if not seen.usage_only])
    return b"".join([frame for frame, _ in found]), (reader.ended, reader.answer(), errors, done), kept


@pytest.mark.parametrize("name", FRAMES)
@given(data=st.data())
def test_bulk_means_what_frame_by_frame_means(name: str, data: st.DataObject) -> None:
    frames = data.draw(st.lists(st.sampled_from(FRAMES[name]), max_size=12))
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    dialect = DIALECTS[name]
    bulk = _known(dialect.watch.watch(), pieces)
    assert bulk[0] == stream
    assert bulk == _known(dialect.watch.watch(), frames)
    every = _known(dialect.watch.watch(texts=True), frames)  # every frame is read
    assert bulk[2] == every[2]
    (ended, answer, *rest), (all_ended, whole, *all_rest) = bulk[1], every[1]
    assert (ended, rest) == (all_ended, all_rest)
    assert (answer.finish, answer.usage) == (whole.finish, whole.usage)

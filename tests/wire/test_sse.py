"""Frames of server-sent events: kept exactly, wherever the stream was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import WireError
from pointsman.wire.sse import Splitter, data

TRANSCRIPT = (
    b": a comment\n\n"
    b'data: {"text":"\xe5\xa5\xbd"}\n\n'
    b"event: ping\r\ndata: one\r\ndata: two\r\n\r\n"
    b"data: old\r\rid: 7\n\r\n"
    b"data: \xf0\x9f\x9a\x82\n\n\n"
    b"data: [DONE]\n\n"
)
FRAMES = [
    b": a comment\n\n",
    b'data: {"text":"\xe5\xa5\xbd"}\n\n',
    b"event: ping\r\ndata: one\r\ndata: two\r\n\r\n",
    b"data: old\r\r",
    b"id: 7\n\r\n",
    b"data: \xf0\x9f\x9a\x82\n\n",
    b"\ndata: [DONE]\n\n",
]


def split(*chunks: bytes) -> tuple[list[bytes], bytes]:
    splitter = Splitter()
    frames = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return frames, splitter.rest()


def test_frames_end_at_blank_lines_of_every_kind() -> None:
    assert split(TRANSCRIPT) == (FRAMES, b"")


@pytest.mark.parametrize("cut", range(1, len(TRANSCRIPT)))
def test_no_cut_moves_the_end_of_a_frame(cut: int) -> None:
    assert split(TRANSCRIPT[:cut], TRANSCRIPT[cut:]) == (FRAMES, b"")


def test_single_bytes_give_the_same_frames() -> None:
    assert split(*[bytes([byte]) for byte in TRANSCRIPT]) == (FRAMES, b"")


@given(st.lists(st.sampled_from([b"\n", b"\r", b"a", b"data: b", b"\r\n", b"\n\n"]), max_size=30), st.data())
def test_any_stream_cut_anywhere_gives_the_same_frames(pieces: list[bytes], draw: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    frames, rest = split(*chunks)
    whole_frames, whole_rest = split(stream)
    assert (frames, rest) == (whole_frames, whole_rest)
    assert b"".join(frames) + rest == stream


def test_a_chunk_that_is_one_frame_is_not_copied() -> None:
    chunk = b"data: x\n\n"
    assert Splitter().feed(chunk)[0] is chunk


def test_what_is_left_at_the_end_is_given_back() -> None:
    assert split(b"data: a\n\ndata: half") == ([b"data: a\n\n"], b"data: half")


def test_a_frame_without_end_is_refused() -> None:
    splitter = Splitter(limit=100)
    splitter.feed(b"x" * 100)
    with pytest.raises(WireError, match="more than 100 bytes"):
        splitter.feed(b"x")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"data: one\n\n", b"one"),
        (b"data:one\n\n", b"one"),
        (b"data:  one\r\n\r\n", b" one"),
        (b"event: x\ndata: one\ndata:\ndata: two\n\n", b"one\n\ntwo"),
        (b"data\r\r", b""),
        (b": ping\n\n", None),
        (b"event: ping\n\n", None),
        (b"datax: no\n\n", None),
        (b"event: x\ndata: one\n\n", b"one"),
        (b"event: x\ndata: one\ndata: two\n\n", b"one\ntwo"),
        (b"event: x\nid: 7\ndata: one\n\n", b"one"),
        (b"event: x\n\n", None),
        (b"event: x", None),
        (b"event: data: no\n\n", None),
        (b"data: one", b"one"),
        (b"data: one\n", b"one"),
        (b"\xef\xbb\xbfdata: one\n\n", b"one"),
        (b"\xef\xbb\xbfevent: x\ndata: one\n\n", b"one"),
    ],
)
def test_data_joins_its_lines_and_skips_the_rest(frame: bytes, expected: bytes | None) -> None:
    assert data(frame) == expected

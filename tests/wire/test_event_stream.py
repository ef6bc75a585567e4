"""AWS's event streams: framing at every cut, and what damage does."""

import contextlib
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import WireError
from pointsman.wire.event_stream import MESSAGE_LIMIT, Message, Splitter, framed

EVENT = framed({":event-type": "metadata", ":content-type": "application/json", ":message-type": "event"}, b'{"a":1}')


def split(*chunks: bytes) -> list[Message]:
    splitter = Splitter()
    return [message for chunk in chunks for message in splitter.feed(chunk)]


def test_a_message_of_aws_is_read() -> None:
    """An empty message and one with a header, from the vectors of AWS's own SDKs (aws-c-event-stream, Apache-2.0)."""
    empty = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
    assert split(empty) == [Message("event", "", b"")]
    header = bytes.fromhex("0000003d 00000020 07fd8396") + b"\x0ccontent-type\x07\x00\x10application/json" + b"{'foo':'bar'}"
    assert split(header + bytes.fromhex("8d9c08b1")) == [Message("event", "", b"{'foo':'bar'}")]


@pytest.mark.parametrize("cut", range(len(EVENT) * 2))
def test_a_cut_changes_nothing(cut: int) -> None:
    both = EVENT + EVENT
    assert split(both[:cut], both[cut:]) == [Message("event", "metadata", b'{"a":1}')] * 2


@given(
    st.lists(
        st.tuples(st.sampled_from(["event", "exception", "error"]), st.text(max_size=20), st.binary(max_size=200)),
        max_size=4,
    )
)
def test_what_is_framed_is_read(wanted: list[tuple[str, str, bytes]]) -> None:
    names = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}
    data = b"".join(framed({":message-type": kind, names[kind]: name}, payload) for kind, name, payload in wanted)
    assert [(m.kind, m.name, m.payload) for m in split(*(data[at : at + 7] for at in range(0, len(data), 7)))] == wanted


def test_headers_that_are_no_strings_are_passed_over() -> None:
    fields = (
        b"\x01a\x00" + b"\x01b\x02\x07" + b"\x01c\x04\x00\x00\x00\x01" + b"\x01d\x06\x00\x02xx" + b"\x01e\x09" + bytes(16)
        + b"\x0b:event-type\x07\x00\x02hi"
    )  # fmt: skip
    lengths = struct.pack(">II", 16 + len(fields), len(fields))
    message = lengths + struct.pack(">I", crc32(lengths)) + fields
    assert split(message + struct.pack(">I", crc32(message))) == [Message("event", "hi", b"")]


@pytest.mark.parametrize("place", range(len(EVENT)))
def test_a_changed_byte_is_an_error(place: int) -> None:
    damaged = bytearray(EVENT)
    damaged[place] ^= 0x20
    with pytest.raises(WireError, match="damaged"):
        split(bytes(damaged))


@pytest.mark.parametrize(
    ("total", "headers", "words"), [(MESSAGE_LIMIT + 1, 0, "more than"), (16, 1, "shorter"), (0, 0, "shorter")]
)
def test_lengths_that_cannot_be_are_refused_at_once(total: int, headers: int, words: str) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(WireError, match=words):
        split(lengths + struct.pack(">I", crc32(lengths)))


def test_an_end_within_a_message_is_seen() -> None:
    splitter = Splitter()
    splitter.feed(EVENT[:-1])
    assert splitter.cut
    splitter.feed(EVENT[-1:])
    assert not splitter.cut


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_an_error_or_nothing(data: bytes) -> None:
    with contextlib.suppress(WireError):
        split(data)

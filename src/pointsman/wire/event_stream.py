"""AWS's binary event streams as bytes: where one message ends, what it is called, and what it carries.

    total length (4) · headers' length (4) · CRC-32 of these 8 (4) · headers · payload · CRC-32 of all before (4)

A header is a name (1 byte of length), a type (1 byte) and a value. ``:message-type`` says whether it is an event, an
exception that the service models, or an error that it does not.
(https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html, https://smithy.io/2.0/aws/amazon-eventstream.html)

Laws: how a stream is cut never changes its messages; a checksum that does not fit is an error, because nothing after it can
be trusted; a message longer than the limit is one too, so that memory stays bounded. What came before an error is given out
before it.
"""

import struct
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from msgspec import Struct

from pointsman.core.errors import WireError

MESSAGE_LIMIT: Final = 24 * 1024 * 1024
"""Bytes of one message, as AWS's SDKs limit it."""

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_LEAST: Final = _PRELUDE.size + _CRC.size
_STRING: Final = 7
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # true, false, byte, short, int, long, time, UUID


class Message(Struct, frozen=True):
    """One message. ``kind`` is ``event``, ``exception`` or ``error``; ``name`` which one; ``words`` those of an error."""

    kind: str
    name: str
    payload: bytes
    words: str = ""


class Splitter:
    """Cuts a stream into messages."""

    __slots__ = ("_damage", "_pending")

    def __init__(self) -> None:
        self._pending = bytearray()
        self._damage: WireError | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the messages that a chunk completes. Raises WireError."""
        self.end()
        pending = self._pending
        pending += chunk
        found: list[Message] = []
        start = 0
        try:
            while len(pending) - start >= _PRELUDE.size:
                total = _total(pending, start)
                if len(pending) - start < total:
                    break
                found.append(_message(bytes(pending[start : start + total])))
                start += total
        except WireError as error:
            self._damage = error
            if not found:
                raise
        del pending[:start]
        return found

    def end(self) -> None:
        """The stream has ended. Raises WireError where it was found to be damaged behind the last message."""
        if self._damage is not None:
            raise self._damage

    @property
    def cut(self) -> bool:
        """Whether part of a message has come, and not its end."""
        return bool(self._pending)


def framed(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a message with string headers."""
    fields = b"".join(
        [
            bytes((len(name),)) + name.encode() + bytes((_STRING,)) + _LENGTH.pack(len(value.encode())) + value.encode()
            for name, value in headers.items()
        ]
    )
    lengths = struct.pack(">II", _LEAST + len(fields) + len(payload), len(fields))
    message = lengths + _CRC.pack(crc32(lengths)) + fields + payload
    return message + _CRC.pack(crc32(message))


def _total(pending: bytearray, start: int) -> int:
    total, headers, checksum = _PRELUDE.unpack_from(pending, start)
    if crc32(pending[start : start + 8]) != checksum:
        raise WireError("the event stream is damaged: a message's length does not fit its checksum")
    if total > MESSAGE_LIMIT:
        raise WireError(f"the event stream holds a message of more than {MESSAGE_LIMIT} bytes")
    if total < _LEAST + headers:
        raise WireError("the event stream is damaged: a message is shorter than its headers")
    return int(total)


def _message(data: bytes) -> Message:
    if crc32(data[:-4]) != _CRC.unpack(data[-4:])[0]:
        raise WireError("the event stream is damaged: a message does not fit its checksum")
    length = int.from_bytes(data[4:8], "big")
    try:
        headers = _headers(data[_PRELUDE.size : _PRELUDE.size + length])
    except (struct.error, IndexError, KeyError, UnicodeDecodeError):
        raise WireError("the event stream is damaged: the headers of a message cannot be read") from None
    kind = headers.get(":message-type", "event")
    name = headers.get({"exception": ":exception-type", "error": ":error-code"}.get(kind, ":event-type"), "")
    return Message(kind, name, data[_PRELUDE.size + length : -4], headers.get(":error-message", ""))


def _headers(data: bytes) -> dict[str, str]:
    """Return the headers that are strings; the others are passed over."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        name, type_ = data[at + 1 : end].decode(), data[end]
        at = end + 1
        if type_ in _SIZES:
            at += _SIZES[type_]
            continue
        if type_ not in (6, _STRING):
            raise KeyError(type_)
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + size
        if type_ == _STRING:
            found[name] = data[at - size : at].decode()
    if at != len(data):
        raise IndexError(at)
    return found

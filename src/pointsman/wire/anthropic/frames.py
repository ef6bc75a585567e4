"""A streamed reply, written.

Strategy: the block that is open streams at once; what belongs to another waits until the open one can be closed. A text can
be closed at any time (more of it is a new block), a tool call when its arguments are a whole JSON object. So calls that come
one after the other all stream, and only calls that truly overlap wait.

Laws: message_start, blocks that never overlap, one message_delta with the totals, message_stop; every frame names its event;
nothing is written after message_stop.
"""

import re
from typing import Final

import msgspec

from pointsman.core.chat import End, Failed, StreamEvent, TextDelta
from pointsman.core.errors import GatewayError
from pointsman.wire.anthropic import errors
from pointsman.wire.anthropic.pieces import EMPTY, Fields, Piece, Pieces
from pointsman.wire.anthropic.words import null
from pointsman.wire.dialect import Stamp
from pointsman.wire.shapes import encode, objects

_SIGN: Final = re.compile(r'\\.|["{}\[\]\\]', re.DOTALL)
_TEXT: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)
_BESIDE: Final = ("context_management",)  # stands beside ``delta`` in message_delta, not in it


class Encoder:
    """Writes one streamed reply. ``lost`` names what it could not write so far."""

    __slots__ = ("_begun", "_closed", "_done", "_index", "_json", "_open", "_pieces", "_text", "_waiting")

    def __init__(self, stamp: Stamp) -> None:
        self._pieces = Pieces(stamp)
        self._begun = self._closed = False
        self._open: tuple[int, str] | None = None
        self._index = -1
        self._text = b""
        self._json = _Json()
        self._done: set[tuple[int, str]] = set()
        self._waiting: list[Piece] = []

    @property
    def lost(self) -> set[str]:
        """What could not be written so far."""
        return self._pieces.lost

    def feed(self, event: StreamEvent) -> bytes:
        """Return the frames that an event makes: none, one or several, always whole."""
        if isinstance(event, TextDelta) and self._goes_on(event):
            return self._text + encode(event.text) + b"}}\n\n"
        if self._closed:
            return b""
        if isinstance(event, End):
            return self.end()
        if isinstance(event, Failed):
            self._closed = True
            return errors.event(GatewayError(event.status, event.code, event.message))
        out = bytearray()
        for piece in self._pieces.take(event):
            out += self._begin()
            if self._open is None or piece.key == self._open or (not self._waiting and self._can_close()):
                out += self._write(piece)
            else:
                self._waiting.append(piece)
            out += self._drain(last=False)
        return bytes(out)

    def end(self) -> bytes:
        """Return the frames that close the reply in due form."""
        if self._closed:
            return b""
        out = self._begin() + self._drain(last=True) + self._close()
        self._closed = True
        ending = self._pieces.ending()
        beside = {name: ending.pop(name) for name in _BESIDE if name in ending}
        ended = {"type": "message_delta", "delta": ending, "usage": self._pieces.usage(), **beside}
        return out + _frame(ended) + _frame({"type": "message_stop"})

    def _goes_on(self, event: TextDelta) -> bool:
        """Whether this is no more than more of the text that is open: nearly every event is."""
        plain = event.text and not (event.signature or event.choice or event.own)
        return bool(plain) and (event.part, "text") == self._open and not self._waiting

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return _frame({"type": "message_start", "message": self._pieces.head()})

    def _can_close(self) -> bool:
        return self._open is None or self._open[1] != "tool" or self._json.whole

    def _drain(self, *, last: bool) -> bytes:
        """Write what waits, block by block, as far as the open block can be closed (or must be: ``last``)."""
        out = b""
        while self._waiting and (last or self._can_close()):
            key = self._waiting[0].key
            mine, self._waiting = [p for p in self._waiting if p.key == key], [p for p in self._waiting if p.key != key]
            out += b"".join([self._write(piece) for piece in mine])
        return out

    def _write(self, piece: Piece) -> bytes:
        out = b""
        if piece.key != self._open:
            if piece.kind == "tool" and piece.key in self._done:
                if not str(piece.delta.get("partial_json", "")).isspace():
                    self.lost.add("tool_calls.arguments")
                return b""
            if piece.begins == EMPTY and not piece.delta:
                return b""
            out = self._close() + self._start(piece)
            self._open = None if piece.kind == "whole" else piece.key
        if piece.delta:
            self._json.add(str(piece.delta.get("partial_json", "")))
            out += self._delta(piece.delta)
        return out

    def _start(self, piece: Piece) -> bytes:
        self._index += 1
        self._json = _Json()
        self._text = _TEXT % self._index
        if piece.kind != "whole":
            return self._block_start(piece.begins)
        block, fragment = _opaque(piece)
        return self._block_start(block) + (self._delta(fragment) if fragment else b"") + self._block_stop()

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        if self._open[1] == "tool" and not self._json.whole and self._json.begun:
            self.lost.add("tool_calls.arguments")  # what was said is no JSON object, and cannot be taken back
        self._done.add(self._open)
        self._open = None
        return self._block_stop()

    def _block_start(self, block: object) -> bytes:
        return _frame({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: Fields) -> bytes:
        return _frame({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _block_stop(self) -> bytes:
        return _frame({"type": "content_block_stop", "index": self._index})


class _Json:
    """Says whether fragments so far are one whole JSON object, by its brackets."""

    __slots__ = ("_depth", "_escaped", "_quoted", "begun", "whole")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False
        self.begun = self.whole = False

    def add(self, fragment: str) -> None:
        """Take more of it."""
        self.begun = self.begun or bool(fragment.strip())
        start, self._escaped = (1 if self._escaped and fragment else 0), self._escaped and not fragment
        for found in _SIGN.finditer(fragment, start):
            sign = found.group()
            if sign == '"':
                self._quoted = not self._quoted
            elif sign == "\\":
                self._escaped = True  # the escaped sign is in the next fragment
            elif not self._quoted and len(sign) == 1:
                self._depth += 1 if sign in "{[" else -1
                self.whole = self._depth == 0


def _opaque(piece: Piece) -> tuple[object, Fields | None]:
    """Return a block that comes whole as it starts, and its input as the one delta that clients expect."""
    if not bytes(piece.raw):
        return piece.begins, None
    fields = objects.decode(piece.raw)
    value = bytes(fields.get("input", b"{}"))
    if value == b"{}" or null(piece.raw):
        return piece.raw, None
    return fields | {"input": msgspec.Raw(b"{}")}, {"type": "input_json_delta", "partial_json": value.decode()}


def _frame(event: Fields) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + encode(event) + b"\n\n"

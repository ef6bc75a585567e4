"""A turn: what a scripted model says, and what goes wrong while it does.

Strategy: plain values, free of any dialect. Laws: pieces are the deltas of a stream, in order; joined they are the whole.
Token counts are totals: ``input`` includes what was read from and written to a cache, ``output`` includes reasoning.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

Finish = Literal["stop", "tool", "length", "refusal"]


@dataclass(frozen=True)
class Text:
    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Thinking(Text):
    """What the model thinks. Chat Completions never shows it; the others sign it."""

    signature: str = ""


@dataclass(frozen=True)
class Refusal(Text):
    pass


@dataclass(frozen=True)
class Call(Text):
    """A tool call; the pieces are fragments of its arguments' JSON."""

    name: str = ""
    id: str = ""
    signature: str = ""

    @property
    def arguments(self) -> Any:
        return json.loads(self.whole or "{}")


Part = Text | Thinking | Refusal | Call


@dataclass(frozen=True)
class Usage:
    input: int = 20
    output: int = 7
    cached: int = 0
    written: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Failure:
    """An error status instead of an answer."""

    status: int
    message: str = "scripted failure"
    retry_after: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Turn:
    """``cut_after``, ``error_after``, ``hold_after``: what happens after so many content frames of a stream.

    Cut: the connection is closed without the stream's end. Error: the dialect's error event, then the end. Hold: nothing
    more is sent until the client leaves (0: not even the head, for whole replies as well). ``interleaved``: the fragments of
    parallel calls alternate, where a dialect can say so. ``count``: the answer to a request to count tokens.
    """

    parts: tuple[Part, ...] = ()
    usage: Usage = Usage()
    finish: Finish = "stop"
    failure: Failure | None = None
    cut_after: int | None = None
    error_after: int | None = None
    hold_after: int | None = None
    interleaved: bool = False
    count: int = 0

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(part for part in self.parts if isinstance(part, Call))


@dataclass(frozen=True)
class Frame:
    """Bytes of a stream. ``content``: whether they bring something that a user sees."""

    data: bytes
    content: bool = False


def text(*pieces: str) -> Text:
    return Text(pieces)


def thinking(*pieces: str, signature: str = "") -> Thinking:
    return Thinking(pieces, signature)


def call(name: str, *pieces: str, id: str = "call_1", signature: str = "") -> Call:  # noqa: A002 - what it is called everywhere
    return Call(pieces, name, id, signature)


def refusal(*pieces: str) -> Refusal:
    return Refusal(pieces)


def turn(*parts: Part, **more: Any) -> Turn:
    """Return a turn that ends as its parts say, unless told otherwise."""
    kinds = {type(part) for part in parts}
    ends = "tool" if Call in kinds else "refusal" if Refusal in kinds else "stop"
    return Turn(parts, **{"finish": ends, **more})


def fails(status: int, message: str = "scripted failure", **more: Any) -> Turn:
    return Turn(failure=Failure(status, message, **more))


def event(value: Any, name: str = "") -> bytes:
    """Return a server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {compact(value)}\n\n".encode()


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

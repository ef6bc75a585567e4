"""A whole reply, read (the way back is in ``pieces``).

Laws: parts of a choice are its reasoning, its content, its refusal, its calls, and what came whole, in this order, one delta
to a part; a field of a choice, or of its message (``message.NAME``), that is not known is kept with its ``Finish``, any
other with ``Start``; what is not a chat completion is an error (WireError): a log-in page never passes for an answer.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Media,
    Opaque,
    Own,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Encoded, Stamp
from pointsman.wire.fields import BROKEN, checked, mended
from pointsman.wire.openai_chat import media, thinking
from pointsman.wire.openai_chat.ends import finish_of, odds_of, used_of
from pointsman.wire.openai_chat.fields import ABSENT, NAME, NULL, Shape, fill, given, objects, raw_of, words
from pointsman.wire.openai_chat.messages import tool_call
from pointsman.wire.openai_chat.pieces import Pieces
from pointsman.wire.openai_chat.shapes import FunctionCall, WireToolCall


class _Body(Struct, forbid_unknown_fields=True):
    choices: list[Raw]
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    service_tier: Any = None
    usage: Raw = ABSENT


class _Choice(Struct, forbid_unknown_fields=True):
    index: int = 0
    message: Raw = ABSENT
    finish_reason: Any = None
    logprobs: Raw = ABSENT


class _Message(Struct, forbid_unknown_fields=True):
    role: Any = None
    content: str | list[Raw] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Raw = ABSENT
    tool_calls: list[Raw] | None = None
    function_call: Raw = ABSENT
    annotations: list[Raw] | None = None
    audio: Raw = ABSENT
    images: list[Raw] | None = None


class _Audio(Struct, forbid_unknown_fields=True):
    data: str


class _Piece(Struct, forbid_unknown_fields=True):
    type: str = ""
    text: str | None = None
    thinking: Raw = ABSENT
    image_url: Raw = ABSENT


_body, _choice, _message, _audio, _piece = Shape(_Body), Shape(_Choice), Shape(_Message), Shape(_Audio), Shape(_Piece)
_function_call = Shape(FunctionCall)
_tool_call = msgspec.json.Decoder(WireToolCall)
_EMPTY: Final = frozenset((b"", b"null", b'""', b"[]", b"{}"))


def decode(body: bytes) -> tuple[StreamEvent, ...]:
    """Return a whole reply as events, one delta to a part, ending with Finish and Used. Raises WireError."""
    try:
        return tuple(_events(mended(checked(body, "the reply"))))
    except BROKEN as error:
        raise _not_a_reply(str(error)) from error


def encode(events: Sequence[StreamEvent], request: ChatRequest, stamp: Stamp) -> Encoded:
    """Return a whole reply: deltas of one part are joined, whatever their number."""
    return Pieces(request, stamp).whole(events)


def _not_a_reply(reason: str) -> WireError:
    return WireError(f"the reply is not a chat completion: {reason}")


def _events(body: bytes) -> Iterator[StreamEvent]:
    found = _body.read(body)
    if found is None:
        raise _not_a_reply("it is no object with a list of choices")
    wire, own = found
    used = used_of(wire.usage) if given(wire.usage) else None
    if used is None and given(wire.usage):
        own["usage"] = wire.usage
    yield start_of(wire.id, wire.model, wire.created, wire.service_tier, own)
    for raw in wire.choices:
        choice = _choice.read(raw)
        if choice is None:
            raise _not_a_reply("a choice is of another form")
        yield from _chosen(*choice)
    if used is not None:
        yield used


def start_of(id_: Any, model: Any, created: Any, tier: Any, own: Own) -> Start:
    """Return the beginning of a reply."""
    seconds = int(created) if isinstance(created, int | float) and 0 < created < 2**40 else 0
    return Start(words(id_), words(model), seconds, words(tier), own, NAME)


def _chosen(wire: _Choice, own: Own) -> Iterator[StreamEvent]:
    reader = _Reader(wire.index)
    if given(wire.message):
        message = _message.read(wire.message)
        if message is None:
            raise _not_a_reply("a message is of another form")
        yield from reader.read(*message)
    odds = odds_of(wire.logprobs, wire.index) if given(wire.logprobs) else []
    if odds is None:
        own["logprobs"] = wire.logprobs
    yield from odds or ()
    yield finish_of(wire.finish_reason, wire.index, {**own, **reader.own})


class _Reader:
    """Reads one message. ``own`` is what it holds that has no event, as ``message.NAME``."""

    __slots__ = ("_choice", "_parts", "own")

    def __init__(self, choice: int) -> None:
        self._choice = choice
        self._parts = 0
        self.own: Own = {}

    def read(self, wire: _Message, own: Own) -> Iterator[StreamEvent]:
        """Return the events of a message."""
        for name, raw in own.items():
            self._keep(name, raw)
        yield from self._thought(wire)
        text = self._parts
        yield from self._content(wire.content)
        if wire.refusal:
            yield RefusalDelta(self._next(), wire.refusal, self._choice)
        for citation in wire.annotations or ():
            yield CitationDelta(text, citation, self._choice)
        for place, raw in enumerate(wire.tool_calls or ()):
            called = _tool_call.decode(raw)
            fill(called, raw)
            yield self._called(tool_call(called, place))
        if given(wire.function_call):
            legacy = _function_call.read(wire.function_call)
            if legacy is None or not legacy[0].name or legacy[1]:
                self._keep("function_call", wire.function_call)
            else:
                yield self._called(ToolCall(legacy[0].name, legacy[0].arguments, own={"function_call": NULL}))
        yield from self._made(wire)

    def _next(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _keep(self, name: str, raw: Raw) -> None:
        if bytes(raw) not in _EMPTY:
            self.own[f"message.{name}"] = raw

    def _thought(self, wire: _Message) -> Iterator[ThinkingDelta]:
        found = thinking.details(wire.reasoning_details) if given(wire.reasoning_details) else []
        if found is None:
            self._keep(thinking.DETAILS, wire.reasoning_details)
        forms = [(name, text) for name in thinking.PLAIN if (text := getattr(wire, name))]
        text = thinking.told(found) if found else forms[0][1] if forms else ""
        marks = [name for name, said in forms if said == text]
        for name, said in forms:
            if said != text:
                self._keep(name, raw_of(said))
        for detail, _ in found or ():
            section = None if detail.summary is None else 0
            said = detail.text or detail.summary or ""
            id_, signature, data = detail.id or "", detail.signature or "", detail.data or ""
            yield ThinkingDelta(self._next(), said, signature, data, section, id_, self._choice)
        if found:
            places = [detail.index for detail, _ in found] == list(range(len(found)))
            if not places or (text and not marks) or any(own for _, own in found):
                self._keep(thinking.DETAILS, wire.reasoning_details)
        elif text:
            yield ThinkingDelta(self._next(), text, choice=self._choice)
        if marks != ["reasoning_content"] or f"message.{thinking.DETAILS}" in self.own:
            self.own.update({f"message.{name}": NULL for name in marks})

    def _content(self, content: str | list[Raw] | None) -> Iterator[StreamEvent]:
        if isinstance(content, str):
            if content:
                yield TextDelta(self._next(), content, self._choice)
            return
        simple = True
        for raw in content or ():
            text, thought, whole = piece_of(raw)
            if whole is not None:
                yield WholePart(self._next(), whole, self._choice)
            elif thought is not None:
                yield ThinkingDelta(self._next(), thought, choice=self._choice)
            else:
                yield TextDelta(self._next(), text or "", self._choice)
            simple = simple and (whole is not None or len(objects.decode(raw)) == 2)
        if content:
            self.own["message.content"] = NULL if simple else raw_of(content)

    def _called(self, call: ToolCall) -> ToolCallDelta:
        return ToolCallDelta(
            self._next(), call.id, call.name, call.arguments, call.kind, call.signature, self._choice, call.own
        )

    def _made(self, wire: _Message) -> Iterator[WholePart]:
        """Return media that the model made."""
        if given(wire.audio):
            sound = sound_of(wire.audio)
            if sound is not None:
                yield WholePart(self._next(), sound, self._choice)
            else:
                self._keep("audio", wire.audio)
        for raw in wire.images or ():
            yield WholePart(self._next(), image_of(raw), self._choice)


def piece_of(raw: Raw) -> tuple[str | None, str | None, Opaque | None]:
    """Return a piece of a content that is a list (Mistral's): a text, a thought, or what only its maker knows."""
    found = _piece.read(raw)
    if found is None:
        return None, None, Opaque("", raw)
    piece = found[0]
    if piece.type == "text" and piece.text is not None:
        return piece.text, None, None
    thought = thinking.in_content(piece.thinking) if piece.type == "thinking" and given(piece.thinking) else None
    return None, thought, Opaque(piece.type, raw) if thought is None else None


def sound_of(raw: Raw) -> Media | None:
    """Return what ``audio`` holds, None where that is no sound."""
    found = _audio.read(raw)
    if found is None or not found[0].data:
        return None
    return Media("audio", data=found[0].data, own={"audio": raw_of(found[1])} if found[1] else {})


def image_of(raw: Raw) -> Media | Opaque:
    """Return one of ``images``, in which OpenRouter and others send what a model drew."""
    found = _piece.read(raw)
    if found is None or found[0].type != "image_url":
        return Opaque("images", raw)
    image = media.read("image_url", found[0].image_url)
    if not (image.data or image.url):
        return Opaque("images", raw)
    return Media("image", image.data, image.url, mime=image.mime, detail=image.detail, own={**image.own, **found[1]})

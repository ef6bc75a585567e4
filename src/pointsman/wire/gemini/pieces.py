"""Replies, written: what events add up to as the parts of a candidate, and the objects that hold them.

Law: fields in ``own`` are written back only into a reply of this dialect (``native``); of any other they are named as lost.
"""

import re
from collections.abc import Sequence

from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import (
    Finish,
    FinishReason,
    Logprobs,
    Media,
    Own,
    RefusalDelta,
    Start,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.wire.dialect import Stamp
from pointsman.wire.gemini import media, usage
from pointsman.wire.gemini.contents import arguments
from pointsman.wire.gemini.fields import NAME, restore

Wire = dict[str, object]
PartEvent = TextDelta | RefusalDelta | ThinkingDelta | ToolCallDelta | WholePart

_WORDS: dict[FinishReason, str] = {"length": "MAX_TOKENS", "content_filter": "SAFETY", "refusal": "SAFETY"}
_ENDED_WELL = frozenset(("stop", "stop_sequence", "tool_calls", "pause"))
_GOOGLES = re.compile(r"[A-Z][A-Z0-9_]+")


def put(wire: Wire, own: Own, lost: set[str], *, native: bool) -> None:
    """Write fields back where they are this dialect's (``native``); name them where not."""
    if native:
        restore(wire, own)
    else:
        lost.update(own)


class Piece:
    """One part of a candidate: the deltas that belong together."""

    __slots__ = ("_events", "_lost", "_native")

    def __init__(self, lost: set[str], *, native: bool) -> None:
        self._events: list[PartEvent] = []
        self._lost = lost
        self._native = native

    def add(self, event: PartEvent) -> None:
        """Take one more delta."""
        self._events.append(event)

    @property
    def arguments(self) -> str:
        """What came of a call's arguments so far."""
        return "".join([event.arguments for event in self._events if isinstance(event, ToolCallDelta)])

    def written(self) -> Wire | Raw | None:
        """Return the part, None where there is no word for it."""
        match first := self._events[0]:
            case ToolCallDelta():
                return self._call(first)
            case ThinkingDelta():
                return self._thought()
            case WholePart():
                return self._whole(first)
            case RefusalDelta():
                self._lost.add("refusal")
        wire: Wire = {"text": "".join([event.text for event in self._events if isinstance(event, TextDelta | RefusalDelta)])}
        for event in self._events:
            if isinstance(event, TextDelta | RefusalDelta):
                put(wire, event.own, self._lost, native=self._native)
        return _signed(wire, "".join([event.signature for event in self._events if isinstance(event, TextDelta)]))

    def _call(self, first: ToolCallDelta) -> Wire:
        calls = [event for event in self._events if isinstance(event, ToolCallDelta)]
        call: Wire = {"name": "".join([each.name for each in calls])}
        call["args"] = arguments(self.arguments, first.kind, self._lost)
        id_ = next((each.id for each in calls if each.id), "")
        if id_:
            call["id"] = id_
        wire = _signed({"functionCall": call}, next((each.signature for each in calls if each.signature), ""))
        for each in calls:
            put(wire, each.own, self._lost, native=self._native)
        return wire

    def _thought(self) -> Wire | None:
        text, section, signature = "", None, ""
        own: Own = {}
        for event in self._events:
            if not isinstance(event, ThinkingDelta):
                continue
            if text and event.section is not None and event.section != section:
                text += "\n\n"
            section = event.section if event.section is not None else section
            text += event.text
            signature += event.signature
            own = {**own, **event.own}
            self._lost.update(f"thinking.{name}" for name in ("encrypted", "id") if getattr(event, name))
        wire: Wire = {"text": text, "thought": True}
        put(wire, own, self._lost, native=self._native)
        return _signed(wire, signature) if text or signature or (own and self._native) else None

    def _whole(self, event: WholePart) -> Wire | Raw | None:
        content = event.content
        if isinstance(content, Media):
            wire = media.written(content, named=True)
            put(wire, content.own, self._lost, native=self._native)
            return wire
        if self._native:
            return content.raw
        self._lost.add(content.kind)
        return None


def candidate(
    index: int, parts: list[Wire | Raw], finish: Finish | None, odds: Sequence[Logprobs], lost: set[str], *, native: bool
) -> dict[str, object]:
    """Return one candidate."""
    wire: Wire = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}, "index": index}
    if odds:
        wire["logprobsResult"] = _odds(odds)
    if finish is not None:
        word = _word(finish)
        if word:
            wire["finishReason"] = word
        if finish.stop_sequence:
            lost.add("stop_sequence")
        put(wire, finish.own, lost, native=native)
    return wire


def refused(finish: Finish) -> Finish:
    """Return the end of a reply that held a refusal: Google ends those for a reason, where OpenAI just stops."""
    return replace(finish, reason="refusal", word="") if finish.reason == "stop" else finish


def envelope(start: Start, stamp: Stamp) -> Wire:
    """Return what every object of one reply says of itself."""
    wire: Wire = {}
    if model := start.model or stamp.model:
        wire["modelVersion"] = model
    if id_ := start.id or stamp.id:
        wire["responseId"] = id_
    return wire


def counted(used: Used, start: Start, lost: set[str]) -> Wire:
    """Return ``usageMetadata``."""
    return usage.written(used, start.service_tier, lost, native=start.dialect == NAME)


def _word(finish: Finish) -> str:
    """Return the reason in Google's words: its own where it is one. A reply of Google's without a reason stays so."""
    if _GOOGLES.fullmatch(finish.word) or (not finish.word and finish.reason == "other"):
        return finish.word
    return "STOP" if finish.reason in _ENDED_WELL else _WORDS.get(finish.reason, "OTHER")


def _signed(wire: Wire, signature: str) -> Wire:
    if signature:
        wire["thoughtSignature"] = signature
    return wire


def _odds(odds: Sequence[Logprobs]) -> Wire:
    tokens = [token for each in odds for token in each.tokens]
    wire: Wire = {"chosenCandidates": [_token(token) for token in tokens]}
    if any(token.top for token in tokens):
        wire["topCandidates"] = [{"candidates": [_token(other) for other in token.top]} for token in tokens]
    return wire


def _token(token: TokenLogprob) -> Wire:
    return {"token": token.token, "logProbability": token.logprob}

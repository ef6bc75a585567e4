"""Replies, written: what events add up to as choices, and the chunks that say the same in pieces.

Strategy: one object takes the events of one reply and knows which parts stand where; ``whole`` makes a reply of them at the
end, ``stream`` asks it for the form of each piece. Reasoning goes into ``reasoning_content``, which most clients read; where
it has seals it also goes into ``reasoning_details``, so that a client can bring it back to who made it.

Laws: fields in ``own`` are written back only into a reply of this dialect; a call always has an id, made of the exchange's
where its maker gave none.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Raw

from pointsman.core.chat import (
    ChatRequest,
    CitationDelta,
    Failed,
    Finish,
    Logprobs,
    Media,
    Own,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.wire.citations import web
from pointsman.wire.dialect import Encoded, Stamp
from pointsman.wire.names import Names
from pointsman.wire.openai_chat import errors, media
from pointsman.wire.openai_chat.compose import signed
from pointsman.wire.openai_chat.ends import odds_fields, reason_of, usage_fields
from pointsman.wire.openai_chat.fields import NAME, NULL, Wire, encode, objects, put, said
from pointsman.wire.openai_chat.sampling import TIERS
from pointsman.wire.openai_chat.thinking import DETAILS, PLAIN, written

_MESSAGE = "message."


class Said:
    """What came of one choice: its parts by number, in the order in which they began."""

    __slots__ = ("calls", "citations", "finish", "odds", "texts", "thoughts", "whole")

    def __init__(self) -> None:
        self.texts: dict[int, list[TextDelta | RefusalDelta]] = {}
        self.thoughts: dict[int, list[ThinkingDelta]] = {}
        self.calls: dict[int, list[ToolCallDelta]] = {}
        self.citations: list[CitationDelta] = []
        self.whole: list[WholePart] = []
        self.odds: list[Logprobs] = []
        self.finish: Finish | None = None


class Pieces:
    """Takes one reply's events. ``lost`` names what they hold that this dialect has no word for."""

    __slots__ = ("_legacy", "_stamp", "lost", "start")

    def __init__(self, request: ChatRequest, stamp: Stamp) -> None:
        self._stamp = stamp
        self._legacy = request.dialect == NAME and any("functions" in tool.own for tool in _tools(request))
        self.start = Start()
        self.lost: set[str] = Names()

    @property
    def ours(self) -> bool:
        """Whether the reply came in this dialect."""
        return self.start.dialect == NAME

    def whole(self, events: Sequence[StreamEvent]) -> Encoded:
        """Return a whole reply."""
        choices: dict[int, Said] = {}
        used: Used | None = None
        for event in events:
            match event:
                case Start():
                    self.start = event
                case Used():
                    used = event
                case Failed():
                    return Encoded(encode(failure(event)), tuple(sorted(self.lost)))
                case _ if hasattr(event, "choice"):
                    _add(choices.setdefault(event.choice, Said()), event)
                case _:
                    pass
        wire = self.head("chat.completion")
        wire["choices"] = [self._choice(index, choice) for index, choice in sorted(choices.items())]
        if used is not None:
            wire["usage"] = usage_fields(used, self.lost, ours=self.ours)
        self.put(wire, self.start.own)
        return Encoded(encode(wire), tuple(sorted(self.lost)))

    def head(self, kind: str) -> Wire:
        """Return what every object of a reply says of the reply."""
        start = self.start
        wire: Wire = {
            "id": start.id if self.ours else start.id or self._stamp.id,
            "object": kind,
            "created": start.created or self._stamp.created,
            "model": start.model or self._stamp.model,
        }
        tier = start.service_tier if self.ours else TIERS.get(start.service_tier.lower(), "")
        if tier:
            wire["service_tier"] = tier
        elif start.service_tier:
            self.lost.add("service_tier")
        return wire

    def put(self, wire: Wire, own: Own) -> None:
        """Write fields back where they are this dialect's; name them where not."""
        if self.ours:
            put(wire, own)
        else:
            self.lost.update(said(own))

    def _choice(self, index: int, choice: Said) -> Wire:
        finish = choice.finish or Finish("other")
        own = finish.own if self.ours else {}
        if not self.ours:
            self.lost.update(said(finish.own))
        message = self._message(choice, own)
        wire: Wire = {"index": index, "message": message, "logprobs": odds_fields(choice.odds)}
        wire.update(reason_of(finish, self.lost, ours=self.ours, called=bool(choice.calls), legacy=self._legacy))
        put(wire, {name: raw for name, raw in own.items() if not name.startswith(_MESSAGE)}, but=("finish_reason",))
        return wire

    def _message(self, choice: Said, own: Own) -> Wire:
        kept = {name.removeprefix(_MESSAGE): raw for name, raw in own.items() if name.startswith(_MESSAGE)}
        texts = [[event for event in part if isinstance(event, TextDelta)] for part in choice.texts.values()]
        for part in texts:
            self.lost.update(["thinking.signature"] if any(event.signature for event in part) else [])
        owns = [event.own for part in choice.texts.values() for event in part]
        owns += [event.own for part in choice.thoughts.values() for event in part]
        for each in owns:
            self.put({}, each)
        text = "".join([event.text for part in texts for event in part])
        refusal = "".join([e.text for part in choice.texts.values() for e in part if isinstance(e, RefusalDelta)])
        wire: Wire = {"role": "assistant", "content": text, "refusal": refusal or None}
        listed = "content" in kept
        if listed:
            wire["content"] = _listed(choice)
        else:
            _think(wire, choice.thoughts, kept)
        self._call(wire, choice)
        cited = [made for event in choice.citations if (made := self.cited(event, len(text))) is not None]
        if cited:
            wire["annotations"] = cited
        for event in choice.whole:
            if not listed:
                self._made(wire, event)
        if not wire["content"] and len(wire) + bool(refusal) > 3:
            wire["content"] = None
        put(wire, kept)
        return wire

    def cited(self, event: CitationDelta, length: int) -> Raw | Wire | None:
        """Return an annotation of a text of this length; None where there is no word for the citation."""
        if self.ours:
            return event.citation
        found = web(event.citation, length)
        if found is None:
            self.lost.add("citations")
            return None
        self.lost.update(found.lost)
        place = {"start_index": found.start, "end_index": found.end, "title": found.title, "url": found.url}
        return {"type": "url_citation", "url_citation": place}

    def _call(self, wire: Wire, choice: Said) -> None:
        calls = []
        for place, deltas in enumerate(choice.calls.values()):
            call = self.call(deltas[0], place)
            arguments = "".join([delta.arguments for delta in deltas])
            if "function_call" in call:
                wire["function_call"] = {**call["function_call"], "arguments": arguments}
                continue
            if "custom" in call and call["type"] == "custom":
                call["custom"]["input"] = arguments
            else:
                call["function"]["arguments"] = arguments if self.ours else arguments or "{}"
            signature = next((delta.signature for delta in deltas if delta.signature), "")
            if signature:
                call["extra_content"] = signed(signature)
            calls.append(call)
        if calls:
            wire["tool_calls"] = calls

    def call(self, first: ToolCallDelta, place: int) -> Wire:
        """Return how a call begins: everything but its arguments and signature."""
        if self._legacy or (self.ours and "function_call" in first.own):
            return {"function_call": {"name": first.name}}
        made = f"call_{self._stamp.id}_{first.choice}_{place}" if not first.id and not self.ours else first.id
        if first.kind == "custom":
            wire: Wire = {"id": made, "type": "custom", "custom": {"name": first.name, "input": ""}}
        else:
            wire = {"id": made, "type": "function", "function": {"name": first.name, "arguments": ""}}
        self.put(wire, first.own)
        return wire

    def _made(self, wire: Wire, event: WholePart) -> None:
        made = self.made(event)
        for name, value in made.items():
            if isinstance(value, list):
                wire.setdefault(name, []).extend(value)
            else:
                wire[name] = value

    def made(self, event: WholePart) -> Wire:
        """Return the field of a message (or of a delta) that a part which comes whole is."""
        content = event.content
        if isinstance(content, Media) and content.kind == "audio" and content.data:
            audio: Wire = {"id": f"audio_{self._stamp.id}", "data": content.data, "expires_at": 0, "transcript": ""}
            if self.ours:
                audio = {"data": content.data}
                put(audio, objects.decode(content.own["audio"]) if "audio" in content.own else {})
            else:
                self.lost.update(said(content.own))
            return {"audio": audio}
        if isinstance(content, Media) and content.kind == "image" and (content.data or content.url):
            image = media.part(content, ours=self.ours)
            self.put(image, {name: raw for name, raw in content.own.items() if name not in media.KINDS})
            return {"images": [image]}
        if not isinstance(content, Media) and content.kind == "images" and self.ours:
            return {"images": [content.raw]}
        self.lost.add(content.kind or "part")
        return {}


def _tools(request: ChatRequest) -> list[Any]:
    return [tool for tool in request.tools if hasattr(tool, "own")]


def _add(choice: Said, event: Any) -> None:
    match event:
        case TextDelta() | RefusalDelta():
            choice.texts.setdefault(event.part, []).append(event)
        case ThinkingDelta():
            choice.thoughts.setdefault(event.part, []).append(event)
        case ToolCallDelta():
            choice.calls.setdefault(event.part, []).append(event)
        case CitationDelta():
            choice.citations.append(event)
        case WholePart():
            choice.whole.append(event)
        case Logprobs():
            choice.odds.append(event)
        case Finish():
            choice.finish = event
        case _:
            pass


def _think(wire: Wire, thoughts: dict[int, list[ThinkingDelta]], kept: Own) -> None:
    """Write reasoning: as text, and in details where it has seals. Which fields had the text is marked with null."""
    marked = [name for name in PLAIN if kept.get(name) == NULL]
    parts = [(_joined(deltas), deltas) for deltas in thoughts.values()]
    if DETAILS not in kept and (len(parts) > 1 or any(sealed(event) for _, deltas in parts for event in deltas)):
        wire[DETAILS] = [detail(text, deltas) | {"index": place} for place, (text, deltas) in enumerate(parts)]
    text = "".join([text for text, _ in parts])
    if text and (marked or DETAILS not in kept):
        wire.update(dict.fromkeys(marked or ["reasoning_content"], text))


def _joined(deltas: Sequence[ThinkingDelta]) -> str:
    """Return the text of one part; the sections of a summary are paragraphs of it."""
    text, section = "", None
    for delta in deltas:
        if text and delta.section is not None and section is not None and delta.section != section:
            text += "\n\n"
        section = delta.section if delta.section is not None else section
        text += delta.text
    return text


def sealed(event: ThinkingDelta) -> bool:
    """Say whether there is more to an event than the text of reasoning."""
    return bool(event.signature or event.encrypted or event.id or event.section is not None)


def detail(text: str, deltas: Sequence[ThinkingDelta]) -> Wire:
    """Return the deltas of one part, or one of them, as one of ``reasoning_details``."""
    signature, encrypted, id_ = (
        "".join([getattr(delta, name) for delta in deltas]) for name in ("signature", "encrypted", "id")
    )
    summed = any(delta.section is not None for delta in deltas)
    wire = written(text, signature, encrypted, (text,) if summed else (), id_)
    if encrypted and text:
        wire["summary" if summed else "text"] = text
    return wire


def _listed(choice: Said) -> list[Any]:
    """Return a content that is a list (Mistral's): texts, reasoning and what only its maker knows, in order."""
    parts: dict[int, Any] = {event.part: event.content.raw for event in choice.whole if not isinstance(event.content, Media)}
    for part, texts in choice.texts.items():
        parts[part] = {"type": "text", "text": "".join([event.text for event in texts])}
    for part, thoughts in choice.thoughts.items():
        parts[part] = {"type": "thinking", "thinking": [{"type": "text", "text": _joined(thoughts)}]}
    return [wire for _, wire in sorted(parts.items())]


def failure(event: Failed) -> Wire:
    """Return the envelope of an error that a provider reported."""
    return errors.written(event.status, event.code or event.status, event.message, None)

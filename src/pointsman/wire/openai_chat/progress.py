"""One choice of a streamed reply, as far as it has come: which parts have begun, and what still waits.

Laws: a call is known by its ``index``; where that is missing (or a provider gives every call the same), by its id; what has
neither goes on with the last one. What waits is bounded.
"""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Raw

from pointsman.core.chat import (
    CitationDelta,
    Media,
    Opaque,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire import sse
from pointsman.wire.openai_chat import thinking
from pointsman.wire.openai_chat.chunks import Audio, Call, Delta, Function
from pointsman.wire.openai_chat.fields import ABSENT, NULL, given, raw_of
from pointsman.wire.openai_chat.messages import arguments_of, signature_of
from pointsman.wire.openai_chat.reply import image_of, piece_of

_TEXT: Final = "text"
_REFUSAL: Final = "refusal"
_LEGACY: Final = -1


class _Sound:
    """Fragments of a sound that is under way."""

    __slots__ = ("data", "fields", "size", "transcript")

    def __init__(self) -> None:
        self.data: list[str] = []
        self.transcript: list[str] = []
        self.fields: dict[str, object] = {}
        self.size = 0


class _Under:
    """A call that is under way. Until its name is known it has no part, and its arguments wait."""

    __slots__ = ("id", "part", "waiting")

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.part: int | None = None
        self.waiting = ""


class Progress:
    """Reads the deltas of one choice. ``unread`` is the reply's."""

    __slots__ = ("_calls", "_choice", "_ids", "_last", "_parts", "_sound", "_unread", "finished")

    def __init__(self, choice: int, unread: set[str]) -> None:
        self._choice = choice
        self._unread = unread
        self._parts: dict[object, int] = {}
        self._calls: dict[int, _Under] = {}
        self._last = 0
        self._ids: set[int] = set()
        self._sound: _Sound | None = None
        self.finished = False

    def take(self, delta: Delta) -> Iterator[StreamEvent]:
        """Return the events of a delta. Raises WireError when something is beyond all bounds."""
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details is not ABSENT:
            yield from self._thought(delta)
        if isinstance(delta.content, str):
            if delta.content:
                yield self.said(delta.content)
        elif delta.content:
            yield from self._pieces(delta.content)
        if delta.refusal:
            yield RefusalDelta(self._part(_REFUSAL), delta.refusal, self._choice)
        for call in delta.tool_calls or ():
            yield from self._call(call)
        if delta.function_call is not None:
            yield from self._legacy(delta.function_call)
        for citation in delta.annotations or ():
            yield CitationDelta(self._part(_TEXT), citation, self._choice)
        if delta.audio is not None:
            self._hear(delta.audio)
        for raw in delta.images or ():
            yield self._whole(image_of(raw))

    def said(self, text: str) -> TextDelta:
        """Return more of the text."""
        return TextDelta(self._part(_TEXT), text, self._choice)

    def left(self) -> Iterator[StreamEvent]:
        """Return what waited until the choice came to its end."""
        for under in self._calls.values():
            if under.part is None:
                under.part = self._part(under)
                yield ToolCallDelta(under.part, under.id, "", under.waiting, choice=self._choice)
        sound, self._sound = self._sound, None
        if sound is not None and sound.data:
            fields = {**sound.fields, **({"transcript": "".join(sound.transcript)} if sound.transcript else {})}
            own = {"audio": raw_of(fields)} if fields else {}
            yield self._whole(Media("audio", data="".join(sound.data), own=own))
        elif sound is not None and (sound.fields or sound.transcript):
            self._unread.add("choices.delta.audio")

    def _part(self, key: object) -> int:
        """Return the number of a part; a part that begins gets the next one."""
        found = self._parts.get(key)
        if found is None:
            found = self._parts[key] = len(self._parts)
        return found

    def _whole(self, content: Media | Opaque) -> WholePart:
        return WholePart(self._part(object()), content, self._choice)

    def _thought(self, delta: Delta) -> Iterator[ThinkingDelta]:
        raw = delta.reasoning_details
        found = thinking.details(raw) if raw is not ABSENT and given(raw) else []
        if found is None:
            self._unread.add("choices.delta.reasoning_details")
        for place, (detail, own) in enumerate(found or ()):
            self._unread.update(f"choices.delta.reasoning_details.{name}" for name in own)
            part = self._part(("thinking", place if detail.index is None else detail.index))
            id_ = "" if part in self._ids else detail.id or ""
            if id_:
                self._ids.add(part)
            text, section = detail.text or detail.summary or "", None if detail.summary is None else 0
            signature, sealed = detail.signature or "", detail.data or ""
            if text or signature or sealed or id_:
                yield ThinkingDelta(part, text, signature, sealed, section, id_, self._choice)
        told = thinking.told(found) if found else ""
        for name in thinking.PLAIN:
            text = getattr(delta, name)
            if not text or text == told:
                continue
            if told:
                self._unread.add(f"choices.delta.{name}")  # two forms that do not say the same: the first one counts
            else:
                told = text
                yield ThinkingDelta(self._part(("thinking", 0)), text, choice=self._choice)

    def _pieces(self, content: list[Raw]) -> Iterator[StreamEvent]:
        """Take a content that is a list (Mistral's)."""
        for raw in content:
            text, thought, whole = piece_of(raw)
            if text:
                yield self.said(text)
            elif thought:
                yield ThinkingDelta(self._part(("thinking", 0)), thought, choice=self._choice)
            elif whole is not None:
                yield self._whole(whole)

    def _call(self, call: Call) -> Iterator[ToolCallDelta]:
        custom = call.custom if call.type == "custom" or call.function is None else None
        function = call.function or Function()
        name = (custom.name if custom is not None else function.name) or ""
        fragment = (custom.input or "") if custom is not None else arguments_of(function.arguments)
        under = self._under(call, name)
        signature = signature_of(call.extra_content) if call.extra_content is not ABSENT else ""
        if signature is None:
            self._unread.add("choices.delta.tool_calls.extra_content")
        if under.part is not None:
            if fragment or signature:
                yield ToolCallDelta(under.part, arguments=fragment, signature=signature or "", choice=self._choice)
            return
        under.id = under.id or call.id or ""
        under.waiting += fragment
        if len(under.waiting) > sse.FRAME_LIMIT:
            raise WireError(f"the stream holds a call without a name of more than {sse.FRAME_LIMIT} characters")
        if name:
            under.part = self._part(under)
            kind: Literal["function", "custom"] = "custom" if custom is not None else "function"
            waited, under.waiting = under.waiting, ""
            yield ToolCallDelta(under.part, under.id, name, waited, kind, signature or "", self._choice)

    def _under(self, call: Call, name: str) -> _Under:
        """Return the call that a fragment belongs to."""
        index = call.index
        if index is None:
            index = self._last if not call.id else next((i for i, u in self._calls.items() if u.id == call.id), -1)
            if index < 0:
                index = max(self._calls, default=-1) + 1
        self._last = index
        under = self._calls.get(index)
        if under is not None and call.id and name and under.id and under.id != call.id:
            # One index for all calls: what came before keeps its part, under a number that no provider gives.
            self._calls[-2 - len(self._calls)] = under
            under = None
        if under is None:
            under = self._calls[index] = _Under(call.id or "")
        return under

    def _legacy(self, function: Function) -> Iterator[ToolCallDelta]:
        """Take a call as it was before there were tools."""
        under = self._calls.get(_LEGACY)
        fragment = arguments_of(function.arguments)
        if under is None and function.name:
            under = self._calls[_LEGACY] = _Under("")
            under.part = self._part(under)
            yield ToolCallDelta(under.part, "", function.name, fragment, choice=self._choice, own={"function_call": NULL})
        elif under is not None and under.part is not None and fragment:
            yield ToolCallDelta(under.part, arguments=fragment, choice=self._choice)

    def _hear(self, audio: Audio) -> None:
        sound = self._sound = self._sound or _Sound()
        if audio.data:
            sound.data.append(audio.data)
        if audio.transcript:
            sound.transcript.append(audio.transcript)
        sound.size += len(audio.data or "") + len(audio.transcript or "")
        if sound.size > sse.FRAME_LIMIT:
            raise WireError(f"the stream holds a sound of more than {sse.FRAME_LIMIT} characters")
        for name in ("id", "expires_at"):
            value = getattr(audio, name)
            if value is not None:
                sound.fields[name] = value

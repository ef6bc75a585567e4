"""Replies, read: one object of the API (a whole reply, or a chunk of a streamed one) as events.

Strategy: a whole reply is a stream of one chunk, with two differences: its parts stand each by itself, where texts of a
stream that follow each other are one; and a candidate without a reason has ended all the same.

Laws: what candidates say about an answer (grounding, safety, citations) is kept for its Finish, whatever the chunk that
it came in; a signed text is a part by itself, because a signature holds for one part; a turn with calls ends with
``tool_calls``, though the API says STOP; the API's own word is kept.
"""

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    Finish,
    FinishReason,
    Logprobs,
    Opaque,
    Own,
    Start,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    Used,
    WholePart,
)
from pointsman.core.errors import WireError
from pointsman.wire.fields import checked
from pointsman.wire.gemini import media
from pointsman.wire.gemini.errors import failed
from pointsman.wire.gemini.fields import NAME, NULL, Fields, read
from pointsman.wire.gemini.parts import BESIDE
from pointsman.wire.gemini.usage import used_of
from pointsman.wire.names import Names


class _Token(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Tokens(Struct):
    candidates: list[_Token] = []


class _Logprobs(Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_Tokens] = []


class _PlainPart(Struct, forbid_unknown_fields=True):
    text: str


class _PlainContent(Struct, forbid_unknown_fields=True):
    parts: tuple[_PlainPart]
    role: str = ""


class _PlainCandidate(Struct, forbid_unknown_fields=True):
    content: _PlainContent
    index: int = 0


class _PlainChunk(Struct, forbid_unknown_fields=True, rename="camel"):
    """One more piece of a text, and nothing else: most chunks of most streams, so they are decoded at one go."""

    candidates: tuple[_PlainCandidate]
    usage_metadata: Raw = Raw()
    model_version: str = ""
    response_id: str = ""


_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}
_WITH_CALLS = frozenset(("STOP", "UNEXPECTED_TOOL_CALL"))
_THOUGHT_KEYS = frozenset(("thought", "thoughtSignature"))
_plain = msgspec.json.Decoder(_PlainChunk)
_logprobs = msgspec.json.Decoder(_Logprobs, strict=False)
_word: "msgspec.json.Decoder[str | None]" = msgspec.json.Decoder(str | None)
_object = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


class _Choice:
    """What was read of one candidate so far."""

    __slots__ = ("called", "ended", "kind", "own", "part", "sealed")

    def __init__(self) -> None:
        self.part = -1
        self.kind = ""
        self.sealed = True  # the next text begins a part
        self.called = False
        self.ended = False
        self.own: Own = {}


class Candidates:
    """Reads the chunks of one reply. ``unread`` names what was not understood."""

    __slots__ = ("_choices", "_start", "_whole", "unread")

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._start: Start | None = None
        self._choices: dict[int, _Choice] = {}
        self.unread: set[str] = Names()

    def read(self, payload: bytes) -> list[StreamEvent]:
        """Return the events of one object. Raises WireError."""
        checked(payload)
        return self._more(payload) or self._read(payload)

    def _more(self, payload: bytes) -> list[StreamEvent]:
        """Return the events of a chunk that only goes on with a text, none where it is any other."""
        if self._start is None or self._whole:
            return []
        try:
            chunk = _plain.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        (one,) = chunk.candidates
        (part,) = one.content.parts
        choice = self._choices.get(one.index)
        if choice is None or choice.kind != "text" or choice.sealed or not part.text:
            return []
        used = self._known(used_of(chunk.usage_metadata)) if bytes(chunk.usage_metadata) else None
        said: StreamEvent = TextDelta(choice.part, part.text, one.index)
        return [said] if used is None else [said, used]

    def _known(self, used: Used | None) -> Used | None:
        """Take the service tier off counts that repeat what the start said."""
        tier = used.own.get("serviceTier") if used else None
        if used and tier is not None and self._start and bytes(tier) == f'"{self._start.service_tier}"'.encode():
            del used.own["serviceTier"]
        return used

    def _read(self, payload: bytes) -> list[StreamEvent]:
        body = Fields(payload)
        if "error" in body.left:
            return [failed(payload)]
        candidates, usage = body.list("candidates"), body.take("usageMetadata")
        used = None if usage is None else used_of(usage)
        id_, model, feedback = body.text("responseId") or "", body.text("modelVersion") or "", body.take("promptFeedback")
        blocked = "" if candidates or feedback is None else Fields(feedback, "promptFeedback").text("blockReason") or ""
        if feedback is not None and not blocked:
            body.left["promptFeedback"] = feedback
        events: list[StreamEvent] = []
        if self._start is None:
            tier = read(_word, used.own.pop("serviceTier", NULL) if used else NULL, "usageMetadata.serviceTier")
            self._start = Start(id_, model, 0, tier or "", body.left, NAME)
            events.append(self._start)
        else:
            used = self._known(used)
            self.unread.update(name for name in body.left if name not in self._start.own)
        for place, (raw, where) in enumerate(candidates):
            events += self._candidate(Fields(raw, where), place)
        if blocked and feedback is not None:
            events.append(Finish("content_filter", blocked, own={"promptFeedback": feedback}))
        if used is not None:
            events.append(used)
        return events

    def _candidate(self, fields: Fields, place: int) -> list[StreamEvent]:
        index = fields.whole("index")
        index = place if index is None else index
        choice = self._choices.setdefault(index, _Choice())
        content, word = fields.inner("content"), fields.text("finishReason")
        events: list[StreamEvent] = []
        if content is not None:
            for raw, where in content.list("parts"):
                found = self._part(Fields(raw, where), raw, choice, index)
                if found is not None:
                    events.append(found)
                    if isinstance(found, (TextDelta, ThinkingDelta)):
                        choice.sealed = choice.sealed or self._whole
            content.left.pop("role", None)
            content.keep(choice.own, "content")
        odds = fields.left.get("logprobsResult")
        if odds is not None:
            events += self._odds(odds, index)
            if not self._whole:
                del fields.left["logprobsResult"]
        for name, value in fields.left.items():
            before = choice.own.get(name)
            choice.own[name] = value if before is None else _merged(before, value)
        if (word or self._whole) and not choice.ended:
            choice.ended = True
            events.append(Finish(_reason(word or "", called=choice.called), word or "", choice=index, own=dict(choice.own)))
        return events

    def _part(self, fields: Fields, raw: Raw, choice: _Choice, index: int) -> StreamEvent | None:
        left = fields.left
        if "text" in left or (left and left.keys() <= _THOUGHT_KEYS):
            return self._text(fields, choice, index)
        choice.part += 1
        choice.kind, choice.sealed = "", True
        if "functionCall" in left:
            choice.called = True
            call = Fields(left.pop("functionCall"), fields.at("functionCall"))
            name, id_, arguments = call.text("name") or "", call.text("id") or "", call.take("args")
            signature = fields.text("thoughtSignature") or ""
            call.keep(left, "functionCall")
            text = "{}" if arguments is None else bytes(arguments).decode(errors="replace")
            return ToolCallDelta(choice.part, id_, name, text, signature=signature, choice=index, own=left)
        for name, media_of in (("inlineData", media.inline), ("fileData", media.stored)):
            data = fields.take(name)
            if data is not None:
                return WholePart(choice.part, media_of(data, fields.at(name), left), index)
        kind = next((name for name in left if name not in BESIDE), "")
        return WholePart(choice.part, Opaque(kind, raw), index)

    def _text(self, fields: Fields, choice: _Choice, index: int) -> StreamEvent | None:
        text, signature, thought = fields.text("text") or "", fields.text("thoughtSignature") or "", fields.flag("thought")
        if not text and not signature and not fields.left and not self._whole:
            return None
        kind = "thought" if thought else "text"
        if choice.sealed or signature or choice.kind != kind:
            choice.part += 1
        choice.kind, choice.sealed = kind, bool(signature)
        if thought:
            return ThinkingDelta(choice.part, text, signature, choice=index, own=fields.left)
        return TextDelta(choice.part, text, index, signature, fields.left)

    def _odds(self, raw: Raw, index: int) -> list[StreamEvent]:
        try:
            found = _logprobs.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unread.add("logprobsResult")
            return []
        if not self._whole and b'"tokenId"' in bytes(raw):
            self.unread.add("logprobsResult.tokenId")
        tops = found.top_candidates + [_Tokens()] * (len(found.chosen_candidates) - len(found.top_candidates))
        tokens = [
            TokenLogprob(one.token, one.log_probability, None, tuple([_token(other) for other in top.candidates]))
            for one, top in zip(found.chosen_candidates, tops, strict=False)
        ]
        return [Logprobs(tuple(tokens), choice=index)] if tokens else []


def failure(error: WireError) -> str:
    """Return the name under which a chunk that could not be read is ``unread``."""
    return error.param or "chunk"


def _reason(word: str, *, called: bool) -> FinishReason:
    if called and word in _WITH_CALLS:
        return "tool_calls"
    return _REASONS.get(word, "other")


def _token(wire: _Token) -> TokenLogprob:
    return TokenLogprob(wire.token, wire.log_probability)


def _merged(before: Raw, after: Raw) -> Raw:
    """Add what a later chunk says to what an earlier one said: lists grow by what is new, anything else is replaced."""
    try:
        first, second = _object.decode(before), _object.decode(after)
        for name, value in second.items():
            old = first.get(name)
            if old is not None and bytes(old)[:1] == bytes(value)[:1] == b"[":
                items = _list.decode(old)
                more = [item for item in _list.decode(value) if item not in items]
                first[name] = Raw(msgspec.json.encode(items + more))
            else:
                first[name] = value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return after
    return Raw(msgspec.json.encode(first))

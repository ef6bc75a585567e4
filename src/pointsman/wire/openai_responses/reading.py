"""Output items, as they grow -> events.

Strategy: every item has a place (``output_index``). Deltas become events at once. What comes at the end of an item repeats
them, so of that only what no delta had said becomes an event; a whole reply is a stream that had no deltas at all.

Laws: whole or streamed, the same items are the same events but for the cuts of deltas; parts are numbered in the order in
which they first speak; a call speaks only once its name is known; what is not known of an item or of one of its contents is
in the ``own`` of the part, under ``message.`` where it stood around the content of a message (as in ``turns``), under
``summary.`` or ``content.`` where it stood within a text of reasoning.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import (
    CitationDelta,
    Logprobs,
    Opaque,
    Own,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    TokenLogprob,
    ToolCallDelta,
    WholePart,
)
from pointsman.wire.names import Names
from pointsman.wire.openai_responses.events import ItemCall, ItemRefusal, ItemText, ItemThinking
from pointsman.wire.openai_responses.fields import Fields, read
from pointsman.wire.openai_responses.turns import AROUND

CALLS: Final = frozenset(("function_call", "custom_tool_call"))


class _Token(Struct):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class _KnownToken(Struct, forbid_unknown_fields=True):
    token: str = ""
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: "list[_KnownToken] | None" = None


_CONTENTS: Final = {
    "output_text": ("text", ""),
    "refusal": ("refusal", ""),
    "reasoning_text": ("reasoning", "content."),
    "summary_text": ("summary", "summary."),
}
_COMPLETED: Final = Raw(b'"completed"')
_text = msgspec.json.Decoder(str)
_tokens = msgspec.json.Decoder(list[_Token] | None)
_known_tokens = msgspec.json.Decoder(list[_KnownToken] | None)
_NOTHING: Final[Own] = {}


class _Item:
    """An item under way: the parts of its contents, and what of it has been said (kind of text, and its place)."""

    __slots__ = ("cited", "done", "frame", "given", "inside", "named", "own", "parts", "said", "whole")

    def __init__(self) -> None:
        self.frame: Own = {}
        self.own: Own = {}  # what is to be said with the next delta
        self.given: Own = {}  # and what of that was said
        self.inside: dict[tuple[str, int], Own] = {}  # the same, of each content
        self.parts: dict[int, int] = {}
        self.said: set[tuple[str, int]] = set()
        self.cited: dict[int, int] = {}
        self.named = False
        self.done = False
        self.whole: Opaque | None = None

    def begin(self, fields: Fields, under: str) -> None:
        """Take the fields around an item's content: those that are not said yet go with its next delta."""
        self.frame, own = _around(fields, under)
        self.own = {name: value for name, value in own.items() if self.given.get(name) != value}

    def fresh(self, content: tuple[str, int], own: Own) -> Own:
        """Return the fields of a content that were not given yet."""
        before = self.inside.get(content, {})
        self.inside[content] = {**before, **own}
        return {name: value for name, value in own.items() if before.get(name) != value}

    def around(self, own: Own) -> tuple[Own, Own]:
        """Return what the next delta says of the item: its frame, and ``own`` with what was not said yet."""
        frame, own = self.frame, {**self.own, **own}
        self.given = {**self.given, **self.own}
        self.frame, self.own = {}, {}
        return frame, own


class Items:
    """The output items of one reply. ``called``: there was a call of a tool; ``unread``: names that were not understood."""

    __slots__ = ("_items", "_next", "_waiting", "called", "unread")

    def __init__(self) -> None:
        self._items: dict[int, _Item] = {}
        self._next = 0
        self._waiting: set[int] = set()  # places of items that have begun, and not been given to their end
        self.called = False
        self.unread: set[str] = Names()

    def added(self, index: int, source: Raw) -> Iterator[StreamEvent]:
        """An item has begun. Raises WireError where it is no object."""
        fields = Fields(source, "item")
        item = self._items.setdefault(index, _Item())
        kind = fields.text("type")
        if kind in CALLS:
            yield from self._named(item, fields, kind)
        elif kind in ("message", "reasoning"):
            item.begin(fields, AROUND if kind == "message" else "")
        self._waiting.add(index)

    def text(self, index: int, at: int, said: str, kind: str, own: Own = _NOTHING) -> Iterator[StreamEvent]:
        """More of a text (``kind`` is ``text``), of a ``refusal``, of ``reasoning``, or of its ``summary``."""
        item = self._items.setdefault(index, _Item())
        if not item.parts:
            yield from self._released(all_of_them=True)  # what waits shall not come behind what is said only now
        item.said.add((kind, at))
        if kind in ("reasoning", "summary"):
            yield self._thought(item, said, section=at if kind == "summary" else None, own=own)
            return
        frame, own = item.around(own)
        part = self._part(item, at)
        if kind == "refusal":
            yield ItemRefusal(part, said, own=own, frame=frame) if frame else RefusalDelta(part, said, own=own)
        else:
            yield ItemText(part, said, own=own, frame=frame) if frame else TextDelta(part, said, own=own)

    def arguments(self, index: int, said: str) -> Iterator[StreamEvent]:
        """More of a call's arguments: of one that never got a name they are taken from its end."""
        item = self._items.setdefault(index, _Item())
        if item.named:
            item.said.add(("arguments", 0))
            yield ToolCallDelta(self._part(item, 0), arguments=said)

    def logprobs(self, index: int, at: int, source: Raw) -> Iterator[StreamEvent]:
        """Probabilities of the tokens that were said last. Raises WireError where they are none."""
        tokens = read(_tokens, source, "logprobs")
        if tokens:
            self._items.setdefault(index, _Item()).said.add(("logprobs", at))
            yield Logprobs(tuple([_token(token) for token in tokens]))

    def annotation(self, index: int, at: int, source: Raw) -> Iterator[StreamEvent]:
        """Where something in a text comes from."""
        item = self._items.setdefault(index, _Item())
        item.cited[at] = item.cited.get(at, 0) + 1
        if ("text", at) not in item.said:
            yield from self.text(index, at, "", "text")  # of a text of nothing: it stands before what is said of it
        yield CitationDelta(self._part(item, at), source)

    def more(self, index: int, at: int) -> int | None:
        """Return the part of a text that has begun, None where more of it takes more than a delta."""
        item = self._items.get(index)
        return item.parts[at] if item is not None and ("text", at) in item.said else None

    def has_said(self, index: int, at: int, kind: str) -> bool:
        """Whether a text came in deltas already."""
        item = self._items.get(index)
        return item is not None and (kind, at) in item.said

    def content_done(self, index: int, at: int, source: Raw) -> Iterator[StreamEvent]:
        """A content of an item is complete: its text and its fields, where nothing had said them. Raises WireError."""
        part = Fields(source, "part")
        kind, under = _CONTENTS.get(part.text("type"), ("", ""))
        if not kind:
            return
        said = part.text("refusal" if kind == "refusal" else "text")
        for repeated in ("annotations", "logprobs"):
            part.take(repeated)
        left = {under + name: value for name, value in _present(part.left).items()}
        own = self._items.setdefault(index, _Item()).fresh((kind, at), left)
        if not self.has_said(index, at, kind):
            yield from self.text(index, at, said, kind, own)
        elif own:
            yield from self.text(index, at, "", kind, own)

    def done(self, index: int, source: Raw, where: str = "item") -> Iterator[StreamEvent]:
        """An item is complete: what was not said yet. Raises WireError where something in it is of the wrong type."""
        item = self._items.setdefault(index, _Item())
        if item.done:
            return
        item.done = True
        self._waiting.add(index)
        fields = Fields(source, where)
        kind = fields.text("type")
        if kind == "message":
            yield from self._message(index, item, fields)
        elif kind == "reasoning":
            yield from self._reasoning(index, item, fields)
        elif kind in CALLS:
            arguments = fields.text("input" if kind == "custom_tool_call" else "arguments")
            if not item.named:
                yield from self._named(item, fields, kind)
            if arguments and ("arguments", 0) not in item.said:
                yield ToolCallDelta(self._part(item, 0), arguments=arguments)
        else:
            item.whole = Opaque(kind, source)
        yield from self._released()

    def finished(self) -> Iterator[StreamEvent]:
        """The reply is over: what still waited for an item that never ended."""
        yield from self._released(all_of_them=True)

    def _released(self, *, all_of_them: bool = False) -> Iterator[StreamEvent]:
        """Give the items that came whole, each behind those that began before it: tools run at once end in any order."""
        for index in sorted(self._waiting):
            item = self._items[index]
            if item.whole is not None:
                yield WholePart(self._part(item, 0), item.whole)
            elif not item.done:
                if not all_of_them:
                    return
                continue
            self._waiting.discard(index)

    def _message(self, index: int, item: _Item, fields: Fields) -> Iterator[StreamEvent]:
        contents = fields.list("content")
        item.begin(fields, AROUND)
        if item.parts:
            item.frame = {}
        for at, (source, where) in enumerate(contents):
            part = Fields(source, where)
            refuses = part.text("type") == "refusal"
            kind = "refusal" if refuses else "text"
            said, cited, tokens = part.text(kind), part.list("annotations"), part.take("logprobs")
            own = item.fresh((kind, at), _present(part.left))
            if tokens is not None and not _plain_tokens(tokens):
                own["logprobs"] = tokens
            if (kind, at) not in item.said:
                yield from self.text(index, at, said, kind, own)
            elif own or item.own:
                yield from self.text(index, at, "", kind, own)
            for citation, _ in cited[item.cited.get(at, 0) :]:
                yield from self.annotation(index, at, citation)
            if tokens is not None and ("logprobs", at) not in item.said:
                yield from self.logprobs(index, at, tokens)

    def _reasoning(self, index: int, item: _Item, fields: Fields) -> Iterator[StreamEvent]:
        summary, contents = fields.list("summary"), fields.list("content")
        encrypted = fields.text("encrypted_content")
        if not item.parts:
            yield from self._released(all_of_them=True)
        item.begin(fields, "")
        if item.parts:
            item.frame = {}
        for kind, under, texts in (("summary", "summary.", summary), ("reasoning", "content.", contents)):
            for at, (source, where) in enumerate(texts):
                text = Fields(source, where)
                text.take("type")
                said = text.text("text")
                own = item.fresh((kind, at), {under + name: value for name, value in _present(text.left).items()})
                if (kind, at) not in item.said:
                    yield from self.text(index, at, said, kind, own)
                elif own:
                    yield from self.text(index, at, "", kind, own)
        if encrypted or item.own or not item.parts:
            yield self._thought(item, encrypted=encrypted)

    def _thought(
        self, item: _Item, text: str = "", *, encrypted: str = "", section: int | None = None, own: Own = _NOTHING
    ) -> ThinkingDelta:
        """Return more of a reasoning item; the first of it says its id."""
        frame, own = item.around(own)
        id_ = frame.pop("id", None)
        part = self._part(item, 0)
        known = "" if id_ is None else read(_text, id_, "item.id")
        if frame:
            return ItemThinking(part, text, encrypted=encrypted, section=section, id=known, own=own, frame=frame)
        return ThinkingDelta(part, text, encrypted=encrypted, section=section, id=known, own=own)

    def _named(self, item: _Item, fields: Fields, kind: str) -> Iterator[StreamEvent]:
        name, id_, item_id = fields.text("name"), fields.text("call_id"), fields.take("id")
        for repeated in ("arguments", "input", "status"):
            fields.take(repeated)
        self.called = item.named = True
        frame = {} if item_id is None else {"id": item_id}
        own = _present(fields.left)
        yield from self._released(all_of_them=True)
        part = self._part(item, 0)
        yield ItemCall(part, id_, name, kind="custom" if kind == "custom_tool_call" else "function", own=own, frame=frame)

    def _part(self, item: _Item, at: int) -> int:
        """Return the number of a content of an item, the next one where it speaks for the first time."""
        if at not in item.parts:
            item.parts[at] = self._next
            self._next += 1
        return item.parts[at]


def _around(fields: Fields, under: str) -> tuple[Own, Own]:
    """Return an item's ``id`` and ``status``, and its other fields, ``under`` a prefix.

    A message's status is that of the response, any other is completed.
    """
    inner = ("role", "content", "summary", "encrypted_content")
    own = {under + name: value for name, value in _present(fields.left).items() if name not in inner}
    id_, status = own.pop(f"{under}id", None), own.pop(f"{under}status", None)
    frame = {} if id_ is None else {"id": id_}
    return (frame if status is None or "role" in fields.left else {**frame, "status": _COMPLETED}), own


def _present(own: Own) -> Own:
    return {name: value for name, value in own.items() if bytes(value) != b"null"}


def _plain_tokens(source: Raw) -> bool:
    """Whether probabilities hold nothing that is not known."""
    try:
        _known_tokens.decode(source)
    except (msgspec.ValidationError, RecursionError):
        return False
    return True


def _token(wire: _Token) -> TokenLogprob:
    top = tuple([_token(token) for token in wire.top_logprobs or ()])
    return TokenLogprob(wire.token, wire.logprob or 0.0, None if wire.bytes is None else tuple(wire.bytes), top)

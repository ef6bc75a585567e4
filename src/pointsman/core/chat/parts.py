"""What a conversation is made of: turns, and the parts of a turn, the same in what is sent and in what was said before."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Raw, Struct

Own = dict[str, Raw]
"""Fields that only the dialect they came from has a word for: name -> JSON, exactly as it was written."""


class CacheMark(Struct, frozen=True):
    """The provider is to cache the prompt up to here. ``ttl`` is its lifetime in the provider's words (empty: its own)."""

    ttl: str = ""


class Text(Struct, frozen=True, tag="text"):
    """A piece of text. ``citations`` are those of the reply that it was, as JSON objects; ``signature`` is Gemini's."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[Raw, ...] = ()
    signature: str = ""
    own: Own = {}


class Refusal(Struct, frozen=True, tag="refusal"):
    """What a model said in place of an answer that it would not give."""

    text: str
    own: Own = {}


class Media(Struct, frozen=True, tag="media"):
    """An image, a sound, a film or a file: ``kind`` is ``image``, ``audio``, ``video`` or ``file``.

    Exactly one of ``data`` (base64, exactly as it came), ``url``, ``file_id`` (an upload at one provider) and ``text`` (a
    plain-text document) is set. ``mime`` is empty where it was not said; ``detail`` is OpenAI's word for resolution.
    """

    kind: str
    data: str = ""
    url: str = ""
    file_id: str = ""
    text: str = ""
    mime: str = ""
    name: str = ""
    detail: str = ""
    cache: CacheMark | None = None
    own: Own = {}


class Thinking(Struct, frozen=True, tag="thinking"):
    """Reasoning that a model showed, or the sealed form of it.

    ``signature`` proves who wrote the text; ``encrypted`` is reasoning that only its maker can read (Anthropic's
    ``redacted_thinking``, Responses' ``encrypted_content``). Both are bound to the deployment that made them.
    ``summary`` are the parts of a summary that stands apart from it.
    """

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    summary: tuple[str, ...] = ()
    id: str = ""
    own: Own = {}


class ToolCall(Struct, frozen=True, tag="tool_call"):
    """A call that a model asked for.

    ``arguments`` is the raw text, exactly as the model wrote it: JSON where ``kind`` is ``function``, anything where it is
    ``custom``. ``signature`` is Gemini's thought signature beside the call.
    """

    name: str
    arguments: str
    id: str = ""
    kind: Literal["function", "custom"] = "function"
    signature: str = ""
    cache: CacheMark | None = None
    own: Own = {}


class ToolResult(Struct, frozen=True, tag="tool_result"):
    """What a client's tool returned: ``id`` is that of the call; ``name`` its tool, where the dialect repeats it."""

    id: str
    parts: "tuple[Text | Media | Opaque, ...]" = ()
    error: bool = False
    name: str = ""
    kind: Literal["function", "custom"] = "function"
    cache: CacheMark | None = None
    own: Own = {}


class Opaque(Struct, frozen=True, tag="opaque"):
    """A part, an item or a tool of a kind that only its dialect knows: ``raw`` is the whole JSON object."""

    kind: str
    raw: Raw


Part = Text | Refusal | Media | Thinking | ToolCall | ToolResult | Opaque


class Message(Struct, frozen=True):
    """One turn, its parts in order. ``role`` is ``system``, ``developer``, ``user``, ``assistant`` or ``tool``.

    Tool results stand where the dialect puts them: in a ``tool`` turn, or among the parts of a ``user`` turn.
    """

    role: str
    parts: tuple[Part, ...] = ()
    name: str = ""
    own: Own = {}

    @property
    def text(self) -> str:
        """All that was said or returned as text, joined by a newline; reasoning and calls are left out."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text):
            return self.parts[0].text
        return "\n".join(_said(self.parts))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The calls among the parts."""
        return tuple([part for part in self.parts if isinstance(part, ToolCall)])

    @property
    def instructs(self) -> bool:
        """Whether this is the application speaking, and not its user or the model."""
        return self.role in ("system", "developer")


def _said(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, (Text, Refusal)):
            yield part.text
        elif isinstance(part, ToolResult):
            yield from _said(part.parts)
        elif isinstance(part, Media) and part.text:
            yield part.text

"""What a client asks for: turns, tools, and how the answer shall be made."""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Raw, Struct

from pointsman.core.chat.parts import CacheMark, Media, Message, Opaque, Own, Part, ToolResult


class Tool(Struct, frozen=True, tag="tool"):
    """A tool that the client executes. ``schema`` is the JSON Schema of its arguments, empty where there is none."""

    name: str
    description: str = ""
    schema: Raw = Raw()
    strict: bool | None = None
    kind: Literal["function", "custom"] = "function"
    cache: CacheMark | None = None
    own: Own = {}


class ToolChoice(Struct, frozen=True):
    """``auto``, ``any`` (must call one), ``none``, or ``named`` (must call ``names``: one, or one of several)."""

    mode: Literal["auto", "any", "none", "named"]
    names: tuple[str, ...] = ()
    own: Own = {}


class Output(Struct, frozen=True):
    """The form that an answer must have: ``text``, any ``json``, or what a ``json_schema`` says."""

    kind: Literal["text", "json", "json_schema"]
    schema: Raw = Raw()
    name: str = ""
    description: str = ""
    strict: bool | None = None
    own: Own = {}


class Reasoning(Struct, frozen=True):
    """How much a model shall think: an ``effort`` in words, or a ``budget`` of tokens (0: not at all, -1: as it likes).
    ``shown`` says whether the reasoning shall come back, as text or as a ``summary`` of this kind.
    """

    effort: str = ""
    budget: int | None = None
    shown: bool | None = None
    summary: str = ""
    own: Own = {}


class ChatRequest(Struct, frozen=True):
    """What a client asked for. None, or empty: the client did not say.

    ``dialect`` is the one that it was written in, the only one that has words for what is in any ``own``. ``logprobs``
    is how many alternatives shall be shown (0: none but the token itself). ``previous`` is the reply that this one
    continues, kept at its provider. ``metadata`` holds the request's own string-to-string metadata; ``user`` the
    client's end-user id. ``include_usage`` is Chat Completions' own: other dialects' streams always say what they took.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool | Opaque, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    output: Output | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    choices: int = 1
    reasoning: Reasoning | None = None
    verbosity: str = ""
    service_tier: str = ""
    user: str | None = None
    metadata: dict[str, str] = {}
    cache_key: str = ""
    store: bool | None = None
    previous: str = ""
    dialect: str = "openai_chat"
    own: Own = {}

    @property
    def system_text(self) -> str:
        """Text of all that instructs."""
        return "\n".join([message.text for message in self.messages if message.instructs])

    @property
    def user_text(self) -> str:
        """Text of everything else."""
        return "\n".join([message.text for message in self.messages if not message.instructs])

    @property
    def transcript(self) -> str:
        """Text of all messages, each under its role."""
        return "\n\n".join([f"{message.role}: {message.text}" for message in self.messages])

    @property
    def media(self) -> frozenset[str]:
        """Kinds of media anywhere in the request."""
        return frozenset([kind for message in self.messages for kind in _media(message.parts)])

    @property
    def json_schema(self) -> bool:
        """Whether the answer must follow a schema."""
        return self.output is not None and self.output.kind == "json_schema"


def _media(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Media):
            yield part.kind
        elif isinstance(part, ToolResult):
            yield from _media(part.parts)

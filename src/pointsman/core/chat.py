"""What a client asked for and what came back, whatever dialect either was written in: the canonical pair.

``ChatRequest`` is a whole request; a reply, whole or streamed, is a sequence of ``StreamEvent``. Every dialect decodes
into these and encodes from them.

Laws: what two dialects have a word for is a field here. What only one has stays with the value that it belongs to,
verbatim, in ``own``: written back in that dialect, named as lost in any other. Text that a machine wrote (tool arguments,
schemas, signatures, encrypted reasoning) is kept as the characters that came.
"""

from collections.abc import Iterable, Iterator
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
    def media(self) -> frozenset[str]:
        """Kinds of media anywhere in the request."""
        return frozenset(_media(part for message in self.messages for part in message.parts))

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


class Usage(Struct, frozen=True):
    """Tokens by kind, as the provider reported them.

    ``input`` counts *all* input tokens, those read from and written to a cache included; ``output`` counts all output
    tokens, reasoning included. So ``input - cached - cache_written`` were billed at the plain rate.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0


FinishReason = Literal[
    "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"
]


class Start(Struct, frozen=True, tag="start"):
    """A reply has begun. ``created`` is Unix seconds, 0 where the dialect does not say."""

    id: str = ""
    model: str = ""
    created: int = 0
    service_tier: str = ""
    own: Own = {}


class TextDelta(Struct, frozen=True, tag="text"):
    """More of a text. Deltas of one ``part`` of one ``choice`` belong together; a new part has a higher number."""

    part: int
    text: str
    choice: int = 0
    signature: str = ""


class RefusalDelta(Struct, frozen=True, tag="refusal"):
    """More of a refusal."""

    part: int
    text: str
    choice: int = 0


class ThinkingDelta(Struct, frozen=True, tag="thinking"):
    """More of a ``Thinking`` part: of its text, of a summary (``section`` is its place in the list), or what seals it."""

    part: int
    text: str = ""
    signature: str = ""
    encrypted: str = ""
    section: int | None = None
    id: str = ""
    choice: int = 0


class ToolCallDelta(Struct, frozen=True, tag="tool_call"):
    """More of a tool call: the first delta of a part has id and name, ``arguments`` are fragments of its text."""

    part: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    signature: str = ""
    choice: int = 0
    own: Own = {}


class CitationDelta(Struct, frozen=True, tag="citation"):
    """Where something that a text part says comes from, as one JSON object of its dialect."""

    part: int
    citation: Raw
    choice: int = 0


class WholePart(Struct, frozen=True, tag="whole"):
    """A part that comes in one piece: media that a model made, or what only its dialect knows."""

    part: int
    content: Media | Opaque
    choice: int = 0


class TokenLogprob(Struct, frozen=True):
    """A token, the natural logarithm of its probability, its UTF-8 bytes where said, and the likeliest alternatives."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None
    top: "tuple[TokenLogprob, ...]" = ()


class Logprobs(Struct, frozen=True, tag="logprobs"):
    """Probabilities of tokens of a text part (of a refusal, where ``refusal``)."""

    tokens: tuple[TokenLogprob, ...]
    refusal: bool = False
    choice: int = 0


class Finish(Struct, frozen=True, tag="finish"):
    """A choice is complete. ``word`` is the reason in the dialect's own word; ``stop_sequence`` the one that ended it."""

    reason: FinishReason
    word: str = ""
    stop_sequence: str = ""
    choice: int = 0
    own: Own = {}


class Used(Struct, frozen=True, tag="used"):
    """What the reply took so far; the last one counts. ``estimated``: counted here, because the provider did not say."""

    usage: Usage
    estimated: bool = False
    own: Own = {}


class Failed(Struct, frozen=True, tag="failed"):
    """The provider broke off with an error. ``status`` is the one that it stands for, ``code`` the provider's word."""

    message: str
    status: int = 502
    code: str = ""


class End(Struct, frozen=True, tag="end"):
    """The stream said that it is over."""


StreamEvent = (
    Start | TextDelta | RefusalDelta | ThinkingDelta | ToolCallDelta | CitationDelta | WholePart | Logprobs | Finish | Used
    | Failed | End
)  # fmt: skip

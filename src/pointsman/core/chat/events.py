"""What came back, as a sequence of events: the same whether a reply came whole or streamed."""

from typing import Literal

from msgspec import Raw, Struct

from pointsman.core.chat.parts import Media, Opaque, Own


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens by kind, and calls of tools that the provider ran itself, as it reported them.

    ``input`` counts *all* input tokens, those read from and written to a cache included; ``output`` counts all output
    tokens, reasoning included. So ``input - cached - cache_written`` were billed at the plain rate. ``tier`` is the service
    tier that all of them were billed on, empty for the standard one (``core/price.tier_of``).
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int = 0
    tier: str = ""
    tool_calls: int = 0


FinishReason = Literal[
    "stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"
]


class Start(Struct, frozen=True, tag="start"):
    """A reply has begun. ``created`` is Unix seconds, 0 where the dialect does not say.

    ``dialect`` is the one that the reply was written in, the only one that has words for what is in any ``own``.
    """

    id: str = ""
    model: str = ""
    created: int = 0
    service_tier: str = ""
    own: Own = {}
    dialect: str = ""


class TextDelta(Struct, frozen=True, tag="text"):
    """More of a text. Deltas of one ``part`` of one ``choice`` belong together; a new part has a higher number.

    ``own`` is of the part, whichever of its deltas brings it: a delta of no text may say nothing else.
    """

    part: int
    text: str
    choice: int = 0
    signature: str = ""
    own: Own = {}


class RefusalDelta(Struct, frozen=True, tag="refusal"):
    """More of a refusal; ``own`` as in a text."""

    part: int
    text: str
    choice: int = 0
    own: Own = {}


class ThinkingDelta(Struct, frozen=True, tag="thinking"):
    """More of a ``Thinking`` part: of its text, of a summary (``section`` is its place in the list), or what seals it.

    ``own`` as in a text.
    """

    part: int
    text: str = ""
    signature: str = ""
    encrypted: str = ""
    section: int | None = None
    id: str = ""
    choice: int = 0
    own: Own = {}


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

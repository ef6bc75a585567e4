"""A client's request and the pieces of a reply, whatever dialect they came in.

Strategy: these are *views*. On the same dialect the original bytes are forwarded with targeted edits, so a field that is
missing here is never lost on the wire; what is here is what choosing, accounting and grading need to see.
"""

from msgspec import Struct


class Text(Struct, frozen=True, tag="text"):
    """A piece of text."""

    text: str


class Media(Struct, frozen=True, tag="media"):
    """An image, a sound or a file: only its kind matters for choosing (``image``, ``audio``, ``file``)."""

    kind: str


Part = Text | Media


class ToolCall(Struct, frozen=True):
    """A call that a model asked for. ``arguments`` is the raw JSON text, exactly as the model wrote it."""

    name: str
    arguments: str
    id: str = ""


class Message(Struct, frozen=True):
    """One turn. ``role`` is ``system`` (also for ``developer``), ``user``, ``assistant`` or ``tool``."""

    role: str
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def text(self) -> str:
        """All text parts, joined by a newline."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


class ChatRequest(Struct, frozen=True):
    """What a client asked for.

    ``metadata`` holds the request's own string-to-string metadata; ``user`` the client's end-user id;
    ``max_output_tokens`` is None where the client set no limit; ``choices`` is how many answers it wants.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    tools: int = 0
    json_schema: bool = False
    max_output_tokens: int | None = None
    user: str | None = None
    metadata: dict[str, str] = {}
    choices: int = 1

    @property
    def system_text(self) -> str:
        """Text of all system messages."""
        return "\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def user_text(self) -> str:
        """Text of everything that is not a system message."""
        return "\n".join(message.text for message in self.messages if message.role != "system")

    @property
    def media(self) -> frozenset[str]:
        """Kinds of media anywhere in the request."""
        return frozenset(part.kind for message in self.messages for part in message.parts if isinstance(part, Media))


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


class StreamEvent(Struct, frozen=True):
    """What one frame of a streamed reply means. A frame may carry several of these at once.

    ``content`` is true when the frame carries anything a user would see (text, a refusal, a tool call, audio): from then
    on no fallback is possible. ``text`` is the visible text and ``tool_text`` the fragment of tool call JSON, for grading.
    """

    content: bool = False
    text: str = ""
    tool_text: str = ""
    finish: str | None = None
    usage: Usage | None = None
    error: str | None = None
    done: bool = False

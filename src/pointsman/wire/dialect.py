"""What a dialect is: the functions that every one of them has, and the values that pass between them and their callers.

Strategy: one package per dialect, sans-IO, with the same modules. A *client* dialect is one that applications speak to the
gateway, a *provider* dialect one that providers speak. Every client dialect is a provider's too; Bedrock's Converse is only
a provider's, so that of its replies and errors there are only readers. Where client and provider speak the same one, the
original bytes pass (``edit``, ``watch``, ``count``); otherwise request and reply go through the canonical pair.

    request   bytes -> ChatRequest, ChatRequest -> bytes, and edits of the original bytes
    reply     a whole reply <-> a sequence of StreamEvent
    stream    a streamed reply <-> StreamEvents, fed chunk by chunk
    count     a whole reply that passes as it is: what it took, how it ended, what it said
    watch     a streamed reply that passes as it is: its frames, and what each means
    errors    the envelope of an error, the event that ends a cut stream, and how to read either

Laws of every dialect:
- ``decode(encode(x)) == x`` for whatever ``encode`` writes without naming a loss; what it cannot write, it names.
- A decoder keeps what it does not understand: in ``own``, as ``Opaque``, or, in streams, by name in ``unread``.
- Bytes of any kind make a decoder raise WireError or nothing.
- How a stream is cut into chunks never changes its events.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from pointsman.core.chat import ChatRequest, StreamEvent
from pointsman.core.errors import GatewayError
from pointsman.wire.answer import Answer, Seen


class Address(Struct, frozen=True):
    """What the URL of a request says that the body of some dialects (Gemini's) does not."""

    model: str = ""
    stream: bool = False


class Encoded(Struct, frozen=True):
    """Bytes of a dialect, and the names of what it has no word for (canonical fields, or names out of ``own``), sorted."""

    body: bytes
    lost: tuple[str, ...] = ()


class Stamp(Struct, frozen=True):
    """What stands in a reply where its provider said nothing: an id (of the exchange), Unix seconds, a model name."""

    id: str = ""
    created: int = 0
    model: str = ""


class Fault(Struct, frozen=True):
    """A provider's error, read: its words, and its ``code`` and ``kind`` where it has them."""

    message: str
    code: str = ""
    kind: str = ""
    param: str = ""


class Requests(Protocol):
    """The module ``request``."""

    def decode(self, body: bytes, address: Address = ...) -> ChatRequest:
        """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""

    def encode(self, request: ChatRequest) -> Encoded:
        """Return a request in this dialect; ``model`` and ``stream`` are those of ``request``."""

    def unfit(self, request: ChatRequest) -> str | None:
        """Say why a request would be answered wrongly in this dialect, None where losses are harmless.

        A clause that follows a deployment's name: "cannot give several choices". Cheap: it is asked before every draw.
        """

    def edit(self, body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
        """Return a body that ``decode`` accepted with another model name, or with a request for usage in its stream."""

    def path(self, model: str, *, stream: bool) -> str:
        """Return what goes behind a provider's base URL."""


class ReadsReplies(Protocol):
    """What every module ``reply`` does."""

    def decode(self, body: bytes) -> tuple[StreamEvent, ...]:
        """Return a whole reply as events, one delta to a part, ending with Finish and Used. Raises WireError."""


class Replies(ReadsReplies, Protocol):
    """The module ``reply`` of a client dialect."""

    def encode(self, events: Sequence[StreamEvent], request: ChatRequest, stamp: Stamp) -> Encoded:
        """Return a whole reply: deltas of one part are joined, whatever their number."""


class StreamDecoder(Protocol):
    """Reads one streamed reply. ``unread`` names fields and events that were not understood."""

    unread: set[str]

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """Return the events that a chunk completes. Raises WireError when the stream is beyond all bounds."""

    def end(self) -> list[StreamEvent]:
        """Return what the ended stream left."""


class StreamEncoder(Protocol):
    """Writes one streamed reply."""

    @property
    def lost(self) -> set[str]:
        """The names of what could not be written so far."""

    def feed(self, event: StreamEvent) -> bytes:
        """Return the frames that an event makes: none, one or several, always whole."""

    def end(self) -> bytes:
        """Return the frames that close the reply in due form."""


class ReadsStreams(Protocol):
    """What every module ``stream`` does."""

    def decoder(self) -> StreamDecoder:
        """Return a reader of one streamed reply."""


class Streams(ReadsStreams, Protocol):
    """The module ``stream`` of a client dialect."""

    def encoder(self, request: ChatRequest, stamp: Stamp) -> StreamEncoder:
        """Return a writer of one streamed reply to that request."""


class Counts(Protocol):
    """The module ``count``."""

    def count(self, body: bytes) -> Answer:
        """Return usage and finish of a whole reply, without its text. Raises WireError."""

    def answer(self, body: bytes) -> Answer:
        """Return a whole reply's first choice and usage. Raises WireError."""


class StreamWatch(Protocol):
    """Looks at one streamed reply that passes as it is."""

    @property
    def ended(self) -> set[int]:
        """The choices that are complete."""

    @property
    def overflowed(self) -> bool:
        """Whether the answer was longer than the limit, and is no longer kept."""

    def passes(self, chunk: bytes) -> bool:
        """Whether a chunk is whole frames that mean no more than content. Then it may go on, and need not be fed."""

    def feed(self, chunk: bytes) -> list[tuple[bytes, Seen]]:
        """Return the frames that a chunk completes, each with what it means. Raises WireError when one is too long."""

    def end(self) -> list[tuple[bytes, Seen]]:
        """Return what the ended stream left without a blank line: one frame, or nothing."""

    def answer(self) -> Answer:
        """Return what was read so far: finish and usage always, text and tool calls only with ``texts``."""


class Watches(Protocol):
    """The module ``watch`` of a client dialect."""

    def watch(self, *, texts: bool = False, limit: int = ...) -> StreamWatch:
        """Return an observer of one streamed reply; with ``texts`` its answer adds up, up to ``limit`` characters."""


class ReadsErrors(Protocol):
    """What every module ``errors`` does."""

    def read(self, status: int, body: bytes) -> Fault | None:
        """Return what a provider's error says; None where the body is not an error of this dialect."""

    def reported(self, body: bytes) -> int | None:
        """Return the status that an error inside a reply of status 200 stands for (else 502); None: no error."""


class Errors(ReadsErrors, Protocol):
    """The module ``errors`` of a client dialect."""

    def envelope(self, error: GatewayError) -> bytes:
        """Return the body of an error reply."""

    def event(self, error: GatewayError) -> bytes:
        """Return the last frame of a stream that was cut: the dialect's clients raise on it."""

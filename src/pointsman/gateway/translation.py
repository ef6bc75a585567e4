"""A streamed reply on its way from one dialect to another: which bytes may go now. No I/O; ``exchange`` acts on it.

Laws: those of ``relay``: until the first content nothing goes out; what is held back is bounded; only whole frames go; a
stream that breaks after that ends with an error event of the client's dialect.
"""

from pointsman.core.chat import End, Failed, Finish, Logprobs, Start, StreamEvent, Used
from pointsman.core.errors import GatewayError
from pointsman.gateway.relay import HELD_LIMIT
from pointsman.gateway.sampling import ANSWER_LIMIT
from pointsman.wire.answer import Answer
from pointsman.wire.dialect import Errors, StreamDecoder, StreamEncoder
from pointsman.wire.fold import Fold

_SILENT = (Start, Finish, Used, Failed, End, Logprobs)


class Translation:
    """One streamed reply of the deployment ``source``. Fields and methods are those of ``Relay``."""

    __slots__ = (
        "_choices", "_decoder", "_encoder", "_errors", "_finished", "_fold", "_held", "_source", "began", "broken", "error",
        "error_status",
    )  # fmt: skip

    def __init__(self, source: str, decoder: StreamDecoder, encoder: StreamEncoder, errors: Errors, *, choices: int) -> None:
        self._source = source
        self._decoder = decoder
        self._encoder = encoder
        self._errors = errors
        self._choices = choices
        self._fold = Fold(ANSWER_LIMIT)
        self._held = bytearray()
        self._finished = False
        self.began = False
        self.error: bytes | None = None
        self.error_status = 502
        self.broken = ""

    def take(self, chunk: bytes) -> bytes:
        """Return what goes to the client now. Raises WireError when the stream is beyond all bounds."""
        return self._pass(self._decoder.feed(chunk))

    def end(self, broken: str = "") -> bytes:
        """The stream has ended, or broke for a reason: return the last bytes to send."""
        left = b"" if broken else self._pass(self._decoder.end())
        if self._finished and self.error is None:
            left = bytes(self._held) + left + self._encoder.end()
            self._held.clear()
            self.began = True
        elif self.error is not None:
            self.broken = broken or "the provider reported an error within the stream"
        else:
            self.broken = broken or "the stream ended before the answer did"
            left += self._errors.event(GatewayError(502, "upstream_cut", f"{self._source}: {self.broken}"))
        return left

    @property
    def answer(self) -> Answer:
        """What was said so far, with finish and usage."""
        return self._fold.answer()

    @property
    def lost(self) -> set[str]:
        """What could not be said in the client's dialect so far, and what was not understood of the provider's."""
        return self._encoder.lost | self._decoder.unread

    @property
    def whole_text(self) -> bool:
        """Whether all of the text was kept."""
        return not self._fold.overflowed

    def _pass(self, events: list[StreamEvent]) -> bytes:
        out = bytearray()
        for event in events:
            self._fold.add(event)
            if isinstance(event, Failed):
                out += self._failed(event)
                continue
            self._finished = self._finished or isinstance(event, End) or len(self._fold.ended) >= self._choices
            self.began = self.began or not isinstance(event, _SILENT)
            out += self._encoder.feed(event)
        if not self.began:
            self._held += out
            self.began = len(self._held) > HELD_LIMIT
            out.clear()
        if self.began and self._held:
            out[:0] = self._held
            self._held.clear()
        return bytes(out)

    def _failed(self, event: Failed) -> bytes:
        """Keep an error as the reply that it would be, and return it as the event that it is."""
        error = GatewayError(event.status, event.code or "upstream_error", event.message)
        self.error, self.error_status = self._errors.envelope(error), event.status
        return self._errors.event(error)

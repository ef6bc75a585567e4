"""A streamed reply on its way to the client: which bytes may go now. No I/O; ``exchange`` acts on what it says.

Laws: until the first content nothing goes out, so that another deployment may still answer; what is held back is bounded,
and beyond the bound it goes; only whole frames go, so that a cut never leaves half an event; a stream that breaks after that
ends with an error event, also where only some of several choices had ended; the usage that only we asked for is read and
left out.
"""

from pointsman.core.errors import GatewayError
from pointsman.gateway.sampling import ANSWER_LIMIT
from pointsman.wire import sse
from pointsman.wire.answer import Answer, Seen
from pointsman.wire.dialects import Dialect

HELD_LIMIT = 256 * 1024


class Relay:
    """One streamed reply of the deployment ``source``. ``began`` is true once bytes may go out.

    ``error`` holds the data of an error event, ``error_status`` the status that it stands for. After ``end``, ``broken``
    says why the reply is not whole, empty where it is.
    """

    __slots__ = (
        "_choices", "_dialect", "_drop_usage", "_finished", "_held", "_reader", "_size", "_source", "began", "broken",
        "error", "error_status",
    )  # fmt: skip

    def __init__(self, source: str, dialect: Dialect, *, drop_usage: bool, texts: bool, choices: int = 1) -> None:
        self._source = source
        self._dialect = dialect
        self._choices = choices
        self._reader = dialect.watch.watch(texts=texts, limit=ANSWER_LIMIT)
        self._drop_usage = drop_usage
        self._held: list[bytes] = []
        self._size = 0
        self.began = False
        self._finished = False
        self.error: bytes | None = None
        self.error_status = 502
        self.broken = ""

    lost: frozenset[str] = frozenset()  # in its own bytes nothing is

    def take(self, chunk: bytes) -> bytes:
        """Return what goes to the client now. Raises WireError when the stream is beyond all bounds."""
        return chunk if self._reader.passes(chunk) else self._pass(self._reader.feed(chunk))

    def end(self, broken: str = "") -> bytes:
        """The stream has ended, or broke for a reason: return the last bytes to send.

        A reply that finished without any content goes out here; one that ended without either has not begun.
        """
        left = b"" if broken else self._pass(self._reader.end())
        if self._finished and self.error is None:
            left, self._held = b"".join((*self._held, left)), []
            self.began = True
        elif self.error is not None:
            self.broken = broken or "the provider reported an error within the stream"
        else:
            self.broken = broken or "the stream ended before the answer did"
            left = self._dialect.errors.event(GatewayError(502, "upstream_cut", f"{self._source}: {self.broken}"))
        return left

    @property
    def answer(self) -> Answer:
        """What was said so far (text only with ``texts``), with finish and usage."""
        return self._reader.answer()

    @property
    def whole_text(self) -> bool:
        """Whether all of the text was kept."""
        return not self._reader.overflowed

    def _pass(self, frames: list[tuple[bytes, Seen]]) -> bytes:
        out: list[bytes] = []
        for frame, event in frames:
            if self._drop_usage and event.usage_only:
                continue
            if event.error is not None:
                self.error = sse.data(frame) or frame
                self.error_status = self._dialect.errors.reported(self.error) or 502
            self._finished = self._finished or event.done or len(self._reader.ended) >= self._choices
            self.began = self.began or event.content
            out.append(frame)
        if not self.began:
            self._held += out
            self._size += sum(map(len, out))
            self.began = self._size > HELD_LIMIT
            out = []
        if self.began and self._held:
            out = self._held + out
            self._held = []
        return out[0] if len(out) == 1 else b"".join(out)

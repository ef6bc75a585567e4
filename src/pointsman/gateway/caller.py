"""Who asks, and for what: all that the head of a request says.

Strategy: a connection repeats its heads, so what one says is read once and kept with it (``Head.known``), for as long as the
same keys are in force.

Laws: nothing of a body is kept here; a connection that is not used keeps no snapshot alive.
"""

from typing import Final
from urllib.parse import unquote_to_bytes

from pointsman.core.chat import ChatRequest
from pointsman.core.keys import Key, Scope
from pointsman.gateway import heads
from pointsman.gateway.conversations import harness_of, stated
from pointsman.gateway.entries import Entry
from pointsman.gateway.server.message import line
from pointsman.wire.dialects import DIALECTS

TAGS: Final = ("task", "customer")
_NAME_LENGTH = 128
_OWN_IDS: Final = (b"x-pointsman-id", b"x-client-request-id", b"x-request-id")
"""Where clients name their requests: for us, by OpenAI's custom, and by that of proxies."""


class Caller:
    """Who sends requests with one head, admitted with ``key`` (None where none is asked for).

    ``admitted_by`` is the epoch of the keyring at that time: who was admitted in another is asked for the key again.

    ``client_id`` is its own name for them, empty where it gives none; ``echo`` the line that says it in replies.
    ``bounded``: its key says what it may ask for, or who may serve it. ``whose`` is its key's name, empty for none.
    """

    __slots__ = (
        "_conversation", "_feature", "_harness", "_no_explore", "_passed", "_tags", "_usual",
        "admitted_by", "bounded", "client_id", "dialect", "echo", "entry", "headers", "key", "whose",
    )  # fmt: skip

    def __init__(self, admitted_by: int, entry: Entry, key: Key | None, headers: dict[bytes, bytes]) -> None:
        self.admitted_by = admitted_by
        self.entry = entry
        self.dialect = DIALECTS[entry.dialect]
        self.key = key
        self.whose = key.name if key is not None else ""
        self.bounded = key is not None and (key.policy != "" or key.scope != Scope())
        self.headers = headers
        self._feature = _named(headers, b"x-pointsman-feature")
        self._usual = (key.feature if key is not None else None) or "default"
        self._tags = {kind: _named(headers, b"x-pointsman-" + kind.encode()) for kind in TAGS}
        if key is not None and key.customer:
            self._tags["customer"] = key.customer  # whatever the client says
        self._conversation = _named(headers, b"x-pointsman-conversation")
        self._harness = harness_of(headers)
        own = next((headers[name] for name in _OWN_IDS if name in headers), b"")
        self.client_id = _text(own).strip()[:_NAME_LENGTH] if own else ""
        self.echo = line(b"x-pointsman-id", heads.printable(self.client_id)) if self.client_id else b""
        self._no_explore = _named(headers, b"x-pointsman-no-explore")
        self._passed: dict[str, tuple[tuple[bytes, bytes], ...]] = {}

    def feature_of(self, request: ChatRequest) -> str:
        """Return the name of the kind of call: header, the request's metadata, the client's key, else ``default``."""
        name = self._feature
        if name is None:
            name = request.metadata.get("feature") or ""
        return name[:_NAME_LENGTH] or self._usual

    def tags_of(self, request: ChatRequest) -> tuple[str, ...]:
        """Return what else is said of a request, ``task:NAME`` and ``customer:NAME``: by header, else in its metadata."""
        said = request.metadata
        names = ((kind, named or said.get(kind)) for kind, named in self._tags.items())
        return tuple([f"{kind}:{name[:_NAME_LENGTH]}" for kind, name in names if name])

    def customer_of(self, request: ChatRequest) -> str:
        """Return whom a request is for: what the client's key says, else its header, else its metadata; else empty."""
        return (self._tags["customer"] or request.metadata.get("customer") or "")[:_NAME_LENGTH]

    def no_explore(self, request: ChatRequest) -> bool:
        """Return whether nobody may be tried on a request: by header, else in its metadata (``0``, ``false``: no)."""
        said = self._no_explore if self._no_explore is not None else request.metadata.get("no_explore") or ""
        return said.strip().lower() not in ("", "0", "false")

    def conversation_of(self, request: ChatRequest) -> str:
        """Return what the client calls the conversation, else empty.

        By our header, the request's metadata, what a known harness sends, or a prompt cache key.
        """
        name = self._conversation
        if name is None:
            name = request.metadata.get("conversation") or self._harness
        return (stated(request) if name is None else name)[:_NAME_LENGTH]

    def to_provider(self, theirs: str) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that a provider of a dialect may see."""
        found = self._passed.get(theirs)
        if found is None:
            found = self._passed[theirs] = heads.to_provider(self.headers, self.entry.dialect, theirs, self.whose)
        return found

    def expected(self) -> str | None:
        """Return the right answer that the client knows, for graders; None where it sent none."""
        value = self.headers.get(b"x-pointsman-expected")
        return None if value is None else _text(value)


def _named(headers: dict[bytes, bytes], header: bytes) -> str | None:
    """Return the name in a header of ours, None where it names nothing."""
    value = headers.get(header)
    return _text(value).strip() if value else None


def _text(value: bytes) -> str:
    """Return the text in a header of ours: UTF-8, percent-encoded or as it is."""
    return unquote_to_bytes(value).decode(errors="replace")

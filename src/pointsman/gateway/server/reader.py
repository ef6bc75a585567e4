"""Bytes in, whole requests out: one connection's requests as it sends them. No I/O.

Laws:
- Everything is bounded: the head, its headers, the body, and what arrives without being either (endless chunk extensions
  and trailers).
- A body that is too long is counted and let go, not kept; it is read on for a while, because a client that is cut off while
  it writes sees a broken connection, and never the answer that says why.
- Framing is strict: the parser refuses what could be read in two ways (two lengths, a length and chunks, stray line ends;
  RFC 9112, section 11.2); one ``host`` is asked for (section 3.2), no second key is taken, no version of HTTP but 1.0 and
  1.1 (section 2.5), and no transfer coding but ``chunked`` (section 6.1).
- What cannot be read is a ``problem``, after which nothing more is read; requests that were whole before it stand.
- A head that is, byte for byte but for the digits of its length, the one that the parser read last on this connection is
  not parsed again: clients repeat themselves. Whatever else differs goes to the parser. Nothing else of a request is kept.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

import httptools

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import Limits
from pointsman.gateway.server.message import Head, Incoming

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a head, as in common servers, and of anything else that is not body."""

HEADER_COUNT_LIMIT: Final = 256

KEPT: Final = 8 * 1024
"""Bytes of a head that is kept while its connection is unused: connections are many."""

LET_GO: Final = 64 * 1024 * 1024
"""Bytes beyond the limit of a body that are still read, so that the client hears why it is refused."""

_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: (\d{1,15})\r\n")

_VERSIONS: Final = frozenset(("1.0", "1.1"))
_CHUNKED: Final = b"chunked"
_ONCE: Final = frozenset((b"host", b"authorization", b"content-length", b"transfer-encoding", b"content-encoding"))


class _Known:
    """A head that was read: its bytes before and after the digits of the body's length."""

    __slots__ = ("after", "before", "head")

    def __init__(self, before: bytes, after: bytes, head: Head) -> None:
        self.before = before
        self.after = after
        self.head = head


class Room:
    """How many bytes of bodies may be held at once: by all connections of a server, or, ``within`` that, by some."""

    def __init__(self, most: int, within: "Room | None" = None) -> None:
        self.left = most
        self._within = within

    def take(self, size: int) -> bool:
        """Take some of the room; False, and nothing taken, where there is not enough."""
        if size > self.left or (self._within is not None and not self._within.take(size)):
            return False
        self.left -= size
        return True

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self.left += size
        if self._within is not None:
            self._within.give(size)


class RequestReader:
    """Reads the requests of one connection. ``limits`` returns those in force, asked once for each request.

    What a body takes of the ``room`` is whoever's who got the request; what the reader still holds goes back with ``close``.

    ``begun`` is true while a request has arrived in part, ``in_body`` while its head is whole. ``expects`` is true while its
    sender waits to be told to go on (RFC 9110, section 10.1.1).
    """

    __deletable__ = ("_parser",)  # where the class is compiled, what else is assigned once stays

    def __init__(self, limits: Callable[[], Limits], room: Room) -> None:
        self.room = room
        self._limits_now = limits
        self._parser = httptools.HttpRequestParser(self)
        self._done: list[Incoming] = []
        self._known: _Known | None = None
        self._moved = False
        self._dry = 0
        self._over = False
        self.limits = Limits()
        self.problem: GatewayError | None = None
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._count = 0
        self._head_size = 0
        self._body: bytes | bytearray = b""
        self._size = 0
        self.begun = self.in_body = self.expects = False

    def feed(self, data: bytes) -> list[Incoming]:
        """Return the requests that these bytes complete, in order. Look at ``problem`` afterwards."""
        if self._over:
            return []
        afresh = not self.begun
        if afresh and self._known is not None and (again := self._repeated(self._known, data)) is not None:
            return [again]
        done: list[Incoming] = []
        self._done = done
        self._moved = False
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if not self._over:  # what follows a last request does not matter
                self.problem = self.problem or _bad(f"this cannot be read as HTTP/1.1: {error}")
            self._over = True
        self._done = []  # they are the caller's: kept here, a body would outlive its place in the room
        self._dry = 0 if self._moved else self._dry + len(data)
        if self._dry > HEAD_LIMIT and self.problem is None:
            self._over = True
            self.problem = _head_too_large()
        if afresh and len(done) == 1 and not self._over and not self.begun:
            self._remember(data, done[0])
        return done

    def _repeated(self, known: _Known, data: bytes) -> Incoming | None:
        """Return the one whole request that these bytes are, where its head is known; None where the parser must see it."""
        before, after = known.before, known.after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + 16)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        length, begins = int(digits), end + len(after)
        limits = self._limits_now()
        if len(data) - begins != length or length > limits.body_bytes or not self.room.take(length):
            return None
        self.limits = limits
        return Incoming(known.head, data[begins:])

    def _remember(self, data: bytes, incoming: Incoming) -> None:
        """Note the head of a request that was all of these bytes, if only its length may change in another one like it."""
        headers = incoming.head.headers
        if b"transfer-encoding" in headers or b"expect" in headers:
            return
        end = data.find(b"\r\n\r\n") + 4
        if end > KEPT or data[0] in b"\r\n" or end + len(incoming.body) != len(data):  # blank lines before it, or after it
            return
        length = _LENGTH.search(data, 0, end)
        if length is not None:
            self._known = _Known(data[: length.start(1)], data[length.end(1) : end], incoming.head)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._declined() + data[offer.args[0] :]
            else:
                return

    def _declined(self) -> bytes:
        """Return the head that was read as if it had offered nothing, and be ready to read it again.

        Some clients offer HTTP/2 with every first request. The parser stops there, body or not; nobody here speaks anything
        else, and a server may pass such an offer over (RFC 9110, section 7.8).
        """
        parser = self._parser
        if parser.get_method() == b"CONNECT":
            raise self._refused(_bad("this is no proxy"))
        head = [b"%b %b HTTP/%b\r\n" % (parser.get_method(), self._url, parser.get_http_version().encode())]
        head += [b"%b: %b\r\n" % field for field in self._headers.items() if field[0] not in (b"upgrade", b"connection")]
        head.append(b"\r\n" if parser.should_keep_alive() else b"connection: close\r\n\r\n")
        self._begin()
        self._parser = httptools.HttpRequestParser(self)
        return b"".join(head)

    def close(self) -> None:
        """Let go of what was read in part, and of the heads, which hold keys: nothing is read any more."""
        self.room.give(len(self._body))
        self._body = b""
        self._over = True
        self._known, self._headers = None, {}
        with contextlib.suppress(AttributeError):  # each holds the other: both would wait for the garbage collector
            del self._parser

    # What the parser calls, inside feed_data.

    def on_message_begin(self) -> None:
        """The first byte of a request; blank lines before it are none."""
        self.begun = True

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which is passed over."""
        if self.in_body:
            return
        name = name.lower()
        if name in self._headers and name in _ONCE:
            raise self._refused(_bad(f"the header {name.decode('latin-1')!r} stands twice"))
        self._headers[name] = value.rstrip(b" \t")
        self._count += 1
        self._head_size += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """The head is whole: see whether the body may come."""
        if self._count > HEADER_COUNT_LIMIT or self._head_size + len(self._url) > HEAD_LIMIT:
            raise self._refused(_head_too_large())
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise self._refused(_version(version))
        if b"host" not in self._headers and version != "1.0":
            raise self._refused(_bad("the header 'host' is missing"))
        if self._headers.get(b"transfer-encoding", _CHUNKED).lower() != _CHUNKED:
            raise self._refused(_coding())
        self._moved = True
        self.in_body = True
        self.limits = limits = self._limits_now()
        declared = self._headers.get(b"content-length", b"")
        length = int(declared) if declared.isdigit() else 0
        self.expects = self._headers.get(b"expect", b"").lower() == b"100-continue" and version != "1.0"
        if length > limits.body_bytes and (self.expects or length > limits.body_bytes + LET_GO):
            raise self._refused(_body_too_large(limits))

    def on_body(self, body: bytes) -> None:
        """A piece of the body, chunk framing removed."""
        self._moved = True
        self.expects = False
        self._size += len(body)
        if self._size <= self.limits.body_bytes:
            if not self.room.take(len(body)):
                raise self._refused(
                    GatewayError(503, "overloaded", "too many large requests arrive at once", retry_after=1.0)
                )
            if not self._body:
                self._body = body  # mostly the only piece: not copied
            elif isinstance(self._body, bytearray):
                self._body += body
            else:
                self._body = bytearray(self._body + body)
            return
        self.room.give(len(self._body))
        self._body = b""
        if self._size > self.limits.body_bytes + LET_GO:
            raise self._refused(_body_too_large(self.limits))

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._over or self._parser.should_upgrade():
            return
        if self._size > self.limits.body_bytes:
            raise self._refused(_body_too_large(self.limits))
        self._moved = True
        parser = self._parser
        chunks = parser.get_http_version() != "1.0"
        last = not parser.should_keep_alive() or not chunks
        path, query = _target(self._url)
        headers = self._headers
        headers.pop(b"content-length", None)
        head = Head(parser.get_method().decode("latin-1"), path, query, headers, last=last, chunks=chunks)
        self._done.append(Incoming(head, bytes(self._body)))
        self._over = last
        self._begin()

    @property
    def head(self) -> Head:
        """The head of the request whose body is on its way (``in_body``)."""
        path, query = _target(self._url)
        return Head(self._parser.get_method().decode("latin-1"), path, query, self._headers)

    @property
    def path(self) -> str:
        """The path of the request that is being read, or was last."""
        return _target(self._url)[0]

    def _refused(self, problem: GatewayError) -> httptools.HttpParserError:
        if not self._over:
            self.problem = self.problem or problem
        return httptools.HttpParserError(problem.message)


def _target(url: bytes) -> tuple[str, str]:
    """Return the decoded path and the query of a request's target, in origin or in absolute form (RFC 9112, section 3.2)."""
    text = url.decode("latin-1")
    if not text.startswith("/"):
        try:
            parts = urlsplit(text)
        except ValueError:
            return text, ""
        text = f"{parts.path or '/'}?{parts.query}"
    path, _, query = text.partition("?")
    return unquote(path) if "%" in path else path, query


def _bad(message: str) -> GatewayError:
    return GatewayError(400, "invalid_request", message)


def _version(version: str) -> GatewayError:
    if version == "0.9":  # what the parser calls a line without a version
        return _bad("the first line names no version of HTTP")
    return GatewayError(505, "http_version_not_supported", f"this is HTTP/{version}: send HTTP/1.1")


def _coding() -> GatewayError:
    words = "a transfer coding besides chunked cannot be read here (RFC 9112, section 6.1)"
    return GatewayError(501, "unsupported_transfer_coding", words)


def _head_too_large() -> GatewayError:
    return GatewayError(
        431,
        "request_header_fields_too_large",
        f"the head is larger than {HEAD_LIMIT} bytes or {HEADER_COUNT_LIMIT} headers",
    )


def _body_too_large(limits: Limits) -> GatewayError:
    return GatewayError(
        413, "request_too_large", f"the request is larger than the {limits.body_bytes} bytes that this gateway takes"
    )

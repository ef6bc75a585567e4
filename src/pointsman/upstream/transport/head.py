"""A URL and headers become the bytes of a request, or are refused. No I/O.

Strategy: what callers send differs in values, hardly ever in names. Everything but the values is checked once and kept as
a form with gaps; a head fills the gaps and is scanned once. Mostly even the values repeat themselves, so that whoever sends
may keep heads, too (``client``): then only the body and its length are new.

Laws:
- Framing is ours: ``host``, ``content-length`` and every hop-by-hop header are set here or not at all; a caller that brings
  one is told so. Together with the ban on CR, LF and NUL no caller can smuggle a second request (RFC 9112, section 11.2).
- A head holds keys, and shows them to nobody; a form holds none.
- Connections are persistent because HTTP/1.1 says so; no ``connection`` header is sent.
- Replies are wanted as they are (``accept-encoding: identity``), unless the caller asks otherwise; nothing is decompressed.
"""

import functools
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pointsman.core.errors import UpstreamError

OURS = frozenset(
    b"host content-length transfer-encoding connection keep-alive proxy-connection proxy-authorization te trailer upgrade "
    b"expect".split()
)
"""Names that a caller may not give: they frame the message or belong to one hop (RFC 9110, sections 7.6.1 and 10.1.1)."""

Headers = tuple[tuple[bytes, bytes], ...]

_NAMES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]*")  # RFC 9110, 5.6.2: token; lower case by our own rule
_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"/[!-~]*")  # visible ASCII: no blank, no control character, nothing that needs encoding
_HOST = re.compile(r"[A-Za-z0-9._\-]+|[0-9A-Fa-f:.]+")
_FORMS = 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. ``origin`` names the pool, also in errors; ``line`` ends the request line and adds ``host``."""

    origin: str
    host: str
    port: int
    tls: bool
    line: bytes


def target_of(url: str) -> Target:
    """Return where an absolute ``http`` or ``https`` URL leads. Raises UpstreamError for any other text.

    The error does not repeat the URL's path or query, in case somebody put a secret there.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("the URL cannot be read (host or port): check base_url") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refused(f"the URL must begin with http:// or https://, not {parts.scheme!r}: check base_url")
    if parts.username is not None or parts.password is not None:
        raise _refused("the URL holds a user name or password: use the provider's credential instead")
    if not _HOST.fullmatch(host):
        raise _refused("the URL has no usable host name (ASCII or punycode): check base_url")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(path):
        raise _refused("the URL's path holds a blank or a character that must be percent-encoded")
    default = _DEFAULT_PORTS[parts.scheme]
    name = f"[{host}]" if ":" in host else host
    authority = name if port in (None, default) else f"{name}:{port}"
    return Target(
        origin=f"{parts.scheme}://{authority}",
        host=host,
        port=default if port is None else port,
        tls=parts.scheme == "https",
        line=f" {path} HTTP/1.1\r\nhost: {authority}\r\n".encode("ascii"),
    )


@dataclass(frozen=True, slots=True)
class Head:
    """A request's head: all of it, or (``sized``) all before the digits of its body's length. Its repr shows no value."""

    target: Target
    text: bytes = field(repr=False)
    sized: bool

    def before(self, body: bytes) -> bytes:
        """Return head and body in one piece, for one write."""
        return b"%b%d\r\n\r\n%b" % (self.text, len(body), body) if self.sized else self.text + body


@dataclass(frozen=True, slots=True)
class Form:
    """A request's head with gaps for the values of its headers (``%b``)."""

    target: Target
    gaps: bytes
    lines: int
    sized: bool

    def filled(self, headers: Headers) -> Head:
        """Return the head with these values. Raises UpstreamError when one would break it; the error does not show it."""
        text = self.gaps % tuple([value for _, value in headers])
        # As many line ends as the form has, and nothing that ends a string: three scans in C see every value at once.
        if text.count(b"\n") != self.lines or text.count(b"\r") != self.lines or b"\0" in text:
            raise _refused("a header value holds a line end or NUL")
        return Head(self.target, text, self.sized)


def head_of(method: str, url: str, headers: Headers, has_body: bool) -> Head:
    """Return the head of a request. Raises UpstreamError when there is something in it that may not be sent."""
    return form_of(url, method, tuple([name for name, _ in headers]), has_body).filled(headers)


@functools.lru_cache(_FORMS)
def form_of(url: str, method: str, names: tuple[bytes, ...], has_body: bool) -> Form:
    """Return the form of a request's head. Depends on names alone and holds no value, so it may be remembered.

    Raises UpstreamError for a URL, method or header name that may not be sent.
    """
    target = target_of(url)
    if not OURS.isdisjoint(names):
        raise _refused(f"header {_first(names, OURS)!r} is set by the transport: leave it out")
    if b"" in names or not _NAMES.fullmatch(b"".join(names)):
        raise _refused("a header name is empty, not in lower case, or holds a character that names may not have")
    if not _METHOD.fullmatch(method):
        raise _refused("the method must be upper-case letters")
    sized = has_body or method not in ("GET", "HEAD")
    fixed = method.encode("ascii") + target.line
    if b"accept-encoding" not in names:
        fixed += b"accept-encoding: identity\r\n"
    gaps = [fixed.replace(b"%", b"%%"), *(name.replace(b"%", b"%%") + b": %b\r\n" for name in names)]
    gaps.append(b"content-length: " if sized else b"\r\n")
    form = b"".join(gaps)
    return Form(target, form, form.count(b"\n"), sized)


def _first(names: tuple[bytes, ...], among: frozenset[bytes]) -> str:
    return next(name for name in names if name in among).decode("ascii")


def _refused(reason: str) -> UpstreamError:
    return UpstreamError("protocol", f"request not sent: {reason}", sent=False)

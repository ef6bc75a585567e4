"""AWS Signature Version 4: a request, keys and a time become the same request with an ``authorization`` header.

Strategy: the four steps of the specification, one function each: canonical request, string to sign, signing key, header.
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)

Laws: no clock and no environment; what is signed is what is sent (the path as it stands in the URL is encoded once more, as
every service but S3 wants it: a model id with ``%3A`` in it is signed as ``%253A``); headers that a proxy may change, and
those that the transport writes itself, are not signed; no repr shows a key.
"""

import datetime as dt
import hashlib
import hmac
import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import msgspec
from msgspec import Struct

from pointsman.upstream.interfaces import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"

_UNSIGNED: Final = frozenset((b"authorization", b"user-agent", b"accept-encoding", b"x-amzn-trace-id"))
_OURS: Final = frozenset((b"authorization", b"x-amz-date", b"x-amz-security-token"))
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_BLANKS: Final = re.compile(r"\s+")


class Keys(Struct, frozen=True):
    """AWS keys. ``session_token`` is empty for those of a user; ``expires_at`` is Unix seconds, None: they do not."""

    access_key: str
    secret_key: str
    session_token: str = ""
    expires_at: float | None = None

    def __repr__(self) -> str:
        """Show no more than is needed to tell one set of keys from another in a conversation with AWS."""
        return f"Keys({self.access_key[:4]}...)"


def signed(request: Request, keys: Keys, *, region: str, service: str, now: dt.datetime) -> Request:
    """Return the request with its date, its session token and its signature. ``now`` is an aware time.

    Headers of those names that were there before are replaced.
    """
    stamp = now.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [(b"x-amz-date", stamp.encode())]
    if keys.session_token:
        added.append((b"x-amz-security-token", keys.session_token.encode()))
    headers = (*(field for field in request.headers if field[0] not in _OURS), *added)
    dated = msgspec.structs.replace(request, headers=headers)
    canonical, names = canonical_request(dated)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    signature = _hmac(_signing_key(keys.secret_key, stamp[:8], region, service), string_to_sign(canonical, stamp, scope))
    value = f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, Signature={signature.hex()}"
    return msgspec.structs.replace(dated, headers=(*headers, (b"authorization", value.encode())))


def canonical_request(request: Request) -> tuple[str, str]:
    """Return the text that stands for a request, and the names of the headers in it."""
    parts = urlsplit(request.url)
    port = parts.port
    host = (parts.hostname or "") if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    fields: dict[str, list[str]] = {"host": [host]}
    for name, value in request.headers:
        if name not in _UNSIGNED:
            fields.setdefault(name.decode("latin-1"), []).append(_BLANKS.sub(" ", value.decode("latin-1").strip()))
    names = ";".join(sorted(fields))
    lines = "".join([f"{name}:{','.join(fields[name])}\n" for name in sorted(fields)])
    body = hashlib.sha256(request.body).hexdigest()
    path, query = canonical_path(parts.path), canonical_query(parts.query)
    return f"{request.method}\n{path}\n{query}\n{lines}\n{names}\n{body}", names


def canonical_path(path: str) -> str:
    """Return a path as it stands in a URL, without empty and dotted segments, each segment encoded once more."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(quote(segment, safe="-_.~"))
    ending = "/" if kept and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + ending


def canonical_query(query: str) -> str:
    """Return a query as it stands in a URL, its pairs in order of their encoded names and values."""
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(
        [f"{name}={value}" for name, value in sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)]
    )


def string_to_sign(canonical: str, stamp: str, scope: str) -> str:
    """Return what the signature is of."""
    return f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for step in (date, region, service, "aws4_request"):
        key = _hmac(key, step)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")

"""A secret that goes into one header as it is, and no secret at all."""

from pointsman.upstream.credentials.fetching import missing
from pointsman.upstream.credentials.sources import Source
from pointsman.upstream.interfaces import Request

Headers = tuple[tuple[bytes, bytes], ...]


class KeyInHeader:
    """A secret in one header: ``authorization: Bearer``, ``api-key``, ``x-api-key`` or ``x-goog-api-key``."""

    def __init__(self, source: Source, header: bytes, prefix: str) -> None:
        self._source = source
        self._header = header
        self._prefix = prefix
        self._shown_secret, self._value = "", b""
        self._bare: Headers = ()  # the headers that came last, and what became of them with which value
        self._keyed: Headers = ()
        self._keyed_with: bytes | None = None

    def __repr__(self) -> str:
        return f"KeyInHeader({self._source!r} in {self._header.decode()})"

    def ready(self, request: Request) -> Request:
        """Return the request with the key; a header of that name that was there before is replaced."""
        value, headers = self._shown(self._source.secret()), request.headers
        if headers is not self._bare or value is not self._keyed_with:  # mostly the very same come again
            others = [field for field in headers if field[0] != self._header]
            self._bare, self._keyed_with, self._keyed = headers, value, (*others, (self._header, value))
        return Request(request.method, request.url, self._keyed, request.body)

    async def sign(self, request: Request) -> Request:
        """Return what ``ready`` returns."""
        return self.ready(request)

    def refused(self) -> None:
        """Nothing is kept: the source is looked at with every request."""

    def _shown(self, secret: str) -> bytes:
        if secret != self._shown_secret:
            if not (secret.isascii() and secret.isprintable()):
                raise missing(f"the key from {self._source!r} holds a line end or another character that no key has")
            self._shown_secret, self._value = secret, f"{self._prefix}{secret}".encode("ascii")
        return self._value


class NoCredential:
    """For servers that ask for none."""

    def __repr__(self) -> str:
        return "NoCredential()"

    def ready(self, request: Request) -> Request:
        """Return the request as it is."""
        return request

    async def sign(self, request: Request) -> Request:
        """Return the request as it is."""
        return request

    def refused(self) -> None:
        """There is nothing to look for."""

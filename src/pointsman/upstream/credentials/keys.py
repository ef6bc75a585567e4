"""A secret that goes into one header as it is, and no secret at all."""

from pointsman.upstream.credentials.fetching import missing
from pointsman.upstream.credentials.sources import Source
from pointsman.upstream.interfaces import Request

Header = tuple[bytes, bytes]


class KeyInHeader:
    """A secret in one header: ``authorization: Bearer``, ``api-key``, ``x-api-key`` or ``x-goog-api-key``."""

    def __init__(self, source: Source, header: bytes, prefix: str) -> None:
        self._source = source
        self._header = header
        self._prefix = prefix
        self._last: tuple[str, Header] = ("", (header, b""))

    def __repr__(self) -> str:
        return f"KeyInHeader({self._source!r} in {self._header.decode()})"

    def ready(self, request: Request) -> Request:
        """Return the request with the key; a header of that name that was there before is replaced."""
        header = self._shown(self._source.secret())
        others = [field for field in request.headers if field[0] != self._header]
        return Request(request.method, request.url, (*others, header), request.body)

    async def sign(self, request: Request) -> Request:
        """Return what ``ready`` returns."""
        return self.ready(request)

    def refused(self) -> None:
        """Nothing is kept: the source is looked at with every request."""

    def _shown(self, secret: str) -> Header:
        last, header = self._last
        if secret != last:
            if not (secret.isascii() and secret.isprintable()):
                raise missing(f"the key from {self._source!r} holds a line end or another character that no key has")
            header = (self._header, f"{self._prefix}{secret}".encode("ascii"))
            self._last = (secret, header)
        return header


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

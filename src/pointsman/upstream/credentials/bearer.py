"""Tokens that go into ``authorization: Bearer``, kept until they expire."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from pointsman.upstream.credentials.kept import Kept
from pointsman.upstream.interfaces import Request

AUTHORIZATION: Final = b"authorization"


class Token(Struct, frozen=True):
    """A bearer token. ``expires_at`` is Unix seconds; ``headers`` go beside it."""

    value: str
    expires_at: float | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __repr__(self) -> str:
        """Show when it ends, and nothing of it."""
        return f"Token(until {self.expires_at})"


class Bearer:
    """A fetched token in the header ``authorization``. ``name`` says where it comes from; ``now`` is Unix seconds."""

    def __init__(self, name: str, fetch: Callable[[], Awaitable[Token]], now: Callable[[], float] = time.time) -> None:
        self._name = name
        self._kept = Kept(fetch, now)

    def __repr__(self) -> str:
        return f"Bearer({self._name})"

    def ready(self, request: Request) -> Request | None:
        """Return the request with the token that is kept, None where it is time to fetch one."""
        token = self._kept.good()
        return None if token is None else _with(token, request)

    async def sign(self, request: Request) -> Request:
        """Return the request with the token. Raises UpstreamError ``credential``."""
        return _with(await self._kept.get(), request)

    def refused(self) -> None:
        """Fetch another token for the next request."""
        self._kept.doubt()


def _with(token: Token, request: Request) -> Request:
    added = ((AUTHORIZATION, f"Bearer {token.value}".encode()), *token.headers)
    names = {name for name, _ in added}
    others = [field for field in request.headers if field[0] not in names]
    return Request(request.method, request.url, (*others, *added), request.body)

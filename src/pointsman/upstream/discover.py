"""What the user already has: keys in the environment, and OpenAI-compatible servers on this machine.

Strategy: ``keyed`` looks at a mapping and is pure; ``running`` asks the default ports of known servers, all at once, for
their models, through the one transport. ``discover`` joins both.

Laws: a key's value never appears in what is found, only its variable's name; a server counts only if it answers
``GET /v1/models`` with a list of models in time, because anything may listen on port 8000; nothing found is no error.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from pointsman.core.errors import UpstreamError
from pointsman.core.routing import Provider
from pointsman.upstream.interfaces import Request, Timeouts, Transport
from pointsman.upstream.providers import LOOPBACK, ROWS, LoopbackServer

PROBE_S = 0.3
"""Seconds that a server on this machine has for its whole answer."""

_LIST_LIMIT = 4 * 1024 * 1024


class FoundProvider(Struct, frozen=True):
    """A provider that can be used now. ``where`` says how it was found: the variable's name, or the address.

    ``models`` are the names that a local server gave; empty for others, which are not asked. ``price_id`` as in ``Row``.
    """

    provider: Provider
    title: str
    where: str
    models: tuple[str, ...] = ()
    price_id: str | None = None
    note: str = ""


class Found(Struct, frozen=True):
    """All that was found, in the rows' order, and sentences about what was found but cannot be used."""

    providers: tuple[FoundProvider, ...] = ()
    problems: tuple[str, ...] = ()


class _Model(Struct):
    id: str


class _Models(Struct):
    data: list[_Model]


def keyed(environ: Mapping[str, str]) -> Found:
    """Return the providers whose key is in the environment. Pure."""
    providers: list[FoundProvider] = []
    problems: list[str] = []
    for row in ROWS:
        variable = next((name for name in row.variables if environ.get(name, "").strip()), None)
        if variable is None:
            continue
        address = environ.get(row.url_variable, "").strip() if row.url_variable else ""
        if row.url_variable and not address:
            problems.append(
                f"{row.title}: {variable} is set but {row.url_variable} is not, of which the address is made "
                f"({row.url_example})."
            )
            continue
        if environ.get(row.sdk_variable, "").strip().rstrip("/") not in ("", row.base_url):
            problems.append(
                f"{row.title}: {row.sdk_variable} is not followed: calls, and the key in {variable}, go to {row.base_url}; "
                f"for another server write [providers.NAME] with base_url into pointsman.toml."
            )
        provider = row.provider(variable, address)
        providers.append(FoundProvider(provider, row.title, variable, price_id=row.price_id, note=row.note))
    return Found(tuple(providers), tuple(problems))


def model_names(body: bytes) -> tuple[str, ...] | None:
    """Return the names in the reply to ``GET /v1/models``; None where it is not such a reply. Pure."""
    try:
        return tuple(model.id for model in msgspec.json.decode(body, type=_Models).data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


async def running(transport: Transport, servers: Sequence[LoopbackServer] = LOOPBACK) -> tuple[FoundProvider, ...]:
    """Return the servers that answer within ``PROBE_S``, asked all at once."""
    answers = await asyncio.gather(*(_probe(transport, server) for server in servers))
    return tuple(answer for answer in answers if answer is not None)


async def discover(environ: Mapping[str, str], transport: Transport) -> Found:
    """Return what can be used now: providers with a key, then servers on this machine. Raises nothing of its own."""
    found = keyed(environ)
    return Found(found.providers + await running(transport), found.problems)


async def _probe(transport: Transport, server: LoopbackServer) -> FoundProvider | None:
    provider = server.provider()
    limits = Timeouts(connect_s=PROBE_S, first_byte_s=PROBE_S, idle_s=PROBE_S, total_s=PROBE_S)
    try:
        reply = await transport.send(Request("GET", f"{provider.base_url}/models", (), b""), limits)
        try:
            names = model_names(await reply.read(_LIST_LIMIT)) if reply.status == 200 else None
        finally:
            reply.close()
    except UpstreamError:
        return None
    if names is None:
        return None
    return FoundProvider(provider, server.title, provider.base_url, models=names)

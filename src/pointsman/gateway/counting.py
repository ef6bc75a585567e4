"""How many tokens a request has, asked of the deployment that would serve it.

Strategy: the deployment is the one that the conversation is with, else the one that would be chosen; its provider is asked
in its own way of counting, and the number goes back in the client's dialect.

Law: an exact number or none: where the provider has no way of counting, the answer is 404 and says so, because an agent that
packs its context by a wrong number loses work. Nothing is recorded: nothing was said, and nothing is billed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import GatewayError, UpstreamError, WireError
from pointsman.core.routing import Context, Deployment
from pointsman.gateway import heads
from pointsman.gateway.attempt import error_body, failed
from pointsman.gateway.entries import Entry
from pointsman.gateway.exchange import Equipment
from pointsman.gateway.live import Current
from pointsman.gateway.server.message import Client, Incoming
from pointsman.gateway.unpacked import unpacked
from pointsman.policy import decide, features
from pointsman.policy.decide import State
from pointsman.upstream.interfaces import Request
from pointsman.wire.anthropic import compose as anthropic
from pointsman.wire.anthropic import count as anthropic_count
from pointsman.wire.dialect import Encoded
from pointsman.wire.dialects import DIALECTS, unspeakable
from pointsman.wire.gemini import count as gemini_count
from pointsman.wire.gemini import request as gemini


@dataclass(frozen=True)
class _Way:
    """How one dialect counts: the body and path of the question, the number in a reply, and a reply with a number."""

    encode: Callable[[ChatRequest], Encoded]
    path: Callable[[str], str]
    read: Callable[[bytes], int]
    write: Callable[[int], bytes]


_WAYS: Final = MappingProxyType(
    {
        "anthropic": _Way(
            anthropic.count_request,
            lambda model: "/messages/count_tokens",  # noqa: ARG005 - it stands in the body
            anthropic_count.tokens,
            anthropic_count.counted,
        ),
        "gemini": _Way(gemini.encode_count, gemini.count_path, gemini_count.tokens, gemini_count.tokens_reply),
    }
)


async def count_tokens(equipment: Equipment, current: Current, incoming: Incoming, entry: Entry, client: Client) -> None:
    """Answer one question for a count. Raises GatewayError and WireError."""
    decode = gemini.decode_count if entry.dialect == "gemini" else DIALECTS[entry.dialect].request.decode
    request = decode(incoming.body, entry.address)
    one = _serving(equipment, current, incoming, request)
    way = _WAYS.get(one.dialect)
    if way is None:
        raise GatewayError(404, "not_found", f"{one.name} would serve this request, and its provider does not count tokens")
    number = await _asked(equipment, current, incoming, entry, request, one, way)
    client.answer(
        200, [heads.JSON, (b"x-pointsman-deployment", heads.printable(one.name))], _WAYS[entry.dialect].write(number)
    )


def _serving(equipment: Equipment, current: Current, incoming: Incoming, request: ChatRequest) -> Deployment:
    """Return the deployment that would serve a request: who the conversation is with, else who would be chosen."""
    target, memory = current.target(request.model), equipment.conversations
    named = heads.conversation_of(incoming.headers, request)
    holder = memory.holder(memory.name(named, incoming.headers, request, plain=current.plain))
    if target.route is not None and holder in current.snapshot.deployments:
        return current.deployment(holder)
    feature = heads.feature_of(incoming.headers, request, None)
    policy = None
    if target.route is not None:
        policy = current.policies.get(decide.plan_for(target.route, feature).policy or target.route.name)
    wanted = replace(decide.needs_of(request), unspeakable=unspeakable(request, current.dialects))
    context = Context(feature, wanted, features.vector(request) if policy is not None else b"")
    state = State(equipment.breakers.cooling(equipment.clock()), current.hash)
    return current.deployment(decide.decide(current.snapshot, target, policy, context, state, 0.0).chosen)


async def _asked(
    equipment: Equipment,
    current: Current,
    incoming: Incoming,
    entry: Entry,
    request: ChatRequest,
    one: Deployment,
    way: _Way,
) -> int:
    provider = current.ways[one.provider]
    headers = provider.headers + heads.to_provider(incoming.headers, entry.dialect, one.dialect)
    body = way.encode(replace(request, model=one.model)).body
    try:
        asked = await provider.credential.sign(Request("POST", provider.base + way.path(one.model), headers, body))
        reply = unpacked(await equipment.transport.send(asked, current.timeouts))
        try:
            if reply.status == 200:
                return way.read(await reply.read(current.snapshot.limits.body_bytes))
            said = await error_body(reply)
        finally:
            await reply.close()
    except UpstreamError as error:
        raise failed(error).error(one.name) from error
    except WireError as error:
        raise GatewayError(502, "upstream_protocol_error", f"{one.name}: {error}") from error
    fault = DIALECTS[one.dialect].errors.read(reply.status, said)
    raise GatewayError(reply.status, "upstream_error", fault.message if fault else f"{one.name} answered {reply.status}")

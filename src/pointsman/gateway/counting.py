"""How many tokens a request has, asked of the deployment that would serve it.

Strategy: the deployment is the one that the conversation is with, else the one that would be chosen; its provider is asked
in its own way of counting, and the number goes back in the client's dialect.

Law: an exact number or none: where the provider has no way of counting, the answer is 404 and says so, because an agent that
packs its context by a wrong number loses work. Nothing is recorded: nothing was said, and nothing is billed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest
from pointsman.core.errors import GatewayError, UpstreamError, WireError
from pointsman.core.routing import Context, Deployment
from pointsman.gateway import heads
from pointsman.gateway.attempt import error_body, failed
from pointsman.gateway.caller import Caller
from pointsman.gateway.equipment import Equipment
from pointsman.gateway.live import Current
from pointsman.gateway.needs import needs_of
from pointsman.gateway.permission import permitted
from pointsman.gateway.scrubbing import scrubbed
from pointsman.gateway.server.message import Client, line
from pointsman.policy import decide, features, naming
from pointsman.policy.decide import State
from pointsman.upstream import addresses
from pointsman.upstream.providers import VERTEX
from pointsman.wire.anthropic import compose as anthropic
from pointsman.wire.anthropic import count as anthropic_count
from pointsman.wire.bedrock_converse import count as converse_count
from pointsman.wire.bedrock_converse import request as converse
from pointsman.wire.dialect import Encoded
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS
from pointsman.wire.gemini import count as gemini_count
from pointsman.wire.gemini import request as gemini


@dataclass(frozen=True)
class _Count:
    """How a provider of one dialect counts: the body and path of the question, and the number in a reply."""

    encode: Callable[[ChatRequest], Encoded]
    path: Callable[[str], str]
    read: Callable[[bytes], int]


_COUNTS: Final = MappingProxyType(
    {
        "anthropic": _Count(
            anthropic.count_request,
            lambda model: "/messages/count_tokens",  # noqa: ARG005 - it stands in the body
            anthropic_count.tokens,
        ),
        "gemini": _Count(gemini.encode_count, gemini.count_path, gemini_count.tokens),
        "bedrock_converse": _Count(converse.count_request, converse.count_path, converse_count.tokens),
    }
)
_ON_VERTEX: Final = _Count(partial(gemini.encode_count, bare=True), gemini.count_path, gemini_count.tokens)
_REPLIES: Final = MappingProxyType({"anthropic": anthropic_count.counted, "gemini": gemini_count.tokens_reply})


async def count_tokens(equipment: Equipment, current: Current, caller: Caller, body: bytes, client: Client) -> None:
    """Answer one question for a count. Raises GatewayError and WireError."""
    entry = caller.entry
    decode = gemini.decode_count if entry.dialect == "gemini" else DIALECTS[entry.dialect].request.decode
    request = decode(body, entry.address)
    one = _serving(equipment, current, caller, request)
    provider = current.ways[one.provider].provider
    count = _ON_VERTEX if provider.dialect == "gemini" and VERTEX in provider.quirks else _COUNTS.get(one.dialect)
    if count is None or not addresses.counts(provider):
        raise GatewayError(404, "not_found", f"{one.name} would serve this request, and its provider does not count tokens")
    number = await _asked(equipment, current, caller, request, one, count)
    client.answer(
        200, [heads.JSON, line(b"x-pointsman-deployment", heads.printable(one.name))], _REPLIES[entry.dialect](number)
    )


def _serving(equipment: Equipment, current: Current, caller: Caller, request: ChatRequest) -> Deployment:
    """Return the deployment that would serve a request: who the conversation is with, else who would be chosen."""
    memory, feature = equipment.conversations, caller.feature_of(request)
    target, _, demands = permitted(current, caller, feature, request.model)
    named = caller.conversation_of(request)
    holder = memory.holder(memory.name(named, request, plain=current.plain, whose=caller.whose))
    if target.route is not None and holder in current.snapshot.deployments and not demands:
        return current.deployment(holder)
    policy = None
    if target.route is not None:
        policy = current.policies.get(naming.plan_for(target.route, feature).policy or target.route.name)
    wanted = replace(needs_of(request, current, memory, target.route, feature), demands=demands)
    vector = features.vector(request) if policy is not None else b""
    context = Context(feature, wanted, vector, tags=caller.tags_of(request))
    state = State(equipment.breakers.cooling(equipment.clock()), current.hash)
    return current.deployment(decide.decide(current.snapshot, target, policy, context, state, 0.0).chosen)


async def _asked(
    equipment: Equipment, current: Current, caller: Caller, request: ChatRequest, one: Deployment, count: _Count
) -> int:
    way, headers = current.ways[one.provider], caller.to_provider(one.dialect)
    body = count.encode(replace(request, model=one.model)).body
    question = way.request(count.path(one.model), one.model, headers, body, stream=False)
    try:
        asked = await way.credential.sign(question)
        reply = way.received(await equipment.transport.send(asked, current.timeouts))
        try:
            if reply.status == 200:
                return count.read(await reply.read(current.snapshot.limits.body_bytes))
            said = scrubbed(await error_body(reply), asked, question)
        finally:
            reply.close()
    except UpstreamError as error:
        raise failed(error).error(one.name) from error
    except WireError as error:
        raise GatewayError(502, "upstream_protocol_error", f"{one.name}: {error}") from error
    fault = OF_PROVIDERS[one.dialect].errors.read(reply.status, said)
    status = reply.status if 400 <= reply.status < 600 else 502  # a 204 with a body would begin the client's next reply
    raise GatewayError(status, "upstream_error", fault.message if fault else f"{one.name} answered {reply.status}")

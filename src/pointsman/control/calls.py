"""One paid call of a trial: copy the request, keep to the cap, read the answer, say what a failure means.

Strategy: a sample's body is decoded, made plain (no stream, a limit of output tokens) and encoded anew for each candidate,
in its provider's dialect. What was asked in Chat Completions goes to a provider that speaks it field by field.
The most that a call can cost is known before it is made, because its output is limited: by the client's own limit, or,
where the client set none that means anything, by one that leaves ample room over the reference's answer. One answer is
asked for, however many the client wanted: else one request could use up what a whole trial may cost.

Laws: every call that was made has its line in the ledger, whatever became of it; no call without a price; a token of input
is at least one byte, so bytes bound tokens; what a provider refused costs nothing, what was cut off costs its worst case.
The request's needs filter here as they do in the gateway. No tool is executed, by the provider neither: a request that asks
it to search or to run something is not copied.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.purse import Purse
from pointsman.core.chat import ChatRequest, Media, Opaque, Usage
from pointsman.core.demands import Demand
from pointsman.core.errors import PointsmanError, UpstreamError, WireError
from pointsman.core.ledger import Line, Occasion, billed
from pointsman.core.price import Price
from pointsman.core.record import SETTLED, Basis
from pointsman.core.routing import Deployment, Provider
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cost
from pointsman.policy.bounds import MEDIA, UNLIMITED_OUTPUT, Most
from pointsman.policy.fitness import needs_of, unfit
from pointsman.upstream import addresses
from pointsman.upstream.interfaces import Credential, Reply, Request, Timeouts, Transport
from pointsman.upstream.providers import limit_field
from pointsman.wire.dialects import DIALECTS, OF_PROVIDERS, unspeakable
from pointsman.wire.seals import bond, unsealed
from pointsman.wire.variant import applied

LEAST_OUTPUT_TOKENS: Final = 4096
ROOM: Final = 4
_OVERHEAD_TOKENS: Final = 512
_REPLY_BYTES: Final = 16 * 1024 * 1024
_REFUSED: Final = 400
_FAILED: Final = 500
_REFUSALS: Final = frozenset({400, 413, 415, 422})
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
# Names of fields by which providers are asked to act. They differ from one to the next (web_search_options, enable_search,
# search_parameters, plugins, ...) and grow in number, so what sounds like one of them counts as one.
_ACTING: Final = re.compile(
    "search|code_interpreter|code_execution|plugin|connector|mcp|brows|ground|retriev|url_context|compound", re.IGNORECASE
)
_WRAPPERS: Final = ("extra_body", "google")  # what Gemini's dialect keeps its own fields in
_PASSIVE_TOOLS: Final = ("function", "custom")  # those that the client executes
_HEADERS: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
_CUT: Final = ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "incomplete")
_LEFT_OUT: Final = (
    "model",
    "n",
    "stream",
    "stream_options",
    "store",
    "service_tier",
    "metadata",
)  # a tier has its own price


class CopyError(PointsmanError):
    """A sample that cannot be asked again, and why."""


class Copied(Struct, frozen=True):
    """A request made plain, without what only the client's own call needs.

    ``fields`` is its decoded body where it came in Chat Completions, empty otherwise; ``output_tokens`` bounds the output,
    and ``limited_here`` says that the bound is the trial's and not the client's; ``demands`` who may see it at all.
    """

    fields: dict[str, Any]
    request: ChatRequest
    output_tokens: int
    limited_here: bool = True
    demands: tuple[Demand, ...] = ()


class Answer(Struct, frozen=True):
    """What a call brought. Where ``text`` is None there is nothing to grade; ``failed``: by the model's own fault."""

    text: str | None = None
    failed: bool = False
    usage: Usage | None = None
    cost_nano: int | None = None
    note: str = ""
    status: int = 0


class Keeps(Protocol):
    """The part of ``store.ledger.Ledger`` that is written to."""

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines. Raises StoreError."""


class Calls:
    """The way out for trials. ``credential`` returns how to sign in to a provider; ``now_ms`` is Unix time."""

    def __init__(
        self,
        transport: Transport,
        credential: Callable[[Provider], Credential],
        ledger: Keeps,
        now_ms: Callable[[], int],
    ) -> None:
        self._transport = transport
        self._credential = credential
        self._ledger = ledger
        self._now_ms = now_ms

    async def ask(self, snapshot: Snapshot, name: str, copied: Copied, purse: Purse, occasion: Occasion) -> Answer:
        """Ask a deployment and return what it answered; ``occasion`` says what for.

        Raises CapReachedError before a call that might pass the cap, StoreError after one whose line cannot be kept.
        """
        deployment = snapshot.deployments.get(name)
        if deployment is None or deployment.price is None:
            return Answer(note=f"{name} is not configured, or has no price")
        provider = snapshot.providers[deployment.provider]
        spoken = unspeakable(copied.request, (provider.dialect,))
        wanted = replace(needs_of(copied.request), unspeakable=spoken, demands=copied.demands)
        reason = unfit(deployment, wanted)
        if reason is not None:
            return Answer(note=f"{name} {reason}")
        request = _outbound(provider, copied, deployment)
        most = most_tokens(copied, len(request.body), deployment)
        worst = cost.most(most.input, most.output, deployment.price)
        await purse.reserve(worst)
        began, answer, sent = self._now_ms(), None, True
        try:
            answer = await self._send(snapshot, provider, request, copied, deployment.price)
        except UpstreamError as error:
            sent = error.sent
            return Answer(failed=error.sent and error.kind == "timeout", note=f"no answer: {error}")
        finally:
            known = (answer.cost_nano if answer is not None else None) if sent else 0
            purse.settle(worst, worst if known is None else known)  # whatever stays unknown has cost its worst case
            self._ledger.append([_line(occasion, deployment, began, answer, most, sent=sent)])
        return answer

    async def _send(self, snapshot: Snapshot, provider: Provider, request: Request, copied: Copied, price: Price) -> Answer:
        limits = snapshot.limits
        timeouts = Timeouts(limits.connect_s, limits.first_byte_s, limits.idle_s, limits.total_s)
        signed = await self._credential(provider).sign(request)
        received = await self._transport.send(signed, timeouts)
        try:
            return await _read(received, copied, price, provider.dialect)
        finally:
            received.close()


def copy(body: bytes, usage: Usage | None = None, dialect: str = "openai_chat") -> Copied:
    """Return a request as candidates get it. ``usage`` is that of the reference's answer. Raises CopyError."""
    try:
        request, fields = DIALECTS[dialect].request.decode(body), msgspec.json.decode(body, type=dict[str, Any])
    except (WireError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CopyError(f"the request cannot be read: {error}") from error
    acting = ", ".join(_acting(fields) if dialect == "openai_chat" else _hosted(request))
    if acting:
        raise CopyError(f"the request asks the provider itself to act ({acting}), which a trial does not repeat")
    if dialect != "openai_chat":
        return _plain(request, usage)
    for name in _LEFT_OUT:
        fields.pop(name, None)
    # Providers differ in which of the two they heed, so the larger one bounds. llama.cpp takes -1 for no limit.
    limits = [fields[name] for name in _LIMITS if fields.get(name) is not None]
    request = replace(request, choices=1)
    if limits and min(limits) > 0 and max(limits) <= UNLIMITED_OUTPUT:
        return Copied(fields, request, max(limits), limited_here=False)
    for name in _LIMITS:
        fields.pop(name, None)
    return Copied(fields, request, max(LEAST_OUTPUT_TOKENS, ROOM * (usage.output if usage else 0)))


def _plain(request: ChatRequest, usage: Usage | None) -> Copied:
    """Return a request of another dialect made plain. Raises CopyError where only its own provider can answer it."""
    if request.previous or bond(request):
        raise CopyError("the request refers to what only its provider holds")
    bare = replace(request, stream=False, include_usage=False, store=None, service_tier="", metadata={}, choices=1)
    asked, _ = unsealed(bare)
    own = {name: value for name, value in asked.own.items() if name not in _LEFT_OUT}
    limit = asked.max_output_tokens
    if limit is not None and 0 < limit <= UNLIMITED_OUTPUT:
        return Copied({}, replace(asked, own=own), limit, limited_here=False)
    most = max(LEAST_OUTPUT_TOKENS, ROOM * (usage.output if usage else 0))
    return Copied({}, replace(asked, own=own, max_output_tokens=most), most)


def _hosted(request: ChatRequest) -> Iterator[str]:
    """Yield what a request of another dialect asks its provider to do: hosted tools, or fields that sound like acting."""
    yield from (tool.kind for tool in request.tools if isinstance(tool, Opaque))
    yield from (name for name in request.own if _ACTING.search(name))


def _acting(fields: dict[str, Any]) -> Iterator[str]:
    """Yield what of a request the provider would execute by itself, at a cost or with an effect of its own."""
    for name, value in fields.items():
        if name == "tools":
            yield from (_label(tool) for tool in value or () if not _passive(tool))
        elif name in _WRAPPERS and isinstance(value, dict):
            yield from _acting(value)
        elif _ACTING.search(name) and value not in (None, [], False):  # an empty object switches it on all the same
            yield name


def _passive(tool: Any) -> bool:
    """Whether a tool is one that the client executes: it says so, or describes a function; anything else may act."""
    return isinstance(tool, dict) and (tool["type"] in _PASSIVE_TOOLS if "type" in tool else "function" in tool)


def _label(tool: Any) -> str:
    return str(tool.get("type") or ", ".join(tool)) if isinstance(tool, dict) else str(tool)


def most_tokens(copied: Copied, body_bytes: int, deployment: Deployment | None = None) -> Most:
    """Return the most tokens that a call can take, on a deployment whose variant may have a limit of its own."""
    media = sum(isinstance(part, Media) for message in copied.request.messages for part in message.parts)
    own = deployment.variant.max_output_tokens if deployment is not None and deployment.variant is not None else None
    given = max(copied.output_tokens, own or 0) * copied.request.choices
    return Most(body_bytes + _OVERHEAD_TOKENS + MEDIA * media, given)


def worst_case(copied: Copied, body_bytes: int, price: Price) -> int:
    """Return the most that a call can cost, in nano-dollars."""
    most = most_tokens(copied, body_bytes)
    return cost.most(most.input, most.output, price)


def _line(occasion: Occasion, to: Deployment, at_ms: int, answer: Answer | None, most: Most, *, sent: bool) -> Line:
    """Return the line of a call that was made, or begun."""
    usage, status, price = (answer.usage, answer.status, to.price) if answer is not None else (None, 0, to.price)
    basis: Basis = "unknown" if sent else "unsent"
    if usage is not None:
        basis = "reported"
    elif _REFUSED <= status < _FAILED:
        basis = "refused"
    nano = None if basis == "unknown" or price is None else 0 if usage is None else cost.amount(usage, price)
    unsettled = basis not in SETTLED and price is not None
    return Line(
        exchange=occasion.exchange,
        at_ms=at_ms,
        why=occasion.why,
        deployment=to.name,
        feature=occasion.feature,
        route=occasion.route,
        status=status,
        basis=basis,
        nano=nano,
        least=0 if unsettled else None,
        most=cost.most(most.input, most.output, price) if unsettled and price is not None else None,
        most_input=most.input if unsettled else 0,
        most_output=most.output if unsettled else 0,
        terms="" if price is None else cost.terms(usage, price),
        **{} if usage is None else _units(usage),
    )


def _units(usage: Usage) -> dict[str, Any]:
    fresh, cached, written, output = billed(usage)
    units = {"fresh": fresh, "cached": cached, "cache_written": written, "output": output}
    return {**units, "reasoning": usage.reasoning, "tool_calls": usage.tool_calls, "tier": usage.tier}


def _outbound(provider: Provider, copied: Copied, deployment: Deployment) -> Request:
    dialect, model = provider.dialect, deployment.model
    spoken = OF_PROVIDERS[dialect].request
    path = spoken.path(model, stream=False)
    if dialect != "openai_chat" or not copied.fields or deployment.variant is not None:
        asked = replace(copied.request, model=model, stream=False, max_output_tokens=copied.output_tokens)
        if deployment.variant is not None:
            asked = applied(asked, deployment.variant)
        version = ((b"anthropic-version", b"2023-06-01"),) if dialect == "anthropic" else ()
        return addresses.post(provider, path, model, _HEADERS + version, spoken.encode(asked).body, stream=False)
    fields = {"model": model, **copied.fields}
    if copied.limited_here:
        fields[limit_field(provider)] = copied.output_tokens
    return addresses.post(provider, path, model, _HEADERS, msgspec.json.encode(fields), stream=False)


async def _read(received: Reply, copied: Copied, price: Price, dialect: str) -> Answer:
    """Return what a reply says. What an error status means: see ``control/trial``."""
    body = await received.read(_REPLY_BYTES)
    if received.status != 200:
        note = f"answered with status {received.status}"
        return Answer(failed=received.status in _REFUSALS, cost_nano=0, note=note, status=received.status)
    try:
        said = OF_PROVIDERS[dialect].count.answer(body)
    except WireError:
        return Answer(failed=True, note="answered with something that is no chat completion", status=received.status)
    used = said.billed()
    nano = cost.amount(used, price) if used is not None else None
    if said.finish in _CUT and copied.limited_here:
        note = f"cut at the trial's limit of {copied.output_tokens} tokens"
        return Answer(usage=used, cost_nano=nano, note=note, status=received.status)
    return Answer(text=said.graded, usage=used, cost_nano=nano, status=received.status)

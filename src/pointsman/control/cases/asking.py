"""Asking a deployment through the gateway, within a cap: what ``control/calls`` does for trials, by the gateway's own door.

Strategy: a request is made plain as for a trial, gets a limit of output tokens where it has none, and goes to the gateway
as a client's would, for the deployment by its name (``provider/model``). So the journal has it, and the gateway's own
dialects, credentials and variants serve it. Who is busy is asked again, later; who says nothing several times is left alone.

Laws: no call without a price; the most that a call can cost is reserved before it is made; what a provider refused costs
nothing, and what stays unknown has cost its worst case (what the gateway repeats because a connection broke counts once);
no answer but that of the deployment that was asked; the key goes to the gateway alone, and into no message.
"""

import asyncio
import time
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from pointsman.control.calls import Copied, copy, worst_case
from pointsman.control.cases.kept import Kept, Said, digest
from pointsman.control.purse import Purse
from pointsman.core.errors import ConfigError, PointsmanError, UpstreamError, WireError
from pointsman.core.price import Price
from pointsman.core.routing import Deployment
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.upstream.interfaces import Reply, Request, Timeouts, Transport
from pointsman.upstream.providers import limit_field
from pointsman.wire.openai_chat.count import answer

FEATURE: Final = "eval"
"""The feature that the gateway records evaluations under."""

_BUSY: Final = (429, 503)
_ERRORS: Final = frozenset({400, 413, 415, 422})
_TRIES: Final = 4
_LONGEST_WAIT_S: Final = 60.0
_UNKNOWN: Final = frozenset({"upstream_timeout", "upstream_protocol_error", "upstream_closed"})
_SILENCES: Final = 5
_REPLY_BYTES: Final = 16 * 1024 * 1024
_CUT: Final = ("length", "max_tokens")


class UnansweredError(PointsmanError):
    """Nobody answered, by no fault of the model's: the case stays open, and may be asked again."""


class Asked(Struct, frozen=True):
    """One request to one deployment, ready to go: its name among kept answers, and the most that it can cost."""

    deployment: Deployment
    price: Price
    copied: Copied
    body: bytes
    name: str
    most_nano: int


class Gateway:
    """The door of a running gateway. ``url`` is its base URL, as clients have it; ``key`` the client's, empty: none."""

    def __init__(self, transport: Transport, url: str, key: str = "") -> None:
        self._transport = transport
        self._url = url.rstrip("/")
        own = ((b"content-type", b"application/json"), (b"x-pointsman-feature", FEATURE.encode()))
        self._headers: tuple[tuple[bytes, bytes], ...] = own
        if key:
            self._headers = (*own, (b"authorization", b"Bearer " + key.encode()))

    async def greet(self) -> None:
        """Raise ConfigError, with the remedy, where no gateway answers, or not to this key."""
        try:
            reply = await self._transport.send(
                Request("GET", f"{self._url}/models", self._headers[1:], b""), Timeouts(2.0, 10.0, 10.0, 15.0)
            )
        except UpstreamError as error:
            raise ConfigError(
                f"no gateway answers at {self._url} ({error}); start it with `pointsman up`, or name it with --gateway URL"
            ) from error
        reply.close()
        if reply.status in (401, 403):
            raise ConfigError(
                f"the gateway at {self._url} asks for a client's key: put yours into an environment variable, "
                "POINTSMAN_KEY or the one that --key-env names"
            )
        if reply.status != 200:
            raise ConfigError(
                f"what answers at {self._url} is no gateway (status {reply.status}); name it with --gateway URL"
            )

    async def post(self, body: bytes, timeouts: Timeouts) -> Reply:
        """Send a chat completion. Raises UpstreamError."""
        return await self._transport.send(Request("POST", f"{self._url}/chat/completions", self._headers, body), timeouts)


class Asking:
    """Calls within one evaluation. What was asked before, word for word, is not called again."""

    def __init__(self, gateway: Gateway, snapshot: Snapshot, purse: Purse, kept: Kept, *, output_tokens: int) -> None:
        self._gateway = gateway
        self._snapshot = snapshot
        self._purse = purse
        self._kept = kept
        self._output_tokens = output_tokens
        self._under_way: dict[str, asyncio.Task[Said]] = {}
        self._silent: dict[str, int] = {}
        self.called = 0

    def prepare(self, name: str, fields: dict[str, Any]) -> Asked:
        """Return a request ready to go. Raises ConfigError where the deployment is not configured or has no price."""
        return prepared(self._snapshot, name, fields, self._output_tokens)

    def known(self, asked: Asked) -> Said | None:
        """Return the answer that is kept, None where it has to be called for."""
        return self._kept.find(asked.name)

    async def ask(self, asked: Asked) -> Said:
        """Return the answer, kept or called for; the same question twice at once is called once.

        Raises UnansweredError, CapReachedError, StoreError.
        """
        known = self.known(asked)
        if known is not None:
            return known
        task = self._under_way.get(asked.name)
        if task is None:
            task = self._under_way[asked.name] = asyncio.ensure_future(self._call(asked))
            task.add_done_callback(lambda _: self._under_way.pop(asked.name, None))
        return await task

    async def _call(self, asked: Asked) -> Said:
        name = asked.deployment.name
        if self._silent.get(name, 0) >= _SILENCES:
            raise UnansweredError(f"{name} did not answer {_SILENCES} times in a row, and is left alone in this run")
        try:
            said = await self._patiently(asked)
        except UnansweredError:
            self._silent[name] = self._silent.get(name, 0) + 1
            raise
        self._silent[name] = 0
        if said.text is not None or not said.failed or said.cost_nano == 0:  # not what only took too long
            self._kept.keep(asked.name, said)
        return said

    async def _patiently(self, asked: Asked) -> Said:
        """Ask until somebody answers; who is busy is asked again after the time that it says, or ever longer."""
        for again in range(_TRIES):
            await self._purse.reserve(asked.most_nano)
            cost = asked.most_nano
            try:
                self.called += 1
                tried = await self._once(asked)
                cost = tried.cost_nano
            except UpstreamError as error:
                if error.sent:
                    raise UnansweredError(f"the gateway broke off: {error}") from error
                cost = 0
                tried = _Tried(None, 0, f"the gateway does not answer: {error}", 1.0)
            finally:
                self._purse.settle(asked.most_nano, cost)
            if tried.said is not None:
                return tried.said
            if tried.wait_s is None or again == _TRIES - 1:
                break
            await asyncio.sleep(min(max(tried.wait_s, 2.0**again), _LONGEST_WAIT_S))
        raise UnansweredError(tried.note)

    async def _once(self, asked: Asked) -> "_Tried":
        limits = self._snapshot.limits
        began = time.monotonic()
        reply = await self._gateway.post(
            asked.body, Timeouts(limits.connect_s, limits.total_s, limits.total_s, limits.total_s + limits.connect_s)
        )
        try:
            data = await reply.read(_REPLY_BYTES)
        finally:
            reply.close()
        return _understood(asked, reply, data, (time.monotonic() - began) * 1e3)


class _Tried(Struct, frozen=True):
    """What one try brought: an answer, or a note and the seconds after which to try again (None: never)."""

    said: Said | None
    cost_nano: int
    note: str = ""
    wait_s: float | None = None


def prepared(snapshot: Snapshot, name: str, fields: dict[str, Any], output_tokens: int) -> Asked:
    """Return a request to a deployment, ready to go. Raises ConfigError."""
    deployment = snapshot.deployments.get(name)
    if deployment is None or deployment.price is None:
        reason = "is not in the published configuration" if deployment is None else "has no price"
        raise ConfigError(
            f'{name} {reason}: declare it under [deployments."{name}"] with its price, and let `pointsman up` take it up '
            f"(there are {', '.join(list(snapshot.deployments)[:12])})"
        )
    copied = copy(msgspec.json.encode({"model": name, **fields}))
    most = copied.output_tokens if not copied.limited_here else output_tokens
    sent = {"model": name, **copied.fields}
    if copied.limited_here:
        sent[limit_field(snapshot.providers[deployment.provider])] = most
    body = msgspec.json.encode(sent)
    variant = deployment.variant
    bound = max(most, variant.max_output_tokens or 0) if variant is not None else most
    system = len(variant.system.encode()) if variant is not None else 0
    bounded = msgspec.structs.replace(copied, output_tokens=bound)
    worst = worst_case(bounded, len(body) + system, deployment.price)
    return Asked(deployment, deployment.price, bounded, body, digest(deployment, body), worst)


def _understood(asked: Asked, reply: Reply, data: bytes, latency_ms: float) -> _Tried:
    """Say what a reply of the gateway's means. What a failure means is as in a trial (``control/trial``)."""
    heads = {name: unquote(value.decode("latin-1")) for name, value in reply.headers}
    exchange, served = heads.get(b"x-pointsman-exchange", ""), heads.get(b"x-pointsman-deployment", "")
    name = asked.deployment.name
    if reply.status != 200:
        code, words = _error(data)
        if code in _UNKNOWN:
            cost, failed = asked.most_nano, code == "upstream_timeout"
            said = Said(None, failed, None, cost, latency_ms, exchange, "no answer in time") if failed else None
            return _Tried(said, cost, f"{name}: {words}")
        if reply.status in _ERRORS:
            note = f"refused with status {reply.status}"
            return _Tried(Said(None, True, None, 0, latency_ms, exchange, note), 0)
        wait = _wait_s(heads.get(b"retry-after", "")) if reply.status in _BUSY else None
        return _Tried(None, 0, f"{name}: status {reply.status}: {words}", wait)
    if served != name:
        return _Tried(None, asked.most_nano, f"{name}: {served or 'somebody else'} answered in its place")
    try:
        found = answer(data)
    except WireError:
        return _Tried(None, asked.most_nano, f"{name}: the gateway's reply is no chat completion")
    cost = asked.most_nano if found.usage is None else amount(found.usage, asked.price)
    if found.finish in _CUT and asked.copied.limited_here:
        note = f"cut at the limit of {asked.copied.output_tokens} tokens: raise --max-output, or say max_tokens in the case"
        return _Tried(Said(None, False, found.usage, cost, latency_ms, exchange, note), cost)
    return _Tried(Said(found.graded, False, found.usage, cost, latency_ms, exchange), cost)


def _error(data: bytes) -> tuple[str, str]:
    """Return code and words of an error as OpenAI writes it, empty where there are none."""
    try:
        error = msgspec.json.decode(data)["error"]
        return str(error.get("code") or ""), str(error.get("message") or "")[:200]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def _wait_s(said: str) -> float:
    try:
        return max(float(said), 0.0)
    except ValueError:
        return 0.0

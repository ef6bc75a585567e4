"""The snapshot in use, and how the next one takes its place.

Strategy: ``refresh`` asks the store for the number of the current snapshot, which is cheap, and only when it has changed
reads, decodes and prepares all that requests will need. Then one assignment. It runs in a thread, off the event loop.

Laws: everything that can fail comes before the assignment, so that a bad snapshot never displaces a good one; what was taken
up is copied to a file beside the store, and the copy stands in for a store that cannot be read; a learned policy that this
version cannot read is left out, and what chooses by it stays on the reference; who took a ``Current`` keeps it to the end of
his request.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns

import msgspec

from pointsman.core import snapshot as snapshots
from pointsman.core.demands import Demand
from pointsman.core.errors import ConfigError, SnapshotError
from pointsman.core.routing import Decision, Deployment, Provider, Route
from pointsman.core.snapshot import Encoder, Snapshot
from pointsman.gateway import sampling
from pointsman.gateway.admission import Keyring
from pointsman.gateway.encoding import timely
from pointsman.gateway.invoked import invoked
from pointsman.gateway.unpacked import unpacked
from pointsman.policy import cascade, decide, model, naming, permits
from pointsman.policy.decide import State
from pointsman.policy.model import Policy
from pointsman.policy.naming import Target
from pointsman.store.interfaces import Published, Snapshots
from pointsman.store.last_good import LastGood
from pointsman.upstream import addresses
from pointsman.upstream.interfaces import Credential, Encodes, Reply, Request, Timeouts
from pointsman.upstream.providers import NO_STREAM_OPTIONS, limit_field

POLL_S = 0.2
_USER_AGENT = (b"user-agent", b"pointsman")
_CONTENT = (b"content-type", b"application/json")

logger = logging.getLogger("pointsman.gateway")


@dataclass(frozen=True)
class Way:
    """How to reach one provider: what of a request to it is always the same.

    ``plain``: its dialect alone says where a request goes and what stands in it; else its platform has a say too.
    ``limit_field`` is its name in Chat Completions for the limit of an answer.
    """

    provider: Provider
    base: str
    headers: tuple[tuple[bytes, bytes], ...]
    credential: Credential
    asks_usage: bool
    plain: bool
    limit_field: str

    def request(
        self, path: str, model: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes, *, stream: bool
    ) -> Request:
        """Return a request as the provider takes it, to be signed next. ``path``: what the dialect puts behind the base."""
        if self.plain:
            return Request("POST", self.base + path, self.headers + headers, body)
        return addresses.post(self.provider, path, model, self.headers + headers, body, stream=stream)

    def received(self, reply: Reply) -> Reply:
        """Return a reply in the bytes that the provider's dialect is written in."""
        return unpacked(reply) if self.plain else invoked(self.provider, unpacked(reply))


def no_encoder(configured: Encoder) -> Encodes:  # noqa: ARG001 - it stands for the way to open one
    """Refuse: the process was not given a way to open encoders."""
    raise ConfigError("this process opens no encoder: remove [encoder] from the configuration")


class Current:
    """One snapshot, published at ``at_ms``, prepared: nothing in it changes but the memory of names that were looked up.

    What every request looks at is a field here, because reading one of a structure costs forty times as much.
    """

    def __init__(
        self,
        number: int,
        name: str,
        snapshot: Snapshot,
        credential: Callable[[Provider], Credential],
        encoder: Callable[[Encoder], Encodes] = no_encoder,
        at_ms: int = 0,
    ) -> None:
        self.number = number
        self.at_ms = at_ms
        self.hash = name
        self.snapshot = snapshot
        self.deployments = snapshot.deployments
        self.budgeted = bool(snapshot.budgets)
        self.keeps_vectors = snapshot.store_vectors
        self.body_bytes = snapshot.limits.body_bytes
        self.concurrent = snapshot.limits.concurrent
        self.retry_share = snapshot.limits.retry_share
        self.tells = snapshot.log_exchanges or snapshot.traces is not None
        self.policies = _policies(snapshot)
        self.encoder = timely(snapshot.encoder, encoder, self.policies)
        self.askings = {route: cascade.decode(data) for route, data in snapshot.askings.items()}
        self.trials = sampling.standing(snapshot)
        self.governed = bool(snapshot.feature_policies) or any(
            plan.data_policies for route in snapshot.routes.values() for plan in route.plans.values()
        )
        self.ways = {name: _way(provider, credential(provider)) for name, provider in snapshot.providers.items()}
        self.dialects = frozenset(provider.dialect for provider in snapshot.providers.values())
        variants = any(one.variant is not None for one in snapshot.deployments.values())
        self.plain = self.dialects <= {"openai_chat"} and not variants
        self.pooled = frozenset(name for pool in snapshot.pools for name in pool.deployments)
        self.hedged = {name: route.hedge for name, route in snapshot.routes.items() if route.hedge > 0}
        self.timed = frozenset(
            name for name, route in snapshot.routes.items() if any(plan.ceiling for plan in route.plans.values())
        )
        plans = [plan for route in snapshot.routes.values() for plan in route.plans.values()]
        self.prompts = snapshot.store_prompts or any(plan.store_prompts for plan in plans)
        self.timeouts = Timeouts(
            snapshot.limits.connect_s, snapshot.limits.first_byte_s, snapshot.limits.idle_s, snapshot.limits.total_s
        )
        self._targets: dict[str, tuple[Target, Decision | None]] = {}

    def target(self, asked: str) -> tuple[Target, Decision | None]:
        """Return what a model name stands for, and what is decided where that leaves nothing to decide.

        Names that the snapshot knows are remembered. Raises GatewayError 404.
        """
        found = self._targets.get(asked)
        if found is None:
            target = naming.resolve(self.snapshot, asked)
            found = (target, decide.foregone(self.snapshot, target, State(snapshot=self.hash)))
            if target.route is not None or target.deployments[0] in self.snapshot.deployments:
                self._targets[asked] = found
        return found

    def demands(self, route: Route | None, feature: str) -> tuple[Demand, ...]:
        """Return what is demanded of whoever serves a feature on a route; None: the client named a model itself."""
        if not self.governed:
            return ()
        if route is None:
            return permits.of_feature(self.snapshot, feature)
        return tuple([self.snapshot.data_policies[name] for name in naming.plan_for(route, feature).data_policies])

    def deployment(self, name: str) -> Deployment:
        """Return a deployment by name, also one that is pinned without being configured."""
        return self.deployments.get(name) or naming.deployment(self.snapshot, name)

    @functools.cached_property
    def models(self) -> bytes:
        """The body of ``GET /v1/models``: routes first, then deployments."""
        return msgspec.json.encode({"object": "list", "data": list(self.model_list.values())})

    @functools.cached_property
    def model_list(self) -> dict[str, dict[str, object]]:
        """Every model name that exists here, as OpenAI describes a model."""
        routes = {name: _model(name, "pointsman") for name in self.snapshot.routes}
        return routes | {name: _model(name, one.provider) for name, one in self.snapshot.deployments.items()}


class Live:
    """Holds the current snapshot of one worker, and its keyring. ``current`` is None until a first one was published.

    ``from_copy``: it is the copy of the last good one, because the store could not be read since this process began.
    """

    def __init__(
        self,
        published: Snapshots,
        credential: Callable[[Provider], Credential],
        encoder: Callable[[Encoder], Encodes] = no_encoder,
        keyring: Keyring | None = None,
        copy: LastGood | None = None,
    ) -> None:
        self._published = published
        self._copy = copy
        self.keyring = keyring or Keyring()
        self._credential = credential
        self._encoder = encoder
        self._refused = 0
        self._doubted = False  # whether the store may hold another snapshot under the number of ours
        self.from_copy = False
        self.current: Current | None = None
        self.problem = ""

    @property
    def copy_problem(self) -> str:
        """Why what is in use could not be copied, empty where it was."""
        return self._copy.problem if self._copy is not None else ""

    def snapshot(self) -> Snapshot | None:
        """Return the snapshot in use, None until a first one was published."""
        return self.current.snapshot if self.current is not None else None

    def refresh(self) -> bool:
        """Take up a newly published snapshot and what changed of the keys; True when a snapshot was.

        ``problem`` says what is wrong, nothing is raised.
        """
        try:
            self.keyring.refresh()
            number = self._published.current_number()
            if number == (self.current.number if self.current else 0) and not self._doubted:
                self.problem = ""
                return False
            if number == self._refused and not (self._copy and self._copy.keeps):
                return False
            found = self._published.current()
            if self._copy is not None:
                found = self._copy.put_back(self._published, found, time_ns() // 1_000_000) or found
        except Exception as error:  # noqa: BLE001 - whatever it is, requests go on, and so does looking
            self._doubted = True
            self.problem = f"the store does not show its current snapshot: {error}"
            self._stand_in()
            return False
        if found is None:
            self.problem = "the store has no snapshot any more"
        elif self.current is not None and (found.number, found.hash) == (self.current.number, self.current.hash):
            self._known()
        elif found.number != self._refused:
            taken = self._take(found)
            self._stand_in()
            return taken
        return False

    def _use(self, current: Current) -> None:
        self.keyring.configure(current.snapshot.keys)  # before the snapshot: what a key may do stands in it
        self.current = current

    def _known(self) -> None:
        self.problem = ""
        self._doubted = self.from_copy = False

    def _stand_in(self) -> None:
        """Serve from the copy where nothing else was served yet. What is wrong with the store stays said."""
        found = self._copy.read() if self.current is None and self._copy is not None else None
        if found is None:
            return
        try:
            current = Current(found.number, found.hash, snapshots.decode(found.data), self._credential, self._encoder)
        except Exception as error:  # noqa: BLE001 - as in ``_take``
            self.problem = f"{self.problem}; the copy of the last good one cannot be used either: {error}"
            return
        self._use(current)
        self._doubted = self.from_copy = True
        logger.error("%s; served is the last good snapshot %s", self.problem, found.hash)

    async def follow(self, interval_s: float = POLL_S) -> None:
        """Refresh until cancelled. Reading happens in a thread."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.refresh)

    def _take(self, found: Published) -> bool:
        try:
            whole = snapshots.decode(found.data)
            current = Current(found.number, found.hash, whole, self._credential, self._encoder, found.at_ms)
        except Exception as error:  # noqa: BLE001 - a bad snapshot never displaces a good one, whatever is bad about it
            self._refused = found.number
            self.problem = f"snapshot {found.hash} was not taken up: {error}"
            logger.error("%s; the one before stays in use", self.problem)  # noqa: TRY400 - a message, not a crash
            return False
        self._use(current)
        self._known()
        if self._copy is not None:
            self._copy.keep(found)
        return True


def _policies(snapshot: Snapshot) -> dict[str, Policy]:
    """Return the learned policies that can be read, and say which cannot: without them the reference answers."""
    found: dict[str, Policy] = {}
    for name, data in snapshot.policies.items():
        try:
            found[name] = model.decode(data)
        except SnapshotError as error:
            logger.warning("what was learned for %s decides nothing: %s", name, error)
    return found


def _way(provider: Provider, credential: Credential) -> Way:
    asks_usage = provider.dialect == "openai_chat" and NO_STREAM_OPTIONS not in provider.quirks
    base = provider.base_url.rstrip("/")
    plain, limit = not addresses.differs(provider), limit_field(provider)
    return Way(provider, base, (_CONTENT, _USER_AGENT), credential, asks_usage, plain, limit)


def _model(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}

"""Everything the data plane knows, in one frozen value with a hash.

Laws: a snapshot is whole or refused (its bytes carry their own digest, so half a file is an error and never half a
configuration); it holds no secret (credentials are named, not contained); the same content always has the same hash, and
the order of providers, deployments and routes is content: of two that can serve, the owner's first one does.
"""

import hashlib

import msgspec
from msgspec import Struct

from pointsman.core.budget import Budget
from pointsman.core.demands import Demand
from pointsman.core.errors import SnapshotError
from pointsman.core.keys import Key
from pointsman.core.release import Change, Release
from pointsman.core.routing import Deployment, Pool, Provider, Route

MAGIC = b"PMSNAP1\n"
_DIGEST = 32


class Encoder(Struct, frozen=True):
    """The sentence encoder that the owner configured: an address with a model, or the directory of an ONNX model.

    ``url`` is the whole address of OpenAI-style embeddings; ``credential`` names a source, as a provider's does. A request
    is decided without its encoding where that is not there within ``within_ms``.
    """

    url: str = ""
    model: str = ""
    credential: str = "none"
    onnx: str = ""
    within_ms: float = 50.0


class Traces(Struct, frozen=True):
    """Where spans go: the whole address of a collector's OTLP over HTTP, and what this installation calls itself there.

    ``credential`` names a source, as a provider's does.
    """

    url: str
    credential: str = "none"
    service: str = "pointsman"


class Limits(Struct, frozen=True):
    """Bounds of the data plane: bytes, seconds, counts.

    ``attempts`` are the calls that one request may take in all; ``retry_share`` bounds calls that ask the same deployment
    again, as a part of all requests. ``connections_per_address`` are those of one client address that may be open at once;
    ``feedback_per_minute`` are items of feedback that one key may send; ``values_per_key`` are the customers, the features,
    and the deployments that nobody configured, that one key may name in a day where each has a budget.
    """

    body_bytes: int = 32 * 1024 * 1024
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 900.0
    concurrent: int = 4096
    fallbacks: int = 2
    attempts: int = 3
    retry_share: float = 0.2
    connections_per_address: int = 8192
    feedback_per_minute: int = 60_000
    values_per_key: int = 100_000


class Keeping(Struct, frozen=True):
    """What is stored of requests, and for how long, beyond whether it is.

    ``days`` are those of exchanges, judgements and feedback, ``prompt_days`` those of prompts; 0: for ever. ``redacted`` are
    kinds of things (``policy/redaction``) and ``patterns`` the owner's own, as (name, regular expression), that are taken
    out of texts before they are stored.
    """

    days: int = 0
    prompt_days: int = 0
    redacted: tuple[str, ...] = ()
    patterns: tuple[tuple[str, str], ...] = ()


class Snapshot(Struct, frozen=True):
    """What was configured and learned.

    ``providers`` and ``deployments`` are keyed by name, ``routes`` by the model name that clients send. ``policies`` are
    the learned ones, by the name of a route or ``route/feature``, as bytes that ``policy.model`` reads; ``askings`` the
    plans of asking twice, by the name of a route, as bytes that ``policy.cascade`` reads. No deployment is in two ``pools``.
    ``made_by`` says in a few words which act made this snapshot. ``releases`` are models that arrived, in that order;
    ``changes`` the deployments that were found to answer otherwise than they did. ``data_policies`` say by name who may see
    requests; ``feature_policies`` which of them hold for a feature whatever model name is asked for (``*``: for all).
    """

    providers: dict[str, Provider] = {}
    deployments: dict[str, Deployment] = {}
    routes: dict[str, Route] = {}
    policies: dict[str, bytes] = {}
    askings: dict[str, bytes] = {}
    keys: tuple[Key, ...] = ()
    limits: Limits = Limits()
    store_prompts: bool = False
    store_vectors: bool = True
    made_by: str = ""
    pools: tuple[Pool, ...] = ()
    releases: tuple[Release, ...] = ()
    changes: dict[str, Change] = {}
    encoder: Encoder | None = None
    keeping: Keeping = Keeping()
    data_policies: dict[str, Demand] = {}
    feature_policies: dict[str, tuple[str, ...]] = {}
    budgets: tuple[Budget, ...] = ()
    log_exchanges: bool = False
    traces: Traces | None = None

    def pool(self, deployment: str) -> Pool | None:
        """Return the pool that a deployment is in, None where it is in none."""
        for pool in self.pools:
            if any(deployment in tier for tier in pool.tiers):
                return pool
        return None

    def siblings(self, deployment: str) -> tuple[str, ...]:
        """Return the deployments that share one's requests, itself among them: what one answers, any of them might have."""
        pool = self.pool(deployment)
        return pool.deployments if pool is not None else (deployment,)


_encoder = msgspec.msgpack.Encoder()  # dictionaries keep their order: see the laws
_decoder = msgspec.msgpack.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """Return the snapshot as bytes: magic, SHA-256 of the payload, payload (MessagePack)."""
    payload = _encoder.encode(snapshot)
    return MAGIC + hashlib.sha256(payload).digest() + payload


def decode(data: bytes) -> Snapshot:
    """Return the snapshot held in ``data``.

    Raises SnapshotError when the bytes are not a snapshot, were cut or altered, or come from an incompatible version.
    """
    if not data.startswith(MAGIC):
        raise SnapshotError("this is not a snapshot of this version of Pointsman (wrong first bytes)")
    if damaged(data):
        raise SnapshotError("the snapshot is damaged or cut short: its content does not match its digest")
    try:
        return _decoder.decode(data[len(MAGIC) + _DIGEST :])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"the snapshot was written by an incompatible version: {error}") from error


def damaged(data: bytes) -> bool:
    """Say whether bytes were a snapshot once and were cut or altered since. One of another version is not damaged."""
    if not data.startswith(MAGIC):
        return MAGIC.startswith(data)
    digest, payload = data[len(MAGIC) : len(MAGIC) + _DIGEST], data[len(MAGIC) + _DIGEST :]
    return hashlib.sha256(payload).digest() != digest


def snapshot_hash(data: bytes) -> str:
    """Return the first 12 hexadecimal digits of the digest inside encoded bytes: the name that people see."""
    return data[len(MAGIC) : len(MAGIC) + _DIGEST].hex()[:12]

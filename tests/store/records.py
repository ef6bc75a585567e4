"""Records for the tests of stores, and the stores that they are run over."""

import pkgutil
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from pointsman.core import snapshot as snapshots
from pointsman.core.chat import Usage
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Prediction
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Store

# Every store that must hold the contract: ``module:function``, called as ``function(path, vector_key=...)``.
STORES: Final = ("pointsman.store.sqlite:open_store",)

KEY: Final = bytes(range(32))
START_MS: Final = 1_750_000_000_000
USAGE: Final = Usage(input=1000, output=100, cached=200, cache_written=50, reasoning=20)


def opened(name: str, path: Path, vector_key: bytes | None = KEY) -> Store:
    store: Store = pkgutil.resolve_name(name)(path, vector_key=vector_key)
    return store


def attempt(deployment: str = "openai/big-1", *, usage: Usage | None = USAGE, cost_nano: int | None = 1_250_001) -> Attempt:
    return Attempt(
        deployment, "first", START_MS, status=200, total_ms=321.5, usage=usage, cost_nano=cost_nano, finish="stop"
    )


def decision(mode: str = "observe", arm: str = "reference") -> Decision:
    names = ("openai/big-1", "openai/small-3")
    return Decision(
        chosen=names[0],
        fallbacks=names[1:],
        eligible=names,
        probabilities=(0.75, 0.25),
        mode=mode,  # type: ignore[arg-type]
        arm=arm,  # type: ignore[arg-type]
        why="held on the reference",
        predictions=tuple(Prediction(name, 0.8, 0.05, 1_000_000) for name in names),
        excluded={"local/tiny": "context too short"},
        snapshot="0123456789ab",
    )


BASE: Final = ExchangeRecord(
    id="",
    at_ms=START_MS,
    asked="auto",
    feature="support",
    outcome="ok",
    status=200,
    decision=decision(),
    attempts=(attempt(),),
    route="auto",
    latency_ms=321.5,
    first_content_ms=100.25,
)


def record(number: int, **fields: object) -> ExchangeRecord:
    """Return the exchange of a number: its id and its time follow from it, everything else may be named."""
    return replace(BASE, **{"id": f"{number:024x}", "at_ms": START_MS + number, **fields})


def judgement(number: int, **fields: object) -> Judgement:
    base = Judgement(
        exchange=f"{number:024x}",
        at_ms=START_MS + number,
        feature="support",
        deployment="openai/small-3",
        arm="candidate",
        score=0.5,
        grader="exact",
        trial="support-1",
        usage=USAGE,
        cost_nano=7,
        grading_nano=3,
        vector=b"\x01vector",
        note="near enough",
    )
    return replace(base, **fields)


def snapshot_bytes(made_by: str) -> bytes:
    return snapshots.encode(Snapshot(made_by=made_by))

"""Learning again beside the gateway: from the journal to the next snapshot, once for what is new."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.control.publish import publish
from pointsman.core import snapshot as snapshots
from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Attempt, ExchangeRecord, Judgement
from pointsman.core.routing import Decision, Deployment, Explore, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features
from pointsman.serve.relearning import Relearning
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store

BIG, SMALL = "z/big", "z/small"
NANO = {BIG: 600_000, SMALL: 60_000}
USAGE = Usage(20, 10)
NOW_MS = 10_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=bytes(32))
    yield opened
    opened.close()


def acting() -> Snapshot:
    plan = Plan("*", "auto", BIG, accepted=(SMALL,), acting_share=0.9, one_model=SMALL, explore=Explore(0.02, 10**9, "auto"))
    prices = {BIG: Price(Rates(Decimal(10), Decimal(40))), SMALL: Price(Rates(Decimal(1), Decimal(4)))}
    return Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price) for name, price in prices.items()},
        {"auto": Route("auto", BIG, (SMALL,), Objective("worth", usd_per_answer=0.01, caution=0.0), 0.1, {"*": plan})},
    )


def lived(store: Store, count: int, *, start: int = 0, good: float = 0.9) -> None:
    """Requests that the small one answered, and a trial asked the big one too."""
    rng = np.random.default_rng(start)
    decision = Decision(SMALL, (BIG,), (BIG, SMALL), (0.1, 0.9), "auto", "policy", "why")
    for n in range(start, start + count):
        request = ChatRequest("", (Message("user", (Text(f"please add {1000 + n * 7919 % 9000} and 3"),)),))
        vector, at = features.vector(request), 1000 + n
        served = Attempt(SMALL, "first", at, 200, usage=USAGE, cost_nano=NANO[SMALL])
        store.journal.append(
            [ExchangeRecord(f"{n:024}", at, "auto", "f", "ok", 200, decision, (served,), "auto", vector=vector)]
        )
        store.journal.judge(
            [
                Judgement(f"{n:024}", at, "f", SMALL, "policy", float(rng.random() < good), "exact"),
                Judgement(
                    f"{n:024}",
                    at,
                    "f",
                    BIG,
                    "candidate",
                    float(rng.random() < 0.9),
                    "exact",
                    "t",
                    USAGE,
                    NANO[BIG],
                    0,
                    vector,
                ),
            ]
        )


def current(store: Store) -> Snapshot:
    found = store.snapshots.current()
    assert found is not None
    return snapshots.decode(found.data)


def test_what_was_judged_is_learned_and_published_once(store: Store) -> None:
    publish(store, lambda _: acting(), made_by="test", now_ms=1)
    lived(store, 200)
    said: list[str] = []
    relearning = Relearning(store, said.append)
    relearning.look(current(store), NOW_MS)
    assert store.snapshots.current_number() == 2
    after = current(store)
    assert "auto" in after.policies
    assert after.routes["auto"].plans["*"].accepted == (SMALL,)
    assert after.routes["auto"].plans["*"].explorable == {SMALL: 1.0}
    (sentence,) = said
    assert sentence.startswith("auto: learned again from ")
    assert sentence.endswith("requests; accepted: z/small")
    relearning.look(after, NOW_MS + 1)
    assert store.snapshots.current_number() == 2, "what changes nothing publishes nothing"


def test_what_came_since_is_taken_in_and_what_became_worse_goes(store: Store) -> None:
    publish(store, lambda _: acting(), made_by="test", now_ms=1)
    lived(store, 100)
    relearning = Relearning(store, lambda _: None)
    relearning.look(current(store), NOW_MS)
    lived(store, 600, start=100, good=0.0)
    relearning.look(current(store), NOW_MS)
    plan = current(store).routes["auto"].plans["*"]
    assert SMALL not in plan.accepted
    assert SMALL not in plan.explorable, "it was shown to be worse than tolerated"


def test_what_was_said_days_before_it_was_written_is_taken_in(store: Store) -> None:
    publish(store, lambda _: acting(), made_by="test", now_ms=1)
    lived(store, 100)
    relearning = Relearning(store, lambda _: None)
    relearning.look(current(store), NOW_MS)
    relearning.look(current(store), NOW_MS + 3 * 86_400_000)
    lived(store, 600, start=100, good=0.0)
    relearning.look(current(store), NOW_MS + 3 * 86_400_000)
    assert SMALL not in current(store).routes["auto"].plans["*"].accepted


def test_where_nothing_acts_nothing_is_learned(store: Store) -> None:
    snapshot = acting()
    route = snapshot.routes["auto"]
    observed = replace(route, plans={"*": replace(route.plans["*"], mode="observe", accepted=(), one_model=None)})
    publish(store, lambda _: replace(snapshot, routes={"auto": observed}), made_by="test", now_ms=1)
    lived(store, 200)
    Relearning(store, lambda _: None).look(current(store), NOW_MS)
    assert store.snapshots.current_number() == 1


def test_it_is_due_at_once_and_then_after_its_time(store: Store) -> None:
    now = [100.0]
    relearning = Relearning(store, lambda _: None, clock=lambda: now[0])
    assert not relearning.due(None)
    assert relearning.due(60.0)
    relearning.look(Snapshot(), NOW_MS)
    now[0] += 59.0
    assert not relearning.due(60.0)
    now[0] += 1.0
    assert relearning.due(60.0)

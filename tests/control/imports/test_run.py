"""Files into a real journal."""

import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pointsman.control.imports.run import Reading, import_file
from pointsman.core.chat import Usage
from pointsman.core.errors import TableError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Provider
from pointsman.core.snapshot import Snapshot
from pointsman.policy import features
from pointsman.store.interfaces import Filter, Store
from pointsman.store.sqlite import FILE, open_store

AT = 1_764_000_000_000
PRICE = Price(Rates(Decimal(2), Decimal(8), Decimal(1)))


def deployment(name: str, price: Price | None = PRICE) -> Deployment:
    provider, _, model = name.partition("/")
    return Deployment(name, provider, model, model, price)


SNAPSHOT = Snapshot(
    providers={name: Provider(name, "http://127.0.0.1:9/v1") for name in ("openai", "azure")},
    deployments={
        one.name: one
        for one in (deployment("openai/gpt-x"), deployment("azure/gpt-x", None), deployment("openai/free", None))
    },
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "data", vector_key=bytes(32))
    yield opened
    opened.close()


def line(number: int, **change: Any) -> dict[str, Any]:
    return {"at": AT + number, "model": "gpt-x", "usage": {"input": 1000, "output": 100, "cached": 200}, **change}


def log(tmp_path: Path, *values: object, name: str = "log.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values))
    return path


def test_a_call_becomes_an_exchange_that_was_observed(tmp_path: Path, store: Store) -> None:
    asked = [{"role": "user", "content": "a secret prompt"}]
    path = log(tmp_path, line(0, feature="support", messages=asked, latency_ms=5, first_content_ms=2, conversation="c"))
    tally = import_file(path, store.journal, SNAPSHOT, Reading())
    (record,) = store.journal.exchanges(Filter())
    (attempt,) = record.attempts
    assert (record.at_ms, record.asked, record.feature, record.outcome, record.status) == (AT, "gpt-x", "support", "ok", 200)
    assert (record.decision, record.route, record.prompt, record.source) == (None, "", "", "import:log.jsonl")
    assert (record.latency_ms, record.first_content_ms, record.conversation) == (5.0, 2.0, "c")
    assert (attempt.deployment, attempt.usage, attempt.cost_nano) == ("openai/gpt-x", Usage(1000, 100, 200), 2_600_000)
    assert len(record.vector) == features.LENGTH
    assert record.id.startswith(f"{AT:012x}")
    assert len(record.id) == 24
    assert (tally.calls, tally.new, tally.vectors, tally.cost_nano) == (1, 1, 1, 2_600_000)
    assert b"secret" not in (tmp_path / "data" / FILE).read_bytes()


def test_vectors_are_not_made_where_they_are_switched_off(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, line(0, messages=[{"role": "user", "content": "hi"}]))
    assert import_file(path, store.journal, Snapshot(store_vectors=False), Reading()).vectors == 0


def test_importing_again_adds_nothing_and_an_overlap_only_what_is_new(tmp_path: Path, store: Store) -> None:
    first = log(tmp_path, *(line(number) for number in range(700)))
    overlap = log(tmp_path, *(line(number) for number in range(650, 800)), name="later.jsonl")
    assert import_file(first, store.journal, None, Reading()).new == 700
    assert import_file(first, store.journal, None, Reading()).new == 0
    assert import_file(overlap, store.journal, None, Reading()).new == 100
    assert len(list(store.journal.exchanges(Filter()))) == 800


def test_the_log_s_own_id_makes_the_same_call_the_same(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, line(0, id="a"), line(0, id="a", latency_ms=9), line(0, id="b"), line(0), line(0, latency_ms=9))
    tally = import_file(path, store.journal, None, Reading())
    assert (tally.calls, tally.new) == (5, 4)


def test_a_bad_line_is_told_with_its_number_and_the_rest_is_read(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, line(0), "{broken", {"hello": "world"}, line(1, usage={"input": -1}), 5, line(2))
    told: list[tuple[int, str]] = []
    tally = import_file(path, store.journal, SNAPSHOT, Reading(), complain=lambda *what: told.append(what))
    assert (tally.calls, tally.new, tally.problems, tally.passed_over) == (2, 2, 4, 0)
    assert [number for number, _ in told] == [2, 3, 4, 5]
    reasons = ("is not JSON", "is in none of the known formats", "usage.input is no number", "is no JSON object")
    assert all(reason in text for reason, (_, text) in zip(reasons, told, strict=True))


def test_costs_are_the_log_s_own_else_computed_else_unknown(tmp_path: Path, store: Store) -> None:
    path = log(
        tmp_path,
        line(0, cost_usd="0.5"),
        line(1),
        line(2, model="free"),
        line(3, model="never-heard-of"),
        line(4, usage=None),
        line(5, usage=None, error="timeout"),
    )
    tally = import_file(path, store.journal, SNAPSHOT, Reading())
    costs = [record.cost_nano for record in store.journal.exchanges(Filter())]
    assert costs == [500_000_000, 2_600_000, None, None, None, None]
    assert (tally.cost_nano, tally.unpriced, tally.errors) == (502_600_000, 3, 1)
    assert dict(tally.unpriced_models) == {"openai/free": 1, "never-heard-of": 1, "openai/gpt-x": 1}


@pytest.mark.parametrize(
    ("change", "provider", "name"),
    [
        ({}, "", "openai/gpt-x"),
        ({"model": "gpt-x-2026-01-01", "asked": "gpt-x"}, "", "openai/gpt-x"),
        ({"model": "openai/gpt-x"}, "", "openai/gpt-x"),
        ({"provider": "azure"}, "", "azure/gpt-x"),
        ({"provider": "azure.ai.openai"}, "", "azure/gpt-x"),
        ({"provider": "nobody"}, "", "nobody/gpt-x"),
        ({}, "azure", "azure/gpt-x"),
        ({"provider": "openai"}, "azure", "openai/gpt-x"),
        ({"model": "other"}, "", "other"),
    ],
)
def test_the_deployment_that_answered_is_found(
    tmp_path: Path, store: Store, change: dict[str, Any], provider: str, name: str
) -> None:
    import_file(log(tmp_path, line(0, **change)), store.journal, SNAPSHOT, Reading(provider=provider))
    assert [record.attempts[0].deployment for record in store.journal.exchanges(Filter())] == [name]


def test_a_known_provider_s_price_list_serves_where_nothing_is_configured(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, line(0, model="gpt-4o", provider="openai"), line(1, model="gpt-4o"))
    import_file(path, store.journal, None, Reading())
    listed, bare = store.journal.exchanges(Filter())
    assert listed.cost_nano == 1000 * 800 * 2.5 + 1000 * 200 * 1.25 + 1000 * 100 * 10
    assert bare.cost_nano is None


def test_features_come_from_the_label_that_the_owner_names(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, line(0, feature="a", labels={"team": "blue"}), line(1, labels={"feature": "b"}), line(2))
    import_file(path, store.journal, None, Reading())
    assert [record.feature for record in store.journal.exchanges(Filter())] == ["a", "b", "default"]
    again = log(tmp_path, line(10, feature="a", labels={"team": "blue"}), line(11), name="teams.jsonl")
    import_file(again, store.journal, None, Reading(feature_from="team"))
    found = store.journal.exchanges(Filter(source="import:teams.jsonl"))
    assert [record.feature for record in found] == ["blue", "default"]


def test_formats_may_be_mixed_or_forced(tmp_path: Path, store: Store) -> None:
    completion = {"object": "chat.completion", "created": AT // 1000, "model": "gpt-x", "choices": []}
    path = log(tmp_path, line(0), completion)
    tally = import_file(path, store.journal, None, Reading())
    assert dict(tally.formats) == {"pointsman": 1, "openai": 1}
    forced = import_file(path, store.journal, None, Reading(format="openai"))
    assert (forced.calls, forced.problems) == (1, 1)


def test_spans_that_are_no_calls_are_counted_as_passed_over(tmp_path: Path, store: Store) -> None:
    span = {"name": "GET", "context": {"trace_id": "t", "span_id": "s"}, "attributes": {"http.method": "GET"}}
    tally = import_file(log(tmp_path, span, line(0)), store.journal, None, Reading())
    assert (tally.calls, tally.passed_over, tally.problems) == (1, 1, 0)


def test_memory_does_not_grow_with_the_file(tmp_path: Path, store: Store) -> None:
    path = log(tmp_path, *(line(number, labels={"pad": "x" * 2000}) for number in range(5000)))
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    import_file(path, store.journal, None, Reading())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000


def test_a_missing_file_is_told(tmp_path: Path, store: Store) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        import_file(tmp_path / "nowhere", store.journal, None, Reading())

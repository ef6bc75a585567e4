"""One call through the gateway: what is sent, what it may cost and did, what a failure means, what is never paid twice."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.control.cases.asking import Asking, Gateway, UnansweredError, prepared
from pointsman.control.cases.kept import Kept, Said
from pointsman.control.purse import CapReachedError, Purse, account
from pointsman.core.chat import Usage
from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Provider, Trial, Variant
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Store
from pointsman.store.sqlite import open_store
from pointsman.upstream.interfaces import Reply, Request, Sink, Timeouts

PRICE = Price(Rates(Decimal(1), Decimal(10)))
ONE = Deployment("p/m", "p", "vendor-m", "m", PRICE)
SNAPSHOT = Snapshot({"p": Provider("p", "http://p/v1")}, {"p/m": ONE, "p/free": replace(ONE, name="p/free", price=None)})
MONEY = Trial("eval:1", ("p/m",), 1.0, 10**12)
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2}
COST = amount(Usage(7, 2), PRICE)


def completion(text: str = "4", finish: str = "stop", usage: dict[str, int] | None = None) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return msgspec.json.encode({"choices": [choice], "usage": USAGE if usage is None else usage})


def refusal(code: str = "", words: str = "no") -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": words}})


class Answered:
    """One reply."""

    def __init__(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.status, self._data = status, data
        self.headers = tuple((name.encode(), value.encode()) for name, value in headers.items())

    async def pour(self, sink: Sink) -> bool:
        return sink(self._data)

    async def read(self, limit: int) -> bytes:  # noqa: ARG002 - a Reply
        return self._data

    def close(self) -> None: ...


Script = Callable[[int], tuple[int, bytes, dict[str, str]] | BaseException]
"""What the n-th request gets: status, body and headers, or an error."""


class Scripted:
    """A transport with a gateway behind it."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.sent: list[Request] = []

    async def send(self, request: Request, timeouts: Timeouts) -> Reply:  # noqa: ARG002 - a Transport
        self.sent.append(request)
        await asyncio.sleep(0)  # others get their turn
        said = self._script(len(self.sent) - 1)
        if isinstance(said, BaseException):
            raise said
        status, data, headers = said
        return Answered(status, data, {"x-pointsman-deployment": "p/m", "x-pointsman-exchange": "e1", **headers})

    async def close(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, vector_key=None)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes at once."""
    plain = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _: plain(0))


def way(
    store: Store, path: Path, script: Script, cap: int = 10**12, key: str = "", snapshot: Snapshot = SNAPSHOT
) -> tuple[Asking, Scripted, Trial]:
    transport = Scripted(script)
    money = replace(MONEY, cap_nano=cap)
    gateway = Gateway(transport, "http://127.0.0.1:9/v1/", key)
    return (
        Asking(gateway, snapshot, Purse(store.counters, money), Kept(path / "kept"), output_tokens=100),
        transport,
        money,
    )


def fixed(status: int = 200, data: bytes | None = None, **headers: str) -> Script:
    body = completion() if data is None else data
    return lambda _: (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def ask(asking: Asking, fields: dict[str, Any] | None = None) -> Said:
    return asyncio.run(asking.ask(asking.prepare("p/m", HELLO if fields is None else fields)))


def test_it_asks_as_a_client_would(store: Store, tmp_path: Path) -> None:
    asking, transport, money = way(store, tmp_path, fixed(), key="client-key")
    said = ask(asking)
    assert (said.text, said.usage, said.cost_nano, said.exchange) == ("4", Usage(7, 2), COST, "e1")
    assert account(store.counters, money).spent_nano == COST
    (request,) = transport.sent
    assert request.url == "http://127.0.0.1:9/v1/chat/completions"
    assert (b"authorization", b"Bearer client-key") in request.headers
    assert (b"x-pointsman-feature", b"eval") in request.headers
    assert json.loads(request.body) == {"model": "p/m", **HELLO, "max_tokens": 100}


def test_a_case_s_own_limit_holds(store: Store, tmp_path: Path) -> None:
    asking, transport, _ = way(store, tmp_path, fixed(data=completion(finish="length")))
    said = ask(asking, {**HELLO, "max_tokens": 5})
    assert json.loads(transport.sent[0].body)["max_tokens"] == 5
    assert said.text == "4"  # that it is cut is what was asked for


def test_what_we_cut_is_not_graded(store: Store, tmp_path: Path) -> None:
    asking, _, money = way(store, tmp_path, fixed(data=completion(finish="length")))
    said = ask(asking)
    assert (said.text, said.failed) == (None, False)
    assert "--max-output" in said.note
    assert account(store.counters, money).spent_nano == COST


def test_what_was_asked_before_is_not_paid_for_again(store: Store, tmp_path: Path) -> None:
    first, transport, money = way(store, tmp_path, fixed())
    said = ask(first)
    again, unused, _ = way(store, tmp_path, fixed(status=500))
    assert ask(again) == said
    assert (len(transport.sent), unused.sent) == (1, [])
    assert account(store.counters, money).spent_nano == COST
    ask(first, {**HELLO, "seed": 3})
    assert len(transport.sent) == 2


def test_the_same_question_twice_at_once_is_called_once(store: Store, tmp_path: Path) -> None:
    asking, transport, _ = way(store, tmp_path, fixed())

    async def both() -> list[Said]:
        asked = asking.prepare("p/m", HELLO)
        return await asyncio.gather(*(asking.ask(asked) for _ in range(5)))

    assert len({msgspec.json.encode(said) for said in asyncio.run(both())}) == 1
    assert len(transport.sent) == 1


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_who_refuses_has_failed_and_costs_nothing(store: Store, tmp_path: Path, status: int) -> None:
    asking, transport, money = way(store, tmp_path, fixed(status, refusal()))
    said = ask(asking)
    assert (said.text, said.failed, said.cost_nano) == (None, True, 0)
    assert ask(asking) == said
    assert len(transport.sent) == 1
    assert account(store.counters, money).spent_nano == 0


def test_who_takes_too_long_has_failed_at_the_worst_cost_and_may_be_asked_again(store: Store, tmp_path: Path) -> None:
    asking, transport, money = way(store, tmp_path, fixed(504, refusal("upstream_timeout")))
    said = ask(asking)
    assert (said.text, said.failed) == (None, True)
    most = asking.prepare("p/m", HELLO).most_nano
    assert account(store.counters, money).spent_nano == most
    ask(asking)
    assert len(transport.sent) == 2


def test_who_is_busy_is_asked_again(store: Store, tmp_path: Path) -> None:
    replies = [(429, refusal(), {"retry-after": "2"}), (503, refusal(), {}), (200, completion(), {})]
    asking, transport, money = way(store, tmp_path, lambda n: replies[n])
    assert ask(asking).text == "4"
    assert len(transport.sent) == 3
    assert account(store.counters, money).spent_nano == COST


@pytest.mark.parametrize(
    ("script", "tries", "worst", "note"),
    [
        (fixed(503, refusal()), 4, False, "status 503"),
        (fixed(500, refusal()), 1, False, "status 500"),
        (fixed(401, refusal()), 1, False, "status 401"),
        (fixed(502, b"<html>"), 1, False, "status 502"),
        (fixed(502, refusal("upstream_closed", "closed")), 1, True, "closed"),
        (fixed(200, b"<html>"), 1, True, "no chat completion"),
        (fixed(200, x_pointsman_deployment="p/other"), 1, True, "p/other answered in its place"),
        (lambda _: UpstreamError("connect", "refused", sent=False), 4, False, "the gateway does not answer"),
        (lambda _: UpstreamError("closed", "gone", sent=True), 1, True, "broke off"),
    ],
)
def test_what_says_nothing_of_a_model_stays_open(
    store: Store, tmp_path: Path, script: Script, tries: int, worst: bool, note: str
) -> None:
    asking, transport, money = way(store, tmp_path, script)
    with pytest.raises(UnansweredError, match=note):
        ask(asking)
    assert len(transport.sent) == tries
    most = asking.prepare("p/m", HELLO).most_nano
    assert account(store.counters, money).spent_nano == (most if worst else 0)
    assert asking.known(asking.prepare("p/m", HELLO)) is None


def test_who_never_answers_is_left_alone(store: Store, tmp_path: Path) -> None:
    asking, transport, _ = way(store, tmp_path, fixed(500, refusal()))
    for place in range(9):
        with pytest.raises(UnansweredError, match="status 500" if place < 5 else "left alone in this run"):
            ask(asking, {**HELLO, "seed": place})
    assert len(transport.sent) == 5


@settings(max_examples=25)
@given(st.integers(0, 40), st.integers(1, 30), st.lists(st.sampled_from([200, 400, 500, 504]), min_size=1, max_size=8))
def test_the_cap_is_never_passed_whatever_is_asked_at_once(calls: int, at_once: int, statuses: list[int]) -> None:
    """``calls`` worst cases are allowed; each costs what it costs."""
    spending: list[int] = []

    def script(number: int) -> tuple[int, bytes, dict[str, str]]:
        status = statuses[number % len(statuses)]
        if status == 200:
            spending.append(COST)
            return 200, completion(), {}
        if status == 504:
            spending.append(most)
        return status, refusal("upstream_timeout" if status == 504 else ""), {}

    most = prepared(SNAPSHOT, "p/m", {**HELLO, "seed": 10}, 100).most_nano
    cap = calls * most

    async def all_of_them(asking: Asking) -> None:
        async def one(seed: int) -> None:
            with contextlib.suppress(UnansweredError, CapReachedError):
                await asking.ask(asking.prepare("p/m", {**HELLO, "seed": 10 + seed % 90}))

        await asyncio.gather(*(one(seed) for seed in range(at_once)))

    with tempfile.TemporaryDirectory() as place:
        store = open_store(Path(place), vector_key=None)
        try:
            asking, _, money = way(store, Path(place), script, cap=cap)
            asyncio.run(all_of_them(asking))
            assert sum(spending) <= cap
            assert account(store.counters, money).spent_nano <= cap
        finally:
            store.close()


def test_where_the_cap_is_reached_nothing_is_called(store: Store, tmp_path: Path) -> None:
    most = prepared(SNAPSHOT, "p/m", HELLO, 100).most_nano
    asking, transport, _ = way(store, tmp_path, fixed(), cap=most - 1)
    with pytest.raises(CapReachedError):
        ask(asking)
    assert transport.sent == []


def test_the_most_counts_what_a_variant_adds() -> None:
    plain = prepared(SNAPSHOT, "p/m", HELLO, 100).most_nano
    varied = replace(ONE, variant=Variant(system="x" * 1000, max_output_tokens=5000))
    snapshot = replace(SNAPSHOT, deployments={"p/m": varied})
    most = prepared(snapshot, "p/m", HELLO, 100).most_nano
    assert most == plain + 1000 * 1000 + 4900 * 10_000


@pytest.mark.parametrize(("name", "reason"), [("p/none", "is not in the published"), ("p/free", "has no price")])
def test_who_cannot_be_called_is_said_before(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} {reason}"):
        prepared(SNAPSHOT, name, HELLO, 100)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (lambda _: UpstreamError("connect", "refused", sent=False), "start it with `pointsman up`"),
        (fixed(401, refusal()), "asks for a client's key.*--key-env"),
        (fixed(404, b""), "is no gateway"),
    ],
)
def test_no_gateway_is_said_with_the_remedy(script: Script, reason: str) -> None:
    transport = Scripted(script)
    with pytest.raises(ConfigError, match=reason) as caught:
        asyncio.run(Gateway(transport, "http://127.0.0.1:9/v1", "client-key").greet())
    assert "client-key" not in str(caught.value)
    assert transport.sent[0].url == "http://127.0.0.1:9/v1/models"

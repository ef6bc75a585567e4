"""One paid call of a trial: what is sent, what it may cost at most, what it did cost, and what a failure means."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.control.calls import LEAST_OUTPUT_TOKENS, ROOM, Answer, Calls, CopyError, copy, worst_case
from pointsman.control.ledger.verify import verify
from pointsman.control.purse import CapReachedError, Purse, account
from pointsman.core.chat import Usage
from pointsman.core.errors import UpstreamError
from pointsman.core.ledger import Occasion, decode
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Provider, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount, terms
from pointsman.store.interfaces import Store
from pointsman.upstream.interfaces import Reply, Request, Sink, Timeouts

PRICE = Price(Rates(Decimal(1), Decimal(10), Decimal("0.1"), Decimal("1.25")))
TRIAL = Trial("t", ("p/m",), 1.0, 10**12)
FOR = Occasion("trial", "support", "e1", "auto")
NOW_MS = 1_764_000_000_000
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}


def body(**fields: object) -> bytes:
    return msgspec.json.encode({**HELLO, **fields})


def completion(text: str = "4", finish: str = "stop", usage: dict[str, Any] | None = None) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return msgspec.json.encode({"choices": [choice], **({} if usage is None else {"usage": usage})})


class Answered:
    """A reply of a scripted transport, which counts how often one is closed."""

    def __init__(self, script: "Scripted") -> None:
        self.status, self.headers, self._script = script.status, script.headers, script

    async def pour(self, sink: Sink) -> bool:
        return sink(self._script.data)

    async def read(self, limit: int) -> bytes:  # noqa: ARG002 - a Reply
        return self._script.data

    def close(self) -> None:
        self._script.closed += 1


class Scripted:
    """A transport, and a credential: what it was sent, and what it answers or raises."""

    def __init__(self, status: int = 200, data: bytes = b"", error: BaseException | None = None) -> None:
        self.status = status
        self.headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
        self.data, self._error = data, error
        self.sent: list[Request] = []
        self.closed = 0

    async def send(self, request: Request, timeouts: Timeouts) -> Reply:  # noqa: ARG002 - a Transport
        self.sent.append(request)
        if self._error is not None:
            raise self._error
        return Answered(self)

    @property
    def reached(self) -> bool:
        """Whether anything that was sent can have been processed."""
        return not isinstance(self._error, UpstreamError) or self._error.sent

    async def close(self) -> None: ...

    def ready(self, request: Request) -> None: ...

    def refused(self) -> None: ...

    async def sign(self, request: Request) -> Request:
        if isinstance(self._error, UpstreamError) and self._error.kind == "credential":
            raise self._error
        return replace(request, headers=(*request.headers, (b"authorization", b"signed")))

    @property
    def fields(self) -> dict[str, Any]:
        """The last body that was sent."""
        return dict(json.loads(self.sent[-1].body))


def a_snapshot(base_url: str = "http://p/v1", **deployment: object) -> Snapshot:
    one = replace(Deployment("p/m", "p", "vendor-m", "m", PRICE), **deployment)
    return Snapshot({"p": Provider("p", base_url)}, {"p/m": one})


async def ask(
    store: Store, way: Scripted, request: bytes, snapshot: Snapshot | None = None, usage: Usage | None = None
) -> tuple[Answer, int, int]:
    """The answer, what the purse lost, and the worst case of the call."""
    calls = Calls(way, lambda _: way, store.ledger, lambda: NOW_MS)
    copied = copy(request, usage)
    answer = await calls.ask(snapshot or a_snapshot(), "p/m", copied, Purse(store.counters, TRIAL), FOR)
    most = worst_case(copied, len(way.sent[-1].body), PRICE) if way.sent else 0
    return answer, account(store.counters, TRIAL).spent_nano, most


WHAT_ACTS_NOT: list[dict[str, Any]] = [
    {"plugins": []},
    {"web_search_options": None},
    {"enable_search": False},
    {"tools": None},
    {"tools": [{"function": {"name": "f"}}]},
    {"extra_body": {"google": {"thinking_config": {"thinking_budget": 5}, "tools": [{"function": {"name": "f"}}]}}},
]


class TestCopy:
    """A request made plain."""

    def test_only_model_and_stream_are_gone(self) -> None:
        tools = [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]
        more = {"tools": tools, "temperature": 0.5, "x_unknown": {"a": [1, None]}, "seed": 7, "max_tokens": 9}
        copied = copy(body(stream=True, stream_options={"include_usage": True}, **more))
        assert copied.fields == {"messages": HELLO["messages"], **more}
        assert (copied.output_tokens, copied.limited_here) == (9, False)

    def test_what_is_kept_or_paid_by_the_clients_account_is_left_out(self) -> None:
        copied = copy(body(store=True, service_tier="priority", metadata={"a": "b"}, user="u"))
        assert copied.fields.keys() == {"messages", "user"}

    @pytest.mark.parametrize(
        ("limits", "usage", "tokens"),
        [
            ({}, None, LEAST_OUTPUT_TOKENS),
            ({}, Usage(output=5), LEAST_OUTPUT_TOKENS),
            ({}, Usage(output=10_000), ROOM * 10_000),
            ({"max_tokens": None}, None, LEAST_OUTPUT_TOKENS),
            ({"max_tokens": -1}, None, LEAST_OUTPUT_TOKENS),
            ({"max_tokens": 0}, Usage(output=10_000), ROOM * 10_000),
        ],
    )
    def test_without_a_limit_of_the_client_one_is_set_with_room(
        self, limits: dict[str, Any], usage: Usage | None, tokens: int
    ) -> None:
        copied = copy(body(**limits), usage)
        assert (copied.output_tokens, copied.limited_here) == (tokens, True)
        assert not {"max_tokens", "max_completion_tokens"} & copied.fields.keys()

    def test_of_two_limits_the_larger_bounds_for_who_knows_which_is_heeded(self) -> None:
        copied = copy(body(max_tokens=100_000, max_completion_tokens=10))
        assert (copied.output_tokens, copied.limited_here) == (100_000, False)
        assert (copied.fields["max_tokens"], copied.fields["max_completion_tokens"]) == (100_000, 10)

    @pytest.mark.parametrize(
        "fields",
        [
            {"web_search_options": {}},
            {"search_parameters": {"mode": "on"}},
            {"plugins": [{"id": "web"}]},
            {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]},
            {"tools": [{"type": "mcp", "server_url": "http://x"}]},
            {"tools": [{"google_search": {}}]},
            {"tools": [{"function": {"name": "f"}}, {"code_execution": {}}]},
            {"tools": [{"type": "web_search", "function": {"name": "f"}}]},
            {"tools": [{"type": None, "url_context": {}}]},
            {"extra_body": {"google": {"tools": [{"google_search": {}}]}}},
            {"google": {"tools": [{"google_search": {}}]}},
            {"enable_search": True},
            {"search_options": {}},
            {"enable_code_interpreter": True},
            {"web_search": True},
            {"mcp_servers": [{"url": "http://x"}]},
            {"some_new_web_search_of_2027": {"depth": 3}},
        ],
    )
    def test_what_the_provider_itself_would_execute_is_not_repeated(self, fields: dict[str, Any]) -> None:
        with pytest.raises(CopyError, match="asks the provider itself to act"):
            copy(body(**fields))

    @pytest.mark.parametrize("fields", WHAT_ACTS_NOT)
    def test_what_only_looks_like_it_is_copied(self, fields: dict[str, Any]) -> None:
        assert copy(body(**fields)).fields

    @pytest.mark.parametrize(
        "data",
        [b"", b"{", b"[]", b"\xff", b'{"model":"m"}', b'{"model":"m","messages":[]}', body()[:-1] + b',"x":' + b"[" * 9999],
    )
    def test_what_cannot_be_read_is_an_error_for_people(self, data: bytes) -> None:
        with pytest.raises(CopyError, match="cannot be read"):
            copy(data)


RATE = st.decimals(0, 100, places=4)
RATES = st.builds(Rates, RATE, RATE, st.none() | RATE, st.none() | RATE)


@given(
    price=st.builds(
        Price, RATES, st.decimals(0, 1, places=4), long_above=st.none() | st.integers(0, 2000), long_rates=RATES
    ),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    text=st.text(max_size=300),
    limit=st.integers(1, 5000),
)
def test_no_call_costs_more_than_its_worst_case(
    price: Price, shares: tuple[float, float, float, float], text: str, limit: int
) -> None:
    """Whatever of at most a token a byte was cached or written to a cache, at any price."""
    request = body(messages=[{"role": "user", "content": text}], max_tokens=limit)
    tokens = int(len(request) * shares[0])
    cached = int(tokens * shares[1])
    written = int((tokens - cached) * shares[2])
    usage = Usage(tokens, int(2 * limit * shares[3]), cached, written)
    copied = copy(request)
    twice = replace(copied, request=replace(copied.request, choices=2))
    assert amount(usage, price) <= worst_case(twice, len(request), price)


def test_the_worst_case_knows_the_tier_for_long_inputs_and_only_where_it_may_apply() -> None:
    request = copy(body(max_tokens=10))
    long = replace(PRICE, long_above=1000, long_rates=Rates(Decimal(50), Decimal(500)))
    assert worst_case(request, 200, long) == worst_case(request, 200, PRICE)
    assert worst_case(request, 1000, long) >= amount(Usage(1001, 10), long) > worst_case(request, 1000, PRICE)


@pytest.mark.parametrize(
    ("base_url", "fields", "expected"),
    [
        ("http://p/v1", {}, {"max_tokens": LEAST_OUTPUT_TOKENS}),
        ("https://api.openai.com/v1", {}, {"max_completion_tokens": LEAST_OUTPUT_TOKENS}),
        ("https://x.openai.azure.com/openai/v1", {}, {"max_completion_tokens": LEAST_OUTPUT_TOKENS}),
        ("http://p/v1", {"max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ("https://api.openai.com/v1", {"max_tokens": 7}, {"max_tokens": 7}),
        ("http://p/v1", {"max_tokens": -1}, {"max_tokens": LEAST_OUTPUT_TOKENS}),
    ],
)
async def test_what_is_sent(store: Store, base_url: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    way = Scripted(data=completion())
    await ask(store, way, body(stream=True, temperature=0, **fields), a_snapshot(base_url))
    assert way.fields == {"model": "vendor-m", "messages": HELLO["messages"], "temperature": 0, **expected}
    assert way.sent[0].url == f"{base_url}/chat/completions"
    assert (b"authorization", b"signed") in way.sent[0].headers
    assert way.closed == 1


CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "four"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12},
}
MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "four"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 2},
}


@pytest.mark.parametrize(
    ("dialect", "quirks", "url", "data", "version"),
    [
        ("bedrock_converse", (), "http://p/v1/model/vendor-m/converse", CONVERSED, None),
        ("anthropic", ("bedrock_invoke",), "http://p/v1/model/vendor-m/invoke", MESSAGE, "bedrock-2023-05-31"),
        (
            "anthropic",
            ("vertex",),
            "http://p/v1/publishers/anthropic/models/vendor-m:rawPredict",
            MESSAGE,
            "vertex-2023-10-16",
        ),
    ],
)
async def test_a_platform_is_asked_at_its_address_and_signed_last(
    store: Store, dialect: str, quirks: tuple[str, ...], url: str, data: object, version: str | None
) -> None:
    snapshot = a_snapshot(dialect=dialect)
    snapshot = replace(snapshot, providers={"p": Provider("p", "http://p/v1", "aws", dialect, quirks)})
    way = Scripted(data=msgspec.json.encode(data))
    answer, _, _ = await ask(store, way, body(), snapshot)
    assert (answer.text, answer.usage) == ("four", Usage(10, 2))
    [sent] = way.sent
    assert (sent.url, sent.headers[-1]) == (url, (b"authorization", b"signed"))
    assert way.fields.get("anthropic_version") == version
    assert "model" not in way.fields


async def test_an_answer_is_read_and_costs_what_it_says(store: Store) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}
    answer, spent, _ = await ask(store, Scripted(data=completion("four", usage=usage)), body())
    assert answer == Answer("four", usage=Usage(100, 20, 40), cost_nano=60 * 1000 + 40 * 100 + 20 * 10_000, status=200)
    assert spent == answer.cost_nano


async def test_tool_calls_are_text_to_grade_and_nothing_is_executed(store: Store) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {
        "name": "rm", "arguments": '{"path":"/"}'}}]}  # fmt: skip
    way = Scripted(data=msgspec.json.encode({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    answer, _, _ = await ask(store, way, body(tools=[{"type": "function", "function": {"name": "rm"}}]))
    assert json.loads(answer.text or "") == [{"name": "rm", "arguments": '{"path":"/"}'}]
    assert len(way.sent) == 1


@pytest.mark.parametrize(
    ("way", "failed", "cost"),
    [
        (Scripted(400, b"{}"), True, "nothing"),
        (Scripted(413, b""), True, "nothing"),
        (Scripted(422, b""), True, "nothing"),
        (Scripted(401, b""), False, "nothing"),
        (Scripted(404, b""), False, "nothing"),
        (Scripted(429, b""), False, "nothing"),
        (Scripted(500, b""), False, "nothing"),
        (Scripted(302, b""), False, "nothing"),
        (Scripted(200, b"<html>log in</html>"), True, "its worst case"),
        (Scripted(200, b""), True, "its worst case"),
        (Scripted(error=UpstreamError("connect", "no", sent=False)), False, "nothing"),
        (Scripted(error=UpstreamError("credential", "no", sent=False)), False, "nothing"),
        (Scripted(error=UpstreamError("timeout", "no", sent=False)), False, "nothing"),
        (Scripted(error=UpstreamError("timeout", "no", sent=True)), True, "its worst case"),
        (Scripted(error=UpstreamError("closed", "no", sent=True)), False, "its worst case"),
        (Scripted(error=asyncio.CancelledError()), None, "its worst case"),
    ],
)
async def test_what_a_failure_means_and_costs(store: Store, way: Scripted, failed: bool | None, cost: str) -> None:
    way.sent.clear()
    calls, copied = Calls(way, lambda _: way, store.ledger, lambda: NOW_MS), copy(body())
    asked = calls.ask(a_snapshot(), "p/m", copied, Purse(store.counters, TRIAL), FOR)
    if failed is None:
        with pytest.raises(asyncio.CancelledError):
            await asked
    else:
        answer = await asked
        assert (answer.text, answer.failed) == (None, failed)
        assert answer.note
    spent = account(store.counters, TRIAL).spent_nano
    assert spent == (0 if cost == "nothing" else worst_case(copied, len(way.sent[0].body), PRICE))
    _, line = [decode(entry.text) for entry in store.ledger.entries()]
    assert (line.why, line.feature, line.exchange, line.route, line.at_ms) == ("trial", "support", "e1", "auto", NOW_MS)
    if line.settled:
        assert (line.nano, line.least, line.most, cost) == (0, None, None, "nothing")
    else:
        assert (line.nano, line.least) == (None, 0)
        assert line.most == worst_case(copied, len(way.sent[0].body), PRICE)
    assert line.basis == ("unsent" if not way.reached else "refused" if 400 <= line.status < 500 else "unknown")


async def test_a_call_has_its_line_with_all_that_it_took(store: Store) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 40}}
    answer, _, _ = await ask(store, Scripted(data=completion("four", usage=usage)), body())
    _, line = [decode(entry.text) for entry in store.ledger.entries()]
    assert (line.basis, line.status, line.nano, line.deployment) == ("reported", 200, answer.cost_nano, "p/m")
    assert (line.fresh, line.cached, line.output, line.terms) == (60, 40, 20, terms(answer.usage, PRICE))
    assert verify(store.ledger.entries()).fault == ""


@pytest.mark.parametrize(
    ("limits", "graded"), [({}, False), ({"max_tokens": 4}, True)], ids=["the trial's own limit", "the client's limit"]
)
async def test_an_answer_cut_by_a_limit(store: Store, limits: dict[str, Any], graded: bool) -> None:
    way = Scripted(data=completion("4 is", "length", {"prompt_tokens": 1, "completion_tokens": 4}))
    answer, spent, _ = await ask(store, way, body(**limits))
    assert answer.text == ("4 is" if graded else None)
    assert not answer.failed
    assert spent == 41_000


@pytest.mark.parametrize("limits", [{"max_tokens": 10**9}, {"max_completion_tokens": 10**30}, {"max_tokens": 9, "n": 10**9}])
async def test_no_number_of_a_client_uses_up_what_a_trial_may_cost(store: Store, limits: dict[str, Any]) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 4}
    answer, spent, _ = await ask(store, Scripted(data=completion(usage=usage)), body(**limits))
    assert (answer.text, spent) == ("4", 41_000)
    assert not account(store.counters, TRIAL).capped


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -(10**9), "completion_tokens": -(10**9)}])
async def test_usage_that_is_missing_or_nonsense_never_brings_money_back(store: Store, usage: dict[str, Any] | None) -> None:
    answer, spent, most = await ask(store, Scripted(data=completion(usage=usage)), body())
    assert answer.text == "4"
    assert spent == (most if usage is None else 0)


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (Snapshot(), "is not configured"),
        (a_snapshot(price=None), "has no price"),
        (a_snapshot(tools=False), "does not take tools"),
        (a_snapshot(context_tokens=1), "holds 1 tokens"),
    ],
)
async def test_what_cannot_serve_is_not_called_and_costs_nothing(store: Store, snapshot: Snapshot, words: str) -> None:
    way = Scripted(data=completion())
    answer, spent, _ = await ask(store, way, body(tools=[{"type": "function", "function": {"name": "f"}}]), snapshot)
    assert words in answer.note
    assert (answer.text, answer.failed, spent, way.sent) == (None, False, 0, [])


async def test_at_the_cap_nothing_is_sent(store: Store) -> None:
    way = Scripted(data=completion())
    purse = Purse(store.counters, replace(TRIAL, cap_nano=worst_case(copy(body()), 100, PRICE) // 2))
    with pytest.raises(CapReachedError):
        await Calls(way, lambda _: way, store.ledger, lambda: NOW_MS).ask(a_snapshot(), "p/m", copy(body()), purse, FOR)
    assert way.sent == []

"""Spans on their way to a collector that takes them, refuses them, or is not there."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Start
from tests.gateway.telemetry.test_told import TOLD

from pointsman.core.snapshot import Traces
from pointsman.gateway.telemetry import otlp
from pointsman.gateway.telemetry.otlp import Exporter
from pointsman.upstream.credentials import credentials, fetching
from pointsman.upstream.transport import HttpTransport

messages = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

Begin = Callable[[Traces], Awaitable[Exporter]]


@pytest.fixture
async def exporting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Traces], Exporter]]:
    """Exporters that look every millisecond."""
    monkeypatch.setattr(otlp, "LOOK_S", 0.001)
    transport, following = HttpTransport(), list[asyncio.Task[None]]()

    def begin(traces: Traces) -> Exporter:
        exporter = Exporter(transport, credentials(fetching(transport)), lambda: traces)
        following.append(asyncio.create_task(exporter.follow()))
        return exporter

    yield begin
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    await transport.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for is another's
            await asyncio.sleep(0.001)


async def test_spans_are_posted_as_protobuf_with_the_collectors_key(
    exporting: Callable[[Traces], Exporter], upstream_at: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(received: Received) -> None:
        await received.reply(200, b"", content_type="application/x-protobuf")

    collector = await upstream_at(take)
    monkeypatch.setenv("COLLECTOR_KEY", "k")
    exporter = exporting(Traces(f"http://127.0.0.1:{collector.port}/v1/traces", "env:COLLECTOR_KEY"))
    for _ in range(otlp.BATCH + 1):
        exporter.outbox.put(TOLD)
    await until(lambda: len(collector.requests) == 2)
    first = collector.requests[0]
    assert (first.target, first.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
    assert first.headers["authorization"] == "Bearer k"
    counts = []
    for received in collector.requests:
        message = messages.ExportTraceServiceRequest.FromString(received.body)
        counts.append(len(message.resource_spans[0].scope_spans[0].spans))
    assert counts == [2 * otlp.BATCH, 2]
    assert exporter.lost == 0


async def test_what_cannot_be_taken_now_is_posted_again(
    exporting: Callable[[Traces], Exporter], upstream_at: Start, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = iter([503, 429, 200])

    async def script(received: Received) -> None:
        await received.reply(next(statuses), b"")

    collector = await upstream_at(script)
    exporter = exporting(Traces(f"http://127.0.0.1:{collector.port}/v1/traces"))
    exporter.outbox.put(TOLD)
    await until(lambda: len(collector.requests) == 3)
    assert len({received.body for received in collector.requests}) == 1
    assert exporter.lost == 0


async def test_what_is_refused_is_counted_and_the_next_goes_on(
    exporting: Callable[[Traces], Exporter], upstream_at: Start
) -> None:
    statuses = iter([400, 200])

    async def script(received: Received) -> None:
        await received.reply(next(statuses), b"no")

    collector = await upstream_at(script)
    exporter = exporting(Traces(f"http://127.0.0.1:{collector.port}/v1/traces"))
    exporter.outbox.put(TOLD)
    await until(lambda: exporter.lost == 1)
    exporter.outbox.put(replace(TOLD, dialect="gemini"))
    await until(lambda: len(collector.requests) == 2)


async def test_a_collector_that_is_not_there_loses_what_finds_no_room(exporting: Callable[[Traces], Exporter]) -> None:
    exporter = exporting(Traces("http://127.0.0.1:1/v1/traces"))
    exporter.outbox.put(TOLD)
    await until(lambda: exporter._complained)
    assert "127.0.0.1:1" in exporter._complained
    await until(lambda: len(exporter.outbox) == 1)
    for _ in range(10_000):
        exporter.outbox.put(TOLD)
    assert exporter.lost >= 1


async def test_what_waits_is_posted_at_the_end(upstream_at: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async def take(received: Received) -> None:
        await received.reply(200, b"")

    collector = await upstream_at(take)
    monkeypatch.setattr(otlp, "LOOK_S", 60.0)
    transport = HttpTransport()
    traces = Traces(f"http://127.0.0.1:{collector.port}/v1/traces")
    exporter = Exporter(transport, credentials(fetching(transport)), lambda: traces)
    following = asyncio.create_task(exporter.follow())
    await asyncio.sleep(0)
    exporter.outbox.put(TOLD)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert len(collector.requests) == 1
    await transport.close()

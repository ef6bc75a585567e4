"""Spans on their way to a collector: OpenTelemetry's protocol over HTTP, in protobuf (OTLP 1.x, /v1/traces).

Strategy: every ``LOOK_S`` what waits is encoded in a thread, up to ``BATCH`` exchanges at once, and posted. What the
collector cannot take now (429, 502, 503, 504, no connection: OTLP, "Failures") stays, and is posted again after a pause that
grows to ``LONGEST_PAUSE_S`` or as its Retry-After says; meanwhile what finds no room is lost, and counted.

Law: the messages are those of the package opentelemetry-proto (the extra ``otel``), imported only where traces are wanted.
"""

import asyncio
import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pointsman import __version__
from pointsman.core.errors import ConfigError, PointsmanError
from pointsman.core.routing import Provider
from pointsman.core.snapshot import Traces
from pointsman.gateway.attempt import retry_after_s
from pointsman.gateway.telemetry.spans import SCHEMA, Span, Value, spans
from pointsman.gateway.telemetry.told import Outbox, Told
from pointsman.upstream.interfaces import Credential, Request, Timeouts, Transport

LOOK_S: Final = 1.0
BATCH: Final = 256
LONGEST_PAUSE_S: Final = 30.0
_LAST_S: Final = 2.0
_TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=10.0, total_s=10.0)
_HEADERS: Final = ((b"content-type", b"application/x-protobuf"), (b"user-agent", b"pointsman"))
_AGAIN: Final = frozenset((429, 502, 503, 504))
_REPLY_BYTES: Final = 64 * 1024
_KINDS: Final = {"server": 2, "client": 3}  # opentelemetry.proto.trace.v1.Span.SpanKind
_ERROR: Final = 2  # Status.StatusCode

logger = logging.getLogger("pointsman.traces")


class Exporter:
    """Posts the spans of one worker. ``wanted`` says where to, None: nowhere now."""

    def __init__(
        self, transport: Transport, credential: Callable[[Provider], Credential], wanted: Callable[[], Traces | None]
    ) -> None:
        self.outbox = Outbox()
        self._transport = transport
        self._credential = credential
        self._wanted = wanted
        self._pause = 0.0
        self._refused = 0
        self._complained = ""

    @property
    def lost(self) -> int:
        """Exchanges whose spans were lost: there was no room, or the collector refused them."""
        return self.outbox.lost + self._refused

    async def follow(self) -> None:
        """Post what comes, until cancelled; then post what waits, if that is quick."""
        try:
            while True:
                await asyncio.sleep(max(self._pause, LOOK_S))
                while await self._post(self._wanted()):
                    pass
        finally:
            async with asyncio.timeout(_LAST_S):
                while await self._post(self._wanted()):
                    pass

    async def _post(self, traces: Traces | None) -> bool:
        """Post one batch; False where nothing waits, or nothing goes now."""
        told = self.outbox.take(BATCH)
        if not told or traces is None:
            return False
        try:
            wait = await self._tried(traces, await asyncio.to_thread(encoded, told, traces.service))
        except (PointsmanError, OSError) as error:
            wait = self._later(f"{traces.url}: {error}")
        if wait is None:
            self._pause, self._complained = 0.0, ""
            return True
        if wait < 0:
            self._refused += len(told)
            return True
        self._pause = wait
        self.outbox.put_back(told)
        return False

    async def _tried(self, traces: Traces, body: bytes) -> float | None:
        """Post a batch. Return None where it was taken, how long to wait before another try, -1 where it is refused."""
        way = Provider("traces", traces.url, traces.credential)
        request = await self._credential(way).sign(Request("POST", traces.url, _HEADERS, body))
        reply = await self._transport.send(request, _TIMEOUTS)
        try:
            await reply.read(_REPLY_BYTES)
            if reply.status == 200:
                return None
            pause = self._later(f"{traces.url} answered {reply.status}")
            if reply.status not in _AGAIN:
                return -1
            asked = retry_after_s(reply.headers, 0.0)
            return pause if asked is None else min(max(asked, LOOK_S), LONGEST_PAUSE_S)
        finally:
            reply.close()

    def _later(self, problem: str) -> float:
        """Say what is wrong, once while it stays so, and return how long to wait."""
        if problem != self._complained:
            self._complained = problem
            logger.warning("traces: %s", problem)
        return min(max(2 * self._pause, LOOK_S), LONGEST_PAUSE_S)


def check(traces: Traces | None) -> None:
    """See whether traces can be made. Raises ConfigError with the remedy."""
    if traces is not None:
        _messages()


def encoded(told: Iterable[Told], service: str) -> bytes:
    """Return exchanges as an ExportTraceServiceRequest. Raises ConfigError where the extra is not installed."""
    service_messages, trace, common, resource = _messages()
    scope = common.InstrumentationScope(name="pointsman", version=__version__)
    made = [_span(one, trace, common) for each in told if each.trace.sampled for one in spans(each)]
    attributes = {"service.name": service, "service.version": __version__}
    return bytes(
        service_messages.ExportTraceServiceRequest(
            resource_spans=[
                trace.ResourceSpans(
                    resource=resource.Resource(attributes=_attributes(attributes, common)),
                    scope_spans=[trace.ScopeSpans(scope=scope, spans=made, schema_url=SCHEMA)],
                    schema_url=SCHEMA,
                )
            ]
        ).SerializeToString()
    )


def _messages() -> tuple[Any, Any, Any, Any]:
    names = ("collector.trace.v1.trace_service", "trace.v1.trace", "common.v1.common", "resource.v1.resource")
    try:
        service, trace, common, resource = (importlib.import_module(f"opentelemetry.proto.{name}_pb2") for name in names)
    except ImportError as error:
        raise ConfigError("[traces] needs the extra otel: pip install 'pointsman[otel]'") from error
    return service, trace, common, resource


def _span(span: Span, trace: Any, common: Any) -> Any:
    return trace.Span(
        trace_id=bytes.fromhex(span.trace),
        span_id=bytes.fromhex(span.id),
        parent_span_id=bytes.fromhex(span.parent),
        flags=1,  # sampled: W3C Trace Context, section 3.2.2.5
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=max(span.end_ns, span.start_ns),
        attributes=_attributes(span.attributes, common),
        status=trace.Status(code=_ERROR, message=span.error) if span.error else None,
    )


def _attributes(attributes: Mapping[str, Value], common: Any) -> list[Any]:
    return [common.KeyValue(key=key, value=_value(value, common)) for key, value in attributes.items()]


def _value(value: Value, common: Any) -> Any:
    if isinstance(value, bool):
        return common.AnyValue(bool_value=value)
    if isinstance(value, int):
        return common.AnyValue(int_value=value)
    if isinstance(value, float):
        return common.AnyValue(double_value=value)
    if isinstance(value, tuple):
        return common.AnyValue(array_value=common.ArrayValue(values=[_value(one, common) for one in value]))
    return common.AnyValue(string_value=value.encode("utf-8", "replace").decode())

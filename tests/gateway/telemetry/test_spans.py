"""Spans in the words of the conventions, as the protocol's own messages read them."""

import importlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.gateway.telemetry.test_tally import ATTEMPT, RECORD, SNAPSHOT
from tests.gateway.telemetry.test_told import ID, PARENT

from pointsman.core.routing import Provider
from pointsman.gateway.telemetry.otlp import encoded
from pointsman.gateway.telemetry.spans import LONGEST, SCHEMA, spans
from pointsman.gateway.telemetry.told import Told, Trace

unknown_fields = importlib.import_module("google.protobuf.unknown_fields")
messages = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
genai = importlib.import_module("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")

KNOWN = replace(SNAPSHOT, providers={"p": Provider("p", "https://api.example/v1")})
FELL_BACK = replace(
    RECORD,
    attempts=(
        replace(ATTEMPT, status=503, error="answered 503", usage=None, cost_nano=None),
        replace(ATTEMPT, cause="retry"),
    ),
    customer="acme",
    conversation="c1",
)
TOLD = Told(FELL_BACK, "openai_chat", KNOWN, Trace(ID, PARENT))


def decoded(*told: Told) -> Any:
    """Return the one resource of a request, read strictly: no field that the protocol does not know."""
    request = messages.ExportTraceServiceRequest()
    data = encoded(told, "shop")
    assert request.ParseFromString(data) == len(data)
    assert not len(unknown_fields.UnknownFieldSet(request))
    (found,) = request.resource_spans
    return found


def attributes(of: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


def test_an_exchange_is_a_span_with_one_below_it_for_each_call() -> None:
    found = decoded(TOLD)
    assert attributes(found.resource)["service.name"] == "shop"
    (scope,) = found.scope_spans
    assert (found.schema_url, scope.schema_url, scope.scope.name) == (SCHEMA, SCHEMA, "pointsman")
    whole, first, second = scope.spans
    assert {span.trace_id.hex() for span in scope.spans} == {ID}
    assert whole.parent_span_id.hex() == PARENT
    assert {first.parent_span_id, second.parent_span_id} == {whole.span_id}
    assert len({span.span_id for span in scope.spans}) == 3
    assert [span.SpanKind.Name(span.kind) for span in scope.spans] == ["SPAN_KIND_SERVER", *["SPAN_KIND_CLIENT"] * 2]
    assert [span.status.code for span in scope.spans] == [0, 2, 0]
    assert (first.name, whole.name) == ("chat m", "chat auto")
    assert first.end_time_unix_nano - first.start_time_unix_nano == 30_000_000


def test_the_names_are_those_of_the_conventions() -> None:
    known = {value for name, value in vars(genai).items() if name.startswith("GEN_AI_") and isinstance(value, str)}
    other = {"server.address", "server.port", "error.type", "http.response.status_code"}
    used = {name for span in spans(TOLD) for name in span.attributes}
    assert {name for name in used if not name.startswith("pointsman.")} <= known | other
    whole, failed, answered = (attributes(span) for span in decoded(TOLD).scope_spans[0].spans)
    assert whole["gen_ai.operation.name"] == "chat"
    assert whole["gen_ai.conversation.id"] == "c1"
    assert failed["error.type"] == "503"
    assert "gen_ai.usage.input_tokens" not in failed | whole
    assert answered["gen_ai.provider.name"] == "p"
    assert answered["gen_ai.request.model"] == "m"
    assert answered["gen_ai.usage.input_tokens"] == 100
    assert answered["gen_ai.usage.cache_read.input_tokens"] == 60
    assert answered["gen_ai.response.time_to_first_chunk"] == 0.02
    assert (answered["server.address"], answered["server.port"]) == ("api.example", 443)


@pytest.mark.parametrize(
    ("row", "named"), [("openai", "openai"), ("bedrockclaude", "aws.bedrock"), ("gemini", "gcp.gemini"), ("mine", "mine")]
)
def test_providers_have_the_conventions_names(row: str, named: str) -> None:
    snapshot = replace(KNOWN, providers={"p": Provider(row, "http://127.0.0.1:1/v1")})
    call = spans(replace(TOLD, snapshot=snapshot))[1]
    assert call.attributes["gen_ai.provider.name"] == named
    well_known = {value.value for value in genai.GenAiProviderNameValues}
    assert named in well_known or named == row


def test_what_a_client_keeps_out_of_its_trace_is_kept_out() -> None:
    assert not decoded(replace(TOLD, trace=Trace(ID, PARENT, sampled=False))).scope_spans[0].spans


def test_a_request_that_was_the_clients_own_fault_is_no_error_of_ours() -> None:
    for outcome, status, error in (("error", 404, ""), ("error", 502, "error 502"), ("cut", 200, "cut 200")):
        record = replace(FELL_BACK, outcome=outcome, status=status)
        assert spans(replace(TOLD, record=record))[0].error == error


@given(st.text(st.characters(), max_size=400))
def test_any_text_goes_through_and_no_prompt(text: str) -> None:
    record = replace(FELL_BACK, asked=text, feature=text, client_id=text, prompt="the secret plan")
    told = replace(TOLD, record=record)
    whole = attributes(decoded(told).scope_spans[0].spans[0])
    assert whole["gen_ai.request.model"] == text[:LONGEST].encode("utf-8", "replace").decode()
    assert b"secret" not in encoded([told], "shop")

"""Google Vertex AI behind the gateway: Gemini and Claude at its addresses, with tokens fetched on the way."""

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Start, a_snapshot, answer_whole
from tests.gateway.platforms import at
from tests.gateway.test_dialects import ASKED, NAMES, path, post, provider
from tests.upstream.credentials.conftest import Answer, Call, Endpoint, endpoint  # noqa: F401 - a fixture

from pointsman.core.routing import Provider
from pointsman.core.snapshot import Snapshot
from pointsman.upstream.providers import VERTEX
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.fold import fold

TOKEN = "ya29.secret-token"
PROJECT = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
GEMINI = Provider("vertex", PROJECT, "adc", "gemini", (VERTEX,))
CLAUDE = Provider("vertexclaude", PROJECT, "adc", "anthropic", (VERTEX,))
PLACES = {
    (GEMINI, False): "google/models/gemini-9:generateContent",
    (GEMINI, True): "google/models/gemini-9:streamGenerateContent?alt=sse",
    (CLAUDE, False): "anthropic/models/claude-9@1:rawPredict",
    (CLAUDE, True): "anthropic/models/claude-9@1:streamRawPredict",
}
MODELS = {GEMINI: "gemini-9", CLAUDE: "claude-9@1"}


def granted(_: Call) -> Answer:
    return 200, json.dumps({"access_token": TOKEN, "expires_in": 3599}).encode()


def place(target: str) -> str:
    return target.removeprefix("/v1/projects/p/locations/us-east5/publishers/")


@pytest.fixture
def user(tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:  # noqa: F811
    """A user who has logged in, and the token endpoint that knows him."""
    file = tmp_path / "adc.json"
    known = {"type": "authorized_user", "client_id": "c", "client_secret": "cs", "refresh_token": "rt-secret"}
    file.write_text(json.dumps({**known, "token_uri": f"{endpoint.url}/token"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    endpoint.answer = granted
    return endpoint


def beside(snapshot: Snapshot, port: int) -> Snapshot:
    """The same, with the same model at another provider."""
    elsewhere = a_snapshot(1, port)
    return replace(
        snapshot,
        providers=elsewhere.providers | snapshot.providers,
        deployments=elsewhere.deployments | snapshot.deployments,
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("theirs", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize("ours", NAMES)
async def test_every_client_is_answered(
    rig: Rig,
    upstream_at: Start,
    user: Endpoint,
    ours: str,
    theirs: Provider,
    stream: bool,
) -> None:
    script, heard = provider(theirs.dialect, stream=stream)

    async def on_vertex(received: Received) -> None:
        assert received.headers["authorization"] == f"Bearer {TOKEN}"
        assert place(received.target) == PLACES[theirs, stream]
        if theirs is CLAUDE:
            body = json.loads(received.body)
            assert (body["anthropic_version"], "model" in body) == ("vertex-2023-10-16", False)
            received.body = json.dumps({"model": "claude-9", **body}).encode()  # as Anthropic's own API takes it
        await script(received)

    upstream = await upstream_at(on_vertex)
    rig.publish(at(upstream.port, theirs, MODELS[theirs]))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream)).body
    status, _, body = await post(rig, path(ours, stream=stream), asked)
    assert status == 200, body
    decoder = DIALECTS[ours].stream.decoder()
    said = fold((*decoder.feed(body), *decoder.end()) if stream else DIALECTS[ours].reply.decode(body))
    assert (said.text, [call.name for call in said.tool_calls]) == ("I look: ä写", ["look"])
    assert [request.user_text for request in heard] == ["weather in Ulm?"]
    assert len(user.calls) == 1


async def whole(received: Received) -> None:
    """Answer as Gemini."""
    script, _ = provider("gemini", stream=False)
    await script(received)


async def ask(rig: Rig) -> tuple[int, dict[str, str], bytes]:
    return await post(rig, path("openai_chat", stream=False), DIALECTS["openai_chat"].request.encode(ASKED).body)


async def test_many_requests_wait_for_one_token_and_others_do_not(rig: Rig, upstream_at: Start, user: Endpoint) -> None:
    user.gate = asyncio.Event()
    first, second = await upstream_at(whole), await upstream_at(answer_whole)
    rig.publish(beside(at(first.port, GEMINI, "gemini-9"), second.port))
    waiting = [asyncio.create_task(ask(rig)) for _ in range(5)]
    await user.asked.wait()
    body = DIALECTS["openai_chat"].request.encode(replace(ASKED, model="p2/model-2")).body
    assert (await post(rig, path("openai_chat", stream=False), body))[0] == 200
    assert first.requests == []
    user.gate.set()
    assert [status for status, _, _ in await asyncio.gather(*waiting)] == [200] * 5
    assert (len(user.calls), len(first.requests)) == (1, 5)


async def test_a_client_who_leaves_takes_no_token_from_others(rig: Rig, upstream_at: Start, user: Endpoint) -> None:
    user.gate = asyncio.Event()
    upstream = await upstream_at(whole)
    rig.publish(at(upstream.port, GEMINI, "gemini-9"))
    leaving = asyncio.create_task(ask(rig))
    await user.asked.wait()
    staying = asyncio.create_task(ask(rig))
    leaving.cancel()
    [record] = await rig.records()
    assert record.outcome == "client_gone"
    user.gate.set()
    assert (await staying)[0] == 200
    assert len(user.calls) == 1


@pytest.mark.parametrize("answer", [(401, b'{"error":"invalid_grant"}'), (200, b"<html>")], ids=["refused", "no token"])
async def test_without_a_token_another_deployment_answers(
    rig: Rig, upstream_at: Start, user: Endpoint, answer: Answer
) -> None:
    user.answer = lambda _: answer
    first, second = await upstream_at(whole), await upstream_at(answer_whole)
    rig.publish(beside(at(first.port, GEMINI, "gemini-9"), second.port))
    status, headers, _ = await ask(rig)
    assert (status, headers["x-pointsman-deployment"]) == (200, "p2/model-2")
    [record] = await rig.records()
    assert [(one.deployment, one.status, one.cause) for one in record.attempts] == [
        ("p1/model-1", 0, "first"),
        ("p2/model-2", 200, "fallback"),
    ]
    assert "token" in record.attempts[0].error
    assert first.requests == []


async def test_without_a_token_anywhere_the_client_is_told_what_to_do(rig: Rig, upstream_at: Start, user: Endpoint) -> None:
    user.answer = lambda _: (400, b'{"error":"invalid_grant","error_description":"Bad Request"}')
    upstream = await upstream_at(whole)
    rig.publish(at(upstream.port, GEMINI, "gemini-9"))
    status, _, body = await ask(rig)
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (502, "upstream_credential_missing")
    assert "gcloud auth application-default login" in error["message"]
    assert b"secret" not in body


async def test_a_service_account_signs_for_itself(
    rig: Rig,
    upstream_at: Start,
    endpoint: Endpoint,  # noqa: F811
    tmp_path: Path,
) -> None:
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "client_email": "me@p.example", "private_key": key}
    file = tmp_path / "account.json"
    file.write_text(json.dumps({**account, "token_uri": f"{endpoint.url}/token"}))
    endpoint.answer = granted
    upstream = await upstream_at(whole)
    rig.publish(at(upstream.port, replace(GEMINI, credential=f"adc:{file}"), "gemini-9"))
    assert (await ask(rig))[0] == 200
    assert upstream.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert endpoint.calls[0].form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"


async def test_a_machine_gets_its_token_from_the_metadata_server(
    rig: Rig,
    upstream_at: Start,
    endpoint: Endpoint,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", endpoint.url.removeprefix("http://"))
    endpoint.answer = granted
    upstream = await upstream_at(whole)
    rig.publish(at(upstream.port, GEMINI, "gemini-9"))
    assert (await ask(rig))[0] == 200
    assert upstream.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert endpoint.calls[0].headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize(
    "said",
    [
        b'{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}',
        b'[{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED"}}]',
    ],
)
@pytest.mark.usefixtures("user")
@pytest.mark.parametrize("theirs", [GEMINI, CLAUDE], ids=["gemini", "claude"])
@pytest.mark.parametrize("ours", NAMES)
async def test_an_error_of_googles_is_said_in_the_callers_dialect(
    rig: Rig, upstream_at: Start, ours: str, theirs: Provider, said: bytes
) -> None:
    async def script(received: Received) -> None:
        await received.reply(429, said)

    upstream = await upstream_at(script)
    rig.publish(at(upstream.port, theirs, MODELS[theirs]))
    status, _, body = await post(rig, path(ours, stream=False), DIALECTS[ours].request.encode(ASKED).body)
    fault = DIALECTS[ours].errors.read(status, body)
    assert (status, fault is not None and fault.message.endswith("Quota exceeded.")) == (429, True)


@pytest.mark.parametrize(
    ("theirs", "target", "answer"),
    [
        (GEMINI, "google/models/gemini-9:countTokens", {"totalTokens": 12}),
        (CLAUDE, "anthropic/models/count-tokens:rawPredict", {"input_tokens": 12}),
    ],
    ids=["gemini", "claude"],
)
@pytest.mark.usefixtures("user")
async def test_tokens_are_counted(
    rig: Rig, upstream_at: Start, theirs: Provider, target: str, answer: dict[str, int]
) -> None:
    async def script(received: Received) -> None:
        await received.reply(200, json.dumps(answer).encode())

    upstream = await upstream_at(script)
    rig.publish(at(upstream.port, theirs, MODELS[theirs]))
    status, _, said = await post(rig, "/v1/messages/count_tokens", DIALECTS["anthropic"].request.encode(ASKED).body)
    assert (status, json.loads(said)) == (200, {"input_tokens": 12})
    [received] = upstream.requests
    assert place(received.target) == target
    body = json.loads(received.body)
    assert ("contents" in body) if theirs is GEMINI else (body["model"] == "claude-9@1")

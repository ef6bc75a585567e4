"""Azure OpenAI behind the gateway: by key and by a token of Entra ID, at both kinds of its addresses."""

import json

import pytest
from msgspec.structs import replace
from tests.gateway.conftest import Received, Rig, Start, answer_whole
from tests.gateway.platforms import at
from tests.gateway.test_dialects import ASKED, NAMES, path, post, provider
from tests.upstream.credentials.conftest import Endpoint, endpoint  # noqa: F401 - a fixture

from pointsman.core.routing import Provider
from pointsman.upstream.providers import API_KEY_HEADER, AZURE_DEPLOYMENTS
from pointsman.wire.dialects import DIALECTS
from pointsman.wire.fold import fold

KEY, TOKEN = "azure-key", "eyJ.entra.token"
AZURE = Provider("azure", "https://m.openai.azure.com/openai/v1", "env:AZURE_OPENAI_API_KEY", quirks=(API_KEY_HEADER,))
ENTRA = replace(AZURE, credential="entra")
OLDER = replace(AZURE, base_url="https://m.openai.azure.com/openai", quirks=(API_KEY_HEADER, AZURE_DEPLOYMENTS))


@pytest.fixture(autouse=True)
def directory(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Endpoint:  # noqa: F811
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", endpoint.url)
    for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"AZURE_{name}", name.lower())
    endpoint.answer = lambda _: (200, json.dumps({"access_token": TOKEN, "expires_in": 3599}).encode())
    return endpoint


@pytest.mark.parametrize(
    ("row", "header", "target"),
    [
        (AZURE, ("api-key", KEY), "/openai/v1/chat/completions"),
        (ENTRA, ("authorization", f"Bearer {TOKEN}"), "/openai/v1/chat/completions"),
        (OLDER, ("api-key", KEY), "/openai/deployments/our%20gpt/chat/completions?api-version=2024-10-21"),
    ],
    ids=["key", "entra", "older addresses"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("ours", NAMES)
async def test_every_client_is_answered(
    rig: Rig, upstream_at: Start, ours: str, stream: bool, row: Provider, header: tuple[str, str], target: str
) -> None:
    script, _ = provider("openai_chat", stream=stream)
    upstream = await upstream_at(script)
    rig.publish(at(upstream.port, row, "our gpt"))
    asked = DIALECTS[ours].request.encode(replace(ASKED, stream=stream, include_usage=stream)).body
    status, _, body = await post(rig, path(ours, stream=stream), asked)
    assert status == 200, body
    decoder = DIALECTS[ours].stream.decoder()
    assert fold((*decoder.feed(body), *decoder.end()) if stream else DIALECTS[ours].reply.decode(body)).text == "I look: ä写"
    [received] = upstream.requests
    assert (received.headers[header[0]], received.target) == (header[1], target)
    assert json.loads(received.body)["model"] == "our gpt"


async def test_the_directory_is_asked_once(rig: Rig, upstream_at: Start, directory: Endpoint) -> None:
    upstream = await upstream_at(answer_whole)
    rig.publish(at(upstream.port, ENTRA, "our-gpt"))
    body = DIALECTS["openai_chat"].request.encode(ASKED).body
    for _ in range(3):
        assert (await post(rig, path("openai_chat", stream=False), body))[0] == 200
    (call,) = directory.calls
    assert call.target == "/tenant_id/oauth2/v2.0/token"
    assert call.form["client_secret"] == "client_secret"
    assert "api-key" not in upstream.requests[0].headers


async def test_a_secret_that_was_refused_is_told_without_it(rig: Rig, upstream_at: Start, directory: Endpoint) -> None:
    directory.answer = lambda _: (401, b'{"error":"invalid_client","error_description":"AADSTS7000215"}')

    async def unasked(received: Received) -> None:
        raise AssertionError(received.target)

    upstream = await upstream_at(unasked)
    rig.publish(at(upstream.port, ENTRA, "our-gpt"))
    status, _, body = await post(rig, path("openai_chat", stream=False), DIALECTS["openai_chat"].request.encode(ASKED).body)
    assert (status, json.loads(body)["error"]["code"]) == (502, "upstream_credential_missing")
    assert (b"AADSTS7000215" in body, b"client_secret" in body) == (True, False)
    assert upstream.requests == []

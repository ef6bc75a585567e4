"""Where requests go at Vertex, Bedrock and Azure, and what changes in their bodies."""

import json

import pytest

from pointsman.core.routing import Provider
from pointsman.upstream.addresses import counts, fitted, url
from pointsman.upstream.interfaces import Request
from pointsman.upstream.providers import AZURE_DEPLOYMENTS, BEDROCK, VERTEX
from pointsman.upstream.transport.head import target_of

PROJECT = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5"
RUNTIME = "https://bedrock-runtime.us-east-1.amazonaws.com"
GEMINI = Provider("vertex", PROJECT, "adc", "gemini", (VERTEX,))
CLAUDE = Provider("vertexclaude", PROJECT, "adc", "anthropic", (VERTEX,))
INVOKE = Provider("bedrockclaude", RUNTIME, "aws", "anthropic", (BEDROCK,))
CONVERSE = Provider("bedrock", f"{RUNTIME}/", "aws", "bedrock_converse")
AZURE = Provider("azure", "https://mine.openai.azure.com/openai", "entra", "openai_chat", (AZURE_DEPLOYMENTS,))
PLAIN = Provider("openai", "https://api.openai.com/v1")


@pytest.mark.parametrize(
    ("provider", "path", "model", "stream", "expected"),
    [
        (PLAIN, "/chat/completions", "gpt-5", False, "https://api.openai.com/v1/chat/completions"),
        (CONVERSE, "/model/a%3A0/converse", "a:0", False, f"{RUNTIME}/model/a%3A0/converse"),
        (GEMINI, "/models/g:generateContent", "g", False, f"{PROJECT}/publishers/google/models/g:generateContent"),
        (
            GEMINI,
            "/models/g:streamGenerateContent?alt=sse",
            "g",
            True,
            f"{PROJECT}/publishers/google/models/g:streamGenerateContent?alt=sse",
        ),
        (CLAUDE, "/messages", "c@2", False, f"{PROJECT}/publishers/anthropic/models/c@2:rawPredict"),
        (CLAUDE, "/messages", "c@2", True, f"{PROJECT}/publishers/anthropic/models/c@2:streamRawPredict"),
        (CLAUDE, "/messages/count_tokens", "c", False, f"{PROJECT}/publishers/anthropic/models/count-tokens:rawPredict"),
        (INVOKE, "/messages", "us.c-v1:0", False, f"{RUNTIME}/model/us.c-v1%3A0/invoke"),
        (INVOKE, "/messages", "arn:a/b", True, f"{RUNTIME}/model/arn%3Aa%2Fb/invoke-with-response-stream"),
        (INVOKE, "/messages", "..", False, f"{RUNTIME}/model/%2E%2E/invoke"),
        (
            AZURE,
            "/chat/completions",
            "our gpt",
            True,
            "https://mine.openai.azure.com/openai/deployments/our%20gpt/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_where_a_request_goes(provider: Provider, path: str, model: str, stream: bool, expected: str) -> None:
    assert url(provider, path, model, stream=stream) == expected
    assert target_of(expected).tls


BODY = b'{"model":"c","stream":true,"max_tokens":1,"odd": 1.50e1 ,"messages":[{"role":"user","content":"hi"}]}'


def asked(*headers: tuple[bytes, bytes], place: str = "https://a/b", body: bytes = BODY) -> Request:
    return Request("POST", place, headers, body)


def test_vertex_wants_the_version_and_not_the_model() -> None:
    found = fitted(CLAUDE, asked((b"anthropic-beta", b"one")))
    assert found.body == (
        b'{"stream":true,"max_tokens":1,"odd":1.50e1,"messages":[{"role":"user","content":"hi"}],'
        b'"anthropic_version":"vertex-2023-10-16"}'
    )
    assert found.headers == ((b"anthropic-beta", b"one"),)


def test_vertex_counts_tokens_by_a_model_in_the_body() -> None:
    place = url(CLAUDE, "/messages/count_tokens", "c", stream=False)
    assert json.loads(fitted(CLAUDE, asked(place=place)).body)["model"] == "c"


def test_bedrock_wants_the_betas_in_the_body() -> None:
    found = fitted(INVOKE, asked((b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", b"one, two"), (b"a", b"b")))
    body = json.loads(found.body)
    assert body.keys() == {"max_tokens", "odd", "messages", "anthropic_version", "anthropic_beta"}
    assert (body["anthropic_version"], body["anthropic_beta"]) == ("bedrock-2023-05-31", ["one", "two"])
    assert found.headers == ((b"a", b"b"),)
    assert b'"odd":1.50e1' in found.body


def test_what_the_client_says_of_these_stays() -> None:
    body = json.loads(fitted(INVOKE, asked(body=b'{"anthropic_version":"bedrock-x","anthropic_beta":["own"]}')).body)
    assert body == {"anthropic_version": "bedrock-x", "anthropic_beta": ["own"]}


@pytest.mark.parametrize("provider", [PLAIN, GEMINI, CONVERSE, AZURE], ids=lambda one: one.name)
def test_others_get_what_they_were_given(provider: Provider) -> None:
    request = asked()
    assert fitted(provider, request) is request


def test_only_invoke_model_cannot_count() -> None:
    assert [one.name for one in (PLAIN, GEMINI, CLAUDE, INVOKE, CONVERSE) if not counts(one)] == ["bedrockclaude"]

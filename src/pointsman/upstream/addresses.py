"""Where a request goes, and what changes in it, at platforms that speak a dialect at addresses of their own.

Strategy: a dialect says what stands behind the base URL (``request.path``); a provider's quirk says how it is written there.

    quirk              dialect      path                                                  body
    vertex             gemini       /publishers/google/models/MODEL:generateContent       -
    vertex             anthropic    /publishers/anthropic/models/MODEL:rawPredict         no ``model``, a version
    bedrock_invoke     anthropic    /model/MODEL/invoke                                   no ``model``, no ``stream``,
                                                                                          a version, the betas
    azure_deployments  openai_chat  /deployments/MODEL/chat/completions?api-version=...   -

(https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html,
https://learn.microsoft.com/azure/ai-foundry/openai/reference)

Laws: pure; a provider without these quirks gets what it was given; every other field of a body keeps its bytes.
"""

from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Raw

from pointsman.core.routing import Provider
from pointsman.upstream.interfaces import Request
from pointsman.upstream.providers import AZURE_DEPLOYMENTS, BEDROCK, VERTEX

AZURE_API_VERSION: Final = "2024-10-21"
"""The last stable version of the older addresses; what came later is at ``/openai/v1``."""

VERTEX_VERSION: Final = "vertex-2023-10-16"
BEDROCK_VERSION: Final = "bedrock-2023-05-31"

_VERSION: Final = "anthropic_version"
_BETA: Final = b"anthropic-beta"
_COUNT: Final = "/messages/count_tokens"
_objects: Final = msgspec.json.Decoder(dict[str, Raw])
_encode: Final = msgspec.json.Encoder().encode


_QUIRKS: Final = frozenset((VERTEX, BEDROCK, AZURE_DEPLOYMENTS))


def differs(provider: Provider) -> bool:
    """Say whether ``url`` and ``fitted`` change anything for a provider."""
    return not _QUIRKS.isdisjoint(provider.quirks)


def url(provider: Provider, path: str, model: str, *, stream: bool) -> str:
    """Return where a request goes. ``path`` is what the provider's dialect wants behind the base URL."""
    base, name = provider.base_url.rstrip("/"), _step(model, "@")
    if VERTEX in provider.quirks and provider.dialect == "gemini":
        return f"{base}/publishers/google{path}"
    if VERTEX in provider.quirks and provider.dialect == "anthropic":
        if path == _COUNT:
            return f"{base}/publishers/anthropic/models/count-tokens:rawPredict"
        return f"{base}/publishers/anthropic/models/{name}:{'streamRawPredict' if stream else 'rawPredict'}"
    if BEDROCK in provider.quirks:
        return f"{base}/model/{_step(model)}/{'invoke-with-response-stream' if stream else 'invoke'}"
    if AZURE_DEPLOYMENTS in provider.quirks:
        return f"{base}/deployments/{name}{path}?api-version={AZURE_API_VERSION}"
    return base + path


def _step(model: str, safe: str = "") -> str:
    """Return a name as one step of a path, whatever it holds: a name of dots would lead out of its folder."""
    return quote(model, safe=safe, errors="replace") if model.strip(".") else "%2E" * len(model)


def counts(provider: Provider) -> bool:
    """Say whether a provider's dialect can count tokens there (InvokeModel has no address for it)."""
    return BEDROCK not in provider.quirks


def fitted(provider: Provider, request: Request) -> Request:
    """Return a request with the changes of body and headers that the platform wants; its URL stays.

    The body is one that the dialect wrote or accepted: a JSON object.
    """
    if provider.dialect != "anthropic":
        return request
    if VERTEX in provider.quirks:
        gone = () if request.url.endswith("/count-tokens:rawPredict") else ("model",)
        return msgspec.structs.replace(request, body=_versioned(request.body, VERTEX_VERSION, gone, ()))
    if BEDROCK in provider.quirks:
        betas = [beta for name, value in request.headers if name == _BETA for beta in value.decode("latin-1").split(",")]
        headers = tuple([field for field in request.headers if not field[0].startswith(b"anthropic-")])
        body = _versioned(request.body, BEDROCK_VERSION, ("model", "stream"), [beta.strip() for beta in betas])
        return msgspec.structs.replace(request, headers=headers, body=body)
    return request


def post(
    provider: Provider, path: str, model: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes, *, stream: bool
) -> Request:
    """Return a request as the provider's platform takes it, to be signed next. ``path``, ``model``: as for ``url``."""
    return fitted(provider, Request("POST", url(provider, path, model, stream=stream), headers, body))


def _versioned(body: bytes, version: str, gone: tuple[str, ...], betas: list[str] | tuple[()]) -> bytes:
    fields = _objects.decode(body)
    for name in gone:
        fields.pop(name, None)
    fields.setdefault(_VERSION, Raw(_encode(version)))
    if betas:
        fields.setdefault("anthropic_beta", Raw(_encode(betas)))
    return _encode(fields)

"""The description of both APIs, the gateway's and the control plane's, as OpenAPI 3.1: docs/openapi.json.

    python -m pointsman.serve.openapi > docs/openapi.json

Strategy: what may be posted to is read from where it is answered (``gateway/entries``), the rest stands here, and the tests
ask for every path. Of a model's request only what the gateway itself reads is described: everything else goes to the
provider as it is, and its own documentation says what that may be.
"""

import json
from typing import Any, Final

import click
import msgspec

from pointsman import __version__
from pointsman.control.config import ControlRules
from pointsman.control.replay.question import Question
from pointsman.gateway import entries, feedback

Described = dict[str, Any]

_SPOKEN: Final = ("openai_chat", "openai_responses", "anthropic", "gemini")
_JSON: Final = "application/json"
_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object"}
_ERRORS: Final = {
    400: "The request cannot be read, or asks for what cannot be done.",
    401: "No key, or one that is not known.",
    403: "A web page from elsewhere, without a key; or a key that may not do this.",
    404: "No such model, or no such path.",
    405: "Another method is meant.",
    408: "The request came too slowly.",
    413: "The request is too large.",
    415: "The request is compressed.",
    422: "The provider could not process the request.",
    429: "Too much is asked, here or at the provider: see Retry-After.",
    431: "The head is too large.",
    500: "The gateway made a mistake: its log says which.",
    501: "A transfer coding besides chunked.",
    502: "The provider could not be reached, or did not answer properly.",
    503: "The gateway is overloaded or not ready, or nobody can serve now: see Retry-After.",
    504: "The provider took too long.",
    505: "Another version of HTTP than 1.0 and 1.1.",
}
_MODEL: Final = {"type": "string", "description": "A route (`auto`), or a deployment (`provider/model`)."}
_HEADERS: Final = {
    "x-pointsman-feature": "The kind of call.",
    "x-pointsman-customer": "Whom the call is for.",
    "x-pointsman-conversation": "What the client calls the conversation.",
    "x-pointsman-no-explore": "Nobody is to be tried on this request.",
    "x-pointsman-id": "The client's own id of the request; it comes back with the reply.",
    "traceparent": "The client's trace (W3C Trace Context), which goes on here.",
}


def description() -> Described:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pointsman",
            "version": __version__,
            "description": "A gateway for language models that picks the model by itself. Requests and replies of models "
            "are those of their dialect; what is described here is what the gateway itself reads and writes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8787"}],
        "security": [{"bearer": []}, {"x-api-key": []}, {"x-goog-api-key": []}, {"key": []}],
        "paths": {**_chats(), **_own(), **_control()},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
                "key": {"type": "apiKey", "in": "query", "name": "key"},
            },
            "responses": _refusals(),
            "schemas": _schemas(),
        },
    }


def _chats() -> Described:
    """Describe what may be posted to, in each dialect."""
    openai = _object({"model": _MODEL, "messages": {"type": "array"}})
    responses = _object({"model": _MODEL, "input": {}})
    gemini = _object({"contents": {"type": "array"}})
    streams = ("openai_chat", "openai_responses", "anthropic")
    bodies = {"openai_chat": openai, "openai_responses": responses, "anthropic": openai, "gemini": gemini}
    found: Described = {}
    for path in entries.paths():
        path = path if path.startswith("/") else f"/v1beta/models/MODEL{path}"  # noqa: PLW2901 - told short to people
        address = path.replace("MODEL", "model")
        entry = entries.entry(address, "")
        if entry is None:
            raise ValueError(f"{path} is told to people, and answered by nobody")
        body: Described = bodies[entry.dialect]
        if entry.dialect in streams and entry.operation == "chat":
            body = {**body, "properties": {**body["properties"], "stream": {"type": "boolean"}}}
        operation = _operation(
            f"{entry.operation} in the dialect {entry.dialect}",
            {_JSON: _OBJECT, "text/event-stream": _TEXT} if entry.operation == "chat" else {_JSON: _OBJECT},
            entry.dialect,
        )
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
        operation["parameters"] = [
            {"name": name, "in": "header", "description": says, "schema": {"type": "string", "maxLength": 512}}
            for name, says in _HEADERS.items()
        ]
        if "MODEL" in path:
            operation["parameters"].append(_in_path("model"))
        found[path.replace("MODEL", "{model}")] = {"post": operation}
    return found


def _own() -> Described:
    """Describe what is the gateway's own."""
    one = {"$ref": "#/components/schemas/Feedback"}
    said = {"oneOf": [one, {"type": "array", "items": one}]}
    taken = _operation("Say how good answers were; on disk before the reply", {_JSON: _OBJECT}, "openai_chat")
    taken["requestBody"] = {"required": True, "content": {_JSON: {"schema": said}}}
    model = _operation("One model", {_JSON: _OBJECT}, "openai_chat")
    gemini = _operation("One model, as Gemini describes it", {_JSON: _OBJECT}, "gemini")
    for operation in (model, gemini):
        operation["parameters"] = [_in_path("model")]
    alive = _operation("Whether the process lives", {_JSON: _OBJECT}, "openai_chat")
    ready = _operation("Whether a snapshot is in use, and how the journal is", {_JSON: _OBJECT}, "openai_chat")
    ready["responses"]["503"] = {"description": "No snapshot is in use yet.", "content": {_JSON: {"schema": _OBJECT}}}
    for operation in (alive, ready):
        operation["security"] = []
    return {
        feedback.PATH: {"post": taken},
        "/v1/models": {"get": _operation("Routes and deployments, as OpenAI lists models", {_JSON: _OBJECT}, "openai_chat")},
        "/v1/models/{model}": {"get": model},
        "/v1beta/models": {"get": _operation("The same, as Gemini lists models", {_JSON: _OBJECT}, "gemini")},
        "/v1beta/models/{model}": {"get": gemini},
        "/healthz": {"get": alive},
        "/readyz": {"get": ready},
        "/metrics": {"get": _operation("Figures for Prometheus", {"text/plain": _TEXT}, "openai_chat")},
    }


def _control() -> Described:
    """Describe what the control plane answers, on its own port and with its own key."""
    port = ControlRules(None).port
    found: Described = {}
    lost = {**_object({"vendor": _TEXT}), "additionalProperties": False}
    lost["properties"] |= {name: {"type": ["integer", "null"]} for name in ("since_ms", "until_ms")}
    for path, says, schema in (
        (
            "/control/v1/replay",
            "What would have been, had another policy decided",
            {"$ref": "#/components/schemas/Question"},
        ),
        ("/control/v1/drill", "What would be, were a vendor gone", lost),
    ):
        operation = _operation(says, {_JSON: {}}, "openai_chat")
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
        operation["security"] = [{"bearer": []}]
        found[path] = {"servers": [{"url": f"http://127.0.0.1:{port}"}], "post": operation}
    return found


def _object(needed: Described) -> Described:
    return {"type": "object", "required": list(needed), "properties": needed}


def _operation(says: str, answers: dict[str, Described], dialect: str) -> Described:
    errors = {str(status): {"$ref": f"#/components/responses/{dialect}_{status}"} for status in _ERRORS}
    content = {kind: {"schema": schema} for kind, schema in answers.items()}
    return {"summary": says, "responses": {"200": {"description": says, "content": content}, **errors}}


def _refusals() -> Described:
    """Describe errors, in the envelope of each dialect."""
    return {
        f"{dialect}_{status}": {
            "description": words,
            "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/Error_{dialect}"}}},
        }
        for dialect in _SPOKEN
        for status, words in _ERRORS.items()
    }


def _in_path(name: str) -> Described:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _schemas() -> Described:
    error = {"type": "object", "required": ["message"], "properties": {"message": _TEXT}}
    openai = {"type": "object", "required": ["error"], "properties": {"error": error}}
    typed = {"type": "object", "required": ["type", "error"], "properties": {"type": {"const": "error"}, "error": error}}
    number = {**error, "required": ["message", "code"], "properties": {"message": _TEXT, "code": {"type": "integer"}}}
    _, components = msgspec.json.schema_components([Question], ref_template="#/components/schemas/{name}")
    subjects, sayings = ("exchange", "client_id", "conversation"), ("score", "thumb", "test", "edit", "event")
    return {
        "Error_openai_chat": openai,
        "Error_openai_responses": openai,
        "Error_anthropic": typed,
        "Error_gemini": {"type": "object", "required": ["error"], "properties": {"error": number}},
        "Feedback": {
            "type": "object",
            "additionalProperties": False,
            "oneOf": [{"required": [one]} for one in subjects],
            "anyOf": [{"required": [one]} for one in sayings],
            "properties": {
                **{one: {"type": "string", "minLength": 1, "maxLength": 128} for one in subjects},
                "score": {"type": "number", "minimum": 0, "maximum": 1},
                "thumb": {"enum": ["up", "down"]},
                "test": {"enum": ["passed", "failed"]},
                "edit": {"type": "object", "required": ["from", "to"], "properties": {"from": _TEXT, "to": _TEXT}},
                "event": _TEXT,
                "value_usd": {"type": ["number", "string", "null"]},
                "source": _TEXT,
                "id": _TEXT,
                "at": {"type": ["string", "number", "null"]},
            },
        },
        **components,
    }


@click.command()
def main() -> None:
    """Print the description."""
    click.echo(json.dumps(description(), indent=1, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main()

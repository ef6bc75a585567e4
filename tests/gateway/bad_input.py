"""What bad input gets, and what a provider's failure becomes: statuses and envelopes. ``make errors`` writes the table.

Strategy: a row is a request gone wrong, or a gateway or a provider in trouble, and the answer that each client dialect gets.
``test_bad_input`` plays every row over real sockets; ``document`` turns the same rows into ``docs/errors.md``.

The words are the vendors' own: OpenAI's by recorded replies and https://platform.openai.com/docs/guides/error-codes,
Anthropic's by https://platform.claude.com/docs/en/api/errors, Google's by https://google.aip.dev/193 and
https://ai.google.dev/gemini-api/docs/troubleshooting.
"""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tests.gateway.scenes import (
    Scene,
    all_named,
    answering,
    bounded,
    breaking,
    busy,
    cooling,
    down,
    erring,
    governed,
    hanging_up,
    keyed,
    keyless,
    no_reference,
    no_snapshot,
    nonsense,
    refusing,
    silent,
    small,
    text_only,
    unreachable,
    used_up,
)

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "errors.md"
NAMES: Final = ("openai_chat", "openai_responses", "anthropic", "gemini")
PATHS: Final = MappingProxyType({
    "openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses", "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/auto:generateContent",
})  # fmt: skip
KEY_HEADERS: Final = MappingProxyType({
    "openai_chat": "authorization: Bearer ", "openai_responses": "authorization: Bearer ", "anthropic": "x-api-key: ",
    "gemini": "x-goog-api-key: ",
})  # fmt: skip
HELLO: Final[dict[str, Any]] = {
    "openai_chat": {"model": "auto", "messages": [{"role": "user", "content": "hi"}]},
    "openai_responses": {"model": "auto", "input": [{"role": "user", "content": "hi"}]},
    "anthropic": {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
TURNS: Final = MappingProxyType({
    "openai_chat": "messages", "openai_responses": "input", "anthropic": "messages", "gemini": "contents",
})  # fmt: skip
LIMITS: Final[dict[str, Any]] = {
    "openai_chat": {"max_completion_tokens": "many"},
    "openai_responses": {"max_output_tokens": "many"},
    "anthropic": {"max_tokens": "many"},
    "gemini": {"generationConfig": {"maxOutputTokens": "many"}},
}
IMAGES: Final[dict[str, Any]] = {
    "openai_chat": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}],
    "openai_responses": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a.png"}]}],
    "anthropic": [
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}]}
    ],
    "gemini": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}],
}
_ANTHROPIC: Final = MappingProxyType({
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
    413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error", 504: "timeout_error",
    529: "overloaded_error",
})  # fmt: skip
_GOOGLE: Final = MappingProxyType({
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT", 415: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 431: "INVALID_ARGUMENT",
    500: "INTERNAL", 502: "INTERNAL",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED", 529: "UNAVAILABLE",
})  # fmt: skip


@dataclass(frozen=True)
class Said:
    """An answer: its status; for an error the vendor's type (Google's status word) and code (Google's reason), if any."""

    status: int
    kind: str = ""
    code: str | None = None

    @property
    def words(self) -> str:
        return " ".join(f"`{word}`" for word in (self.kind, self.code) if word)


@dataclass(frozen=True)
class Sent:
    """A request as it goes over the wire. ``headers`` are whole lines."""

    path: str
    body: bytes
    headers: str = ""
    method: str = "POST"


@dataclass(frozen=True)
class Row:
    """``said`` is by dialect; a dialect that is not in it cannot ask that. ``waits``: the answer carries Retry-After."""

    name: str
    send: Callable[[str], Sent]
    said: dict[str, Said]
    scene: Scene = answering
    waits: bool = False


def refused(status: int, code: str | None = None, reason: str | None = None) -> dict[str, Said]:
    """Return an error as each vendor says it. ``code`` is OpenAI's, ``reason`` Google's."""
    openai = Said(
        status, "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error", code
    )
    anthropic = Said(status, _ANTHROPIC.get(status, "invalid_request_error" if status < 500 else "api_error"))
    gemini = Said(status, _GOOGLE[status], reason)
    return {"openai_chat": openai, "openai_responses": openai, "anthropic": anthropic, "gemini": gemini}


EMPTY: Final[dict[str, Any]] = {}
SERVED: Final = {name: Said(200) for name in NAMES}


def hello(dialect: str, changes: dict[str, Any] = EMPTY, headers: str = "") -> Sent:
    """Return a request that is right, but for what is changed. None takes a field out."""
    body = {name: value for name, value in (HELLO[dialect] | changes).items() if value is not None}
    version = "anthropic-version: 2023-06-01\r\n" if dialect == "anthropic" else ""
    return Sent(PATHS[dialect], json.dumps(body).encode(), version + headers)


def raw(body: bytes) -> Callable[[str], Sent]:
    return lambda dialect: Sent(PATHS[dialect], body)


def unknown_model(dialect: str) -> Sent:
    asked = hello(dialect, {"model": "nothing"}) if dialect != "gemini" else hello(dialect)
    return Sent(asked.path.replace("auto", "nothing"), asked.body)


def no_model(dialect: str) -> Sent:
    asked = hello(dialect, {"model": None})
    return Sent(asked.path.replace("auto", ""), asked.body)


def elsewhere(dialect: str) -> Sent:
    asked = hello(dialect)
    return Sent("/v1beta/nothing" if dialect == "gemini" else f"{asked.path}/nothing", asked.body, asked.headers)


def with_key(key: str, header: str = "") -> Callable[[str], Sent]:
    return lambda dialect: hello(dialect, headers=f"{header or KEY_HEADERS[dialect]}{key}\r\n")


def packed(dialect: str) -> Sent:
    asked = hello(dialect)
    return Sent(asked.path, gzip.compress(asked.body), "content-encoding: gzip\r\n")


def half_a_pair(dialect: str) -> Sent:
    asked = hello(dialect)
    return Sent(asked.path, asked.body.replace(b'"hi"', rb'"h\ud83d"'), asked.headers)


MISTAKES: Final = (
    Row("no JSON", raw(b'{"model": "auto", "mess'), refused(400)),
    Row("an empty body", raw(b""), refused(400)),
    Row("JSON that is no object", raw(b"[]"), refused(400)),
    Row("bytes that are not UTF-8", raw(b'{"model": "auto\xff"}'), refused(400)),
    Row(
        "nested a hundred thousand deep",
        raw(b'{"model": "auto", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        refused(400),
    ),
    Row("a compressed body", packed, refused(415, "unsupported_content_encoding", "UNSUPPORTED_CONTENT_ENCODING")),
    Row("half a surrogate pair in a text: read as U+FFFD", half_a_pair, SERVED),
    Row(
        "no model",
        no_model,
        refused(400, "missing_required_parameter") | {"gemini": Said(404, "NOT_FOUND", "MODEL_NOT_FOUND")},
    ),
    Row("no messages", lambda d: hello(d, {TURNS[d]: None}), refused(400, "missing_required_parameter")),
    Row("messages of a wrong type", lambda d: hello(d, {TURNS[d]: 5}), refused(400, "invalid_type")),
    Row("a limit of tokens of a wrong type", lambda d: hello(d, LIMITS[d]), refused(400, "invalid_type")),
    Row(
        "`stream` of a wrong type",
        lambda d: hello(d, {"stream": "yes"}),
        {name: said for name, said in refused(400, "invalid_type").items() if name != "gemini"},
    ),
    Row("an unknown model", unknown_model, refused(404, "model_not_found", "MODEL_NOT_FOUND")),
    Row("an unknown path", elsewhere, refused(404, None, "NOT_FOUND")),
    Row(
        "GET where POST is meant (with `Allow`)",
        lambda d: Sent(PATHS[d], b"", method="GET"),
        refused(405, "method_not_supported", "METHOD_NOT_ALLOWED"),
    ),
    Row(
        "another content type: read as JSON all the same", lambda d: hello(d, headers="content-type: text/plain\r\n"), SERVED
    ),
    Row(
        "a body above `limits.body_bytes`",
        lambda d: hello(d, {"x": "x" * 5000}),
        refused(413, "request_too_large", "REQUEST_TOO_LARGE"),
        small,
    ),
    Row(
        "headers above 64 KB",
        lambda d: hello(d, headers=f"x-padding: {'x' * 70_000}\r\n"),
        refused(431, "request_header_fields_too_large", "REQUEST_HEADER_FIELDS_TOO_LARGE"),
    ),
)
KEYS: Final = (
    Row("no key", hello, refused(401, None, "CREDENTIALS_MISSING"), keyed),
    Row("an unknown key", with_key("wrong"), refused(401, "invalid_api_key", "API_KEY_INVALID"), keyed),
    Row("a key without `Bearer`", with_key("right", "authorization: "), refused(401, None, "CREDENTIALS_MISSING"), keyed),
    Row("a key in another vendor's header", with_key("right", "x-api-key: "), SERVED, keyed),
    Row(
        "no keys configured, and a web page from elsewhere asks",
        lambda d: hello(d, headers="origin: https://elsewhere.example\r\n"),
        refused(403, "foreign_origin", "FOREIGN_ORIGIN"),
        keyless,
    ),
    Row("what the key may not ask for", with_key("right"), refused(403, "key_scope", "KEY_SCOPE"), bounded),
    Row(
        "a request that nobody may see, by a data policy",
        with_key("right"),
        refused(403, "not_permitted", "NOT_PERMITTED"),
        governed,
    ),
)
TROUBLE: Final = (
    Row(
        "nothing can serve what is asked (an image, and only text is read)",
        lambda d: hello(d, {TURNS[d]: IMAGES[d]}),
        refused(400, "unsupported_request", "UNSUPPORTED_REQUEST"),
        text_only,
    ),
    Row("the route has no reference", hello, refused(400, "no_reference", "NO_REFERENCE"), no_reference),
    Row(
        "every deployment cools down after failures",
        hello,
        refused(503, "no_deployment_available", "NO_DEPLOYMENT_AVAILABLE"),
        cooling,
        waits=True,
    ),
    Row("no snapshot is in use yet", hello, refused(503, "not_ready", "NOT_READY"), no_snapshot, waits=True),
    Row(
        "a budget of a day is used up",
        hello,
        refused(429, "insufficient_quota", "BUDGET_SPENT"),
        used_up("day"),
        waits=True,
    ),
    Row(
        "a budget of a minute is used up",
        hello,
        refused(429, "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"),
        used_up("minute"),
        waits=True,
    ),
    Row(
        "more customers or features than `limits.values_per_key`, where each has a budget",
        hello,
        refused(429, "insufficient_quota", "BUDGET_SPENT"),
        all_named,
        waits=True,
    ),
    Row("`limits.concurrent` are being served", hello, refused(503, "overloaded", "OVERLOADED"), busy, waits=True),
    Row(
        "no provider can be reached",
        hello,
        refused(502, "upstream_unreachable", "UPSTREAM_UNREACHABLE"),
        unreachable,
    ),
)
PROVIDERS: Final = (
    Row("400", hello, refused(400), refusing(400)),
    Row("401: the owner's credential", hello, refused(401, "invalid_api_key", "API_KEY_INVALID"), refusing(401)),
    Row("403", hello, refused(403), refusing(403)),
    Row("404", hello, refused(404, "model_not_found", "MODEL_NOT_FOUND"), refusing(404)),
    Row("413", hello, refused(413, "request_too_large"), refusing(413)),
    Row(
        "429 (with the provider's Retry-After and rate-limit headers)",
        hello,
        refused(429, "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"),
        refusing(429, retry_after=7),
        waits=True,
    ),
    Row(
        "429 without Retry-After: one is added",
        hello,
        refused(429, "rate_limit_exceeded", "RATE_LIMIT_EXCEEDED"),
        refusing(429),
        waits=True,
    ),
    Row("500", hello, refused(500), refusing(500)),
    Row("503", hello, refused(503), refusing(503)),
    Row("529", hello, refused(529), refusing(529)),
    Row("an error page in HTML", hello, refused(503, "upstream_error", "UPSTREAM_ERROR"), down),
)
SILENCE: Final = (
    Row("hangs up before a byte", hello, refused(502, "upstream_closed", "UPSTREAM_CLOSED"), hanging_up),
    Row("says nothing in time", hello, refused(504, "upstream_timeout", "UPSTREAM_TIMEOUT"), silent),
    Row(
        "200 with nonsense inside",
        hello,
        refused(502, "upstream_protocol_error", "UPSTREAM_PROTOCOL_ERROR"),
        nonsense,
    ),
)
BROKEN: Final = (
    Row("breaks off after content", hello, refused(502, "upstream_cut", "UPSTREAM_CUT"), breaking),
    Row(
        "reports an error after content",
        hello,
        refused(529) | {"anthropic": Said(500, "api_error"), "gemini": Said(500, "INTERNAL")},
        erring,
    ),
)
SECTIONS: Final = (
    ("The request", MISTAKES),
    ("Keys", KEYS),
    ("What cannot be served now", TROUBLE),
    ("The provider answers", PROVIDERS),
    ("The provider does not answer", SILENCE),
    ("A stream that has begun: status 200, then an error event", BROKEN),
)
HEAD: Final = """# Errors

What a client gets that asks wrongly, or whose provider fails. Made by `make errors` from the rows that
`tests/gateway/test_bad_input.py` plays over real sockets; the build fails where this page differs.

Every error comes in the envelope of the dialect that was called, with the true status, whole or streamed. A cell shows the
status, the type (OpenAI's and Anthropic's `error.type`, Google's `error.status`) and, where there is one, the code (OpenAI's
`error.code`, Google's `ErrorInfo.reason`): the vendor's own words where the vendor has some. Where the provider speaks the
client's dialect, its error goes through in its own bytes; the cells below are of a provider that speaks another one. W: the
answer says in Retry-After how long to wait, as every 429 does.
"""
FOOT: Final = """A client that leaves gets nothing more; the provider's call is closed at once, and the record says
`client_gone` (499 where nothing had been answered).

Where the vendors themselves differ from this: OpenAI's Responses answers an unknown model with 400, Google an unknown key
with 400 and a missing one with 403. Here that is 404 and 401 in every dialect.
"""


def document() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for title, rows in SECTIONS:
        lines += [f"## {title}", "", "| what | OpenAI (Chat, Responses) | Anthropic | Gemini | |", "|---|---|---|---|---|"]
        for row in rows:
            found = [row.said.get(name) for name in ("openai_chat", "anthropic", "gemini")]
            # Within a stream only the words are seen.
            cells = ["–" if one is None else one.words if rows is BROKEN else f"{one.status} {one.words}" for one in found]
            lines.append(f"| {row.name} | {' | '.join(cells)} | {'W' if row.waits else ''} |")
        lines.append("")
    return "\n".join([*lines, FOOT])


if __name__ == "__main__":
    DOCUMENT.write_text(document(), "utf-8")

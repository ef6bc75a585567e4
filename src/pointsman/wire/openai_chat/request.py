"""A request: read as a view, and edited in its own bytes.

Strategy: ``decode`` reads only the fields that choosing and accounting need, and lets everything else pass; it is not a
validator, the provider is. ``edit`` puts new values into the original bytes: where the model's name stands once in the
body, finding it is one search; otherwise a scan over strings and brackets finds the top level.

Laws: bytes outside the edited values are untouched (unknown fields, order, blanks, numbers); a field that stands twice is
edited twice, because parsers disagree on which one counts; whatever the nesting, no recursion error escapes.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, Media, Message, Output, Part, Text, Tool, ToolCall
from pointsman.core.errors import WireError


class _Part(Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Function(Struct):
    name: str = ""
    arguments: Any = ""


class _ToolCall(Struct):
    id: str = ""
    function: _Function | None = None
    custom: dict[str, Any] | None = None


class _Message(Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: list[_ToolCall] | None = None


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _ResponseFormat(Struct):
    type: str = ""


class _Body(Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[Raw] | None = None
    functions: list[Raw] | None = None
    response_format: _ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    n: int | None = None


_decoder = msgspec.json.Decoder(_Body)
_options_decoder = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode

_LONE_SURROGATE = re.compile(
    rb"(?i)\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}"
)
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLAIN_MODEL = re.compile(rb'"model"\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")')
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],]', re.DOTALL)
_BLANKS = b" \t\r\n"
_MEDIA = {"image_url": "image", "input_audio": "audio", "file": "file"}


def decode(body: bytes) -> ChatRequest:
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    wire = _read(body)
    if not wire.messages:
        raise WireError("'messages' is empty: send at least one message", param="messages")
    limit = wire.max_completion_tokens if wire.max_completion_tokens is not None else wire.max_tokens
    return ChatRequest(
        model=wire.model,
        messages=tuple([_message(message) for message in wire.messages]),
        stream=bool(wire.stream),
        include_usage=wire.stream_options is not None and bool(wire.stream_options.include_usage),
        tools=(Tool(""),) * (len(wire.tools or ()) + len(wire.functions or ())),
        output=Output("json_schema") if wire.response_format and wire.response_format.type == "json_schema" else None,
        max_output_tokens=limit,
        user=wire.user,
        metadata={k: v for k, v in wire.metadata.items() if isinstance(v, str)} if wire.metadata else {},
        choices=max(wire.n or 1, 1),
    )


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """Return a body that ``decode`` accepted with another model name, or with a request for usage in its stream.

    ``model`` None and ``include_usage`` False leave things as they are; where nothing changes, ``body`` itself is returned.
    """
    if model is None and not include_usage:
        return body
    plain = _plain_span(body)
    spans = {"model": [plain], "stream_options": []} if plain else _spans(body)
    changes: list[tuple[int, int, bytes]] = []
    if model is not None:
        name = _encode(model)
        changes = [(start, end, name) for start, end in spans["model"]]
    if include_usage:
        asked = spans["stream_options"]
        changes += [(start, end, _with_usage(body[start:end])) for start, end in asked]
        if not asked:
            place = spans["model"][-1][1]
            changes.append((place, place, b',"stream_options":{"include_usage":true}'))
        changes.sort()
    pieces: list[bytes] = []
    at = 0
    for start, end, new in changes:
        pieces += (body[at:start], new)
        at = end
    pieces.append(body[at:])
    return b"".join(pieces)


def _read(body: bytes) -> _Body:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise WireError("the body is not UTF-8") from error
    except msgspec.DecodeError as error:
        # Half a surrogate pair, as some clients write a cut emoji, is JSON that only Unicode forbids: read on without it.
        mended = _LONE_SURROGATE.sub(rb"\\ufffd", body)
        if mended != body:
            return _read(mended)
        raise WireError(f"the body is not valid JSON: {error}") from error


def _wrong(message: str) -> WireError:
    """Name the field at fault as OpenAI does: ``messages[0].role``."""
    missing, place = _MISSING.search(message), _PLACE.search(message)
    where = place.group(1) if place else ""
    if missing:
        where = f"{where}.{missing.group(1)}" if where else missing.group(1)
        return WireError(f"'{where}' is missing", param=where)
    reason = message[: place.start()] if place else message
    return WireError(f"'{where}' is of the wrong type: {reason}" if where else f"the body: {reason}", param=where or None)


def _message(wire: _Message) -> Message:
    content = wire.content
    if isinstance(content, str):
        parts: tuple[Part, ...] = (Text(content),)
    elif content:
        parts = tuple([_part(part) for part in content])
    else:
        parts = ()
    calls = tuple([_tool_call(call) for call in wire.tool_calls]) if wire.tool_calls else ()
    return Message(wire.role, parts + calls)


def _part(wire: _Part) -> Part:
    kind = _MEDIA.get(wire.type)
    return Media(kind) if kind else Text(wire.text or wire.refusal or "")


def _tool_call(wire: _ToolCall) -> ToolCall:
    function = wire.function
    if function is not None:
        arguments = function.arguments
        return ToolCall(function.name, arguments if isinstance(arguments, str) else _encode(arguments).decode(), wire.id)
    custom = wire.custom or {}
    return ToolCall(str(custom.get("name", "")), str(custom.get("input", "")), wire.id)


def _with_usage(options: bytes) -> bytes:
    """Return the value of ``stream_options`` with usage asked for, its other fields as they were."""
    fields = {} if options == b"null" else _options_decoder.decode(options)
    return _encode({**fields, "include_usage": True})


def _plain_span(body: bytes) -> tuple[int, int] | None:
    """Find the model's value by one search, where it can only be the one at the top level; None where it takes a scan.

    Both quotes of ``"model"`` are real quotes (inside a string each would follow a backslash), so it is a key or a value of
    that name. A key may also be spelled with escapes, then of one of its own letters, so it holds ``\\u00``.
    """
    if b'"stream_options"' in body or body.count(b'"model"') != 1 or b"\\u00" in body:
        return None
    found = _PLAIN_MODEL.search(body)
    return found.span(1) if found else None


def _spans(body: bytes) -> dict[str, list[tuple[int, int]]]:
    """Scan for the values of both fields at the top level: where each starts and ends."""
    spans: dict[str, list[tuple[int, int]]] = {"model": [], "stream_options": []}
    depth = 0
    name: str | None = None
    start = 0
    fresh = False  # true between a comma or the opening brace and the name that follows it
    for token in _TOKEN.finditer(body):
        sign = body[token.start()]
        if sign == 0x22:
            if depth == 1 and fresh:
                name, start, fresh = msgspec.json.decode(token.group(), type=str), body.index(b":", token.end()) + 1, False
        elif sign in b"{[":
            depth += 1
            fresh = fresh or depth == 1
        else:
            if depth == 1 and sign in b",}" and name in spans:
                value = body[start : token.start()]
                left = start + len(value) - len(value.lstrip(_BLANKS))
                spans[name].append((left, start + len(value.rstrip(_BLANKS))))
            fresh = depth == 1 and sign == 0x2C
            if fresh:
                name = None
            depth -= sign in b"}]"
    return spans

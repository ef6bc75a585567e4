"""A request: read, written, and edited in its own bytes.

Strategy: ``glance`` reads what choosing and accounting rest on (the hot path, where the bytes go on as they came).
``decode`` reads everything that has a word in the canonical pair, and in a second pass what has none. Neither is a
validator, the provider is. ``edit`` puts new values into the original bytes.

Laws: ``decode(encode(x)) == x`` for a request that came in this dialect; what came in another is written in the words that
every provider of this dialect knows, and what has none is named; an edit leaves all other bytes as they are.
(https://platform.openai.com/docs/api-reference/chat/create)
"""

from operator import attrgetter
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Output, Own, Text, ToolResult
from pointsman.core.errors import WireError
from pointsman.wire import edits, scan
from pointsman.wire.dialect import Address, Encoded
from pointsman.wire.fields import checked, mended
from pointsman.wire.openai_chat import media, sampling, tools
from pointsman.wire.openai_chat.compose import Turns
from pointsman.wire.openai_chat.fields import ABSENT, NAME, NULL, Wire, fill, objects, put, raw_of, read, said, words
from pointsman.wire.openai_chat.fields import encode as written
from pointsman.wire.openai_chat.messages import NOTHING, messages
from pointsman.wire.openai_chat.shapes import Body, Seen

_NOWHERE: Final = Address()
_SCHEMA: Final = Output("json_schema")
_NO_METADATA: Final[dict[str, str]] = {}
_ASKS_USAGE: Final = b',"stream_options":{"include_usage":true}'
_body = msgspec.json.Decoder(Body)
_seen = msgspec.json.Decoder(Seen)
_rare = attrgetter(*sampling.RARE)
_UNSAID: Final = _rare(Body("", []))


def decode(body: bytes, address: Address = _NOWHERE) -> ChatRequest:  # noqa: ARG001 - all is in the body
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    return read(_whole, mended(body))


def glance(body: bytes, address: Address = _NOWHERE) -> ChatRequest:  # noqa: ARG001
    """Return what of a request choosing and accounting rest on: nothing of how it is sampled. Raises as ``decode`` does.

    A quarter of the work, and less of what is plain; what is translated is read by ``decode``.
    """
    found = scan.request(body)
    if found is None:
        return glance_any(body)
    model, turns, stream, include_usage, limit = found
    return ChatRequest(
        model,
        tuple([Message(role, (Text(text),), "", NOTHING) for role, text in turns]),
        stream,
        include_usage,
        max_output_tokens=limit,
        metadata=_NO_METADATA,
    )


def glance_any(body: bytes) -> ChatRequest:
    """Do the same where a request is anything but plain. Raises WireError."""
    return read(_glance, body)


def _glance(body: bytes) -> ChatRequest:
    wire = _seen.decode(body)
    if not wire.messages:
        raise _no_messages()
    options, form, limit, old = wire.stream_options, wire.response_format, wire.max_completion_tokens, wire.max_tokens
    if limit is None or (old is not None and old > limit):  # each provider knows one of the two: the larger one may count
        limit = old
    return ChatRequest(
        wire.model,
        messages(wire.messages),
        stream=bool(wire.stream),
        include_usage=options is not None and bool(options.include_usage),
        tools=tools.read(wire) if wire.tools is not ABSENT or wire.functions is not ABSENT else (),
        output=_SCHEMA if form is not None and form.type == "json_schema" else None,
        max_output_tokens=limit,
        choices=max(wire.n or 1, 1),
        user=wire.user,
        metadata=sampling.metadata(wire, {}) if wire.metadata else _NO_METADATA,
        cache_key=words(wire.prompt_cache_key),
        service_tier=words(wire.service_tier),
    )


def _no_messages() -> WireError:
    return WireError("'messages' is empty: send at least one message", param="messages", code="empty_array")


def _whole(body: bytes) -> ChatRequest:
    wire = _body.decode(body)
    fill(wire, checked(body))
    return _request(wire)


def _request(wire: Body) -> ChatRequest:
    if not wire.messages:
        raise _no_messages()
    own: Own = dict(wire.own)
    options, limit = wire.stream_options, wire.max_completion_tokens
    if options is not None and options.own:
        own["stream_options"] = raw_of(options.own)
    if wire.max_tokens is not None:
        own["max_tokens"] = NULL if limit is None else raw_of(wire.max_tokens)
        limit = wire.max_tokens if limit is None else limit
    if wire.n is not None and wire.n < 1:
        own["n"] = raw_of(wire.n)
    request = ChatRequest(
        model=wire.model,
        messages=messages(wire.messages),
        stream=bool(wire.stream),
        include_usage=options is not None and bool(options.include_usage),
        tools=tools.read(wire) if wire.tools is not ABSENT or wire.functions is not ABSENT else (),
        max_output_tokens=limit,
        choices=max(wire.n or 1, 1),
        user=wire.user,
        metadata=sampling.metadata(wire, own) if wire.metadata else {},
        own=own,
    )
    if _rare(wire) == _UNSAID:
        return request
    return replace(request, tool_choice=tools.choice(wire, own), **sampling.read(wire, own))


def encode(request: ChatRequest) -> Encoded:
    """Return a request in this dialect; ``model`` and ``stream`` are those of ``request``."""
    lost: set[str] = set()
    ours = request.dialect == NAME
    wire: Wire = {"model": request.model, "messages": Turns(request, lost).write(request.messages)}
    if request.stream:
        wire["stream"] = True
    if request.include_usage:
        wire["stream_options"] = {"include_usage": True}
    tools.write(wire, request, lost)
    if request.output is not None:
        wire["response_format"] = _format(request.output, lost, ours=ours)
    sampling.write(wire, request, lost)
    if ours:
        own = request.own
        if own.get("max_tokens") == NULL and "max_completion_tokens" in wire:
            wire["max_tokens"] = wire.pop("max_completion_tokens")
        put(wire, own)
    else:
        lost.update(said(request.own))
    return Encoded(written(wire), tuple(sorted(lost)))


def _format(output: Output, lost: set[str], *, ours: bool) -> Wire:
    if output.kind != "json_schema":
        wire: Wire = {"type": "text" if output.kind == "text" else "json_object"}
    else:
        schema: Wire = {"name": output.name} if output.name or ours else {"name": "answer"}  # OpenAI wants one
        if not schema["name"]:
            del schema["name"]
        if output.description:
            schema["description"] = output.description
        if bytes(output.schema):
            schema["schema"] = output.schema
        if output.strict is not None:
            schema["strict"] = output.strict
        wire = {"type": "json_schema", "json_schema": schema}
    if ours:
        put(wire, output.own)
    else:
        lost.update(said(output.own))
    return wire


def unfit(request: ChatRequest) -> str | None:
    """Say why a request would be answered wrongly in this dialect, None where losses are harmless."""
    if request.dialect == NAME:
        return None
    if request.previous:
        return "cannot go on from a reply that its provider keeps"
    for tool in request.tools:
        if isinstance(tool, Opaque):
            return f"cannot offer the tool {tool.kind or 'that is asked for'}"
    for message in request.messages:
        for part in message.parts:
            for inner in part.parts if isinstance(part, ToolResult) else (part,):
                reason = media.unreadable(inner) if isinstance(inner, Media) else None
                if reason is not None:
                    return f"cannot read {reason}"
    return None


def path(model: str, *, stream: bool) -> str:  # noqa: ARG001 - both are in the body
    """Return what goes behind a provider's base URL."""
    return "/chat/completions"


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """Return a body that ``decode`` accepted with another model name, or with a request for usage in its stream.

    ``model`` None and ``include_usage`` False leave things as they are; where nothing changes, ``body`` itself is returned.
    """
    if not include_usage:
        return body if model is None else edits.with_model(body, model)
    plain = edits.model_span(body) if b'"stream_options"' not in body else None
    if plain is not None:
        start, end = plain
        return b"".join((body[:start], body[start:end] if model is None else written(model), _ASKS_USAGE, body[end:]))
    spans = edits.top_spans(body, ("model", "stream_options"))
    asked = spans["stream_options"]
    changes = [(start, end, _with_usage(body[start:end])) for start, end in asked]
    if not asked:
        place = spans["model"][-1][1]
        changes = [(place, place, _ASKS_USAGE)]
    if model is not None:
        name = written(model)
        changes += [(start, end, name) for start, end in spans["model"]]
    return edits.replaced(body, sorted(changes))


def _with_usage(options: bytes) -> bytes:
    """Return the value of ``stream_options`` with usage asked for, its other fields as they were."""
    fields: dict[str, Raw] = {} if options == b"null" else objects.decode(options)
    return written({**fields, "include_usage": True})

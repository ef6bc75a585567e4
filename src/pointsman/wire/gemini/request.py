"""A request of generateContent, read and written (https://ai.google.dev/api/generate-content).

Strategy: the body is read level by level (``fields``), each level once: known fields become canonical ones, the rest stays
in ``own`` with its path as the name. The model's name and whether a stream is wanted stand in the URL (``Address``), so the
body of a request in the same dialect passes without any edit.

Laws: see ``wire/dialect.py``. A request of countTokens is a request of generateContent, bare or within
``generateContentRequest`` (https://ai.google.dev/api/tokens).
"""

import re
from collections.abc import Iterator

import msgspec
from msgspec import Raw

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Own, Part, ToolResult
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Address, Encoded
from pointsman.wire.fields import checked
from pointsman.wire.gemini import config, tools
from pointsman.wire.gemini.contents import Contents
from pointsman.wire.gemini.fields import NAME, Fields, restore
from pointsman.wire.gemini.parts import Calls, part

_MOST_CHOICES = 8
_MOST_STOPS = 5
_MOST_LOGPROBS = 20
_ROLES = {"user": "user", "model": "assistant", "function": "tool"}
_COUNTED = "generateContentRequest"
_NOWHERE = Address()
_FOLDERS = ("models/", "tunedModels/", "publishers/", "projects/")
_UNSAFE = re.compile(r"[^A-Za-z0-9._~@-]")
_encode = msgspec.json.Encoder().encode


def decode(body: bytes, address: Address = _NOWHERE) -> ChatRequest:
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    return _request(Fields(checked(body)), address)


def decode_count(body: bytes, address: Address = _NOWHERE) -> ChatRequest:
    """Return the request whose tokens are to be counted, bare or wrapped. Raises WireError."""
    if f'"{_COUNTED}"'.encode() not in body and b'"generate_content_request"' not in body:
        return decode(body, address)
    fields = Fields(body)
    inner = fields.take(_COUNTED)
    if inner is None:
        return decode(body, address)
    return decode(bytes(inner), address)


def encode(request: ChatRequest) -> Encoded:
    """Return a request in this dialect. The body names neither the model nor the form of the reply: the URL does."""
    lost: set[str] = set()
    return Encoded(_encode(_body(request, lost)), tuple(sorted(lost)))


def encode_count(request: ChatRequest, *, bare: bool = False) -> Encoded:
    """Return a request of countTokens: with more than contents, the Gemini API wants it wrapped, Vertex ``bare``."""
    lost: set[str] = set()
    body = _body(request, lost)
    if not bare:
        body = {_COUNTED: {"model": _resource(request.model), **body}}
    return Encoded(_encode(body), tuple(sorted(lost)))


def unfit(request: ChatRequest) -> str | None:
    """Say why a request would be answered wrongly in this dialect, None where losses are harmless."""
    if request.previous:
        return "does not keep earlier replies"
    if request.choices > _MOST_CHOICES:
        return f"cannot give more than {_MOST_CHOICES} choices"
    if len(request.stop) > _MOST_STOPS:
        return f"takes no more than {_MOST_STOPS} stop sequences"
    if (request.logprobs or 0) > _MOST_LOGPROBS:
        return f"shows no more than {_MOST_LOGPROBS} alternatives of a token"
    if request.dialect == NAME:
        return None
    for tool in request.tools:
        if isinstance(tool, Opaque):
            return f"has no tool of the kind '{tool.kind}'"
        if tool.kind == "custom":
            return "has no tools that take free text"
    if any(media.file_id for message in request.messages for media in _media(message.parts)):
        return "cannot read files that were uploaded to another provider"
    return None


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:  # noqa: ARG001  (see the laws above)
    """Return the body as it is: the model stands in the URL, and a stream always says what it took."""
    return body


def path(model: str, *, stream: bool) -> str:
    """Return what goes behind a provider's base URL: ``/models/MODEL:generateContent``, or its stream of events."""
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"{_place(model)}:{verb}"


def count_path(model: str) -> str:
    """Return what goes behind a provider's base URL to have tokens counted."""
    return f"{_place(model)}:countTokens"


def _resource(model: str) -> str:
    """Return a model's full name: ``models/x`` for ``x``, any with its folder (``tunedModels/x``) as it is."""
    return model if model.startswith(_FOLDERS) else f"models/{model}"


def _place(model: str) -> str:
    """Return a model's path, of as many steps as its name has and never out of its folder, whatever the name holds."""
    steps = _resource(model).split("/") if model.startswith(_FOLDERS) else ["models", model]
    return "".join(["/" + (_UNSAFE.sub(_quoted, step) if step.strip(".") else "%2E" * len(step)) for step in steps])


def _quoted(found: re.Match[str]) -> str:
    return "".join([f"%{byte:02X}" for byte in found.group().encode(errors="replace")])


def _request(fields: Fields, address: Address) -> ChatRequest:
    own: Own = {}
    calls = Calls()
    system = fields.take("systemInstruction")
    messages = [] if system is None else [_system(system, fields.at("systemInstruction"), calls)]
    if "contents" not in fields.left:
        raise WireError("'contents' is missing", param="contents")
    turns = [_message(raw, where, calls) for raw, where in fields.list("contents")]
    if not turns:
        raise WireError("'contents' is empty: send at least one content", param="contents")
    found = config.decode(fields, own)
    choice = tools.decode_choice(fields, own)
    tier = fields.text("serviceTier") or ""
    declared = tools.decode(fields)
    own.update(fields.left)
    return ChatRequest(
        model=address.model,
        stream=address.stream,
        messages=(*messages, *turns),
        tools=declared,
        tool_choice=choice,
        service_tier=tier,
        dialect=NAME,
        own=own,
        **found,
    )


def _system(raw: Raw, where: str, calls: Calls) -> Message:
    fields = Fields(raw, where)
    fields.take("role")  # it has no meaning there
    return Message("system", tuple([part(*item, calls) for item in fields.list("parts")]), own=fields.left)


def _message(raw: Raw, where: str, calls: Calls) -> Message:
    fields = Fields(raw, where)
    role = fields.text("role") or "user"
    parts: tuple[Part, ...] = tuple([part(*item, calls) for item in fields.list("parts")])
    own: Own = fields.left
    if role not in _ROLES:
        own["role"] = Raw(_encode(role))
    return Message(_ROLES.get(role, "user"), parts, own=own)


def _body(request: ChatRequest, lost: set[str]) -> dict[str, object]:
    native = request.dialect == NAME
    system, contents = Contents(request, lost).written(request.messages)
    body: dict[str, object] = {"contents": contents}
    if system is not None:
        body["systemInstruction"] = system
    if declared := tools.encode(request, lost):
        body["tools"] = declared
    if choice := tools.encode_choice(request, lost):
        body[tools.CONFIG] = choice
    if how := config.encode(request, lost):
        body[config.CONFIG] = how
    if request.service_tier and (native or request.service_tier in ("flex", "priority")):
        body["serviceTier"] = request.service_tier
    elif request.service_tier not in ("", "auto", "default"):
        lost.add("service_tier")
    if request.parallel_tools is False:
        lost.add("parallel_tools")
    if request.store is not None:
        lost.add("store")
    if request.user is not None:
        lost.add("user")
    lost.update(name for name in ("metadata", "verbosity", "cache_key", "previous") if getattr(request, name))
    if native:
        restore(body, request.own)
    else:
        lost.update(request.own)
    return body


def _media(parts: tuple[Part, ...]) -> Iterator[Media]:
    for each in parts:
        if isinstance(each, Media):
            yield each
        elif isinstance(each, ToolResult):
            yield from _media(each.parts)

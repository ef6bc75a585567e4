"""A Messages request, read; and edited in its own bytes.

Strategy: one pass over the body finds its fields, one over each message and block; what is not known stays beside what is,
as the bytes that came (``fields``). The way back is in ``compose``, what cannot go it in ``fit``.

Laws: ``max_tokens`` may be missing (``count_tokens`` has none), ``model`` and ``messages`` may not; whatever the bytes,
nothing but WireError escapes; bytes outside an edited value are untouched.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, Message, Opaque, Output, Own, Tool, ToolChoice
from pointsman.core.errors import WireError
from pointsman.wire import edits
from pointsman.wire.anthropic.blocks import parts_of
from pointsman.wire.anthropic.compose import count_request, encode
from pointsman.wire.anthropic.fields import NAME, mark_of
from pointsman.wire.anthropic.fit import unfit
from pointsman.wire.anthropic.words import null, raw
from pointsman.wire.claude import thinking
from pointsman.wire.dialect import Address
from pointsman.wire.fields import checked, mended
from pointsman.wire.shapes import Misread, Shape, kind_of

__all__ = ["count_request", "decode", "edit", "encode", "path", "unfit"]

_MODES: Final[dict[str, Literal["auto", "any", "none", "named"]]] = {
    "auto": "auto",
    "any": "any",
    "none": "none",
    "tool": "named",
}
_ADDRESS: Final = Address()


class _Body(Struct, forbid_unknown_fields=True):
    messages: list[Raw]
    model: str = ""
    system: str | list[Raw] | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw = Raw()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    thinking: Raw = Raw()
    output_config: Raw = Raw()
    output_format: Raw = Raw()
    metadata: Raw = Raw()
    service_tier: str | None = None


class _Message(Struct, forbid_unknown_fields=True):
    role: str
    content: str | list[Raw] | None = None


class _Tool(Struct, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    input_schema: Raw = Raw()
    strict: bool | None = None
    cache_control: Raw = Raw()


class _Choice(Struct, forbid_unknown_fields=True):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _OutputConfig(Struct, forbid_unknown_fields=True):
    effort: str | None = None
    format: Raw = Raw()


class _Format(Struct, tag="json_schema", tag_field="type", forbid_unknown_fields=True):
    schema: Raw


class _Metadata(Struct, forbid_unknown_fields=True):
    user_id: str | None = None


_body, _message, _tool, _choice = Shape(_Body), Shape(_Message), Shape(_Tool), Shape(_Choice)
_output_config, _format, _metadata = Shape(_OutputConfig), Shape(_Format), Shape(_Metadata)


def decode(body: bytes, address: Address = _ADDRESS) -> ChatRequest:
    """Return what a request asks for. Raises WireError, with the field at fault as ``param`` where it is known."""
    try:
        return _decoded(checked(body), address)
    except Misread as error:
        raise error.public() from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply") from error
    except msgspec.DecodeError as error:
        whole = mended(body)
        if whole != body:
            return decode(whole, address)
        raise WireError(f"the body is not valid JSON: {error}") from error


def edit(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:  # noqa: ARG001
    """Return a body that ``decode`` accepted with another model name. Its streams say what they took without being asked."""
    if model is None:
        return body
    # Where a cloud sells the model, its name stands in the URL: a ``model`` in such a body may be a hosted tool's.
    return edits.with_model(body, model, sure=b'"anthropic_version"' not in body)


def path(model: str, *, stream: bool) -> str:  # noqa: ARG001 - both stand in the body
    """Return what goes behind a provider's base URL."""
    return "/messages"


def _decoded(body: bytes, address: Address) -> ChatRequest:
    wire, own = _body.read(body)
    model = wire.model or address.model
    if not model:
        raise Misread("is missing", "model")
    if not wire.messages:
        raise Misread("is empty: send at least one message", "messages")
    choice, parallel = _tool_choice(wire.tool_choice, own)
    output, effort = _output(wire, own)
    reasoning, kept = thinking.read(wire.thinking, effort)
    user = _user(wire.metadata, own)
    own.update(kept)
    return ChatRequest(
        model=model,
        messages=_messages(wire),
        stream=bool(wire.stream) or address.stream,
        tools=_tools(wire.tools or ()),
        tool_choice=choice,
        parallel_tools=parallel,
        output=output,
        max_output_tokens=wire.max_tokens,
        temperature=wire.temperature,
        top_p=wire.top_p,
        top_k=wire.top_k,
        stop=tuple(wire.stop_sequences or ()),
        reasoning=reasoning,
        service_tier=wire.service_tier or "",
        user=user,
        dialect=NAME,
        own=own,
    )


def _messages(wire: _Body) -> tuple[Message, ...]:
    """Return the system prompt, where there is one, and every turn."""
    found: list[Message] = []
    if wire.system:
        try:
            found.append(Message("system", parts_of(wire.system)))
        except Misread as error:
            raise error.under("system") from error
    for place, raw_message in enumerate(wire.messages):
        try:
            message, own = _message.read(raw_message)
            try:
                parts = parts_of(message.content)
            except Misread as error:
                raise error.under("content") from error
        except Misread as error:
            raise error.under(f"messages[{place}]") from error
        found.append(Message(message.role, parts, own=own))
    return tuple(found)


def _tools(tools: Iterable[Raw]) -> tuple[Tool | Opaque, ...]:
    found: list[Tool | Opaque] = []
    for place, tool in enumerate(tools):
        try:
            found.append(_tool_of(tool))
        except Misread as error:
            raise error.under(f"tools[{place}]") from error
    return tuple(found)


def _tool_of(tool: Raw) -> Tool | Opaque:
    kind = kind_of(tool) if b'"type"' in bytes(tool) else ""
    if kind not in ("", "custom"):
        return Opaque(kind, tool)
    wire, own = _tool.read(tool)
    mark = mark_of(wire.cache_control, own)
    return Tool(wire.name, wire.description or "", wire.input_schema, wire.strict, cache=mark, own=own)


def _tool_choice(choice: Raw, own: Own) -> tuple[ToolChoice | None, bool | None]:
    """Return the choice, and whether tools may be called in parallel. A kind that is not known stays what it is."""
    if null(choice):
        return None, None
    try:
        wire, more = _choice.read(choice)
    except Misread as error:
        raise error.under("tool_choice") from error
    mode = _MODES.get(wire.type)
    if mode is None or (mode == "named") is (wire.name is None):
        own["tool_choice"] = choice
        return None, None
    serial = wire.disable_parallel_tool_use
    if mode == "none" and serial is not None:
        more, serial = {**more, "disable_parallel_tool_use": raw(serial)}, None
    return ToolChoice(mode, (wire.name,) if wire.name is not None else (), own=more), None if serial is None else not serial


def _output(wire: _Body, own: Own) -> tuple[Output | None, str]:
    """Return the form of the answer, and the effort that goes into it; the beta had the form in a field of its own."""
    more: Own = {}
    config, form = _OutputConfig(), wire.output_format
    if not null(wire.output_config):
        try:
            config, more = _output_config.read(wire.output_config)
        except Misread as error:
            raise error.under("output_config") from error
        form = form if null(config.format) else config.format
    output: Output | None = None
    if not null(form):
        try:
            schema, rest = _format.read(form)
            output = Output("json_schema", schema.schema, own=rest)
        except Misread:
            more["format"] = form
    if more:
        own["output_config"] = raw(more)
    return output, config.effort or ""


def _user(metadata: Raw, own: Own) -> str | None:
    if null(metadata):
        return None
    try:
        wire, more = _metadata.read(metadata)
    except Misread as error:
        raise error.under("metadata") from error
    if more:
        own["metadata"] = raw(more)
    return wire.user_id

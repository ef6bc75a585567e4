"""``toolConfig``, both ways (API_runtime_ToolConfiguration).

Laws: without a tool there is no ``toolConfig``; there is no word for "call none", so that means that no tool is shown, and
that is named.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Opaque, Own, Tool, ToolChoice
from pointsman.wire.bedrock_converse import models
from pointsman.wire.bedrock_converse.blocks import mark_of, single
from pointsman.wire.bedrock_converse.words import NAME
from pointsman.wire.shapes import Misread, Shape, said

Fields = dict[str, object]

_NO_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')


class _Schema(Struct, forbid_unknown_fields=True):
    json: Raw


class _Spec(Struct, forbid_unknown_fields=True):
    name: str
    inputSchema: _Schema  # noqa: N815 - the field's own name
    description: str = ""
    strict: bool | None = None


class _Named(Struct):
    name: str


class _Config(Struct, forbid_unknown_fields=True):
    tools: list[Raw]
    toolChoice: dict[str, Raw] = {}  # noqa: N815


_config: Final = Shape(_Config)
_spec: Final = Shape(_Spec)
_named: Final = msgspec.json.Decoder(_Named)


def read(raw: Raw) -> tuple[tuple[Tool | Opaque, ...], ToolChoice | None, Own]:
    """Return tools, choice, and the fields that are not known. Raises Misread."""
    wire, own = _config.read(raw)
    tools: list[Tool | Opaque] = []
    for place, item in enumerate(wire.tools):
        try:
            _add(tools, item)
        except Misread as error:
            raise error.under(f"tools[{place}]") from error
    return tuple(tools), _read_choice(wire.toolChoice), own


def _add(tools: list[Tool | Opaque], item: Raw) -> None:
    kind, inner = single(item)
    last = tools[-1] if tools else None
    if kind == "toolSpec" and bytes(inner):
        wire, own = _spec.read(inner)
        tools.append(Tool(wire.name, wire.description, wire.inputSchema.json, wire.strict, own=own))
    elif kind == "cachePoint" and isinstance(last, Tool) and last.cache is None and (mark := mark_of(inner)) is not None:
        tools[-1] = replace(last, cache=mark)
    else:
        tools.append(Opaque(kind, item))


def _read_choice(choice: dict[str, Raw]) -> ToolChoice | None:
    if not choice:
        return None
    kind, inner = next(iter(choice.items()))
    if kind == "tool":
        try:
            return ToolChoice("named", (_named.decode(inner).name,))
        except msgspec.ValidationError as error:
            raise Misread("names no tool", "toolChoice.tool") from error
    if kind not in ("auto", "any"):
        raise Misread("is not known", f"toolChoice.{kind}")
    return ToolChoice("any" if kind == "any" else "auto")


def written(request: ChatRequest, lost: set[str]) -> Fields:
    """Return ``toolConfig`` as a field, nothing where there are no tools to show."""
    ours, choice, tools = request.dialect == NAME, request.tool_choice, request.tools
    if not ours:
        lost.update(tool.kind for tool in tools if isinstance(tool, Opaque))
        several = choice.names if choice is not None and len(choice.names) > 1 else ()
        tools = tuple([tool for tool in tools if isinstance(tool, Tool) and (not several or tool.name in several)])
    if not tools:
        return {}
    if choice is not None and choice.mode == "none":
        lost.add("tools")
        return {}
    items: list[object] = []
    for tool in tools:
        items += [tool.raw] if isinstance(tool, Opaque) else _tool(tool, request.model, lost, ours=ours)
    config: Fields = {"tools": items}
    if choice is not None:
        named = len(choice.names) == 1
        config["toolChoice"] = {"tool": {"name": choice.names[0]}} if named else {_kind(choice): {}}
        lost.update(() if ours else said(choice.own))
    if request.parallel_tools is False:
        lost.add("parallel_tools")
    return {"toolConfig": config}


def _kind(choice: ToolChoice) -> str:
    return "auto" if choice.mode == "auto" else "any"


def _tool(tool: Tool, model: str, lost: set[str], *, ours: bool) -> list[object]:
    spec: Fields = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": tool.schema if bytes(tool.schema) else _NO_SCHEMA}
    if tool.strict or (ours and tool.strict is not None):
        spec["strict"] = tool.strict
    if ours:
        spec |= tool.own
    else:
        lost.update(said(tool.own))
    if tool.cache is None:
        return [{"toolSpec": spec}]
    if not ours and not models.caches_tools(model):
        lost.add("cache_control")
        return [{"toolSpec": spec}]
    ttl = {"ttl": tool.cache.ttl} if tool.cache.ttl else {}
    return [{"toolSpec": spec}, {"cachePoint": {"type": "default", **ttl}}]

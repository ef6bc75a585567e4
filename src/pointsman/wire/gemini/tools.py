"""Tools and the choice among them: ``tools`` and ``toolConfig``, both ways (https://ai.google.dev/api/caching#Tool).

A tool object of the API may hold any number of functions and of Google's own tools; here each is one by itself. Functions
are written into one object, Google's own each into its own.
"""

from msgspec import Raw

from pointsman.core.chat import ChatRequest, Opaque, Own, Tool, ToolChoice
from pointsman.wire.gemini.fields import NAME, Fields, restore
from pointsman.wire.gemini.schema import json_schema

CONFIG = "toolConfig"
_CALLING = "functionCallingConfig"
_MODES = {"AUTO": "auto", "ANY": "any", "NONE": "none"}
_NAMES = "allowedFunctionNames"


def decode(body: Fields) -> tuple[Tool | Opaque, ...]:
    """Return the tools of a request. Raises WireError."""
    tools: list[Tool | Opaque] = []
    for raw, where in body.list("tools"):
        fields = Fields(raw, where)
        tools += [_function(*item) for item in fields.list("functionDeclarations")]
        for name, value in fields.left.items():
            tools.append(Opaque(name, Raw(b'{"%b":%b}' % (name.encode(), bytes(value)))))
    return tuple(tools)


def encode(request: ChatRequest, lost: set[str]) -> list[dict[str, object] | Raw]:
    """Return the tools of a request. What cannot be written is named in ``lost``."""
    native = request.dialect == NAME
    functions: list[dict[str, object]] = []
    others: list[dict[str, object] | Raw] = []
    for tool in request.tools:
        if isinstance(tool, Opaque):
            if native:
                others.append(tool.raw)
            else:
                lost.add(f"tools.{tool.kind}")
        elif tool.kind == "custom":
            lost.add("tools.custom")
        else:
            functions.append(_declaration(tool, lost, native=native))
    return [{"functionDeclarations": functions}, *others] if functions else others


def decode_choice(body: Fields, own: Own) -> ToolChoice | None:
    """Return the choice among the tools; what else ``toolConfig`` holds goes into ``own``. Raises WireError."""
    config = body.inner(CONFIG)
    if config is None:
        return None
    calling = config.inner(_CALLING)
    config.keep(own, CONFIG)
    if calling is None:
        return None
    mode = calling.left.get("mode")
    known = _MODES.get(str(bytes(mode), "utf-8", "replace").strip('"'), "") if mode is not None else ""
    if known == "any":
        del calling.left["mode"]
        names = calling.names(_NAMES) or ()
        return ToolChoice("named" if names else "any", names, own=calling.left)
    if known == "none":
        del calling.left["mode"]
        return ToolChoice("none", own=calling.left)
    if known == "auto":
        del calling.left["mode"]
    return ToolChoice("auto", own=calling.left) if calling.left or known else None


def encode_choice(request: ChatRequest, lost: set[str]) -> dict[str, object] | None:
    """Return ``toolConfig``, None where the client said nothing."""
    choice = request.tool_choice
    if choice is None:
        return None
    mode = "ANY" if choice.mode == "named" else choice.mode.upper()
    calling: dict[str, object] = {"mode": mode}
    if choice.names:
        calling[_NAMES] = choice.names
    if request.dialect == NAME:
        restore(calling, choice.own)
    else:
        lost.update(choice.own)
    return {_CALLING: calling}


def _function(raw: Raw, where: str) -> Tool:
    fields = Fields(raw, where)
    name, description = fields.text("name") or "", fields.text("description") or ""
    schema, own = fields.take("parametersJsonSchema"), fields.left
    if schema is None and "parameters" in own:
        schema = json_schema(own["parameters"], fields.at("parameters"))
    return Tool(name, description, schema or Raw(), own=own)


def _declaration(tool: Tool, lost: set[str], *, native: bool) -> dict[str, object]:
    declaration: dict[str, object] = {"name": tool.name, "description": tool.description}  # the API requires both
    if native:
        if bytes(tool.schema) and "parameters" not in tool.own:
            declaration["parametersJsonSchema"] = tool.schema
        restore(declaration, tool.own)
        return declaration
    if bytes(tool.schema):
        declaration["parametersJsonSchema"] = tool.schema
    lost.update(tool.own)
    if tool.strict:
        lost.add("tools.strict")
    if tool.cache is not None:
        lost.add("cache")
    return declaration

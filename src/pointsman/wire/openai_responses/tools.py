"""Tools, and the choice among them: both ways.

Laws: a tool that the provider runs itself (web search, code interpreter, MCP, ...) is kept whole; a choice that only this
dialect can express is kept whole beside the nearest one that all can.
"""

from msgspec import Raw

from pointsman.core.chat import ChatRequest, Opaque, Tool, ToolChoice
from pointsman.core.errors import WireError
from pointsman.wire.openai_responses.fields import NAME, Fields, listed, spoken

CHOICE = "tool_choice"
"""Name in ``ToolChoice.own`` of a choice that is kept whole."""

_PLAIN = {"auto": "auto", "required": "any", "none": "none"}
_WORDS = {"auto": "auto", "any": "required", "none": "none"}
_ours = frozenset(("function", "custom"))


def tools(source: Raw | None) -> tuple[Tool | Opaque, ...]:
    """Return the tools of a request. Raises WireError."""
    return () if source is None else tuple([_tool(item, where) for item, where in listed(source, "tools")])


def _tool(source: Raw, where: str) -> Tool | Opaque:
    fields = Fields(source, where)
    kind = fields.text("type")
    if not kind:
        raise WireError(f"'{where}.type' is missing", param=f"{where}.type", code="missing_required_parameter")
    if kind not in _ours:
        return Opaque(kind, source)
    name, description = fields.text("name"), fields.text("description")
    if kind == "custom":
        return Tool(name, description, kind="custom", own=fields.left)
    schema = fields.take("parameters")
    return Tool(name, description, Raw() if schema is None else schema, fields.flag("strict"), own=fields.left)


def written(request: ChatRequest, lost: set[str], *, whole: bool = False) -> list[object]:
    """Return the tools as they are written. Adds to ``lost`` what they do not say.

    ``whole``: as a response repeats them, with ``parameters`` and ``strict`` where the request left them out.
    """
    ours = request.dialect == NAME
    made: list[object] = []
    for tool in request.tools:
        if isinstance(tool, Opaque):
            if ours:
                made.append(tool.raw)
            else:
                lost.add(tool.kind)
            continue
        if tool.cache is not None:
            lost.add("cache")
        item = _written(tool, ours=ours and not whole)
        if ours:
            item.update(tool.own)
        else:
            lost.update(tool.own)
        made.append(item)
    return made


def _written(tool: Tool, *, ours: bool) -> dict[str, object]:
    item: dict[str, object] = {"type": tool.kind, "name": tool.name}
    if tool.description:
        item["description"] = tool.description
    if tool.kind == "custom":
        return item
    if bytes(tool.schema):
        item["parameters"] = tool.schema
    elif not ours:
        item["parameters"] = None
    # Where nothing is said, this dialect is strict, and every other is not.
    if tool.strict is not None or not ours:
        item["strict"] = bool(tool.strict)
    return item


def choice(source: Raw | None) -> ToolChoice | None:
    """Return which tools may or must be called. Raises WireError."""
    if source is None:
        return None
    word = spoken(source, CHOICE)
    if word is not None:
        mode = _PLAIN.get(word)
        if mode is None:
            raise WireError(f"'{CHOICE}' is none of 'auto', 'required', 'none'", param=CHOICE, code="invalid_value")
        return ToolChoice("auto" if mode == "auto" else "any" if mode == "any" else "none")
    fields = Fields(source, CHOICE)
    kind = fields.text("type")
    if kind in _ours:
        name = fields.text("name")
        return ToolChoice("named", (name,), {CHOICE: source} if fields.left else {})
    if kind == "allowed_tools":
        must = fields.text("mode") == "required"
        names = _names(fields.list("tools"))
        if must and names and not fields.left:
            return ToolChoice("named", names)
        return ToolChoice("any" if must else "auto", own={CHOICE: source})
    return ToolChoice("any", own={CHOICE: source})


def _names(allowed: list[tuple[Raw, str]]) -> tuple[str, ...]:
    """Return the names of tools that a choice allows; nothing where one of them is not the application's, or says more."""
    names: list[str] = []
    for item, where in allowed:
        fields = Fields(item, where)
        if fields.text("type") not in _ours:
            return ()
        names.append(fields.text("name"))
        if fields.left:
            return ()
    return tuple(names)


def chosen(request: ChatRequest, lost: set[str]) -> object | None:
    """Return the choice as it is written, None where there is none. Adds to ``lost`` what it does not say."""
    picked = request.tool_choice
    if picked is None:
        return None
    if request.dialect == NAME:
        if CHOICE in picked.own:
            return picked.own[CHOICE]
    else:
        lost.update(picked.own)
    if picked.mode != "named":
        return _WORDS[picked.mode]
    kinds = {tool.name: tool.kind for tool in request.tools if isinstance(tool, Tool)}
    named = [{"type": kinds.get(name, "function"), "name": name} for name in picked.names]
    return named[0] if len(named) == 1 else {"type": "allowed_tools", "mode": "required", "tools": named}

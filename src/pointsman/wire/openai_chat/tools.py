"""Tools of a request, and which of them must be called; both ways, with the ``functions`` that there were before tools.

Marks in ``own``: ``functions`` on a tool and ``function_call`` on a choice (the old form), ``allowed_tools`` on a choice of
a single tool that came as a list, ``any`` on Mistral's word for ``required``.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import CacheMark, ChatRequest, Opaque, Own, Tool, ToolChoice
from pointsman.core.errors import WireError
from pointsman.wire.fields import BROKEN
from pointsman.wire.openai_chat.fields import ABSENT, NAME, NULL, Shape, Wire, given, lists, put, raw_of, said
from pointsman.wire.openai_chat.messages import mark_of
from pointsman.wire.openai_chat.shapes import Body, Seen


class _Tool(Struct, forbid_unknown_fields=True):
    type: str = ""
    function: Raw = ABSENT
    custom: Raw = ABSENT
    cache_control: Raw = ABSENT


class _Function(Struct, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class _Named(Struct, forbid_unknown_fields=True):
    name: str


class _One(Struct, forbid_unknown_fields=True):
    type: str = ""
    function: _Named | None = None
    custom: _Named | None = None


class _Several(Struct, forbid_unknown_fields=True):
    mode: str
    tools: list[_One]


class _Allowed(Struct, forbid_unknown_fields=True):
    type: str
    allowed_tools: _Several


class _Usual(Struct, forbid_unknown_fields=True):
    """A tool of the form that nearly all of them have."""

    function: _Function
    type: Literal["function"] = "function"


_usual = msgspec.json.Decoder(list[_Usual])
_tool, _function, _one, _allowed = Shape(_Tool), Shape(_Function), Shape(_One), Shape(_Allowed)
_named = Shape(_Named)
_word = msgspec.json.Decoder(str)

Mode = Literal["auto", "any", "none"]
_MODES: Final[dict[str, Mode]] = {"auto": "auto", "none": "none", "required": "any", "any": "any"}


def read(wire: Seen) -> tuple[Tool | Opaque, ...]:
    """Return the tools of a request. Raises msgspec's error where they are no list."""
    tools = _usually(wire.tools) if given(wire.tools) else []
    if given(wire.functions):
        tools += [_legacy(raw) for raw in _listed(wire.functions, "functions")]
    return tuple(tools)


def _usually(raw: Raw) -> list[Tool | Opaque]:
    try:
        return [_made(tool.function, "function", None, {}) for tool in _usual.decode(raw)]
    except BROKEN:
        return [_read(each) for each in _listed(raw, "tools")]


def _listed(raw: Raw, name: str) -> list[Raw]:
    try:
        return lists.decode(raw)
    except msgspec.ValidationError as error:
        raise WireError(f"'{name}' is of the wrong type: {error}", param=name, code="invalid_type") from error


def _read(raw: Raw) -> Tool | Opaque:
    found = _tool.read(raw)
    if found is None:
        return Opaque("", raw)
    wire, own = found
    body, name, kind = (wire.custom, "custom", wire.type) if given(wire.custom) else (wire.function, "function", wire.type)
    inner = _function.read(body) if kind in ("", name) and given(body) else None
    if inner is None or (given(wire.custom) and given(wire.function)):
        return Opaque(kind, raw)
    function, more = inner
    cache = mark_of(wire.cache_control) if given(wire.cache_control) else None
    if given(wire.cache_control) and cache is None:
        own["cache_control"] = wire.cache_control
    if more:
        own[name] = raw_of(more)
    return _made(function, "custom" if name == "custom" else "function", cache, own)


def _legacy(raw: Raw) -> Tool | Opaque:
    found = _function.read(raw)
    if found is None:
        return Opaque("functions", raw)
    return _made(found[0], "function", None, {**found[1], "functions": NULL})


def _made(function: _Function, kind: Literal["function", "custom"], cache: CacheMark | None, own: Own) -> Tool:
    schema = function.parameters if given(function.parameters) else ABSENT
    return Tool(function.name, function.description or "", schema, function.strict, kind, cache, own)


def choice(wire: Body, own: Own) -> ToolChoice | None:
    """Return which tools must be called. A form that is not known goes into ``own``, the request's."""
    found = _choice(wire.tool_choice) if given(wire.tool_choice) else None
    if found is None and given(wire.tool_choice):
        own["tool_choice"] = wire.tool_choice
    if given(wire.function_call):
        old = _choice(wire.function_call) if not given(wire.tool_choice) else None
        named = _named.read(wire.function_call)
        if old is not None or (named is not None and not named[1] and not given(wire.tool_choice)):
            mode, names = (old.mode, old.names) if old is not None else ("named", (named[0].name,) if named else ())
            return ToolChoice(mode, names, {"function_call": NULL})
        own["function_call"] = wire.function_call
    return found


def _choice(raw: Raw) -> ToolChoice | None:
    try:
        word = _word.decode(raw)
    except BROKEN:
        word = None
    if word is not None:
        return ToolChoice(_MODES[word], own={"any": NULL} if word == "any" else {}) if word in _MODES else None
    one = _one.read(raw)
    if one is not None and not one[1]:
        named = one[0].function or one[0].custom
        return ToolChoice("named", (named.name,)) if named is not None else None
    several = _allowed.read(raw)
    if several is None or several[1] or several[0].allowed_tools.mode not in ("auto", "required"):
        return None
    allowed = several[0].allowed_tools
    names = [each.name for tool in allowed.tools if (each := tool.function or tool.custom) is not None]
    if len(names) != len(allowed.tools) or not names:
        return None
    mode: Literal["auto", "named"] = "auto" if allowed.mode == "auto" else "named"
    return ToolChoice(mode, tuple(names), {"allowed_tools": NULL} if mode == "named" and len(names) == 1 else {})


def write(wire: Wire, request: ChatRequest, lost: set[str]) -> None:
    """Write tools and choice into a request."""
    ours = request.dialect == NAME
    tools: list[Wire | Raw] = []
    functions: list[Wire | Raw] = []
    for tool in request.tools:
        if isinstance(tool, Opaque) and not ours:
            lost.add(tool.kind or "tools")
        elif isinstance(tool, Opaque):
            (functions if tool.kind == "functions" else tools).append(tool.raw)
        elif ours and "functions" in tool.own:
            functions.append({**_body(tool), **said(tool.own)})
        else:
            tools.append(_written(tool, lost, ours=ours))
    if tools:
        wire["tools"] = tools
    if functions:
        wire["functions"] = functions
    if not (tools or functions or ours):
        return  # without tools, OpenAI refuses what speaks of them
    if request.parallel_tools is not None:
        wire["parallel_tool_calls"] = request.parallel_tools
    if request.tool_choice is not None:
        _put_choice(wire, request.tool_choice, request.tools, lost, ours=ours)


def _body(tool: Tool) -> Wire:
    body: Wire = {"name": tool.name}
    if tool.description:
        body["description"] = tool.description
    if bytes(tool.schema):
        body["parameters"] = tool.schema
    if tool.strict is not None:
        body["strict"] = tool.strict
    return body


def _written(tool: Tool, lost: set[str], *, ours: bool) -> Wire:
    body = _body(tool)
    if tool.kind == "custom" and not ours:
        lost.update(f"tools.{name}" for name in ("parameters", "strict") if body.pop(name, None) is not None)
    wire: Wire = {"type": tool.kind, tool.kind: body}
    if ours:
        if tool.cache is not None:
            wire["cache_control"] = {"type": "ephemeral", **({"ttl": tool.cache.ttl} if tool.cache.ttl else {})}
        put(wire, tool.own)
        return wire
    if tool.cache is not None:
        lost.add("cache")
    lost.update(said(tool.own))
    return wire


def _put_choice(wire: Wire, choice: ToolChoice, tools: Sequence[Tool | Opaque], lost: set[str], *, ours: bool) -> None:
    own = choice.own if ours else {}
    if not ours:
        lost.update(said(choice.own))
    custom = {tool.name for tool in tools if isinstance(tool, Tool) and tool.kind == "custom"}
    named: list[Wire] = []
    for name in choice.names:
        kind = "custom" if name in custom else "function"
        named.append({"type": kind, kind: {"name": name}})
    if "function_call" in own:
        wire["function_call"] = {"name": choice.names[0]} if choice.names else choice.mode
    elif len(named) > 1 or (named and (choice.mode == "auto" or "allowed_tools" in own)):
        mode = "auto" if choice.mode == "auto" else "required"
        wire["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    elif named:
        wire["tool_choice"] = named[0]
    else:
        wire["tool_choice"] = "required" if choice.mode == "any" and "any" not in own else choice.mode

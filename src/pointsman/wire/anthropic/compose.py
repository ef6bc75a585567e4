"""A request as Messages: what the dialect has a word for is written, everything else is named.

Laws: ``decode(encode(x)) == x`` for a request that came in this dialect, as ``decode`` reads it; ``own`` is written only
then. ``max_tokens`` is required: where nobody said, it is ``MAX_TOKENS`` (and the thinking on top), which is not a loss.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Raw

from pointsman.core.chat import ChatRequest, Opaque, Output, Own, Tool
from pointsman.wire.anthropic.fields import NAME
from pointsman.wire.anthropic.turns import Fields, Turns
from pointsman.wire.claude import schemas, thinking
from pointsman.wire.dialect import Encoded
from pointsman.wire.shapes import encode as written
from pointsman.wire.shapes import objects, said

MAX_TOKENS: Final = 4096
"""Tokens of a reply to a request that does not limit it."""

_NO_SCHEMA: Final = Raw(b'{"type":"object","properties":{}}')
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_COUNTED: Final = frozenset(
    ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config", "cache_control", "mcp_servers")
) | {"context_management"}


def encode(request: ChatRequest) -> Encoded:
    """Return a request in this dialect; ``model`` and ``stream`` are those of ``request``."""
    fields, lost = _fields(request)
    return Encoded(written(fields), tuple(sorted(lost)))


def count_request(request: ChatRequest) -> Encoded:
    """Return the request that ``/messages/count_tokens`` takes: what the prompt is made of, and no more."""
    fields, lost = _fields(request)
    return Encoded(written({name: value for name, value in fields.items() if name in _COUNTED}), tuple(sorted(lost)))


def limit(request: ChatRequest) -> int:
    """Return ``max_tokens`` as ``encode`` writes it."""
    return _most(request, _thought(request))


def _thought(request: ChatRequest) -> thinking.Written:
    return thinking.native(request) if request.dialect == NAME else thinking.translated(request)


def _fields(request: ChatRequest) -> tuple[Fields, set[str]]:
    turns = Turns(request)
    ours = request.dialect == NAME
    thought = _thought(request)
    lost = turns.lost | set(thought.lost)
    fields: Fields = {"model": request.model, "max_tokens": _most(request, thought), "stream": request.stream}
    if turns.system:
        fields["system"] = turns.system
    fields["messages"] = turns.messages
    fields |= _tools(request, turns, lost)
    fields |= _sampling(request, thought, lost)
    if thought.thinking is not None:
        fields["thinking"] = thought.thinking
    config = _output(request.output, lost, ours=ours) | ({"effort": thought.effort} if thought.effort else {})
    if config:
        fields["output_config"] = config
    if request.user is not None:
        fields["metadata"] = {"user_id": request.user}
    if ours:
        return _with(fields, request.own), lost
    lost.update(_unsaid(request))
    return fields, lost


def _with(fields: Fields, own: Own) -> Fields:
    """Add what only this dialect has a word for; what stood inside a field goes there."""
    for name, raw in own.items():
        inside = fields.get(name)
        fields[name] = {**inside, **objects.decode(raw)} if isinstance(inside, dict) else raw
    return fields


def _most(request: ChatRequest, thought: thinking.Written) -> int:
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    budget = thought.thinking.get("budget_tokens", 0) if isinstance(thought.thinking, dict) else 0
    return MAX_TOKENS + int(budget)


def _tools(request: ChatRequest, turns: Turns, lost: set[str]) -> Fields:
    """Return ``tools`` and ``tool_choice``. Where one of several tools must be called, only those are shown."""
    ours, choice, tools = request.dialect == NAME, request.tool_choice, request.tools
    if not ours:
        lost.update(tool.kind for tool in tools if isinstance(tool, Opaque))
        several = choice.names if choice is not None and len(choice.names) > 1 else ()
        tools = tuple([tool for tool in tools if isinstance(tool, Tool) and (not several or tool.name in several)])
    written = [tool.raw if isinstance(tool, Opaque) else _tool(tool, turns, lost, ours=ours) for tool in tools]
    fields: Fields = {"tools": written} if written else {}
    chosen = _choice(request, lost, ours=ours)
    if chosen and (tools or ours):
        fields["tool_choice"] = chosen
    return fields


def _tool(tool: Tool, turns: Turns, lost: set[str], *, ours: bool) -> Fields:
    fields: Fields = {"name": tool.name, "description": tool.description}
    if bytes(tool.schema):
        fields["input_schema"] = tool.schema
    elif not ours:
        fields["input_schema"] = _NO_SCHEMA
    if tool.strict is not None:
        fields["strict"] = tool.strict
    fields |= turns.mark(tool.cache)
    if ours:
        return fields | tool.own
    lost.update(said(tool.own))
    return fields


def _choice(request: ChatRequest, lost: set[str], *, ours: bool) -> Fields:
    choice, parallel = request.tool_choice, request.parallel_tools
    fields: Fields = {"type": "auto"} if parallel is False else {}
    if choice is not None and len(choice.names) == 1:
        fields = {"type": "tool", "name": choice.names[0]}
    elif choice is not None:
        fields = {"type": "any" if choice.names else choice.mode}
    if parallel is not None and fields and fields["type"] != "none":
        fields["disable_parallel_tool_use"] = not parallel
    if choice is None or ours:
        return fields | choice.own if choice is not None else fields
    lost.update(said(choice.own))
    return fields


def _sampling(request: ChatRequest, thought: thinking.Written, lost: set[str]) -> Fields:
    """Return what steers the draw of tokens; beside thinking the API refuses to be steered."""
    fields: Fields = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "stop_sequences": request.stop or None,
        "service_tier": request.service_tier or None,
    }
    if request.dialect != NAME:
        if request.temperature is not None and request.temperature > 1:
            fields["temperature"] = 1.0
            lost.add("temperature")
        if request.top_p == 1 or (request.top_p is not None and request.temperature is not None):
            fields["top_p"] = None  # models since Claude 4.5 take one of both; 1 is no restriction
            lost.update(["top_p"] if request.top_p != 1 else [])
        if thought.thinks:
            steered = [name for name in ("temperature", "top_p", "top_k") if fields[name] not in (None, 1)]
            fields |= dict.fromkeys(("temperature", "top_p", "top_k"))
            lost.update(steered)
        stop = [text for text in request.stop if text and not text.isspace()]
        fields["stop_sequences"] = stop or None
        fields["service_tier"] = _TIERS.get(request.service_tier)
        if len(request.stop) != len(stop):
            lost.add("stop")
        if request.service_tier and fields["service_tier"] is None:
            lost.add("service_tier")
    return {name: value for name, value in fields.items() if value is not None}


def _output(output: Output | None, lost: set[str], *, ours: bool) -> Fields:
    """Return the form of the answer as a part of ``output_config``."""
    if output is None or output.kind == "text":
        lost.update(said(output.own) if output is not None and not ours else ())
        return {}
    if output.kind == "json":
        lost.add("output")
        return {}
    if ours:
        return {"format": {"type": "json_schema", "schema": output.schema, **output.own}}
    lost.update(said(output.own))
    lost.update(f"output.{name}" for name, value in (("name", output.name), ("description", output.description)) if value)
    if output.strict is False:
        lost.add("output.strict")
    schema, whole = schemas.fitted(output.schema)
    if not whole:
        lost.add("output.schema")
    return {"format": {"type": "json_schema", "schema": schema}}


def _unsaid(request: ChatRequest) -> Iterator[str]:
    """Name what a request from another dialect holds that this one has no word for."""
    yield from said(request.own)
    for name in ("presence_penalty", "frequency_penalty", "seed", "logprobs"):
        if getattr(request, name) is not None:
            yield name
    for name in ("verbosity", "metadata", "cache_key", "store", "previous"):
        if getattr(request, name):
            yield name
    if request.choices > 1:
        yield "choices"

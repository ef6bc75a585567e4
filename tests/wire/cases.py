"""What is sent through every cell of the conformance table: requests and replies, each with what must arrive of it.

A case names one feature. ``probe`` picks that feature out of a decoded request or of a reply's events; what it returns must
be equal on both sides of a cell, or else its loss must be named.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import (
    CacheMark,
    ChatRequest,
    CitationDelta,
    Finish,
    Logprobs,
    Media,
    Message,
    Output,
    Part,
    Reasoning,
    Refusal,
    RefusalDelta,
    Start,
    StreamEvent,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    TokenLogprob,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    Used,
)

Probe = Callable[[ChatRequest], object]
ReplyProbe = Callable[[Sequence[StreamEvent]], object]


@dataclass(frozen=True)
class Asked:
    """A request with one feature."""

    name: str
    request: ChatRequest
    probe: Probe


@dataclass(frozen=True)
class Said:
    """A reply with one feature."""

    name: str
    events: tuple[StreamEvent, ...]
    probe: ReplyProbe


USER = Message("user", (Text("What is 2 + 2?"),))
SCHEMA = Raw(b'{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}')
TOOL = Tool("look", "Looks something up.", SCHEMA)
PNG = "iVBORw0KGgo="
NEW = {"xNew": Raw(b"1")}
PHASE = {"message.phase": Raw(b'"commentary"')}
BASE = ChatRequest("auto", (USER,), max_output_tokens=100)


def _parts(request: ChatRequest, kind: type[Part]) -> list[Part]:
    return [part for message in request.messages for part in message.parts if isinstance(part, kind)]


def _of(request: ChatRequest, kind: type[Part], field: str) -> list[Any]:
    return [getattr(part, field) for part in _parts(request, kind)]


def _with(*parts: Part, **fields: object) -> ChatRequest:
    return replace(BASE, messages=(Message("user", (Text("Look:"), *parts)),), **fields)


def _media(request: ChatRequest) -> object:
    return [(m.kind, m.data, m.url) for m in _parts(request, Media) if isinstance(m, Media)]


def _tools(request: ChatRequest) -> object:
    return [(t.name, t.description, json.loads(bytes(t.schema))) for t in request.tools if isinstance(t, Tool)]


def _calls(request: ChatRequest) -> object:
    return [(c.name, json.loads(c.arguments or "{}")) for c in _parts(request, ToolCall) if isinstance(c, ToolCall)]


def _results(request: ChatRequest) -> object:
    return [Message("tool", (one,)).text for one in _parts(request, ToolResult)]


def _loop(*results: ToolResult, calls: int = 1, **call: Any) -> ChatRequest:
    made = tuple(ToolCall("look", f'{{"x":{place}}}', f"call_{place}", **call) for place in range(calls))
    return replace(BASE, tools=(TOOL,), messages=(USER, Message("assistant", made), Message("user", results)))


REQUESTS: tuple[Asked, ...] = (
    Asked("text", BASE, lambda r: r.user_text),
    Asked("system", replace(BASE, messages=(Message("system", (Text("Be brief."),)), USER)), lambda r: r.system_text),
    Asked("developer", replace(BASE, messages=(Message("developer", (Text("Be brief."),)), USER)), lambda r: r.system_text),
    Asked(
        "several turns",
        replace(BASE, messages=(USER, Message("assistant", (Text("4"),)), Message("user", (Text("And 3 + 3?"),)))),
        lambda r: [(m.role, m.text) for m in r.messages],
    ),
    Asked("parts of text", _with(Text("one"), Text("two")), lambda r: r.user_text.split("\n")),
    Asked("other scripts", _with(Text("写 ä \U0001f600")), lambda r: r.user_text),
    Asked("image, inline", _with(Media("image", data=PNG, mime="image/png")), _media),
    Asked("image, URL", _with(Media("image", url="https://example.com/a.png")), _media),
    Asked("audio, inline", _with(Media("audio", data="UklGRg==", mime="audio/wav")), _media),
    Asked("file, inline", _with(Media("file", data="JVBERi0=", mime="application/pdf", name="a.pdf")), _media),
    Asked("file, kept at a provider", _with(Media("file", file_id="file-1")), lambda r: _of(r, Media, "file_id")),
    Asked("tool", replace(BASE, tools=(TOOL,)), _tools),
    Asked("several tools", replace(BASE, tools=(TOOL, replace(TOOL, name="find"))), _tools),
    Asked("strict tool", replace(BASE, tools=(replace(TOOL, strict=True),)),
          lambda r: [t.strict for t in r.tools if isinstance(t, Tool)]),
    Asked("custom tool", replace(BASE, tools=(Tool("sql", "Runs SQL.", kind="custom"),)),
          lambda r: [t.kind for t in r.tools]),
    Asked("tool choice: any", replace(BASE, tools=(TOOL,), tool_choice=ToolChoice("any")), lambda r: r.tool_choice),
    Asked("tool choice: none", replace(BASE, tools=(TOOL,), tool_choice=ToolChoice("none")), lambda r: r.tool_choice),
    Asked(
        "tool choice: named",
        replace(BASE, tools=(TOOL,), tool_choice=ToolChoice("named", ("look",))),
        lambda r: (r.tool_choice.mode, r.tool_choice.names) if r.tool_choice else None,
    ),
    Asked("no parallel tools", replace(BASE, tools=(TOOL,), parallel_tools=False), lambda r: r.parallel_tools),
    Asked("tool call", _loop(ToolResult("call_0", (Text("ok"),))), _calls),
    Asked("tool call without arguments", replace(_loop(ToolResult("call_0", (Text("ok"),))), messages=(
        USER, Message("assistant", (ToolCall("look", "{}", "call_0"),)),
        Message("user", (ToolResult("call_0", (Text("ok"),)),)),
    )), _calls),
    Asked(
        "parallel tool calls",
        _loop(ToolResult("call_0", (Text("a"),)), ToolResult("call_1", (Text("b"),)), calls=2),
        lambda r: (_calls(r), _results(r)),
    ),
    Asked("text beside a tool call", replace(BASE, tools=(TOOL,), messages=(
        USER, Message("assistant", (Text("I look."), ToolCall("look", '{"x":1}', "call_0"))),
        Message("user", (ToolResult("call_0", (Text("ok"),)),)),
    )), lambda r: [m.text for m in r.messages if m.role == "assistant"]),
    Asked("tool result", _loop(ToolResult("call_0", (Text("it is 4"),))), _results),
    Asked("tool result with an error", _loop(ToolResult("call_0", (Text("no"),), error=True)),
          lambda r: _of(r, ToolResult, "error")),
    Asked("JSON object", replace(BASE, output=Output("json")), lambda r: r.output.kind if r.output else None),
    Asked("JSON schema", replace(BASE, output=Output("json_schema", SCHEMA, "answer")),
          lambda r: json.loads(bytes(r.output.schema)) if r.output else None),
    Asked("stop sequences", replace(BASE, stop=("END", "STOP")), lambda r: r.stop),
    Asked("temperature", replace(BASE, temperature=0.5), lambda r: r.temperature),
    Asked("temperature above 1", replace(BASE, temperature=1.5), lambda r: r.temperature),
    Asked("top_p", replace(BASE, top_p=0.9), lambda r: r.top_p),
    Asked("top_k", replace(BASE, top_k=40), lambda r: r.top_k),
    Asked("penalties", replace(BASE, presence_penalty=0.5, frequency_penalty=0.25),
          lambda r: (r.presence_penalty, r.frequency_penalty)),
    Asked("seed", replace(BASE, seed=7), lambda r: r.seed),
    Asked("logprobs", replace(BASE, logprobs=3), lambda r: r.logprobs),
    Asked("several choices", replace(BASE, choices=2), lambda r: r.choices),
    Asked("limit of output", BASE, lambda r: r.max_output_tokens),
    Asked("reasoning effort", replace(BASE, reasoning=Reasoning("low")),
          lambda r: r.reasoning is not None and (r.reasoning.effort or r.reasoning.budget) is not None),
    Asked("reasoning budget", replace(BASE, reasoning=Reasoning(budget=2048), max_output_tokens=8000),
          lambda r: r.reasoning is not None and (r.reasoning.effort or r.reasoning.budget) is not None),
    Asked("signed reasoning in history", replace(BASE, messages=(
        USER, Message("assistant", (Thinking("hm", signature="c2ln"), Text("4"))), USER)),
        lambda r: _of(r, Thinking, "signature")),
    Asked("encrypted reasoning in history", replace(BASE, messages=(
        USER, Message("assistant", (Thinking(encrypted="ZW5j", id="rs_1"), Text("4"))), USER)),
        lambda r: _of(r, Thinking, "encrypted")),
    Asked("refusal in history", replace(BASE, messages=(USER, Message("assistant", (Refusal("I will not."),)), USER)),
          lambda r: len(_parts(r, Refusal))),
    Asked("cache mark", _with(Text("long", cache=CacheMark())),
          lambda r: any(_of(r, Text, "cache"))),
    Asked("cache mark with its lifetime", _with(Text("long", cache=CacheMark("1h"))),
          lambda r: [mark.ttl for mark in _of(r, Text, "cache") if mark]),
    Asked("cache key", replace(BASE, cache_key="k"), lambda r: r.cache_key),
    Asked("service tier", replace(BASE, service_tier="flex"), lambda r: r.service_tier),
    Asked("user", replace(BASE, user="u-1"), lambda r: r.user),
    Asked("metadata", replace(BASE, metadata={"team": "blue"}), lambda r: r.metadata),
    Asked("verbosity", replace(BASE, verbosity="low"), lambda r: r.verbosity),
    Asked("continues a kept reply", replace(BASE, previous="resp_1"), lambda r: r.previous),
    Asked("reply is kept", replace(BASE, store=True), lambda r: r.store),
    Asked("unknown field", replace(BASE, own=NEW), lambda r: r.own.get("xNew")),
    Asked("unknown field of a text", _with(Text("one", own=NEW)),
          lambda r: [own.get("xNew") for own in _of(r, Text, "own")]),
    Asked("unknown field of a tool", replace(BASE, tools=(replace(TOOL, own=NEW),)),
          lambda r: [t.own.get("xNew") for t in r.tools if isinstance(t, Tool)]),
    Asked("unknown field of a tool call", _loop(ToolResult("call_0", (Text("ok"),)), own=NEW),
          lambda r: [own.get("xNew") for own in _of(r, ToolCall, "own")]),
    Asked("unknown field of a tool result", _loop(ToolResult("call_0", (Text("ok"),), own=NEW)),
          lambda r: [own.get("xNew") for own in _of(r, ToolResult, "own")]),
    Asked("phase of a turn", replace(BASE, messages=(USER, Message("assistant", (Text("4", own=PHASE),)), USER)),
          lambda r: [own.get("message.phase") for own in _of(r, Text, "own")]),
)  # fmt: skip


def _said(events: Sequence[StreamEvent], kind: type[StreamEvent], field: str) -> object:
    return "".join(str(getattr(event, field)) for event in events if isinstance(event, kind))


def _called(events: Sequence[StreamEvent]) -> object:
    calls: dict[tuple[int, int], list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            call = calls.setdefault((event.choice, event.part), ["", ""])
            call[0] = event.name or call[0]
            call[1] += event.arguments
    return [(name, json.loads(arguments or "{}")) for name, arguments in calls.values()]


def _finish(events: Sequence[StreamEvent]) -> object:
    """Return why a reply ended; a filter and a refusal are one, where the dialect has one word for both."""
    return ["refusal" if e.reason == "content_filter" else e.reason for e in events if isinstance(e, Finish)]


def _used(events: Sequence[StreamEvent]) -> Usage:
    return [event.usage for event in events if isinstance(event, Used)][-1]


def _owned(events: Sequence[StreamEvent], kind: type[StreamEvent], name: str = "xNew") -> object:
    """Return a field that only one dialect knows, of the first event of a kind that has it."""
    owns: list[dict[str, Raw]] = [getattr(event, "own", {}) for event in events if isinstance(event, kind)]
    return next((own[name] for own in owns if name in own), None)


_START = Start("r1", "model-1", 1_700_000_000)


def _reply(*events: StreamEvent, finish: Finish | None = None, usage: Usage | None = None) -> tuple[StreamEvent, ...]:
    return (
        _START,
        *events,
        finish or Finish("stop"),
        Used(usage or Usage(input=10, output=5)),
    )


_HELLO = TextDelta(0, "Hello")
REPLIES: tuple[Said, ...] = (
    Said("text", _reply(_HELLO), lambda e: _said(e, TextDelta, "text")),
    Said("other scripts", _reply(TextDelta(0, "写 ä \U0001f600\n")), lambda e: _said(e, TextDelta, "text")),
    Said("no content", _reply(), lambda e: _said(e, TextDelta, "text")),
    Said("tool call", _reply(ToolCallDelta(0, "c1", "look", '{"x":1}'), finish=Finish("tool_calls")), _called),
    Said("tool call without arguments", _reply(ToolCallDelta(0, "c1", "look", "{}"), finish=Finish("tool_calls")), _called),
    Said("parallel tool calls", _reply(ToolCallDelta(0, "c1", "look", '{"x":1}'), ToolCallDelta(1, "c2", "look", '{"x":2}'),
                                       finish=Finish("tool_calls")), _called),
    Said("text and tool call", _reply(_HELLO, ToolCallDelta(1, "c1", "look", "{}"), finish=Finish("tool_calls")),
         lambda e: (_said(e, TextDelta, "text"), _called(e))),
    Said("ends with tool calls", _reply(ToolCallDelta(0, "c1", "look", "{}"), finish=Finish("tool_calls")), _finish),
    Said("ends at the limit", _reply(_HELLO, finish=Finish("length")), _finish),
    Said("ends by a filter", _reply(_HELLO, finish=Finish("content_filter")), _finish),
    Said("stop sequence", _reply(_HELLO, finish=Finish("stop_sequence", stop_sequence="END")),
         lambda e: [one.stop_sequence for one in e if isinstance(one, Finish)]),
    Said("refusal", _reply(RefusalDelta(0, "I will not."), finish=Finish("refusal")),
         lambda e: f"{_said(e, RefusalDelta, 'text')}{_said(e, TextDelta, 'text')}"),
    Said("reasoning", _reply(ThinkingDelta(0, "hm"), TextDelta(1, "4")), lambda e: _said(e, ThinkingDelta, "text")),
    Said("signed reasoning", _reply(ThinkingDelta(0, "hm", "c2ln"), TextDelta(1, "4")),
         lambda e: _said(e, ThinkingDelta, "signature")),
    Said("encrypted reasoning", _reply(ThinkingDelta(0, encrypted="ZW5j", id="rs_1"), TextDelta(1, "4")),
         lambda e: _said(e, ThinkingDelta, "encrypted")),
    Said("citation", _reply(_HELLO, CitationDelta(0, Raw(b'{"type":"url_citation","url":"https://example.com","title":"T",'
                                                         b'"start_index":0,"end_index":5}'))),
         lambda e: sum(isinstance(one, CitationDelta) for one in e)),
    Said("logprobs", _reply(_HELLO, Logprobs((TokenLogprob("Hello", -0.5, tuple(b"Hello")),))),
         lambda e: [round(t.logprob, 6) for one in e if isinstance(one, Logprobs) for t in one.tokens]),
    Said("unknown field", (replace(_START, own=NEW), *_reply(_HELLO)[1:]), lambda e: _owned(e, Start)),
    Said("unknown field of a text", _reply(TextDelta(0, "Hello", own=NEW)), lambda e: _owned(e, TextDelta)),
    Said("unknown field of a refusal", _reply(RefusalDelta(0, "No.", own=NEW), finish=Finish("refusal")),
         lambda e: _owned(e, RefusalDelta)),
    Said("unknown field of reasoning", _reply(ThinkingDelta(0, "hm", own=NEW), TextDelta(1, "4")),
         lambda e: _owned(e, ThinkingDelta)),
    Said("unknown field of a tool call", _reply(ToolCallDelta(0, "c1", "look", "{}", own=NEW), finish=Finish("tool_calls")),
         lambda e: _owned(e, ToolCallDelta)),
    Said("unknown field of usage", (*_reply(_HELLO)[:-1], Used(Usage(10, 5), own=NEW)), lambda e: _owned(e, Used)),
    Said("phase of a message", _reply(TextDelta(0, "Hello", own=PHASE)), lambda e: _owned(e, TextDelta, "message.phase")),
    Said("tokens", _reply(_HELLO), lambda e: (_used(e).input, _used(e).output)),
    Said("cached tokens", _reply(_HELLO, usage=Usage(input=10, output=5, cached=4)), lambda e: _used(e).cached),
    Said("tokens written to a cache", _reply(_HELLO, usage=Usage(input=10, output=5, cache_written=4)),
         lambda e: _used(e).cache_written),
    Said("reasoning tokens", _reply(_HELLO, usage=Usage(input=10, output=5, reasoning=3)), lambda e: _used(e).reasoning),
)  # fmt: skip

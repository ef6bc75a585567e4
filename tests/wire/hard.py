"""The hard cases of streams, in every dialect in which they can come: bytes as a provider sends them, and what they say.

Each is written by hand from what providers document and do. ``HARD`` holds them by name; what a dialect cannot have is
missing there (Gemini's calls come whole, so none has fragments).
"""

import json
from dataclasses import dataclass, field
from typing import Any

from pointsman.wire.event_stream import framed

Call = tuple[str, str, str]
"""Id, name and arguments."""


@dataclass(frozen=True)
class Hard:
    """A stream of a dialect, and what it adds up to, choice by choice where there are several."""

    dialect: str
    stream: bytes
    text: str = ""
    thinking: str = ""
    signatures: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    finish: tuple[str, ...] = ("stop",)
    used: tuple[int, int] | None = (7, 3)
    failed: str = ""
    unread: frozenset[str] = field(default_factory=frozenset)


def sse(*events: Any, end: bytes = b"\n\n") -> bytes:
    """Events as JSON or as bytes; those with a type have it in an ``event:`` line too."""
    out = b""
    for event in events:
        if isinstance(event, bytes):
            out += event
            continue
        line = b"event: " + event["type"].encode() + end[: len(end) // 2] if "type" in event else b""
        out += line + b"data: " + json.dumps(event, ensure_ascii=False).encode() + end
    return out


DONE = b"data: [DONE]\n\n"
SIGNED = "c2lnbmVk"


# Chat Completions


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **around: Any) -> Any:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    return {**head, "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish}], **around}


def part(index: int, arguments: str, id_: str | None = None, name: str | None = None) -> Any:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": index, **({"id": id_, "type": "function"} if id_ else {}), "function": function}]}


CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
COUNTED = {**chunk(), "choices": [], "usage": CHAT_USAGE}
HELLO = chunk({"role": "assistant", "content": ""})


# Responses


def item(kind: str, index: int = 0, **fields: Any) -> Any:
    ids = {"message": "msg", "reasoning": "rs", "function_call": "fc"}
    bases: dict[str, Any] = {"message": {"role": "assistant", "content": []}, "reasoning": {"summary": []}}
    base = bases.get(kind, {})
    return {"type": kind, "id": f"{ids[kind]}_{index}", **base, **fields}


def response(status: str = "in_progress", output: Any = (), **fields: Any) -> Any:
    head = {"id": "resp_1", "object": "response", "created_at": 5, "model": "m", "status": status}
    return {**head, "output": list(output), "error": None, "incomplete_details": None, "usage": None, **fields}


def frame(kind: str, index: int | None = None, **fields: Any) -> Any:
    return {"type": f"response.{kind}", **({} if index is None else {"output_index": index}), **fields}


RESPONSES_USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
CREATED = frame("created", response=response())


def said(text: str, index: int = 0) -> Any:
    return item("message", index, content=[{"type": "output_text", "text": text, "annotations": []}])


def spoken(*pieces: str, index: int = 0) -> list[Any]:
    texts = [frame("output_text.delta", index, content_index=0, delta=piece) for piece in pieces]
    whole = "".join(pieces)
    done = frame("output_item.done", index, item=said(whole, index))
    return [frame("output_item.added", index, item=item("message", index)), *texts, done]


def completed(*output: Any, **fields: Any) -> Any:
    return frame("completed", response=response("completed", output, usage=RESPONSES_USAGE, **fields))


def called(arguments: str, id_: str, name: str, index: int) -> Any:
    return item("function_call", index, call_id=id_, name=name, arguments=arguments)


# Messages


def started(**usage: int) -> Any:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    return {"type": "message_start", "message": {**message, "usage": {"input_tokens": 7, "output_tokens": 1, **usage}}}


def block(index: int, begins: Any, *deltas: Any) -> list[Any]:
    opened = {"type": "content_block_start", "index": index, "content_block": begins}
    changed = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [opened, *changed, {"type": "content_block_stop", "index": index}]


def words(index: int, *pieces: str) -> list[Any]:
    return block(index, {"type": "text", "text": ""}, *[{"type": "text_delta", "text": piece} for piece in pieces])


def use(index: int, id_: str, name: str, *fragments: str) -> list[Any]:
    begins = {"type": "tool_use", "id": id_, "name": name, "input": {}}
    return block(index, begins, *[{"type": "input_json_delta", "partial_json": piece} for piece in fragments])


def ended(reason: str = "end_turn", **usage: int) -> list[Any]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3, **usage}}, {"type": "message_stop"}]


PING = {"type": "ping"}


# Gemini

COUNTS = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}


def piece(*parts: Any, finish: str | None = None, index: int = 0, usage: Any = None) -> Any:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    counted = {"usageMetadata": usage} if usage else {}
    return {"candidates": [candidate], "modelVersion": "m", "responseId": "r1", **counted}


def gem(*chunks: Any) -> bytes:
    return sse(*chunks, end=b"\r\n\r\n")


def look(args: Any = None, **fields: Any) -> Any:
    return {"functionCall": {"name": "look", **({} if args is None else {"args": args})}, **fields}


# Converse


def event(name: str, **payload: Any) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return framed(headers, json.dumps({"p": "ab", **payload}, ensure_ascii=False).encode())


def delta(index: int, **inner: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=index, delta=inner)


def tool(index: int, id_: str, name: str) -> bytes:
    return event("contentBlockStart", contentBlockIndex=index, start={"toolUse": {"toolUseId": id_, "name": name}})


def fragment(index: int, text: str) -> bytes:
    return delta(index, toolUse={"input": text})


def converse(*events: bytes, reason: str = "end_turn") -> bytes:
    counted = event("metadata", usage={"inputTokens": 7, "outputTokens": 3, "totalTokens": 10})
    return b"".join([event("messageStart", role="assistant"), *events, event("messageStop", stopReason=reason), counted])


C, R, A, G, B = "openai_chat", "openai_responses", "anthropic", "gemini", "bedrock_converse"
LOOK: tuple[Call, ...] = (("c1", "look", '{"x":1}'),)
BOTH: tuple[Call, ...] = (("c1", "look", '{"x":1}'), ("c2", "find", '{"y":2}'))
TEXT = "grün 🚂 写"
LONG = "ä" * (512 * 1024)

ONE_CALL = {
    C: sse(HELLO, chunk(part(0, "", "c1", "look")), chunk(part(0, '{"x"')), chunk(part(0, ":1}")), chunk(None, "tool_calls"),
           COUNTED, DONE),
    R: sse(
        CREATED, frame("output_item.added", 0, item=called("", "c1", "look", 0)),
        frame("function_call_arguments.delta", 0, delta='{"x"'), frame("function_call_arguments.delta", 0, delta=":1}"),
        frame("function_call_arguments.done", 0, arguments='{"x":1}'),
        frame("output_item.done", 0, item=called('{"x":1}', "c1", "look", 0)), completed(called('{"x":1}', "c1", "look", 0)),
    ),
    A: sse(started(), *use(0, "c1", "look", "", '{"x"', ":1}"), *ended("tool_use")),
    B: converse(tool(0, "c1", "look"), fragment(0, '{"x"'), fragment(0, ":1}"), reason="tool_use"),
}  # fmt: skip
EMPTY_ARGUMENTS = {
    C: sse(HELLO, chunk(part(0, "", "c1", "look")), chunk(part(0, "{}")), chunk(None, "tool_calls"), COUNTED, DONE),
    R: sse(CREATED, frame("output_item.added", 0, item=called("", "c1", "look", 0)),
           frame("function_call_arguments.delta", 0, delta="{}"),
           frame("output_item.done", 0, item=called("{}", "c1", "look", 0)), completed(called("{}", "c1", "look", 0))),
    A: sse(started(), *use(0, "c1", "look", ""), *ended("tool_use")),
    G: gem(piece({"functionCall": {"name": "look", "id": "c1"}}, finish="STOP", usage=COUNTS)),
    B: converse(tool(0, "c1", "look"), fragment(0, "{}"), reason="tool_use"),
}  # fmt: skip
NO_ARGUMENTS = {
    C: sse(HELLO, chunk(part(0, "", "c1", "look")), chunk(None, "tool_calls"), COUNTED, DONE),
    R: sse(CREATED, frame("output_item.added", 0, item=called("", "c1", "look", 0)),
           frame("output_item.done", 0, item=called("", "c1", "look", 0)), completed(called("", "c1", "look", 0))),
    A: sse(started(), *use(0, "c1", "look"), *ended("tool_use")),
    B: converse(tool(0, "c1", "look"), reason="tool_use"),
}  # fmt: skip
INTERLEAVED = {
    C: sse(HELLO, chunk(part(0, "", "c1", "look")), chunk(part(1, "", "c2", "find")), chunk(part(0, '{"x"')),
           chunk(part(1, '{"y":')), chunk(part(0, ":1}")), chunk(part(1, "2}")), chunk(None, "tool_calls"), COUNTED, DONE),
    R: sse(
        CREATED, frame("output_item.added", 0, item=called("", "c1", "look", 0)),
        frame("output_item.added", 1, item=called("", "c2", "find", 1)),
        frame("function_call_arguments.delta", 0, delta='{"x"'), frame("function_call_arguments.delta", 1, delta='{"y":'),
        frame("function_call_arguments.delta", 0, delta=":1}"), frame("function_call_arguments.delta", 1, delta="2}"),
        frame("output_item.done", 0, item=called('{"x":1}', "c1", "look", 0)),
        frame("output_item.done", 1, item=called('{"y":2}', "c2", "find", 1)),
        completed(called('{"x":1}', "c1", "look", 0), called('{"y":2}', "c2", "find", 1)),
    ),
    A: sse(started(), *use(0, "c1", "look", '{"x"', ":1}"), *use(1, "c2", "find", '{"y":2}'), *ended("tool_use")),
    G: gem(piece({"functionCall": {"name": "look", "id": "c1", "args": {"x": 1}}, "thoughtSignature": SIGNED},
                 {"functionCall": {"name": "find", "id": "c2", "args": {"y": 2}}}), piece(finish="STOP", usage=COUNTS)),
    B: converse(tool(0, "c1", "look"), tool(1, "c2", "find"), fragment(0, '{"x"'), fragment(1, '{"y":'), fragment(0, ":1}"),
                fragment(1, "2}"), reason="tool_use"),
}  # fmt: skip
MIXED = {
    C: sse(HELLO, chunk({"content": "grün "}), chunk({"content": "🚂 写"}), chunk(part(0, '{"x":1}', "c1", "look")),
           chunk(None, "tool_calls"), COUNTED, DONE),
    R: sse(CREATED, *spoken("grün ", "🚂 写"), frame("output_item.added", 1, item=called("", "c1", "look", 1)),
           frame("function_call_arguments.delta", 1, delta='{"x":1}'),
           frame("output_item.done", 1, item=called('{"x":1}', "c1", "look", 1)),
           completed(said(TEXT), called('{"x":1}', "c1", "look", 1))),
    A: sse(started(), *words(0, "grün ", "🚂 写"), *use(1, "c1", "look", '{"x":1}'), *ended("tool_use")),
    G: gem(piece({"text": "grün "}), piece({"text": "🚂 写"}),
           piece({"functionCall": {"name": "look", "id": "c1", "args": {"x": 1}}}, finish="STOP", usage=COUNTS)),
    B: converse(delta(0, text="grün "), delta(0, text="🚂 写"), tool(1, "c1", "look"), fragment(1, '{"x":1}'),
                reason="tool_use"),
}  # fmt: skip
PLAIN = {
    C: [HELLO, chunk({"content": "grün "}), chunk({"content": "🚂 写"}), chunk(None, "stop"), COUNTED],
    R: [CREATED, *spoken("grün ", "🚂 写"), completed(said(TEXT))],
    A: [started(), *words(0, "grün ", "🚂 写"), *ended()],
    G: [piece({"text": "grün "}), piece({"text": "🚂 写"}), piece({"text": ""}, finish="STOP", usage=COUNTS)],
}  # fmt: skip
NOTHING = {
    C: sse(HELLO, chunk(None, "stop"), COUNTED, DONE),
    R: sse(CREATED, completed()),
    A: sse(started(), *ended()),
    G: gem({"candidates": [{"content": {}, "finishReason": "STOP", "index": 0}], "usageMetadata": COUNTS}),
    B: converse(),
}
CUT = {
    C: sse(HELLO, chunk({"content": "grün "}), chunk({"content": "🚂 写"})),
    R: sse(CREATED, *spoken("grün ", "🚂 写")[:-1]),
    A: sse(started(), *words(0, "grün ", "🚂 写")[:-1]),
    G: gem(piece({"text": "grün "}), piece({"text": "🚂 写"})),
    B: event("messageStart", role="assistant") + delta(0, text="grün ") + delta(0, text="🚂 写"),
}
NO_TERMINATOR = {
    C: sse(HELLO, chunk({"content": TEXT}), chunk(None, "stop"), COUNTED)[:-2],
    A: sse(started(), *words(0, TEXT), *ended()[:1])[:-2],
    G: gem(piece({"text": TEXT}, finish="STOP", usage=COUNTS))[:-4],
    R: sse(CREATED, *spoken(TEXT), completed(said(TEXT)))[:-2],
}
FAILS = {
    C: sse(HELLO, chunk({"content": TEXT}), {"error": {"message": "overloaded", "type": "server_error", "code": 503}}, DONE),
    R: sse(CREATED, *spoken(TEXT), {"type": "error", "code": "server_error", "message": "overloaded", "param": None}),
    A: sse(started(), *words(0, TEXT), {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}),
    G: gem(piece({"text": TEXT}), {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}),
    B: event("messageStart", role="assistant") + delta(0, text=TEXT) + framed(
        {":exception-type": "serviceUnavailableException", ":message-type": "exception"}, b'{"message":"overloaded"}'),
}  # fmt: skip
THINKS = {
    C: sse(HELLO, chunk({"reasoning_content": "hm"}), chunk({"content": TEXT}), chunk(None, "stop"), COUNTED, DONE),
    R: sse(CREATED, frame("output_item.added", 0, item=item("reasoning")),
           frame("reasoning_summary_text.delta", 0, summary_index=0, delta="hm"),
           frame("output_item.done", 0, item=item("reasoning", summary=[{"type": "summary_text", "text": "hm"}])),
           *spoken(TEXT, index=1),
           completed(item("reasoning", summary=[{"type": "summary_text", "text": "hm"}]), said(TEXT, 1))),
    A: sse(started(), *block(0, {"type": "thinking", "thinking": "", "signature": ""},
           {"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": SIGNED}),
           *words(1, TEXT), *ended()),
    G: gem(piece({"text": "hm", "thought": True}), piece({"text": TEXT}),
           piece({"text": "", "thoughtSignature": SIGNED}, finish="STOP", usage=COUNTS)),
    B: converse(delta(0, reasoningContent={"text": "hm"}), delta(0, reasoningContent={"signature": SIGNED}),
                delta(1, text=TEXT)),
}  # fmt: skip
LINES = {
    C: sse(HELLO, chunk({"content": LONG}), chunk(None, "stop"), COUNTED, DONE),
    R: sse(CREATED, *spoken(LONG), completed(said(LONG))),
    A: sse(started(), *words(0, LONG), *ended()),
    G: gem(piece({"text": LONG}), piece({"text": ""}, finish="STOP", usage=COUNTS)),
    B: converse(delta(0, text=LONG)),
}


def odd_lines(dialect: str, end: bytes, bom: bytes = b"") -> bytes:
    """The plain stream with another line end: a comment, an unknown field, data on two lines, a BOM where there is one."""
    out = bom
    for place, one in enumerate(PLAIN[dialect]):
        data = json.dumps(one, ensure_ascii=False).encode()
        middle = data.index(b": ") + 1  # a place between tokens, where a line may end
        lines = [b"data: " + data[:middle], b"data:" + data[middle:]]
        lines = [b"data: " + data] if place == 0 else [b": a comment", b"id: 7", b"event: x", *lines]
        out += end.join([*lines, b"", b""])
    return out + (b"data: [DONE]" + end + end if dialect == C else b"")


def _all(found: dict[str, bytes], **said_: Any) -> list[Hard]:
    return [Hard(dialect, stream, **said_) for dialect, stream in found.items()]


TOOLS = ("tool_calls",)
EMPTY: tuple[Call, ...] = (("c1", "look", "{}"),)
HARD: dict[str, list[Hard]] = {
    "a call whose id and name come once, and its arguments in fragments": _all(ONE_CALL, calls=LOOK, finish=TOOLS),
    "a call without arguments, which are an empty object": _all(EMPTY_ARGUMENTS, calls=EMPTY, finish=TOOLS),
    "a call of which nothing but its name is said": [
        Hard(d, s, calls=(("c1", "look", "{}" if d == A else ""),), finish=TOOLS) for d, s in NO_ARGUMENTS.items()
    ],
    "parallel calls, interleaved where that can be": [
        Hard(d, s, calls=BOTH, finish=TOOLS, signatures=(SIGNED,) if d == G else ()) for d, s in INTERLEAVED.items()
    ],
    "text, and a call behind it": _all(MIXED, text=TEXT, calls=LOOK, finish=TOOLS),
    "no content at all": _all(NOTHING),
    "cut in the middle, without a reason or a terminator": [
        Hard(d, s, text=TEXT, finish=(), used=(7, 1) if d == A else None) for d, s in CUT.items()
    ],
    "a reason, but no terminator, nor the last blank line": _all(NO_TERMINATOR, text=TEXT),
    "an error after status 200": [
        Hard(d, s, text=TEXT, finish=(), used=(7, 1) if d == A else None, failed="overloaded") for d, s in FAILS.items()
    ],
    "reasoning, with its signature where there are any": [
        Hard(d, s, text=TEXT, thinking="hm", signatures=(SIGNED,) if d in (A, G, B) else ()) for d, s in THINKS.items()
    ],
    "a line of a megabyte": _all(LINES, text=LONG),
    "CRLF, comments, other fields, data on two lines": [Hard(d, odd_lines(d, b"\r\n"), text=TEXT) for d in PLAIN],
    "LF alone": [Hard(d, odd_lines(d, b"\n"), text=TEXT) for d in PLAIN],
    "CR alone": [Hard(d, odd_lines(d, b"\r"), text=TEXT) for d in PLAIN],
    "a BOM before the first data": [Hard(d, odd_lines(d, b"\n", b"\xef\xbb\xbf"), text=TEXT) for d in PLAIN],
    "pings, an unknown event, and data that is no JSON": [
        Hard(A, sse(started(), PING, *words(0, TEXT), PING, {"type": "new_event"}, *ended()), text=TEXT,
             unread=frozenset(["new_event"])),
        Hard(R, sse(CREATED, {"type": "keepalive"}, *spoken(TEXT), frame("hologram.delta", 0), completed(said(TEXT))),
             text=TEXT, unread=frozenset(["response.hologram.delta"])),
        Hard(C, sse(b": OPENROUTER PROCESSING\n\n", HELLO, b"data: <html>\n\n", chunk({"content": TEXT}, "stop"), COUNTED,
                    DONE), text=TEXT, unread=frozenset(["data that is no chunk"])),
        Hard(B, converse(event("newEvent"), delta(0, text=TEXT)), text=TEXT, unread=frozenset(["newEvent"])),
    ],
    "counts in every chunk, the last ones hold": [
        Hard(C, sse(chunk({"content": TEXT}, usage={**CHAT_USAGE, "completion_tokens": 1}),
                    chunk(None, "stop", usage=CHAT_USAGE), DONE), text=TEXT),
        Hard(A, sse(started(), *words(0, TEXT), *ended(input_tokens=7)), text=TEXT),
        Hard(G, gem(piece({"text": TEXT}, usage={"promptTokenCount": 7, "candidatesTokenCount": 1}),
                    piece({"text": ""}, finish="STOP", usage=COUNTS)), text=TEXT),
    ],
    "no counts": [
        Hard(C, sse(HELLO, chunk({"content": TEXT}, "stop"), DONE), text=TEXT, used=None),
        Hard(R, sse(CREATED, *spoken(TEXT), frame("completed", response=response("completed", [said(TEXT)]))), text=TEXT,
             used=None),
        Hard(G, gem(piece({"text": TEXT}, finish="STOP")), text=TEXT, used=None),
    ],
    "empty choices, first and last": [
        Hard(C, sse({**chunk(), "choices": [], "prompt_filter_results": []}, HELLO, chunk({"content": TEXT}, "stop"),
                    COUNTED, DONE), text=TEXT),
    ],
    "a signature without a thought": [
        Hard(A, sse(started(), *block(0, {"type": "thinking", "thinking": "", "signature": ""},
                                      {"type": "signature_delta", "signature": SIGNED}), *words(1, TEXT), *ended()),
             text=TEXT, signatures=(SIGNED,)),
        Hard(G, gem(piece({"text": TEXT}), piece({"text": "", "thoughtSignature": SIGNED}, finish="STOP", usage=COUNTS)),
             text=TEXT, signatures=(SIGNED,)),
    ],
    "signed calls, one after another": [
        Hard(G, gem(piece({"functionCall": {"name": "look", "id": "c1", "args": {"x": 1}}, "thoughtSignature": SIGNED}),
                    piece({"functionCall": {"name": "find", "id": "c2", "args": {"y": 2}}, "thoughtSignature": "c2Vjb25k"}),
                    piece(finish="STOP", usage=COUNTS)), calls=BOTH, signatures=(SIGNED, "c2Vjb25k"), finish=TOOLS),
        Hard(C, sse(HELLO, chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function":
                    {"name": "look", "arguments": '{"x":1}'}, "extra_content": {"google": {"thought_signature": SIGNED}}}]}),
                    chunk(None, "tool_calls"), COUNTED, DONE), calls=LOOK, signatures=(SIGNED,), finish=TOOLS),
    ],
    "several choices, in turns": [
        Hard(C, sse(chunk({"content": "b"}, index=1), chunk({"content": "grün "}), chunk({"content": "b"}, index=1),
                    chunk({"content": "🚂 写"}), chunk(None, "length", index=1), chunk(None, "stop"), COUNTED, DONE),
             text=TEXT, finish=("length", "stop")),
        Hard(G, gem(piece({"text": "b"}, index=1), piece({"text": "grün "}),
                    piece({"text": "b"}, finish="MAX_TOKENS", index=1), piece({"text": "🚂 写"}),
                    piece({"text": ""}, finish="STOP", usage=COUNTS)),
             text=TEXT, finish=("length", "stop")),
    ],
}  # fmt: skip

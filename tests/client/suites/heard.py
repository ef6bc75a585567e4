"""What a client hears, whatever its dialect; and what it should hear of a turn that a provider says in another.

Strategy: replies and streams become one value, which is compared as a whole. Laws of a stream are checked while it is read:
Anthropic's blocks do not overlap, Responses' sequence numbers rise by one and its deltas add up to the items of its last
event.
"""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.client.scripted.turn import Call, Refusal, Text, Thinking, Turn

_CHAT: Final = {"stop": "stop", "tool_calls": "tool", "length": "length", "content_filter": "refusal"}
_ANTHROPIC: Final = {"end_turn": "stop", "tool_use": "tool", "max_tokens": "length", "refusal": "refusal"}
_GEMINI: Final = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "refusal"}
_SAY_REASONING: Final = {"openai_chat", "openai_responses", "gemini"}


@dataclass(frozen=True)
class Heard:
    """``said`` is text and refusal; ``calls`` are names and arguments; ``signatures`` only count where they can be compared.

    ``input`` and ``output`` are totals, with what was cached and what was thought.
    """

    said: str = ""
    thought: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    finish: str = ""
    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, turn: Turn, client: str, provider: str) -> "Heard":
        """Return what a client should hear."""
        shown = provider != "openai_chat"
        thought = "".join(part.whole for part in turn.parts if isinstance(part, Thinking)) if shown else ""
        used = turn.usage
        knows_reasoning = {client, provider} <= _SAY_REASONING
        return cls(
            said="".join(part.whole for part in turn.parts if type(part) is Text or isinstance(part, Refusal)),
            thought=thought,
            calls=tuple((part.name, part.arguments) for part in turn.parts if isinstance(part, Call)),
            finish=_finish(turn.finish, client, provider),
            input=used.input,
            output=used.output,
            cached=used.cached,
            reasoning=used.reasoning if knows_reasoning else 0,
        )


def _finish(finish: str, client: str, provider: str) -> str:
    if finish == "tool" and client == "gemini":
        return "stop"
    return finish


def heard(client: str, reply: Any) -> Heard:
    """Return what a whole reply says."""
    return _WHOLE[client](reply)


def heard_stream(client: str, events: list[Any]) -> Heard:
    """Return what a stream says."""
    return _STREAM[client](events)


def _chat(reply: Any) -> Heard:
    (choice,) = reply["choices"]
    said = choice["message"]
    calls = tuple(
        (one["function"]["name"], json.loads(one["function"]["arguments"])) for one in said.get("tool_calls") or ()
    )
    spoken = (said.get("content") or "") + (said.get("refusal") or "")
    finish = "refusal" if said.get("refusal") else _CHAT[choice["finish_reason"]]
    thought = said.get("reasoning_content") or ""
    return replace(_chat_usage(reply["usage"]), said=spoken, thought=thought, calls=calls, finish=finish)


def _chat_usage(usage: Any) -> Heard:
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    return Heard(
        input=usage["prompt_tokens"],
        output=usage["completion_tokens"],
        cached=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        reasoning=(usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0,
    )


def _chat_stream(chunks: list[Any]) -> Heard:
    assert len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks}) == 1
    *content, last = chunks
    assert last["choices"] == []
    said, thought, refused, finish = "", "", "", []
    calls: dict[int, dict[str, Any]] = {}
    for chunk in content:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        said += delta.get("content") or ""
        thought += delta.get("reasoning_content") or ""
        refused += delta.get("refusal") or ""
        for one in delta.get("tool_calls") or ():
            if one["index"] in calls:
                assert not one.get("id"), "an id comes once"
                calls[one["index"]]["arguments"] += one["function"]["arguments"]
            else:
                assert one["id"]
                calls[one["index"]] = {"name": one["function"]["name"], "arguments": one["function"].get("arguments") or ""}
        finish += [choice["finish_reason"]] if choice["finish_reason"] else []
    (ended,) = finish
    assert list(calls) == list(range(len(calls)))
    told = tuple((one["name"], json.loads(one["arguments"])) for one in calls.values())
    ending = "refusal" if refused else _CHAT[ended]
    return replace(_chat_usage(last["usage"]), said=said + refused, thought=thought, calls=told, finish=ending)


def _responses(reply: Any) -> Heard:
    said, thought, refused = "", "", False
    calls = []
    for item in reply["output"]:
        if item["type"] == "message":
            for part in item["content"]:
                said += part.get("text", "") + part.get("refusal", "")
                refused |= part["type"] == "refusal"
        elif item["type"] == "reasoning":
            thought += "".join(one["text"] for one in [*item["summary"], *(item.get("content") or ())])
        else:
            calls.append((item["name"], json.loads(item["arguments"])))
    reason = (reply["incomplete_details"] or {}).get("reason")
    assert (reply["status"] == "incomplete") == (reason is not None)
    cut_short = {"max_output_tokens": "length", "content_filter": "refusal"}.get(reason or "")
    finish = cut_short or ("refusal" if refused else "tool" if calls else "stop")
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    cached, reasoning = usage["input_tokens_details"]["cached_tokens"], usage["output_tokens_details"]["reasoning_tokens"]
    return Heard(said, thought, tuple(calls), finish, usage["input_tokens"], usage["output_tokens"], cached, reasoning)


def _responses_stream(events: list[Any]) -> Heard:
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    first, *_, last = events
    assert first["type"] == "response.created"
    assert last["type"] in {"response.completed", "response.incomplete"}
    output = last["response"]["output"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == output
    added = [event["item"] for event in events if event["type"] == "response.output_item.added"]
    assert [item["id"] for item in added] == [item["id"] for item in output]
    for item in output:
        whole = json.dumps(item)
        for word in ("output_text", "refusal", "function_call_arguments", "reasoning_summary_text", "reasoning_text"):
            mine = [
                event for event in events if event["type"] == f"response.{word}.delta" and event["item_id"] == item["id"]
            ]
            assert json.dumps("".join(event["delta"] for event in mine))[1:-1] in whole
    return _responses(last["response"])


def _anthropic(reply: Any) -> Heard:
    blocks = reply["content"]
    usage = reply["usage"]
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    return Heard(
        said="".join(block["text"] for block in blocks if block["type"] == "text"),
        thought="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        calls=tuple((block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"),
        finish=_ANTHROPIC[reply["stop_reason"]],
        input=usage["input_tokens"] + cached + written,
        output=usage["output_tokens"],
        cached=cached,
    )


def _anthropic_stream(events: list[Any]) -> Heard:
    events = [event for event in events if event["type"] != "ping"]
    first, *middle, delta, last = events
    assert (first["type"], delta["type"], last["type"]) == ("message_start", "message_delta", "message_stop")
    message = first["message"] | delta["delta"] | {"content": []}
    message["usage"] = first["message"]["usage"] | {name: n for name, n in delta["usage"].items() if n is not None}
    fragments, is_open = "", False
    for event in middle:
        if event["type"] == "content_block_start":
            assert not is_open, "blocks do not overlap"
            assert event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"]))
            fragments, is_open = "", True
            continue
        assert event["index"] == len(message["content"]) - 1
        assert is_open
        block = message["content"][-1]
        if event["type"] == "content_block_stop":
            is_open = False
            if block["type"] == "tool_use":
                block["input"] = json.loads(fragments or "{}")
            continue
        change = event["delta"]
        if change["type"] == "input_json_delta":
            fragments += change["partial_json"]
        else:
            word = change["type"].removesuffix("_delta")
            block[word] += change[word]
    assert not is_open
    return _anthropic(message)


def _gemini(reply: Any) -> Heard:
    return _gemini_stream([reply])


def _gemini_stream(chunks: list[Any]) -> Heard:
    parts = [part for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", ())]
    (finish,) = (reason for chunk in chunks if (reason := chunk["candidates"][0].get("finishReason")))
    usage = chunks[-1]["usageMetadata"]
    thoughts = usage.get("thoughtsTokenCount") or 0
    output = (usage.get("candidatesTokenCount") or 0) + thoughts
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + output
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    return Heard(
        said="".join(part["text"] for part in parts if "text" in part and not part.get("thought")),
        thought="".join(part["text"] for part in parts if "text" in part and part.get("thought")),
        calls=tuple((one["name"], one.get("args", {})) for one in calls),
        finish=_GEMINI[finish],
        input=usage["promptTokenCount"],
        output=output,
        cached=usage.get("cachedContentTokenCount") or 0,
        reasoning=thoughts,
    )


_WHOLE: Final = {"openai_chat": _chat, "openai_responses": _responses, "anthropic": _anthropic, "gemini": _gemini}
_STREAM: Final = {
    "openai_chat": _chat_stream,
    "openai_responses": _responses_stream,
    "anthropic": _anthropic_stream,
    "gemini": _gemini_stream,
}

"""The response object around the output items, both ways: what it says of itself, what it took, and the echo of its request.

Laws: a response that was made in this dialect repeats what its maker repeated; any other repeats the client's request, with
every field that the official client's model requires.
"""

import math
from typing import Final

import msgspec
from msgspec import Raw

from pointsman.core.chat import ChatRequest, Failed, Finish, FinishReason, Own, Start, Usage, Used
from pointsman.core.errors import WireError
from pointsman.wire.dialect import Stamp
from pointsman.wire.openai_responses import items, tools
from pointsman.wire.openai_responses import request as requests
from pointsman.wire.openai_responses.errors import code_of, failure
from pointsman.wire.openai_responses.events import Begun, Ended
from pointsman.wire.openai_responses.fields import NAME, Fields

_ECHO: Final = frozenset((
    "background", "completed_at", "context_management", "conversation", "frequency_penalty", "include", "instructions",
    "max_output_tokens", "max_tool_calls", "metadata", "output_text", "parallel_tool_calls", "presence_penalty",
    "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning",
    "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
    "user",
))  # fmt: skip
_SAID: Final = frozenset((
    "id", "object", "created_at", "model", "service_tier", "status", "error", "incomplete_details", "output", "usage",
))  # fmt: skip
_INCOMPLETE: Final[dict[str, FinishReason]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_OTHER_INCOMPLETE: Final = frozenset(("max_messages", "steered"))
_UNDONE: Final = frozenset(("queued", "in_progress", "cancelled"))


def begun(source: Raw | bytes) -> Begun:
    """Return the beginning of a response. Raises WireError."""
    fields = Fields(source, "response")
    left = fields.left
    return Begun(
        fields.text("id"),
        fields.text("model"),
        _seconds(fields.number("created_at")),
        fields.text("service_tier"),
        {name: raw for name, raw in left.items() if name not in _SAID and name not in _ECHO and bytes(raw) != b"null"},
        NAME,
        {name: raw for name, raw in left.items() if name in _ECHO},
    )


def _seconds(number: float | None) -> int:
    return int(number) if number is not None and math.isfinite(number) else 0


def ended(source: Raw | bytes, start: Start | None, *, called: bool) -> list[Finish | Failed | Used]:
    """Return the end of a response, and what it took. What it says otherwise than ``start`` did is in its ``own``.

    ``called``: it called a tool. Raises WireError.
    """
    fields = Fields(source, "response")
    events: list[Finish | Failed | Used] = []
    status = fields.text("status") or "completed"
    details = fields.inner("incomplete_details")
    reason = details.text("reason") if details is not None else ""
    if status == "failed":
        events.append(failure(bytes(source)) or Failed("the provider reported an error"))
    else:
        own, echo = _changed(fields.left, start)
        tier = fields.peek("service_tier")
        if start is not None and tier not in (b"", b"null") and fields.text("service_tier") != start.service_tier:
            echo["service_tier"] = Raw(tier)
        why, word = _finish(status, reason, called=called)
        events.append(Ended(why, word, own=own, echo=echo) if echo else Finish(why, word, own=own))
    used = usage(fields.take("usage"))
    return events if used is None else [*events, used]


def _finish(status: str, reason: str, *, called: bool) -> tuple[FinishReason, str]:
    if status == "incomplete":
        return _INCOMPLETE.get(reason, "other"), reason or "incomplete"
    if status in _UNDONE:
        return ("error" if status == "cancelled" else "other"), status
    return ("tool_calls" if called else "stop"), status


def _changed(left: Own, start: Start | None) -> tuple[Own, Own]:
    """Return what is said otherwise at the end than at the beginning: what only this dialect says, and what echoes."""
    own_before = {} if start is None else start.own
    echo_before = start.echo if isinstance(start, Begun) else {}
    own: Own = {}
    echo: Own = {}
    for name, raw in left.items():
        if name in _ECHO:
            if name not in echo_before or echo_before[name] != raw:
                echo[name] = raw
        elif name not in _SAID and bytes(raw) != b"null" and (name not in own_before or own_before[name] != raw):
            own[name] = raw
    return own, echo


def usage(source: Raw | None) -> Used | None:
    """Return what a reply took, None where it is not said. Raises WireError."""
    if source is None or bytes(source) == b"null":
        return None
    fields = Fields(source, "usage")
    counted = [_count(fields, "input_tokens"), _count(fields, "output_tokens")]
    details: list[int] = []
    for outer, names in (("input_tokens_details", ("cached_tokens", "cache_write_tokens")),
                         ("output_tokens_details", ("reasoning_tokens",))):  # fmt: skip
        inner = fields.inner(outer) or Fields(b"{}")
        details += [_count(inner, name) for name in names]
        if inner.left:
            fields.left[outer] = Raw(msgspec.json.encode(inner.left))
    total = _count(fields, "total_tokens")
    if total and total != sum(counted):
        fields.left["total_tokens"] = Raw(str(total).encode())
    own = {name: raw for name, raw in fields.left.items() if bytes(raw) != b"null"}
    return Used(Usage(counted[0], counted[1], details[0], details[1], details[2]), own=own)


def _count(fields: Fields, name: str) -> int:
    return max(fields.whole(name) or 0, 0)


def written_usage(used: Used, *, ours: bool) -> dict[str, object]:
    """Return what a reply took as it is written."""
    took = used.usage
    inputs: dict[str, object] = {"cached_tokens": took.cached, "cache_write_tokens": took.cache_written}
    outputs: dict[str, object] = {"reasoning_tokens": took.reasoning}
    own = dict(used.own) if ours else {}
    for name, details in (("input_tokens_details", inputs), ("output_tokens_details", outputs)):
        if name in own:
            details.update(Fields(own.pop(name), name).left)
    return {
        "input_tokens": took.input,
        "input_tokens_details": inputs,
        "output_tokens": took.output,
        "output_tokens_details": outputs,
        "total_tokens": took.input + took.output,
        **own,
    }


def written(request: ChatRequest, stamp: Stamp, start: Start | None) -> dict[str, object]:
    """Return a response that has begun: in progress, and without output."""
    start = start or Start()
    ours = start.dialect == NAME
    body: dict[str, object] = {
        "id": start.id or stamp.id,
        "object": "response",
        "created_at": start.created or stamp.created,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": start.model or stamp.model or request.model,
        "output": [],
        **echo(request),
        "usage": None,
    }
    if start.service_tier:
        body["service_tier"] = start.service_tier if ours else requests.tier(start.service_tier) or None
    if not ours:
        return {**body, "completed_at": None}
    if isinstance(start, Begun):
        body.update(start.echo)
    body.update(start.own)
    return body


def echo(request: ChatRequest) -> dict[str, object]:
    """Return what a response repeats of its request."""
    unsaid: set[str] = set()
    ours = request.dialect == NAME
    form = {"type": "text"} if request.output is None else requests.form(request.output, unsaid, ours=ours)
    config: dict[str, object] = {"format": form}
    if request.verbosity:
        config["verbosity"] = request.verbosity
    thought: dict[str, object] = {"effort": None, "summary": None}
    return {
        "background": False,
        "instructions": items.instructions(request),
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata,
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": request.previous or None,
        "prompt_cache_key": request.cache_key or None,
        "reasoning": {**thought, **(requests.reasoning(request.reasoning, unsaid, ours=ours) or {})},
        "store": request.store is not False,
        "temperature": request.temperature,
        "text": config,
        "tool_choice": tools.chosen(request, unsaid) or "auto",
        "tools": tools.written(request, unsaid, whole=True),
        "top_p": request.top_p,
        "truncation": "disabled",
        "user": request.user,
    }


def complete(body: dict[str, object], finish: Finish | None, *, ours: bool) -> str:
    """Set how a response has ended, and return its status."""
    reason, word = ("stop", "") if finish is None else (finish.reason, finish.word)
    cut = {"length": "max_output_tokens", "content_filter": "content_filter", "refusal": "content_filter"}.get(reason)
    if reason == "other" and word in _OTHER_INCOMPLETE:
        cut = word
    status = "incomplete" if cut or word == "incomplete" else word if word in _UNDONE else "completed"
    body["status"] = status
    body["incomplete_details"] = {"reason": cut} if cut else None
    if ours and finish is not None:
        body.update(finish.own)
        if isinstance(finish, Ended):
            body.update(finish.echo)
    return status


def fail(body: dict[str, object], failed: Failed) -> None:
    """Set that a response has failed."""
    body["status"] = "failed"
    body["error"] = {"code": code_of(failed), "message": failed.message}


def check(body: Raw | bytes) -> Fields:
    """Return the fields of a response. Raises WireError where it is none."""
    fields = Fields(body)
    if bytes(fields.left.get("output", b""))[:1] != b"[":
        raise WireError("the reply is not a response: it has no list of output")
    return fields

"""How an answer shall be made: sampling, limits, reasoning, form; the parameters of a request, both ways."""

from typing import Final, Literal

from msgspec import Raw, Struct

from pointsman.core.chat import ChatRequest, Output, Own, Reasoning
from pointsman.wire.openai_chat.fields import ABSENT, NAME, Shape, Wire, given, proper, put, raw_of, said, words
from pointsman.wire.openai_chat.shapes import Body, Seen

_MOST_STOPS: Final = 4
_EFFORTS: Final = frozenset(("none", "minimal", "low", "medium", "high", "xhigh", "max"))
TIERS: Final = {
    **{tier: tier for tier in ("auto", "default", "flex", "scale", "priority", "fast")},
    **dict.fromkeys(("standard", "standard_only"), "default"),
}
"""Service tiers of any dialect in the words of this one."""

_TEXTS: Final = {"verbosity": "verbosity", "service_tier": "service_tier", "prompt_cache_key": "cache_key"}
_FLOATS: Final = frozenset(("temperature", "top_p", "presence_penalty", "frequency_penalty"))
_VALUES: Final = {
    **{name: name for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "top_k", "seed", "store")},
    "parallel_tool_calls": "parallel_tools",
}
RARE: Final = (
    *("response_format", "stop", "logprobs", "top_logprobs", "reasoning_effort", "reasoning", *_TEXTS, *_VALUES),
    *("tool_choice", "function_call"),
)
"""Fields of a request that most do not have: who finds none of them need not ask for each."""
_KINDS: Final[dict[str, Literal["text", "json"]]] = {"text": "text", "json_object": "json"}


class _Schema(Struct, forbid_unknown_fields=True):
    name: str | None = None
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class _Reasoning(Struct, forbid_unknown_fields=True):
    effort: str | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    summary: str | None = None


_schema, _reasoning = Shape(_Schema), Shape(_Reasoning)


def read(wire: Body, own: Own) -> Wire:
    """Return the parameters that a request states, by their canonical names. What has none goes into ``own``."""
    found: Wire = {
        "output": _output(wire, own),
        "logprobs": _logprobs(wire, own),
        "reasoning": _reasoning_of(wire, own),
    }
    if wire.stop is not None:
        found["stop"] = _stop(wire, own)
    for name, canonical in _TEXTS.items():
        found[canonical] = words(getattr(wire, name))
    for name, canonical in _VALUES.items():
        value = getattr(wire, name)
        if value is not None:
            value = proper(name, value)
            found[canonical] = float(value) if type(value) is int and name in _FLOATS else value
    return found


def _stop(wire: Body, own: Own) -> tuple[str, ...]:
    """Return the stop sequences, which may be one text or a list."""
    value = wire.stop
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    if value is not None:
        own["stop"] = raw_of(value)
    return ()


def _logprobs(wire: Body, own: Own) -> int | None:
    """Return how many alternatives shall be shown."""
    top = proper("top_logprobs", wire.top_logprobs)
    if wire.logprobs is True:
        return top or 0
    if top is not None:
        own["top_logprobs"] = raw_of(top)
    return None


def metadata(wire: Seen, own: Own) -> dict[str, str]:
    """Return the request's metadata; values that are no texts go into ``own``."""
    if not wire.metadata:
        return {}
    texts = {name: value for name, value in wire.metadata.items() if isinstance(value, str)}
    if len(texts) < len(wire.metadata):
        own["metadata"] = raw_of({name: value for name, value in wire.metadata.items() if name not in texts})
    return texts


def _output(wire: Body, own: Own) -> Output | None:
    """Return the form of the answer."""
    asked = wire.response_format
    if asked is None:
        return None
    if asked.type in _KINDS and not given(asked.json_schema):
        return Output(_KINDS[asked.type], own=asked.own)
    found = _schema.read(asked.json_schema) if asked.type == "json_schema" and given(asked.json_schema) else None
    if found is None:
        own["response_format"] = asked.raw
        return Output("json_schema") if asked.type == "json_schema" else None
    form, more = found
    rest = {**asked.own, **({"json_schema": raw_of(more)} if more else {})}
    schema = form.schema if given(form.schema) else ABSENT
    return Output("json_schema", schema, form.name or "", form.description or "", form.strict, rest)


def _reasoning_of(wire: Body, own: Own) -> Reasoning | None:
    """Return how much to think: ``reasoning_effort``, or OpenRouter's ``reasoning``."""
    effort = proper("reasoning_effort", wire.reasoning_effort) or ""
    found = _reasoning.read(wire.reasoning) if given(wire.reasoning) else None
    if found is None:
        if given(wire.reasoning):
            own["reasoning"] = wire.reasoning
        return Reasoning(effort) if effort else None
    asked, more = found
    if effort and asked.effort is not None and asked.effort != effort:
        own["reasoning_effort"] = raw_of(effort)
    shown = None if asked.exclude is None else not asked.exclude
    rest = {"reasoning": raw_of(more)} if more else {}
    return Reasoning(asked.effort or effort, asked.max_tokens, shown, asked.summary or "", rest)


def write(wire: Wire, request: ChatRequest, lost: set[str]) -> None:
    """Write the parameters of a request."""
    ours = request.dialect == NAME
    fields: Wire = {
        "max_completion_tokens": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "stop": request.stop or None,
        "n": request.choices if request.choices > 1 else None,
        "verbosity": request.verbosity or None,
        "service_tier": request.service_tier or None,
        "user": request.user,
        "metadata": request.metadata or None,
        "prompt_cache_key": request.cache_key or None,
        "store": request.store,
    }
    if request.logprobs is not None:
        fields["logprobs"] = True
        fields["top_logprobs"] = request.logprobs or None
    if not ours:
        _translated(fields, request, lost)
    wire.update({name: value for name, value in fields.items() if value is not None})
    if request.reasoning is not None:
        _reason(wire, request.reasoning, lost, ours=ours)


def _translated(fields: Wire, request: ChatRequest, lost: set[str]) -> None:
    """Take out what a request from another dialect means otherwise, or what providers refuse."""
    if request.top_k is not None:
        lost.add("top_k")
    if len(request.stop) > _MOST_STOPS:
        fields["stop"] = request.stop[:_MOST_STOPS]
        lost.add("stop")
    if request.service_tier:
        fields["service_tier"] = TIERS.get(request.service_tier)
        lost.update([] if fields["service_tier"] else ["service_tier"])
    # OpenAI takes metadata only for what it stores; nothing stored by one API is found by another; not to is the default.
    lost.update(name for name in ("metadata", "store", "previous") if getattr(request, name))
    fields.update(dict.fromkeys(("top_k", "metadata", "store")))


def _reason(wire: Wire, asked: Reasoning, lost: set[str], *, ours: bool) -> None:
    if ours and (asked.own or asked.budget is not None or asked.shown is not None or asked.summary):
        inner: Wire = {
            "effort": asked.effort or None,
            "max_tokens": asked.budget,
            "exclude": None if asked.shown is None else not asked.shown,
            "summary": asked.summary or None,
        }
        wire["reasoning"] = {name: value for name, value in inner.items() if value is not None}
        put(wire, asked.own)
        return
    effort = asked.effort
    if not ours:
        lost.update(f"reasoning.{name}" for name in said(asked.own))
        if asked.shown is not None:
            lost.add("reasoning.shown")
        if asked.summary:
            lost.add("reasoning.summary")
        if not effort and asked.budget is not None and asked.budget >= 0:
            effort = _effort(asked.budget)
            lost.update(["reasoning.budget"] if asked.budget else [])
        elif asked.budget is not None and asked.budget > 0:
            lost.add("reasoning.budget")
        if effort and effort not in _EFFORTS:
            effort = ""
            lost.add("reasoning.effort")
    if effort:
        wire["reasoning_effort"] = effort


def _effort(budget: int) -> str:
    """Return the effort that comes nearest to a budget of tokens."""
    if budget == 0:
        return "none"
    return "low" if budget <= 2048 else "medium" if budget <= 8192 else "high"

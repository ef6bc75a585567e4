"""How an answer is to be generated: ``generationConfig``, both ways
(https://ai.google.dev/api/generate-content#generationconfig).

Effort: models of Gemini 3 and later take a level, those before a budget; the budgets for words are those of Google's
own OpenAI-compatible endpoint (https://ai.google.dev/gemini-api/docs/openai#thinking). What a model has no level for
gets the nearest one, and that is named.
"""

import re
from typing import Any

from msgspec import Raw

from pointsman.core.chat import ChatRequest, Output, Own, Reasoning
from pointsman.wire.gemini.fields import NAME, Fields
from pointsman.wire.gemini.schema import json_schema

CONFIG = "generationConfig"
_THINKING = "thinkingConfig"
_BEFORE_LEVELS = re.compile(r"(?:^|[/-])(?:gemini-[12]\b|gemma|learnlm)")
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_LEVELS = frozenset(("minimal", "low", "medium", "high"))
_NEAREST = {"none": "minimal", "xhigh": "high", "max": "high"}
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "max_output_tokens": "maxOutputTokens",
}
_WHOLE = frozenset(("seed", "max_output_tokens"))


def before_levels(model: str) -> bool:
    """Say whether a model is older than Gemini 3: without levels of thinking, and without a check of signatures."""
    return _BEFORE_LEVELS.search(model) is not None


def decode(body: Fields, own: Own) -> dict[str, Any]:
    """Return the fields of a ChatRequest that the configuration holds; the rest goes into ``own``. Raises WireError."""
    config = body.inner(CONFIG)
    if config is None:
        return {}
    found: dict[str, Any] = {}
    for name, wire in _SAMPLING.items():
        if wire in config.left and name != "top_k":
            found[name] = config.whole(wire) if name in _WHOLE else config.number(wire)
    top_k = config.left.get("topK")
    number = config.number("topK")
    if number is not None and number.is_integer():
        found["top_k"] = int(number)
    elif top_k is not None:
        own[f"{CONFIG}.topK"] = top_k
    found["stop"] = config.names("stopSequences") or ()
    found["choices"] = max(config.whole("candidateCount") or 1, 1)
    found["logprobs"] = _logprobs(config)
    found["output"] = _output(config)
    found["reasoning"] = _reasoning(config, own)
    config.keep(own, CONFIG)
    return found


def encode(request: ChatRequest, lost: set[str]) -> dict[str, object]:
    """Return the configuration of a request. What it has no word for is named in ``lost``."""
    config: dict[str, object] = {}
    for name, wire in _SAMPLING.items():
        value = getattr(request, name)
        if value is not None:
            config[wire] = value
    if request.stop:
        config["stopSequences"] = request.stop
    if request.choices > 1:
        config["candidateCount"] = request.choices
    if request.logprobs is not None:
        config["responseLogprobs"] = True
        if request.logprobs:
            config["logprobs"] = request.logprobs
    if request.output is not None:
        _put_output(config, request.output, lost, native=request.dialect == NAME)
    if request.reasoning is not None:
        _put_reasoning(config, request.reasoning, request, lost)
    return config


def _logprobs(config: Fields) -> int | None:
    if config.left.get("responseLogprobs") != Raw(b"true"):
        return None  # a number alone asks for nothing: it is kept as the client's own
    config.take("responseLogprobs")
    return config.whole("logprobs") or 0


def _output(config: Fields) -> Output | None:
    mime = config.left.get("responseMimeType")
    if mime == Raw(b'"text/plain"'):
        config.take("responseMimeType")
        return Output("text")
    if mime != Raw(b'"application/json"'):
        return None  # another type ("text/x.enum"), or none: kept as the client's own, with its schema
    config.take("responseMimeType")
    schema = config.take("responseJsonSchema")
    if schema is not None:
        return Output("json_schema", schema)
    older = config.take("responseSchema")
    if older is None:
        return Output("json")
    return Output("json_schema", json_schema(older, config.at("responseSchema")), own={"responseSchema": older})


def _put_output(config: dict[str, object], output: Output, lost: set[str], *, native: bool) -> None:
    config["responseMimeType"] = "text/plain" if output.kind == "text" else "application/json"
    if output.kind != "json_schema":
        lost.update(() if native else output.own)
        return
    if native and "responseSchema" in output.own:
        config["responseSchema"] = output.own["responseSchema"]
        return
    if bytes(output.schema):
        config["responseJsonSchema"] = output.schema
    lost.update(f"output.{name}" for name in ("name", "description") if getattr(output, name))
    if output.strict is False:  # a schema always binds here
        lost.add("output.strict")
    lost.update(output.own)


def _reasoning(config: Fields, own: Own) -> Reasoning | None:
    thinking = config.inner(_THINKING)
    if thinking is None:
        return None
    level, budget, shown = thinking.text("thinkingLevel"), thinking.whole("thinkingBudget"), thinking.flag("includeThoughts")
    thinking.keep(own, f"{CONFIG}.{_THINKING}")
    if level is None and budget is None and shown is None:
        return None
    return Reasoning((level or "").lower(), budget, shown)


def _put_reasoning(config: dict[str, object], reasoning: Reasoning, request: ChatRequest, lost: set[str]) -> None:
    thinking: dict[str, object] = {}
    if reasoning.shown is not None or reasoning.summary:
        thinking["includeThoughts"] = bool(reasoning.shown or reasoning.summary)
    if reasoning.summary not in ("", "auto"):
        lost.add("reasoning.summary")
    effort, budget = reasoning.effort, reasoning.budget
    if request.dialect == NAME:
        if effort:
            thinking["thinkingLevel"] = effort.upper()
        if budget is not None:
            thinking["thinkingBudget"] = budget
    elif effort:
        if budget is not None:  # the API takes one or the other
            lost.add("reasoning.budget")
        thinking.update(_effort(effort, request.model, lost))
    elif budget is not None:
        thinking["thinkingBudget"] = budget
    if thinking:
        config[_THINKING] = thinking
    lost.update(reasoning.own)


def _effort(effort: str, model: str, lost: set[str]) -> dict[str, object]:
    if before_levels(model):
        if effort not in _BUDGETS:
            lost.add("reasoning.effort")
        return {"thinkingBudget": _BUDGETS.get(effort, _BUDGETS["high"])}
    level = _NEAREST.get(effort, effort)
    if "-pro" in model and level == "minimal":  # the large models have none
        level = "low"
    if level not in _LEVELS:
        level = "high"
    if level != effort:
        lost.add("reasoning.effort")
    return {"thinkingLevel": level.upper()}

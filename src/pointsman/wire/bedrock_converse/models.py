"""What differs between the makers of models behind one API, known by the model's id.

Reasoning and ``top_k`` are fields of the models' own (``additionalModelRequestFields``); cache points are taken by Claude
and Nova. An ARN says nothing of the model: it gets cache points, which mostly are meant for these two.
(docs.aws.amazon.com/bedrock/latest/userguide: prompt-caching, claude-messages-extended-thinking, model-parameters-openai,
docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html)
"""

from typing import Final

from pointsman.core.chat import ChatRequest
from pointsman.wire.claude import thinking

Fields = dict[str, object]

_EFFORTS: Final = ("low", "medium", "high")
_NEAREST: Final = {"minimal": "low", "xhigh": "high", "max": "high"}


def is_claude(model: str) -> bool:
    """Say whether a model is Anthropic's."""
    return "anthropic." in model or "claude" in model


def caches(model: str) -> bool:
    """Say whether a model takes cache points."""
    return is_claude(model) or "amazon.nova" in model or model.startswith("arn:")


def caches_tools(model: str) -> bool:
    """Say whether a model takes cache points among the tools (Nova does not)."""
    return caches(model) and "amazon.nova" not in model


def own_fields(request: ChatRequest, lost: set[str]) -> Fields:
    """Return the fields that the request's model has for reasoning and ``top_k``; what it has none for is ``lost``."""
    if is_claude(request.model):
        return _claude(request, lost)
    fields: Fields = {}
    if request.top_k is not None and "amazon.nova" in request.model:
        fields["inferenceConfig"] = {"topK": request.top_k}
    elif request.top_k is not None:
        lost.add("top_k")
    effort = _effort(request, lost)
    if effort and "openai.gpt-oss" in request.model:
        fields["reasoning_effort"] = effort
    elif effort and "qwen." in request.model:
        fields["reasoning_config"] = effort
    elif effort:
        lost.add("reasoning")
    return fields


def _claude(request: ChatRequest, lost: set[str]) -> Fields:
    thought = thinking.translated(request)
    lost.update(thought.lost)
    fields: Fields = {}
    if thought.thinking is not None:
        fields["thinking"] = thought.thinking
    if thought.effort:
        fields["output_config"] = {"effort": thought.effort}
    if request.top_k is not None and thought.thinks:
        lost.add("top_k")
    elif request.top_k is not None:
        fields["top_k"] = request.top_k
    return fields


def thinks(request: ChatRequest) -> bool:
    """Say whether a request has Claude think: it refuses to be steered by other parameters then."""
    return is_claude(request.model) and thinking.translated(request).thinks


def _effort(request: ChatRequest, lost: set[str]) -> str:
    asked = request.reasoning
    if asked is None:
        return ""
    lost.update(f"reasoning.{name}" for name in asked.own)
    lost.update(f"reasoning.{name}" for name in ("shown", "summary") if getattr(asked, name))
    if asked.budget is not None and not asked.effort:
        lost.add("reasoning")
    elif asked.budget is not None:
        lost.add("reasoning.budget")
    effort = _NEAREST.get(asked.effort, asked.effort)
    if effort != asked.effort or effort not in (*_EFFORTS, ""):
        lost.add("reasoning.effort")
    return effort if effort in _EFFORTS else ""

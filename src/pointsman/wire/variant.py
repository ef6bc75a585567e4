"""A deployment with its own system prompt and parameters, as a change of the request that it gets."""

from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message, Reasoning, Text
from pointsman.core.routing import Variant


def applied(request: ChatRequest, variant: Variant) -> ChatRequest:
    """Return the request as the variant's model gets it.

    The variant's system prompt stands before the client's own; a parameter holds where the variant states it.
    """
    messages = request.messages
    if variant.system:
        messages = (Message("system", (Text(variant.system),)), *messages)
    return replace(
        request,
        messages=messages,
        temperature=request.temperature if variant.temperature is None else variant.temperature,
        top_p=request.top_p if variant.top_p is None else variant.top_p,
        max_output_tokens=variant.max_output_tokens or request.max_output_tokens,
        reasoning=Reasoning(effort=variant.effort) if variant.effort else request.reasoning,
    )

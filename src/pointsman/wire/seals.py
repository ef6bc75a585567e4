"""What binds a request to one deployment: signatures and encrypted reasoning, and what a provider keeps.

They are bound to who made them (Anthropic's to model and provider, Responses' to the organisation, Gemini's to the
endpoint), and whoever else gets them answers 400. So on a switch inside a conversation they are left out, and named. Gemini
signs any kind of part; that is left where it stands, without its signature.
"""

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Media, Message, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.gemini.signatures import FIELD, is_seal, unsigned
from pointsman.wire.openai_responses.fields import NAME
from pointsman.wire.openai_responses.request import state

__all__ = ["bond", "reply_name", "sealed", "unsealed", "unsigned"]

SIGNATURES = "thinking.signature"
REASONING = "reasoning"
_SPELLINGS = (FIELD, "thought_signature")
_objects = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def sealed(request: ChatRequest) -> bool:
    """Say whether a request carries anything that only its maker accepts."""
    return any(_sealed(part) for message in request.messages for part in message.parts)


def unsealed(request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """Return the request as somebody else can take it, and the names of what it lost.

    Sealed reasoning goes as a whole: its text without the seal is refused too. Where the model is in the middle of a turn
    that began with reasoning, it cannot be asked to go on reasoning there, so that is switched off for this one request.
    """
    if not sealed(request):
        return request, ()
    messages = tuple([_without(message) for message in request.messages])
    lost: tuple[str, ...] = (SIGNATURES,)
    if request.reasoning is not None and _under_way(request):
        own = {name: value for name, value in request.own.items() if name != "thinking"}
        request = replace(request, reasoning=None, own=own)
        lost = (REASONING, SIGNATURES)
    return replace(request, messages=messages), lost


def _sealed(part: Part) -> bool:
    match part:
        case Thinking():
            return bool(part.encrypted) or is_seal(part.signature)
        case Text() | ToolCall():
            return is_seal(part.signature)
        case Media():
            return FIELD in part.own
        case Opaque():
            raw = bytes(part.raw)
            return any(f'"{name}"'.encode() in raw and name in _objects.decode(raw) for name in _SPELLINGS)
        case _:
            return False


def _without(message: Message) -> Message:
    parts = [_opened(part) if _sealed(part) else part for part in message.parts]
    return replace(message, parts=tuple([part for part in parts if part is not None]))


def _opened(part: Part) -> Part | None:
    """Return a sealed part without its seal, None where nothing is left of it."""
    match part:
        case Text(text=""):
            return None
        case Text() | ToolCall():
            return replace(part, signature="")
        case Media():
            return replace(part, own={name: raw for name, raw in part.own.items() if name != FIELD})
        case Opaque():
            left = {name: raw for name, raw in _objects.decode(part.raw).items() if name not in _SPELLINGS}
            return replace(part, raw=Raw(_encode(left)))
        case _:
            return None


def _under_way(request: ChatRequest) -> bool:
    """Whether the last turn brings results of tools that a sealed turn of the model had called."""
    if not any(isinstance(part, ToolResult) for part in request.messages[-1].parts):
        return False
    said = next((message for message in reversed(request.messages) if message.role == "assistant"), None)
    return said is not None and any(_sealed(part) for part in said.parts)


def bond(request: ChatRequest) -> str:
    """Return the name of what a request refers to at the provider that holds it, empty where it stands for itself."""
    if request.previous:
        return reply_name(request.previous)
    if request.dialect == NAME and (held := state(request)) is not None:
        return f"state:{held}"
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media) and part.file_id:
                return f"file:{part.file_id}"
    return ""


def reply_name(reply: str) -> str:
    """Return the name under which a reply is remembered, empty where it has no id."""
    return f"reply:{reply}" if reply else ""

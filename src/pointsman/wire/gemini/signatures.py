"""Thought signatures: what proves that a part is Gemini's own, and what a model does where one is missing.

Since Gemini 3 the first call of every step of the current turn must be signed, else the answer is 400. For calls that
another model made the documentation names two values that switch the check off. They seal nothing. Signatures are bytes, so
they stand in base64, and the values are seen in both spellings. (https://ai.google.dev/gemini-api/docs/thought-signatures)
"""

from base64 import b64encode
from typing import Final

from pointsman.core.chat import ChatRequest, Message, ToolCall, ToolResult
from pointsman.wire.gemini.config import before_levels
from pointsman.wire.gemini.fields import NAME

FIELD: Final = "thoughtSignature"
SKIP_VALIDATION: Final = b64encode(b"skip_thought_signature_validator").decode()
_WORDS: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_NO_SEALS: Final = frozenset((*_WORDS, *(b64encode(word.encode()).decode() for word in _WORDS), ""))


def is_seal(signature: str) -> bool:
    """Say whether a signature is one, and not a word for having none."""
    return signature not in _NO_SEALS


def unsigned(request: ChatRequest, model: str) -> bool:
    """Say whether a model would refuse a request in this dialect as it is, for a call without any signature.

    Only the current turn is checked: what comes after the last words of the user.
    """
    if request.dialect != NAME or before_levels(model):
        return False
    for message in reversed(request.messages):
        if message.role == "assistant":
            if _first_is_unsigned(message):
                return True
        elif not all(isinstance(part, ToolResult) for part in message.parts):
            return False
    return False


def _first_is_unsigned(message: Message) -> bool:
    first = next((part for part in message.parts if isinstance(part, ToolCall)), None)
    return first is not None and not first.signature

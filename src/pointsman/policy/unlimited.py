"""How long an answer may get where nobody said: what is reserved for it, and sent to its provider as the limit. Pure.

Strategy: ``UNLIMITED_TOKENS``, which hardly any answer passes, unless the model cannot give as much. Providers refuse a
limit above what a model can give, and one that its context does not hold beside the prompt (OpenAI, vLLM): there what was
sent to keep a budget would cost the answer. What a model can give is stated (``Deployment.output_tokens``), or known by its
name.

Law: never more than ``UNLIMITED_TOKENS``, never less than one.
"""

import functools
import re
from typing import Final

from pointsman.core.chat import ChatRequest
from pointsman.core.routing import Deployment
from pointsman.policy import features
from pointsman.policy.explore import UNLIMITED_TOKENS

_LEAST_PART: Final = 64
_KNOWN: Final = (
    (4_096, re.compile(r"gpt-3\.?5|gpt-4-(turbo|vision|1106|0125)|gpt-4o-2024-05-13")),
    (4_096, re.compile(r"claude-(instant|2|3-(opus|sonnet|haiku))")),
    (4_000, re.compile(r"command-r")),
    (8_192, re.compile(r"claude-3-5|gemini-(1\.5|2\.0)|deepseek-chat|gemma-?2\b")),
    (5_000, re.compile(r"nova-(micro|lite|pro)-v1")),
)
"""Families whose answers end before ``UNLIMITED_TOKENS``, as their vendors say: older ones, what is new gives more."""


def answer_limit(one: Deployment, request: ChatRequest, taken: int) -> int:
    """Return the most tokens that one answer to a request without a limit may have, where at most ``taken`` go in.

    Where the prompt may reach so far into the context that no whole answer fits behind it, half of what a guess at the
    prompt leaves: the other half is for what the guess is wrong by.
    """
    most, context = min(UNLIMITED_TOKENS, one.output_tokens or _given(one.model, one.model_key)), one.context_tokens
    if context is None or taken + most <= context:
        return most
    room = context - features.input_tokens(request)
    return min(most, max(room // 2, context // _LEAST_PART, 1))


@functools.lru_cache(1024)
def _given(model: str, key: str) -> int:
    """Return what a model can give as far as its names tell: at Azure its own is the customer's, and the key tells more."""
    return next((tokens for tokens, family in _KNOWN if family.search(model) or family.search(key)), UNLIMITED_TOKENS)

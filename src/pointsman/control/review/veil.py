"""What a reviewer must not see: whose answer it is, and what a terminal would obey.

Strategy: names of models and vendors, those configured and those widely known, are replaced by ``[model]`` in answers, as
whole words, whatever their case. A name that stands in the request too is what the answer talks about, and stays.

Laws: control characters never reach a terminal, but newlines and tabs; texts are shown as they are otherwise. What cannot be
hidden is style.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from pointsman.core.snapshot import Snapshot

HIDDEN: Final = "[model]"
KNOWN: Final = (
    "ChatGPT", "OpenAI", "GPT", "Claude", "Anthropic", "Opus", "Sonnet", "Haiku", "Gemini", "Gemma", "Google DeepMind",
    "DeepMind", "Bard", "Llama", "Meta AI", "Mistral", "Mixtral", "Codestral", "Ministral", "DeepSeek", "Qwen", "Tongyi",
    "Alibaba Cloud", "Grok", "xAI", "Cohere", "Command R", "Command A", "Amazon Nova", "Amazon Titan", "Jamba", "AI21",
    "Kimi", "Moonshot AI", "ChatGLM", "GLM", "Zhipu", "Z.ai", "MiniMax", "ERNIE", "Baidu", "Hunyuan", "Doubao", "ByteDance",
    "Nemotron", "Phi-3", "Phi-4", "Copilot", "Falcon LLM", "StableLM", "Yi-Large", "OLMo", "Granite",
)  # fmt: skip
"""Names by which models call themselves. Their versions (``-4o``, `` 3.5``) go with them."""

_TURNING: Final = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
_LETTER: Final = "[A-Za-z0-9_]"  # Chinese stands beside a name without a blank
_VERSION: Final = r"(?:[- ]?v?\d[\w.]*(?:-\w+)*)?"


def brands(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the names to hide: those of the configured deployments and models, and those widely known.

    A configured name of letters alone (``big``) may be any word, and is not hidden.
    """
    own = {name for one in snapshot.deployments.values() for name in (one.name, one.model, one.model_key)}
    named = {name for name in own if not name.isalpha()} | {*KNOWN}
    return tuple(sorted(named, key=lambda name: (-len(name), name)))


def veiled(answer: str, request: str, names: Iterable[str]) -> str:
    """Return an answer without the names of models, but those that the request speaks of itself."""
    asked = request.casefold()
    hidden = [re.escape(name) for name in names if name.casefold() not in asked]
    if not hidden:
        return answer
    return re.sub(rf"(?<!{_LETTER})(?:{'|'.join(hidden)}){_VERSION}(?!{_LETTER})", HIDDEN, answer, flags=re.IGNORECASE)


def printable(text: str) -> str:
    """Return a text that no terminal obeys: control and direction characters become ``�``; newlines and tabs stay."""
    plain = text.replace("\r\n", "\n")
    return "".join("�" if _commands(letter) else letter for letter in plain)


def _commands(letter: str) -> bool:
    if letter in "\n\t":
        return False
    kind = unicodedata.category(letter)
    return kind == "Cc" or (kind == "Cf" and unicodedata.bidirectional(letter) in _TURNING)

"""What a simulated model says: the right answer or a plausible slip, in its own manner, and how many tokens that is.

Strategy: a pure function of the model, the request's text and the zoo's seed. Laws: what is said depends on the text alone,
never on who asks or when; a text that no family recognises gets an answer that says it is simulated.

Tokens are counted by one simple rule, the same for every model: one token per Chinese, Japanese or Korean character, one per
four other characters (rounded up), and four per message.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.models import Model, uniform
from pointsman.upstream.simulated.tasks import Language, Solution, solve

PER_MESSAGE: Final = 4
CACHEABLE: Final = 64  # tokens: shorter system prompts are not cached

_WIDE: Final = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_TERSE: Final = re.compile(r"nothing else|answer alone|只回答|只输出")
_WORKING: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        "Let me go through it step by step.",
        "First I note what is given and what is asked.",
        "Then I take each part in turn and keep the running result.",
        "I checked the last step again, because that is where slips happen.",
        "Putting the parts together gives the result below.",
    ),
    "zh": (
        "下面逐步计算。",
        "先整理已知条件和所求内容。",
        "再依次处理每一部分并记录中间结果。",
        "最后一步容易出错，我又核对了一遍。",
        "综合以上各步得到结果。",
    ),
}
_UNKNOWN: Final = (
    "I am {model}, a simulated model: I only solve the kinds of tasks that the zoo generates, and this is none of them."
)


class Said(Struct, frozen=True):
    """A reply: its text, the hidden reasoning tokens before it, and whether it is right (None: no task was recognised)."""

    text: str
    reasoning: int = 0
    right: bool | None = None

    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning included."""
        return tokens(self.text) + self.reasoning


def tokens(text: str) -> int:
    """Return the number of tokens of a text."""
    wide = len(_WIDE.findall(text))
    return wide + math.ceil((len(text) - wide) / 4)


def input_tokens(texts: Iterable[str]) -> int:
    """Return the number of tokens of a conversation, given the texts of its messages."""
    return sum(PER_MESSAGE + tokens(text) for text in texts)


def cacheable_tokens(system: str) -> int:
    """Return how many input tokens a provider could read from its cache once it has seen this system prompt."""
    size = tokens(system)
    return size if size >= CACHEABLE else 0


def say(model: Model, *, system: str, user: str, seed: int) -> Said:
    """Return what a model replies to the last user message ``user`` under the instructions ``system``."""
    solution = solve(user)
    if solution is None:
        return Said(_UNKNOWN.format(model=model.name))
    right = uniform(seed, "right", model.name, user) < model.probability(solution)
    slip = int(uniform(seed, "slip", model.name, user) * len(solution.slips))
    answer = solution.answer if right else solution.slips[slip]
    effort = 0.2 + 0.8 * solution.difficulty + 0.3 * (uniform(seed, "effort", model.name, user) - 0.5)
    return Said(_worded(model, solution, answer, system, effort), max(0, round(model.reasoning * effort)), right)


def _worded(model: Model, solution: Solution, answer: str, system: str, effort: float) -> str:
    if solution.kind == "json_fields" or _TERSE.search(system):
        return answer
    count = max(1, round(model.sentences * (0.5 + effort)))
    working = _WORKING[solution.language]
    lines = [working[place % len(working)] for place in range(count)]
    return "\n".join([*lines, ("答案：" if solution.language == "zh" else "Answer: ") + answer])

"""The simulated judge: it reads a blind comparison, knows the right answer, and errs as often as it is told to.

Protocol (that of the trials): the last user message quotes the request and two answers between ``<request>``,
``<answer_a>`` and ``<answer_b>`` and their closing tags; the reply's last line is ``VERDICT: A``, ``VERDICT: B`` or
``VERDICT: TIE``.

Strategy: an error is drawn for the pair of answers, whichever comes first, so that asking again with the places exchanged
does not remove it; the bias to the first place is drawn for each order, so that exchanging the places does.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from pointsman.upstream.simulated.models import uniform
from pointsman.upstream.simulated.tasks import solve

Ruling = Literal["A", "B", "TIE"]

_SECTION: Final = r"<{0}>\n?(.*?)\n?</{0}>"
_SECTIONS: Final = tuple(re.compile(_SECTION.format(name), re.DOTALL) for name in ("request", "answer_a", "answer_b"))


class JudgeTraits(Struct, frozen=True):
    """How a judge fails, as probabilities: the wrong ruling, the first place regardless, words without any verdict."""

    error: float = 0.08
    first_bias: float = 0.05
    nonsense: float = 0.0


def judge(user: str, traits: JudgeTraits, seed: int) -> str:
    """Return the judge's reply to a comparison; without its sections, words that hold no verdict."""
    sections = [found[1] if (found := pattern.search(user)) else None for pattern in _SECTIONS]
    request, a, b = sections
    if request is None or a is None or b is None:
        return "I am a simulated judge: I compare what stands in <request>, <answer_a> and <answer_b>, and there was none."
    if uniform(seed, "nonsense", user) < traits.nonsense:
        return "Both answers have something to be said for them."
    return f"I worked the request out for myself and compared.\nVERDICT: {ruling(request, a, b, traits, seed)}"


def ruling(request: str, a: str, b: str, traits: JudgeTraits, seed: int) -> Ruling:
    """Return the verdict on two answers to a request."""
    if uniform(seed, "bias", request, a, b) < traits.first_bias:
        return "A"
    solution = solve(request)
    errs = uniform(seed, "error", request, *sorted((a, b))) < traits.error
    a_right, b_right = (solution.accepts(answer) if solution else False for answer in (a, b))
    if a_right == b_right:
        if not errs or a.strip() == b.strip():
            return "TIE"
        likes_smaller = uniform(seed, "taste", request, *sorted((a, b))) < 0.5
        return "A" if (a < b) == likes_smaller else "B"
    return "A" if a_right != errs else "B"

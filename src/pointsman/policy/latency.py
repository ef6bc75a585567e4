"""How long an answer will take, by a deployment's recent record, and whom a ceiling on that leaves out.

    first token    what streams took lately until their first content
    answer         first token + output tokens / token rate: the tokens that a learned policy expects of this request,
                   else those of recent answers; never more than the request allows

Laws: of a deployment that nothing is known of, nothing is held against it; a longer time never brings anybody back under a
ceiling; a ceiling on the first token says nothing about an answer that is sent whole.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from pointsman.core.routing import Ceiling, Context, Prediction


class Speed(Struct, frozen=True):
    """What is known of one deployment: seconds until the first token, tokens a second from then on, tokens of an answer."""

    first_token_s: float | None = None
    tokens_per_s: float | None = None
    output_tokens: float | None = None

    def answer_s(self, expected: float | None, most: int | None) -> float | None:
        """Return the seconds that an answer takes, None where too little is known.

        ``expected`` are its output tokens, None where nobody knows better than its recent record; ``most`` bounds them.
        """
        tokens = self.output_tokens if expected is None else expected
        if tokens is None or self.tokens_per_s is None:
            return None
        return (self.first_token_s or 0.0) + (tokens if most is None else min(tokens, most)) / self.tokens_per_s


def too_slow(
    ceiling: Ceiling,
    names: Iterable[str],
    predictions: Iterable[Prediction],
    speeds: Mapping[str, Speed],
    context: Context,
) -> dict[str, str]:
    """Return who of ``names`` is expected to take longer than the ceiling, each with the reason."""
    expected = {one.deployment: one.output_tokens for one in predictions}
    found: dict[str, str] = {}
    for name in names:
        speed = speeds.get(name)
        reason = speed and _over(ceiling, speed, expected.get(name), context)
        if reason:
            found[name] = reason
    return found


def _over(ceiling: Ceiling, speed: Speed, expected: float | None, context: Context) -> str | None:
    first, whole = speed.first_token_s, speed.answer_s(expected, context.needs.max_output_tokens)
    if context.streamed and ceiling.first_token_s is not None and first is not None and first > ceiling.first_token_s:
        return f"lately began its answers after {first:.2g} s, {ceiling.first_token_s:g} are allowed"
    if ceiling.answer_s is not None and whole is not None and whole > ceiling.answer_s:
        return f"would take about {whole:.2g} s, {ceiling.answer_s:g} are allowed"
    return None

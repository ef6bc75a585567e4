"""What the control process remembers of graded answers, to learn from again and again, those of a request together.

Laws: the newest are remembered: ``MOST`` requests that several answered, ``ALONE`` times as many that one alone did; what
has no readable vector, or was only compared, teaches nothing.
"""

import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from pointsman.control.labels import Label
from pointsman.policy import features
from pointsman.policy.outcomes import Outcomes

MOST: Final = 3_000  # requests that several answered
ALONE: Final = 5  # times as many that one alone answered


class Answered(Struct, frozen=True):
    """One graded answer: score, cost in nano-dollars and tokens of output (None: unknown), and when it was given."""

    score: float
    cost_nano: int | None
    output_tokens: int | None
    at_ms: int


class Asked(Struct, frozen=True):
    """One request and its graded answers by deployment."""

    feature: str
    vector: bytes
    input_tokens: int
    answers: Mapping[str, Answered]


class Memory:
    """The newest requests whose answers were graded, by id."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._single: OrderedDict[str, Asked] = OrderedDict()
        self._several: OrderedDict[str, Asked] = OrderedDict()

    def __len__(self) -> int:
        """How many requests are remembered."""
        return len(self._single) + len(self._several)

    def note(self, labels: Iterable[Label]) -> int:
        """Take in labels, and return how many. One without a vector, without tokens, or only compared, teaches nothing.

        Of labels that count for less than a person's word only so many are taken in, by their ids.
        """
        count = 0
        for label in labels:
            if not features.readable(label.vector) or label.usage is None or label.compared:
                continue
            if _lot(label.exchange) >= label.weight:
                continue
            known = self._single.pop(label.exchange, None) or self._several.pop(label.exchange, None)
            answers = dict(known.answers) if known is not None else {}
            given = label.judged_ms if label.arm in ("reference", "candidate") else label.at_ms  # a trial asks later
            answers[label.deployment] = Answered(label.score, label.cost_nano, label.usage.output, given)
            kept = self._single if len(answers) == 1 else self._several
            kept[label.exchange] = Asked(label.feature, label.vector[: features.LENGTH], label.usage.input, answers)
            if len(kept) > self._most * (1 if kept is self._several else ALONE):
                kept.popitem(last=False)
            count += 1
        return count

    def outcomes(self, names: Sequence[str], but: Iterable[str] = (), since_ms: Mapping[str, int] | None = None) -> Outcomes:
        """Return what is remembered of some deployments as arrays, without the features in ``but``.

        ``since_ms``: answers of a deployment from before that time are left out.
        """
        since, without = since_ms or {}, {*but}
        found: list[tuple[str, Asked, dict[str, Answered]]] = []
        for group, asked in (*self._several.items(), *self._single.items()):
            answers = {name: one for name, one in asked.answers.items() if name in names and one.at_ms >= since.get(name, 0)}
            if answers and asked.feature not in without:
                found.append((group, asked, answers))
        return _arrays(found, tuple(names))


def _lot(exchange: str) -> float:
    """Return a number in [0, 1) that depends on an exchange's id alone."""
    return zlib.crc32(f"weight:{exchange}".encode()) / 2**32


def _arrays(found: Sequence[tuple[str, Asked, Mapping[str, Answered]]], names: tuple[str, ...]) -> Outcomes:
    named = tuple(sorted({asked.feature for _, asked, _ in found}))
    score, cost, tokens = (np.full((len(found), len(names)), np.nan) for _ in range(3))
    for row, (_, _, answers) in enumerate(found):
        for name, one in answers.items():
            column = names.index(name)
            score[row, column] = one.score
            cost[row, column] = np.nan if one.cost_nano is None else one.cost_nano
            tokens[row, column] = np.nan if one.output_tokens is None else one.output_tokens
    vectors = [np.frombuffer(asked.vector, dtype=np.uint8) for _, asked, _ in found]
    return Outcomes(
        deployments=names,
        groups=np.array([group for group, _, _ in found], dtype=np.str_),
        vectors=np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.uint8),
        score=score,
        cost_nano=cost,
        input_tokens=np.array([asked.input_tokens for _, asked, _ in found], dtype=np.float64),
        output_tokens=tokens,
        task=np.full(len(found), -1, dtype=np.int64),
        tasks=(),
        feature=np.array([named.index(asked.feature) for _, asked, _ in found], dtype=np.int64),
        features=named,
    )

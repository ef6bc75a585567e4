"""Graded answers as arrays: what every learner reads, wherever the grades came from.

Strategy: one row per group of equal prompts, one column per deployment, NaN where nothing was seen. ``control/tables``
makes it from files and from the journal; nothing here knows of either.

Laws: rows are sorted by group and equal prompts are averaged into one row, so that neither their order nor their
repetition teaches anything; folds follow the group's name, so that adding rows never moves others between folds.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pointsman.policy import features

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Tagged:
    """What else an owner says of each row: ``place`` (N,) indexes ``names``, -1 for nothing."""

    names: tuple[str, ...]
    place: Indices


@dataclass(frozen=True)
class Outcomes:
    """N prompts x M deployments.

    ``vectors`` (N, features.LENGTH) uint8, or (N, features.WIDE) with what the ``encoder`` of that name made of the texts;
    ``score`` in [0, 1], ``cost_nano`` and ``output_tokens`` (N, M), NaN where unknown; ``input_tokens`` (N,). ``task`` and
    ``feature`` (N,) index ``tasks`` and ``features``, -1 for none: labels that may teach. ``groups`` (N,) name the groups of
    equal prompts. ``said`` (N, M) are numbers, equal within a row where answers are the same and negative where there is
    none; None where no answers were read. ``tagged`` are further tags, one kind after the other.
    """

    deployments: tuple[str, ...]
    groups: NDArray[np.str_]
    vectors: NDArray[np.uint8]
    score: Floats
    cost_nano: Floats
    input_tokens: Floats
    output_tokens: Floats
    task: Indices
    tasks: tuple[str, ...]
    feature: Indices
    features: tuple[str, ...]
    said: Indices | None = None
    tagged: tuple[Tagged, ...] = ()
    encoder: str = ""

    @property
    def tags(self) -> tuple[Tagged, ...]:
        """Every kind of tag that is known when predicting, too."""
        return (Tagged(self.features, self.feature), *self.tagged)

    def __len__(self) -> int:
        return len(self.groups)

    def rows(self, wanted: NDArray[np.bool_] | Indices) -> "Outcomes":
        """Return some of the rows."""
        return replace(
            self,
            groups=self.groups[wanted],
            vectors=self.vectors[wanted],
            score=self.score[wanted],
            cost_nano=self.cost_nano[wanted],
            input_tokens=self.input_tokens[wanted],
            output_tokens=self.output_tokens[wanted],
            task=self.task[wanted],
            feature=self.feature[wanted],
            said=None if self.said is None else self.said[wanted],
            tagged=tuple(Tagged(one.names, one.place[wanted]) for one in self.tagged),
        )

    def plain(self) -> "Outcomes":
        """Return these rows without encodings."""
        return replace(self, vectors=features.plain(self.vectors), encoder="")

    def columns(self, wanted: Sequence[int] | Indices) -> "Outcomes":
        """Return some of the deployments."""
        kept = np.asarray(wanted, dtype=np.int64)
        return replace(
            self,
            deployments=tuple(self.deployments[column] for column in kept),
            score=self.score[:, kept],
            cost_nano=self.cost_nano[:, kept],
            output_tokens=self.output_tokens[:, kept],
            said=None if self.said is None else self.said[:, kept],
        )

    def beside(self, others: "Outcomes", score: Floats) -> "Outcomes":
        """Return these rows with the deployments of others beside, whose rows are the same; ``score`` (N, m) is theirs."""
        return replace(
            self,
            deployments=(*self.deployments, *others.deployments),
            score=np.column_stack((self.score, score)),
            cost_nano=np.column_stack((self.cost_nano, others.cost_nano)),
            output_tokens=np.column_stack((self.output_tokens, others.output_tokens)),
            said=None if self.said is None or others.said is None else np.column_stack((self.said, others.said)),
        )

    def grouped(self) -> "Outcomes":
        """Return one row per group, sorted by group: numbers averaged over what is known, the rest of the first."""
        names, first, which = np.unique(self.groups, return_index=True, return_inverse=True)
        if len(names) == len(self.groups):
            return self.rows(first)
        return replace(
            self.rows(first),
            score=_averaged(self.score, which, len(names)),
            cost_nano=_averaged(self.cost_nano, which, len(names)),
            output_tokens=_averaged(self.output_tokens, which, len(names)),
            input_tokens=_averaged(self.input_tokens[:, None], which, len(names))[:, 0],
        )

    def folds(self, count: int) -> Indices:
        """Return the fold (0 to ``count - 1``) of each row: a hash of its group's name."""
        return np.array([zlib.crc32(f"fold:{name}".encode()) % count for name in self.groups], dtype=np.int64)

    def lots(self) -> Floats:
        """Return a number in (0, 1) for each row: a hash of its group's name, uniform over names."""
        return np.array([(zlib.crc32(f"lot:{name}".encode()) + 0.5) / 2**32 for name in self.groups])


def sums(values: Floats, labels: Indices, count: int) -> Floats:
    """Return the sums (``count``, M) of the rows of each label."""
    out = np.zeros((count, values.shape[1]))
    np.add.at(out, labels, values)
    return out


def _averaged(values: Floats, which: Indices, count: int) -> Floats:
    known = np.isfinite(values)
    total, seen = sums(np.where(known, values, 0.0), which, count), sums(known.astype(np.float64), which, count)
    return np.where(seen > 0, total / np.maximum(seen, 1.0), np.nan)

"""Outcome tables as the benchmark reads them, and the splits that their data card defines.

Laws: one row a group of equal prompts, sorted by group; models that answered under 97 % of the prompts are left out, and
models without any cost where others have one, then prompts with a score of under 80 % of the models; a missing score counts
as wrong, a missing cost as its model's mean; seed by seed, the first 30 % of the permuted groups are the test part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from choosing.statistics import Floats, Indices
from pointsman.control.encodings import Encode
from pointsman.control.tables import read_outcomes
from pointsman.policy.outcomes import Outcomes

NAMES: Final = (
    "mmlu_pro", "routerbench_part", "open_llm_lb2_carrot", "alpaca_eval2", "routerdc7", "llmrouter_uiuc",
)  # fmt: skip
SET_ASIDE: Final = 0.3
COVERED: Final = 0.97
GRADED: Final = 0.8


@dataclass(frozen=True)
class Table:
    """One table of N groups x M models.

    ``rows`` are as the shipped code reads them; ``score`` and ``paid`` (N, M; nano-dollars, NaN where no cost is known)
    have no gaps, ``seen`` (N, M) says where a score is real; ``texts`` (N,) are never written anywhere.
    """

    name: str
    rows: Outcomes
    texts: tuple[str, ...]
    score: Floats
    seen: NDArray[np.bool_]
    paid: Floats
    left_out: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def priced(self) -> bool:
        """Whether costs are known."""
        return bool(np.isfinite(self.paid).all())


def read(directory: Path, name: str, encode: Encode | None = None) -> Table:
    """Read a table, with encodings where a way to make them is given.

    Raises FileNotFoundError, or TableError of the shipped reader.
    """
    path = directory / f"{name}.parquet"
    prompts = pa_parquet.read_table(directory / f"{name}.prompts.parquet", columns=["dup_group", "prompt"])
    first = dict(zip(reversed(prompts["dup_group"].to_pylist()), reversed(prompts["prompt"].to_pylist()), strict=True))
    rows, left_out = _comparable(read_outcomes([path], encode=encode).grouped())
    paid = rows.cost_nano
    if np.isfinite(paid).any():
        paid = np.where(np.isfinite(paid), paid, np.nanmean(paid, axis=0))
    return Table(
        name=name,
        rows=rows,
        texts=tuple(first[group] for group in rows.groups.tolist()),
        score=np.nan_to_num(rows.score),
        seen=np.isfinite(rows.score),
        paid=paid,
        left_out=left_out,
    )


def _comparable(rows: Outcomes) -> tuple[Outcomes, tuple[str, ...]]:
    kept = np.isfinite(rows.score).mean(axis=0) >= COVERED
    priced = np.isfinite(rows.cost_nano).any(axis=0)
    if priced.any():
        kept &= priced
    left_out = tuple(name for name, keep in zip(rows.deployments, kept, strict=True) if not keep)
    rows = rows.columns(np.flatnonzero(kept))
    return rows.rows(np.isfinite(rows.score).mean(axis=1) >= GRADED), left_out


def split(size: int, seed: int) -> tuple[Indices, Indices]:
    """Return the rows to fit on and those set aside, of ``size`` rows that are sorted by group."""
    order = np.random.default_rng(seed).permutation(size)
    cut = int(SET_ASIDE * size)
    return np.sort(order[cut:]), np.sort(order[:cut])

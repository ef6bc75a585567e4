"""Prompts of the zoo's four features, with all that a year needs to know of them; made once, and kept in a file.

What a model answers is not written out: whether it is right is drawn by the zoo's own law (``Model.chance``), and its length
is that of the right answer in the zoo's own wording, with its own law of hidden reasoning (``upstream/simulated/reply``).
"""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import features as vectors
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.reply import input_tokens, tokens
from pointsman.upstream.simulated.tasks import FAMILIES

Indices = NDArray[np.int64]

EACH: Final = 10_000  # prompts of each feature
SEED: Final = 2026
_TOGETHER: Final = 500
FEATURES: Final = tuple(features())
KINDS: Final = tuple(FAMILIES)
WORKED: Final = FEATURES.index("backoffice")  # the only feature whose prompt lets a model show its working


@dataclass(frozen=True)
class Bank:
    """N prompts: ``vectors`` (N, LENGTH) uint8, ``feature`` and ``family`` (N,) by name's place, ``chinese`` (N,) bool.

    ``difficulty`` (N,) in [0, 1]; tokens of the prompt, and of the right answer alone, (N,).
    """

    vectors: NDArray[np.uint8]
    feature: Indices
    family: Indices
    chinese: NDArray[np.bool_]
    difficulty: NDArray[np.float64]
    input_tokens: Indices
    answer_tokens: Indices

    def __len__(self) -> int:
        return len(self.feature)


def bank(cache: Path, each: int = EACH) -> Bank:
    """Return the prompts, from the file where they are kept, else made by all cores."""
    file = cache / f"prompts-{SEED}-{each}-features-{vectors.VERSION}.npz"
    if not file.exists():
        places = [(name, start, min(start + _TOGETHER, each)) for name in FEATURES for start in range(0, each, _TOGETHER)]
        with multiprocessing.get_context("fork").Pool() as pool:
            parts = pool.map(_made, places, chunksize=1)
        cache.mkdir(parents=True, exist_ok=True)
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        fresh = file.with_suffix(".new.npz")
        np.savez(fresh, allow_pickle=False, **whole)
        fresh.rename(file)
    with np.load(file) as kept:
        return Bank(**{name: kept[name] for name in kept.files})


def _made(place: tuple[str, int, int]) -> dict[str, NDArray[Any]]:
    name, start, stop = place
    feature = features()[name]
    tasks = [feature.task(Random(f"{name}/{SEED}/{number}")) for number in range(start, stop)]
    requests = [ChatRequest("", (Message("system", (Text(t.system),)), Message("user", (Text(t.user),)))) for t in tasks]
    return {
        "vectors": np.stack([np.frombuffer(one, np.uint8) for one in vectors.vectors(requests)]),
        "feature": np.full(len(tasks), FEATURES.index(name)),
        "family": np.array([KINDS.index(task.family) for task in tasks]),
        "chinese": np.array([task.language == "zh" for task in tasks]),
        "difficulty": np.array([task.difficulty for task in tasks]),
        "input_tokens": np.array([input_tokens((task.system, task.user)) for task in tasks]),
        "answer_tokens": np.array([tokens(task.answer) for task in tasks]),
    }

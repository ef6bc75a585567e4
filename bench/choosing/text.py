"""Texts as the baselines see them: TF-IDF over words and word pairs, nearness of prompts, and 256 dimensions of it.

Strategy: words are counted once for a table; what a split adds (document frequencies of its fit part) is arithmetic. The
cosine of every prompt to every prompt of the fit part is one dense product for the most frequent terms and a walk through
the postings of all others. Its leading eigenvectors are the truncated SVD of TF-IDF (latent semantic analysis).

Laws: nothing is learned from the texts of the test part; no chance but a fixed seed.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from choosing.statistics import Indices

Matrix = NDArray[np.float32]

_WORD: Final = re.compile(r"[\u3040-\u9fff]|[^\W\u3040-\u9fff]{2,}")  # each Chinese or Japanese character is a word
_DENSE: Final = 1024  # the most frequent terms
_BLOCK: Final = 128
DIMENSIONS: Final = 256
_PASSES: Final = 4
_LEAST_FREQUENT: Final = 2


@dataclass(frozen=True)
class Counts:
    """How often each of V terms occurs in each of N texts: entries (text, term, times), sorted by text."""

    size: int
    terms: int
    text: Indices
    term: Indices
    times: NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """Cosines of all N prompts to those of the fit part (N, n), and their coordinates (N, D), each of norm 1 or 0."""

    near: Matrix
    coordinates: Matrix


def count(texts: Sequence[str]) -> Counts:
    """Count words and pairs of words that stand side by side."""
    vocabulary: dict[str, int] = {}
    text, term, times = [], [], []
    for place, each in enumerate(texts):
        words = _WORD.findall(each.lower())
        found = Counter(words)
        found.update(f"{first} {second}" for first, second in pairwise(words))
        text.append(np.full(len(found), place))
        term.append(np.fromiter((vocabulary.setdefault(one, len(vocabulary)) for one in found), np.int64, len(found)))
        times.append(np.fromiter(found.values(), np.float32, len(found)))
    return Counts(len(texts), len(vocabulary), np.concatenate(text), np.concatenate(term), np.concatenate(times))


def space(counts: Counts, fit: Indices) -> Space:
    """Weigh the terms by the texts of the fit part, and compare."""
    column = np.full(counts.size, -1, dtype=np.int64)
    column[fit] = np.arange(len(fit))
    frequency = np.bincount(counts.term[column[counts.text] >= 0], minlength=counts.terms)
    kept = frequency[counts.term] >= _LEAST_FREQUENT
    text, term = counts.text[kept], counts.term[kept]
    weight = (1 + np.log(counts.times[kept])) * (1 + np.log((1 + len(fit)) / (1 + frequency[term])))
    norm = np.sqrt(np.bincount(text, weights=np.square(weight), minlength=counts.size))
    weight = (weight / norm[text]).astype(np.float32)
    order = np.argsort(-frequency, kind="stable")
    rank = np.empty(counts.terms, dtype=np.int64)
    rank[order] = np.arange(counts.terms)
    dense = rank[term] < _DENSE
    frequent = np.zeros((counts.size, _DENSE), dtype=np.float32)
    frequent[text[dense], rank[term[dense]]] = weight[dense]
    near = frequent @ frequent[fit].T
    _add_rare(near, column, text[~dense], term[~dense], weight[~dense], counts.terms)
    return Space(near, _coordinates(near, fit))


def _add_rare(near: Matrix, column: Indices, text: Indices, term: Indices, weight: Matrix, terms: int) -> None:
    """Add the products over rarer terms to cosines (N, n): for each entry of a text, the postings of its term."""
    known = column[text] >= 0
    order = np.argsort(term[known], kind="stable")
    posted, value = column[text[known]][order], weight[known][order]
    length = np.bincount(term[known], minlength=terms)
    start = np.concatenate(([0], np.cumsum(length)[:-1]))
    width = near.shape[1]
    for first in range(0, len(near), _BLOCK):
        low, high = np.searchsorted(text, (first, first + _BLOCK))
        many = length[term[low:high]]
        begin = np.repeat(start[term[low:high]] - np.concatenate(([0], np.cumsum(many)[:-1])), many)
        places = begin + np.arange(int(many.sum()))
        cells = np.repeat((text[low:high] - first) * width, many) + posted[places]
        products = np.repeat(weight[low:high], many) * value[places]
        block = near[first : first + _BLOCK]
        block += np.bincount(cells, weights=products, minlength=block.size).reshape(block.shape).astype(np.float32)


def _coordinates(near: Matrix, fit: Indices) -> Matrix:
    """Return coordinates (N, D) from the eigenvectors of the fit part's cosines, by subspace iteration."""
    gram = near[fit]
    size = min(DIMENSIONS + 16, len(fit))
    basis: NDArray[Any] = np.random.default_rng(0).standard_normal((len(fit), size)).astype(np.float32)
    for _ in range(_PASSES):
        basis = np.linalg.qr(gram @ basis)[0]
    values, vectors = np.linalg.eigh(basis.T @ gram @ basis)
    kept = np.argsort(-values)[: min(DIMENSIONS, size)]
    kept = kept[values[kept] > 1e-4 * values[kept[0]]]
    found = near @ (basis @ (vectors[:, kept] / np.sqrt(values[kept])))
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6), dtype=np.float32)

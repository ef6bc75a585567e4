"""Kinds of requests, found where nobody named any: clusters of what is asked and of how it was answered.

Strategy: requests lie near one another whose words are alike, of which the same deployments are predicted to answer better
than the others, and to answer at length. Words count most, whitened, as what all prompts share would else decide alone; the
predictions are made without each row's own fold, so that no row is put where its own grades are. What is found stands
for labels, and is learned from as labels are.

Laws: linear in the number of rows; no chance: clusters begin as halves, cut across the direction in which they are widest
(Su and Dy 2004, "A deterministic method for initializing K-means clustering"), and are then improved (Lloyd 1982).
"""

import math
from typing import Final

import numpy as np

from pointsman.policy.linear import Folded, completed, regress
from pointsman.policy.outcomes import Floats, Indices, Outcomes, sums

FEWEST: Final = 500  # rows: of fewer, kinds are found by luck
MOST: Final = 32
_SMALLEST: Final = 20  # rows of a kind
_AXES: Final = 100  # of the words: fewer do not tell subjects apart, more are noise
_WORDS: Final = 2.0  # their weight, where predicted scores and predicted lengths have one each
_ROUNDS: Final = 20


def found(outcomes: Outcomes, coordinates: Floats, folds: Indices) -> tuple[Indices, int]:
    """Return a kind (N,) for each row, and how many there are, from grouped rows and their principal coordinates (N, R)."""
    if len(outcomes) < FEWEST:
        return np.zeros(len(outcomes), dtype=np.int64), 1
    count = min(MOST, math.isqrt(len(outcomes)) // 2)  # of more rows, each kind has more: it is known ever better
    folded = Folded.of(coordinates, folds)
    scores = _predicted(outcomes.score, folded)
    places = [_scaled(scores - scores.mean(axis=1, keepdims=True)), _WORDS * _scaled(_words(coordinates))]
    amounts = outcomes.output_tokens if (outcomes.output_tokens > 0).any() else outcomes.cost_nano
    known = (amounts > 0).any(axis=0)
    if known.any():
        logs = np.log(amounts[:, known], where=amounts[:, known] > 0, out=np.full((len(amounts), int(known.sum())), np.nan))
        places.append(_scaled(_predicted(logs, folded)))
    labels = _improved(place := np.hstack(places), _halved(place, count))
    kept, labels = np.unique(labels, return_inverse=True)
    return labels, len(kept)


def _predicted(outputs: Floats, folded: Folded) -> Floats:
    """Return what a regression predicts of outputs (N, M) beyond their means, without each row's fold."""
    return regress(folded, completed(outputs - np.nanmean(outputs, axis=0))).held_out


def _words(coordinates: Floats) -> Floats:
    """Return the first coordinates, whitened, with rows of norm 1."""
    spread = coordinates.std(axis=0)
    first = np.argsort(-spread, kind="stable")[:_AXES]
    white = coordinates[:, first] / np.maximum(spread[first], 1e-12)
    return np.asarray(white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12))


def _scaled(places: Floats) -> Floats:
    """Return places whose mean squared distance from their mean is 1, or 0 where all are the same."""
    centred = places - places.mean(axis=0)
    size = float(np.sqrt(np.square(centred).sum(axis=1).mean()))
    return np.asarray(centred / size if size > 1e-9 else np.zeros_like(centred))


def _halved(places: Floats, count: int) -> Indices:
    """Return clusters (N,): the one that varies most is cut in two until there are ``count``, or nothing is left to cut."""
    labels = np.zeros(len(places), dtype=np.int64)
    spread = [float(np.square(places - places.mean(axis=0)).sum())]
    while len(spread) < count and max(spread) > 1e-9:
        widest = int(np.argmax(spread))
        mine = np.flatnonzero(labels == widest)
        centred = places[mine] - places[mine].mean(axis=0)
        beyond = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1] > 0
        labels[mine[beyond]] = len(spread)
        spread.append(0.0)
        for label in (widest, len(spread) - 1):
            half = places[labels == label]
            spread[label] = float(np.square(half - half.mean(axis=0)).sum())
    return labels


def _improved(places: Floats, labels: Indices) -> Indices:
    """Return each row's nearest centre, and again, until nothing moves; clusters that came out too small are given up."""
    for fewest in (1, _SMALLEST):
        for _ in range(_ROUNDS):
            count = int(labels.max()) + 1
            number = np.bincount(labels, minlength=count)
            centres = sums(places, labels, count)[kept := number >= fewest] / number[kept, None]
            nearest = (np.square(centres).sum(axis=1) - 2 * places @ centres.T).argmin(axis=1)
            if kept.all() and (nearest == labels).all():
                break
            labels = nearest
    return labels

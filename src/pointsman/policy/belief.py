"""Who is right, given who said what: a belief over the different answers that several models gave to one request.

Strategy: the answers compete with one another, and with "none of them", in a conditional logit (McFadden 1974). An answer
gains from each model that gave it: by how well every asked and unasked model is predicted to do on this request, and by how
long the models' outputs were. Agreement of two models has a weight of its own, which is what their common errors take
back from adding both up as if they were independent. There is one such regression for every set of models that may have been
asked, so that no set is judged by what another one would say.

Laws: only which answers are the same matters, never what they say; a model without an answer supports none; the chances of
the answers and of none of them add up to 1; no chance: the same rows give the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.policy.outcomes import Floats, Indices

MOST: Final = 4  # models of a pool: there is a regression for each of their sets
RIGHT: Final = 0.5  # the score from which on an answer counts as right
_BENDS: Final = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of length between which its effect is a straight line
_RIDGE: Final = 1.0  # one prompt's worth of belief that a feature does not matter
_ROUNDS: Final = 25
_ENOUGH: Final = 1e-4  # log-likelihood that another round must add
_HALVINGS: Final = 12


@dataclass(frozen=True)
class Heard:
    """What K models of a pool would answer to N requests.

    ``odds`` (N, K) are the log-odds of each one's predicted quality. ``said`` (N, K) are equal within a row where the
    answers are the same, and negative where there is none. ``length`` (N, K) are output tokens, NaN where unknown.
    """

    odds: Floats
    said: Indices
    length: Floats

    def __len__(self) -> int:
        return len(self.odds)

    def rows(self, wanted: NDArray[np.bool_] | Indices) -> "Heard":
        """Return some of the requests."""
        return Heard(self.odds[wanted], self.said[wanted], self.length[wanted])


class Beliefs(Struct, frozen=True):
    """What was learned about a pool of K models: ``bends`` (K, 5) of log lengths, and ``weights`` by the set that was asked.

    A set is the sum of ``1 << k`` over its models.
    """

    bends: tuple[tuple[float, ...], ...]
    weights: dict[int, tuple[float, ...]]


def members(asked: int) -> tuple[int, ...]:
    """Return the models of a set, in the order of the pool."""
    return tuple(k for k in range(asked.bit_length()) if asked >> k & 1)


def odds(quality: Floats) -> Floats:
    """Return the log-odds of qualities in (0, 1)."""
    return np.asarray(np.log(quality / (1 - quality)))


def believe(heard: Heard, score: Floats) -> Beliefs:
    """Return what graded answers (N, K) teach about a pool. Raises ValueError where it is too large, or there are none."""
    pool = score.shape[1]
    if not 1 <= pool <= MOST or not len(score):
        raise ValueError(f"a pool has 1 to {MOST} models and some graded answers, not {pool} and {len(score)}")
    bends = tuple(tuple(np.quantile(_logs(known), _BENDS).tolist()) for known in _known(heard.length))
    weights = {}
    for asked in range(1, 1 << pool):
        slots, valid = _slots(heard, members(asked), bends)
        weights[asked] = tuple(_fitted(slots, valid, _right(heard, score, members(asked))).tolist())
    return Beliefs(bends, weights)


def chances(beliefs: Beliefs, asked: int, heard: Heard) -> Floats:
    """Return the chance to be right (N, K) of the answer of each model asked; 0 for models not asked, or without answer."""
    inside = members(asked)
    slots, valid = _slots(heard, inside, beliefs.bends)
    share = _shares(slots @ np.array(beliefs.weights[asked]), valid)
    found = np.zeros(heard.odds.shape)
    first = _first(heard.said, inside)
    found[:, inside] = np.where(first >= 0, np.take_along_axis(share, np.maximum(first, 0), axis=1), 0.0)
    return found


def _known(length: Floats) -> list[Floats]:
    return [column[np.isfinite(column)] if np.isfinite(column).any() else np.zeros(1) for column in length.T]


def _logs(length: Floats) -> Floats:
    return np.asarray(np.log1p(np.maximum(length, 0.0)))


def _first(said: Indices, inside: Sequence[int]) -> Indices:
    """Return the place (n, S), among the models asked, of the first that said the same as each; -1 where it said nothing."""
    answers = said[:, inside]
    same = answers[:, :, None] == answers[:, None, :]
    return np.where(answers >= 0, same.argmax(axis=2), -1)


def _right(heard: Heard, score: Floats, inside: Sequence[int]) -> Indices:
    """Return the place (n,) of the right answer among those of the models asked; their number where none is."""
    first = _first(heard.said, inside)
    right = (score[:, inside] >= RIGHT) & (first >= 0)
    place = np.take_along_axis(first, right.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.asarray(np.where(right.any(axis=1), place, len(inside)))


def _slots(heard: Heard, inside: Sequence[int], bends: Sequence[Sequence[float]]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return features (n, S, F) of the answer of each model asked, and whether it is the first to give that answer."""
    first = _first(heard.said, inside)
    places = np.arange(len(inside))
    backs = (first[:, None, :] == places[:, None]).astype(np.float64)  # (n, answer, model)
    about = np.hstack((np.ones((len(heard), 1)), heard.odds, *(_bent(heard.length[:, k], bends[k]) for k in inside)))
    blocks = [backs[:, :, [place]] * about[:, None, :] for place in places]
    for one, other in combinations(range(len(inside)), 2):
        both = backs[:, :, [one]] * backs[:, :, [other]]
        usual = heard.odds[:, [inside[one], inside[other]]].mean(axis=1)
        blocks.append(both * np.column_stack((np.ones(len(heard)), usual))[:, None, :])
    return np.concatenate(blocks, axis=2), first == places


def _bent(length: Floats, bends: Sequence[float]) -> Floats:
    """Return a length as a line that bends; where it is unknown, of the middle length."""
    logs = np.where(np.isfinite(length), _logs(np.nan_to_num(length)), bends[len(bends) // 2])
    return np.column_stack((logs - bends[0], *(np.maximum(logs - bend, 0.0) for bend in bends)))


def _shares(worth: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Return the chances (n, S + 1) of answers of this worth (n, S), and of none of them, whose worth is 0."""
    whole = np.column_stack((np.where(valid, worth, -np.inf), np.zeros(len(worth))))
    raised = np.exp(whole - whole.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _fitted(slots: Floats, valid: NDArray[np.bool_], right: Indices) -> Floats:
    """Return the weights (F,) of largest penalised likelihood, by Newton's method with halved steps."""
    rows, places, width = slots.shape
    slots = np.where(valid[:, :, None], slots, 0.0)
    here, some = np.arange(rows), right < places
    target = slots[here[some], right[some]].sum(axis=0)

    def likelihood(weights: Floats) -> float:
        share = _shares(slots @ weights, valid)[here, right]
        return float(np.log(np.maximum(share, 1e-300)).sum() - _RIDGE * weights @ weights / 2)

    weights = np.zeros(width)
    reached = likelihood(weights)
    for _ in range(_ROUNDS):
        share = _shares(slots @ weights, valid)[:, :places]
        mean = np.einsum("np,npf->nf", share, slots)
        slope = target - mean.sum(axis=0) - _RIDGE * weights
        spread = (slots * np.sqrt(share)[:, :, None]).reshape(-1, width)
        step = np.linalg.solve(spread.T @ spread - mean.T @ mean + _RIDGE * np.eye(width), slope)
        tries = (weights + step * 0.5**halving for halving in range(_HALVINGS))
        better = next(((each, value) for each in tries if (value := likelihood(each)) > reached), None)
        if better is None:
            break
        gained, (weights, reached) = better[1] - reached, better
        if gained < _ENOUGH:
            break
    return weights

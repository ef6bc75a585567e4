"""Asking twice: whom to ask first, whether to ask on, and whose answer to give.

Strategy: after each answer there is a belief about which of the answers so far is right (``policy/belief``). Giving the most
believed one is worth its chance times the worth of a right answer; asking on costs money and brings another belief. What
that comes to is regressed, set by set from the whole pool backwards, on what is known when the choice has to be made
(optimal stopping by least squares, Longstaff and Schwartz 2001). So the first model, each further one and the moment to stop
are all chosen by expected utility for each request; choosing one model and asking no further is one case of it.

Laws: whoever was asked is never asked again, so a plan ends after as many calls as its pool has models; something is always
asked; of the models that gave the believed answer, the one that is predicted to be best gives it.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.core.errors import SnapshotError
from pointsman.policy.belief import Beliefs, Heard, chances, members
from pointsman.policy.outcomes import Floats, Indices

GIVE: Final = -1  # in place of a model to ask: an answer is given
_BENDS: Final = (0.5, 0.7, 0.85)  # of the chance of the most believed answer
_RIDGE: Final = 1.0


class Plan(Struct, frozen=True):
    """How a pool of K ``models`` is asked where a right answer is worth ``value_nano`` nano-dollars.

    ``hopes`` gives, for each set that may have been asked, what asking each model next comes to, in right answers and net of
    all costs from there on: the weights of ``_view`` and of the logarithm of its own cost; empty for who was asked already.
    """

    models: tuple[str, ...]
    value_nano: float
    beliefs: Beliefs
    hopes: dict[int, tuple[tuple[float, ...], ...]]


@dataclass(frozen=True)
class Step:
    """What a plan says to n requests of which the same set was asked.

    ``ask`` (n,) is the model to ask next, or ``GIVE``; ``best`` (n,) whose answer is believed most, ``chance`` (n,) how
    likely that is right. Before anybody was asked there is none, and ``chance`` is 0.
    """

    ask: Indices
    best: Indices
    chance: Floats


@dataclass(frozen=True)
class Followed:
    """What became of N requests: who was ``asked`` (N, K), whose answer was ``given`` (N,), and how likely that is right."""

    asked: NDArray[np.bool_]
    given: Indices
    chance: Floats


def encode(plan: Plan) -> bytes:
    """Return a plan as bytes."""
    return _ENCODER.encode(plan)


def decode(data: bytes) -> Plan:
    """Return the plan held in ``data``. Raises SnapshotError when the bytes are damaged or of another version."""
    try:
        found = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"the plan of asking twice is damaged or of an incompatible version: {error}") from error
    sets = set(range(1 << len(found.models)))
    if set(found.hopes) != sets or set(found.beliefs.weights) != sets - {0} or len(found.beliefs.bends) != len(found.models):
        raise SnapshotError("the plan of asking twice is damaged: its parts do not fit together")
    return found


def plan(
    models: tuple[str, ...], beliefs: Beliefs, heard: Heard, cost_nano: Floats, spent_nano: Floats, value_nano: float
) -> Plan:
    """Return the plan of largest expected utility on requests of which every model's answer is known.

    ``cost_nano`` (N, K) is predicted, which is what the plan will be told; ``spent_nano`` (N, K) is what was paid.
    """
    pool, dear = len(models), np.log(cost_nano / value_nano)
    hopes: dict[int, tuple[tuple[float, ...], ...]] = {}
    worth: dict[int, Floats] = {}
    for asked in sorted(range(1 << pool), key=int.bit_count, reverse=True):
        chance, _, view = _view(beliefs, asked, heard)
        left = [model for model in range(pool) if not asked >> model & 1]
        after = {model: worth[asked | 1 << model] - spent_nano[:, model] / value_nano for model in left}
        hopes[asked] = tuple(
            _regressed(np.column_stack((view, dear[:, model])), after[model]) if model in after else ()
            for model in range(pool)
        )
        ask = _choice(hopes[asked], chance, view, dear)
        worth[asked] = chance
        for model in left:
            worth[asked] = np.where(ask == model, after[model], worth[asked])
    return Plan(models, value_nano, beliefs, hopes)


def step(plan: Plan, asked: int, heard: Heard, cost_nano: Floats) -> Step:
    """Return what to do with requests of which this set was asked. Of the others, only ``odds`` count."""
    chance, best, view = _view(plan.beliefs, asked, heard)
    return Step(_choice(plan.hopes[asked], chance, view, np.log(cost_nano / plan.value_nano)), best, chance)


def follow(plan: Plan, heard: Heard, cost_nano: Floats) -> Followed:
    """Return whom a plan asks and whose answer it gives, for requests of which every model's answer is known."""
    count, pool = heard.odds.shape
    state = np.zeros(count, dtype=np.int64)
    given, chance = np.full(count, GIVE), np.zeros(count)
    for asked in sorted(range(1 << pool), key=int.bit_count):
        here = np.flatnonzero((state == asked) & (given == GIVE))
        if not len(here):
            continue
        said = step(plan, asked, heard.rows(here), cost_nano[here])
        ends, on = said.ask == GIVE, said.ask != GIVE
        given[here[ends]], chance[here[ends]] = said.best[ends], said.chance[ends]
        state[here[on]] |= 1 << said.ask[on]
    return Followed((state[:, None] >> np.arange(pool) & 1).astype(bool), given, chance)


def _choice(hopes: tuple[tuple[float, ...], ...], chance: Floats, view: Floats, dear: Floats) -> Indices:
    """Return the model to ask next (n,), or ``GIVE`` where none is worth its cost; the first one is always asked."""
    gains = np.full((len(view), len(hopes)), -np.inf)
    for model, weights in enumerate(hopes):
        if weights:
            gains[:, model] = np.column_stack((view, dear[:, model])) @ np.array(weights)
    top = gains.argmax(axis=1)
    on = all(hopes) | (gains[np.arange(len(top)), top] > chance)
    return np.asarray(np.where(on, top, GIVE))


def _view(beliefs: Beliefs, asked: int, heard: Heard) -> tuple[Floats, Indices, Floats]:
    """Return the chance of the best answer (n,), who gives it (n,), and what further answers are foreseen from (n, F)."""
    odds = heard.odds
    one = np.ones((len(odds), 1))
    if not asked:
        pairs = [odds[:, [k]] * odds[:, k:] for k in range(odds.shape[1])]
        return np.zeros(len(odds)), np.full(len(odds), GIVE), np.hstack((one, odds, *pairs))
    inside = np.array(members(asked))
    found = chances(beliefs, asked, heard)[:, inside]
    top = found.max(axis=1)
    backing = found >= top[:, None] - 1e-12
    best = inside[np.where(backing, odds[:, inside], -np.inf).argmax(axis=1)]
    rival = np.where(backing, 0.0, found).max(axis=1)
    bent = [np.maximum(top - bend, 0.0) for bend in _BENDS]
    open_ = odds * (1 - top)[:, None]
    return top, best, np.hstack((one, odds, open_, np.column_stack((top, rival, *bent))))


def _regressed(view: Floats, outcome: Floats) -> tuple[float, ...]:
    weights: list[float] = np.linalg.solve(view.T @ view + _RIDGE * np.eye(view.shape[1]), view.T @ outcome).tolist()
    return tuple(weights)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Plan)

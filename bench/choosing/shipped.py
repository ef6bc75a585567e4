"""Pointsman's own way, through the code that ships: taught with labels, asked without them."""

from dataclasses import dataclass

import numpy as np

from choosing.problems import TOLERANCE, Problem
from choosing.rows import Table
from choosing.statistics import Floats, Indices
from pointsman.core.routing import Deployment, Objective
from pointsman.policy import model
from pointsman.policy.teach import teach
from pointsman.policy.trade import Trade, choices, resolve


@dataclass(frozen=True)
class Own:
    """What Pointsman makes of q prompts asked, of M models.

    ``picks`` (TRADES, q) by value of a right answer, the first under the objective ``best``; ``match`` (q,) under the
    objective of that name with a tolerance of one point; both as an even bet, ``sure`` and ``careful`` (q,) with the usual
    caution;
    ``quality`` (q, M), and of output tokens the median and the 90th percentile, ``tokens`` and ``high`` (q, M), as
    predicted; ``alone`` whether one model was said to suffice under ``best`` and under ``match``.
    """

    picks: Indices
    match: Indices
    careful: Indices
    sure: Indices
    quality: Floats
    tokens: Floats
    high: Floats
    alone: tuple[bool, bool]


def own(table: Table, problem: Problem, fit: Indices, asked: Indices) -> Own:
    """Learn from the fit part as ``control/learn`` does, and choose for what is asked."""
    lesson = teach(table.rows.rows(fit))
    names = table.rows.deployments
    assert lesson.policy.deployments == names
    given = table.rows.rows(asked)
    found = model.estimate(lesson.policy, given.vectors, [()] * len(asked))
    cost = np.stack(
        [
            model.expected_cost(found, column, given.input_tokens, Deployment(name, "table", name, name))
            for column, name in enumerate(names)
        ],
        axis=1,
    )
    home = names[problem.single]

    def resolved(aim: Objective) -> tuple[Trade, Indices]:
        trade = resolve(aim, lesson.evidence, home, np.random.default_rng(0))
        if trade.one_model is not None:
            return trade, np.full(len(asked), names.index(trade.one_model))
        serving = np.array([place for place, name in enumerate(names) if name in trade.chosen or name == home])
        return trade, serving[choices(found.quality[:, serving], cost[:, serving], trade.value_nano)]

    best, top = resolved(Objective("best", caution=0.0))
    _, sure = resolved(Objective("best"))
    near, match = resolved(Objective("match", tolerance=TOLERANCE, caution=0.0)) if table.priced else (best, top)
    _, careful = resolved(Objective("match", tolerance=TOLERANCE)) if table.priced else (best, sure)
    return Own(
        picks=np.stack([top, *(choices(found.quality, cost, value) for value in problem.values[1:])]),
        match=match,
        careful=careful,
        sure=sure,
        quality=found.quality.astype(np.float64),
        tokens=model.at_quantile(lesson.policy, found, model.MEDIAN).tokens.astype(np.float64),
        high=model.at_quantile(lesson.policy, found, model.HIGH).tokens.astype(np.float64),
        alone=(best.one_model is not None, near.one_model is not None),
    )

"""What the graded requests of one trial teach: the cases of ``tailor`` as the arrays that learning reads, and back."""

import hashlib
from collections.abc import Sequence

import numpy as np

from pointsman.control.tailor import Case, Learned
from pointsman.core.routing import Deployment, Objective
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach
from pointsman.policy.trade import resolve


def learn(cases: Sequence[Case], *, deployments: Sequence[Deployment], objective: Objective) -> Learned:
    """Return the policy that cases teach, and what a right answer is worth to the objective against the first deployment.

    ``deployments`` are the reference, then the candidates; every case has an answer of each.
    """
    lesson = teach(outcomes(cases, [one.name for one in deployments]), deployments)
    # However few and however boldly: what is learned here serves nobody before the trial has tested it on further requests.
    trade = resolve(objective, lesson.evidence, deployments[0].name, np.random.default_rng(0), fewest=1, least=0.0)
    return Learned(lesson.policy, trade.value_nano)


def outcomes(cases: Sequence[Case], names: Sequence[str]) -> Outcomes:
    """Return cases as arrays, one row a case, one column a deployment. Equal vectors are one group."""
    nothing = np.full(len(cases), -1, dtype=np.int64)
    return Outcomes(
        deployments=tuple(names),
        groups=np.array([hashlib.sha256(case.vector).hexdigest()[:16] for case in cases]),
        vectors=np.stack([np.frombuffer(case.vector, dtype=np.uint8) for case in cases]),
        score=np.array([[case.quality[name] for name in names] for case in cases]),
        cost_nano=np.array([[case.cost_nano[name] for name in names] for case in cases], dtype=np.float64),
        input_tokens=np.array([case.input_tokens for case in cases], dtype=np.float64),
        output_tokens=np.array([[case.output_tokens[name] for name in names] for case in cases], dtype=np.float64),
        task=nothing,
        tasks=(),
        feature=nothing,
        features=(),
    )

"""What it is expected to be worth to know more of a deployment: the value of information of trying it.

Strategy: on each prompt a deployment is some way behind the best, or ahead of it. Of how good it is on average we are
unsure, by a standard error; could we know, we would choose it wherever it then is best, and leave it where it is not. What
that is expected to bring, on average over the prompts, is the expected improvement of Bayesian optimisation (Mockus 1975;
the knowledge gradient of one that is known for certain afterwards: Frazier, Powell and Dayanik 2008), ``z = |behind| /
spread``:

    spread * (density(z) - z * (1 - distribution(z)))

Laws: never negative; nothing is worth knowing of who is certain; no chance.
"""

from typing import Final

import numpy as np

from pointsman.policy.outcomes import Floats
from pointsman.policy.trade import Evidence

_UNSEEN: Final = 0.3  # standard error of the mean quality of who was never graded ...
_FAR: Final = 30.0  # standard errors beyond which nothing is open
_ONE: Final = 0.5  # ... and of one grade


def of_knowing(evidence: Evidence, value: float | None) -> dict[str, float]:
    """Return, for each deployment, what knowing its mean quality is expected to bring a request, in the unit of utility.

    ``value`` is what a right answer is worth in nano-dollars; None: in quality. A deployment without a cost, where costs are
    known, brings nothing.
    """
    weighed = value is not None and evidence.priced
    utility = (value or 0.0) * evidence.quality - evidence.cost_nano if weighed else evidence.quality
    utility = np.where(np.isfinite(utility), utility, -np.inf)
    unit = value if weighed and value is not None else 1.0
    graded = evidence.seen.sum(axis=0)
    found = {}
    for column, name in enumerate(evidence.deployments):
        others = np.delete(utility, column, axis=1)
        behind = others.max(axis=1) - utility[:, column] if others.shape[1] else np.zeros(len(utility))
        spread = unit * min(_UNSEEN, _ONE / np.sqrt(graded[column])) if graded[column] else unit * _UNSEEN
        usable = np.isfinite(behind)
        found[name] = float(improvement(behind[usable], spread).mean()) if usable.any() else 0.0
    return found


def improvement(behind: Floats, spread: float) -> Floats:
    """Return what knowing one for certain is expected to bring that is ``behind`` the best so far, unsure by ``spread``."""
    z = np.minimum(np.abs(behind) / max(spread, 1e-12), _FAR)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(spread * np.maximum(density - z * _beyond(z), 0.0))


def _beyond(z: Floats) -> Floats:
    """Return the chance that a standard normal number is above ``z`` >= 0 (Abramowitz and Stegun 1964, 26.2.17)."""
    t = 1 / (1 + 0.2316419 * z)
    powers = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * powers)

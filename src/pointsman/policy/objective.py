"""Which deployment the owner's trade between quality and money picks.

Strategy: every objective comes down to one exchange rate, the worth of one unit of quality in nano-dollars, found once when
a policy is learned (``policy/trade``). Choosing is then one argmax.

Laws: what cannot be compared with the reference is never chosen over it, an unknown quality least of all; ties go to the
reference, then to the order of the predictions.
"""

import math
from collections.abc import Sequence

from pointsman.core.routing import Prediction

_NOWHERE = float("-inf")


def choose(predictions: Sequence[Prediction], reference: str | None, value_nano: int | None) -> str:
    """Return the deployment with the largest ``value_nano * quality - cost``, costs and value in nano-dollars.

    With ``value_nano`` None the highest quality wins and cost only breaks ties. Where no prediction has a cost, quality
    alone decides. Raises ValueError when there are no predictions.
    """
    if not predictions:
        raise ValueError("there is nothing to choose from")
    return first(ranked(predictions, reference, value_nano), predictions, reference, value_nano)


def first(order: Sequence[str], predictions: Sequence[Prediction], reference: str | None, value_nano: int | None) -> str:
    """Return which of the deployments in ``order`` of utility, as ``ranked`` has it, is chosen."""
    home = next((p for p in predictions if p.deployment == reference), None)
    if home is not None and utility(home, value_nano, priced=_priced(predictions))[0] == _NOWHERE:
        return home.deployment
    return order[0]


def ranked(predictions: Sequence[Prediction], reference: str | None, value_nano: int | None) -> list[str]:
    """Return the deployments in order of utility, best first."""
    priced = _priced(predictions)
    order = sorted(
        predictions,
        key=lambda p: (*utility(p, value_nano, priced=priced), p.deployment == reference),
        reverse=True,
    )
    return [prediction.deployment for prediction in order]


def dearest_as_good(predictions: Sequence[Prediction], as_good_as: Prediction) -> str:
    """Return the dearest of those within a standard error of one's quality, or better; that one where there is none."""
    found = as_good_as
    least, most = as_good_as.quality, -1 if as_good_as not in predictions else as_good_as.cost_nano
    if least is None or most is None:
        return as_good_as.deployment
    for other in predictions:
        quality, cost = other.quality, other.cost_nano
        if quality is not None and cost is not None and cost > most and quality + (other.quality_sd or 0.0) >= least:
            found, most = other, cost
    return found.deployment


def utility(prediction: Prediction, value_nano: int | None, *, priced: bool) -> tuple[float, float]:
    """Return the utility and, to break ties, the cheapness; minus infinity for what cannot be compared.

    ``priced`` says whether costs are known at all: where they are, a deployment without one cannot be weighed.
    """
    cheapness = _NOWHERE if prediction.cost_nano is None else -float(prediction.cost_nano)
    if prediction.quality is None or math.isnan(prediction.quality):
        return _NOWHERE, cheapness
    if value_nano is None or not priced:
        return prediction.quality, cheapness
    return value_nano * prediction.quality + cheapness, cheapness


def _priced(predictions: Sequence[Prediction]) -> bool:
    return any(p.cost_nano is not None and p.quality is not None and not math.isnan(p.quality) for p in predictions)

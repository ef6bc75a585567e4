"""What answers that one deployment alone gave say of what is predicted: a correction that keeps what nobody saw as it was.

Strategy: a policy was learned from requests that several answered. Of the far more that one answered, what was graded beyond
what was predicted of it is regressed, for each deployment, on the request's tag and its structural features: Bayesian linear
regression with the policy as prior mean. Who was asked followed from what was predicted, so a mean over what happens to be
known would flatter whoever is only asked where he is strong; what is left over from a prediction does not depend on that. A
policy is linear, so that it and its correction are one policy again.

Yet whoever is chosen is chosen where he is predicted too well, more often than not, and a line through those requests alone
would take that to all others. So the requests that several answered are in the regression too, with what their own held-out
predictions left over: they were not chosen by what is predicted, and they hold the line where few others are. They are
older, so each counts for less (``ANCHOR``): what changed since is still put right.

Laws: without grades nothing changes; linear in the number of rows; no chance; the order of rows teaches nothing.
"""

from typing import Final

import numpy as np
from msgspec.structs import replace

from pointsman.policy import features, model
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Floats, Outcomes
from pointsman.policy.teach import FLAG_SIZE

LEVEL_SD: Final = 0.3  # of how far the mean of all predictions of a deployment, or of those for one tag, may be off
FLAGS_SD: Final = 0.6  # of how far they may be off by all structural features together
ANCHOR: Final = 0.35  # of a grade: what a row counts for that the policy was learned from, which is older and known already
_NOISE: Final = 0.15  # variance of a grade around its chance


def corrected(policy: Policy, rows: Outcomes, known: Outcomes, held: Floats) -> Policy:
    """Return a policy corrected by rows (N, M) of its own deployments, of which most have gaps.

    ``known`` (K, M) are the rows that it was learned from, of all its deployments in its order, and ``held`` (K, M) what is
    predicted for each of them by the others: they keep it where it is where ``rows`` say nothing.
    Raises ValueError where a deployment of the rows is not the policy's.
    """
    strangers = [name for name in rows.deployments if name not in policy.deployments]
    if strangers:
        raise ValueError(f"the policy knows nothing of {', '.join(strangers)}")
    if not len(rows):
        return policy
    places = [policy.deployments.index(name) for name in rows.deployments]
    inputs, anchors = _inputs(policy, rows), _inputs(policy, known)
    tags = [(rows.features[place] if place >= 0 else "",) for place in rows.feature]
    left = rows.score - model.estimate(policy, rows.vectors, tags).quality[:, places]
    left_known = (known.score - held)[:, places]
    count = len(policy.known_tags)
    spread = np.concatenate(
        (np.full(1 + count, LEVEL_SD), np.full(features.FLAGS, FLAGS_SD / (FLAG_SIZE * features.FLAGS**0.5)))
    )
    maps, bias, added = (each.astype(np.float64) for each in (policy.maps, policy.bias, policy.tags))
    for column, place in enumerate(places):
        graded, learned = np.isfinite(left[:, column]), np.isfinite(left_known[:, column])
        if not graded.any():
            continue
        held_on = ANCHOR**0.5 * anchors[learned], ANCHOR**0.5 * left_known[learned, column]
        found = _weights(np.vstack((inputs[graded], held_on[0])), np.concatenate((left[graded, column], held_on[1])), spread)
        bias[len(policy.tasks) + place] += found[0]
        added[:, place] += found[1 : 1 + count]
        maps[: features.FLAGS, len(policy.tasks) + place] += found[1 + count :]
    return replace(policy, maps=maps.astype(np.float32), bias=bias.astype(np.float32), tags=added.astype(np.float32))


def _inputs(policy: Policy, rows: Outcomes) -> Floats:
    """Return what a correction reads of rows: one, which of the known tags they have, and their structural features."""
    design = model.design(rows.vectors, policy.flag_centre, policy.flag_scale)[:, : features.FLAGS].astype(np.float64)
    tags = [rows.features[place] if place >= 0 else "" for place in rows.feature]
    named = np.array([[tag == name for name in policy.known_tags] for tag in tags], dtype=np.float64)
    return np.hstack((np.ones((len(rows), 1)), named.reshape(len(rows), -1), design))


def _weights(inputs: Floats, left: Floats, spread: Floats) -> Floats:
    """Return the posterior mean of the weights of inputs (n, D) with independent priors around 0."""
    precision = inputs.T @ inputs / _NOISE + np.diag(spread**-2.0)
    return np.asarray(np.linalg.solve(precision, inputs.T @ left / _NOISE))

"""The simulated logs of the benchmark: what is called true of them is what happens."""

import numpy as np
import pytest

import offpolicy
from pointsman.policy.estimate import Estimate, Way, estimate, sums


@pytest.mark.parametrize("kind", offpolicy.KINDS)
def test_a_log_is_a_log(kind: str) -> None:
    log = offpolicy.a_log(kind, 3)
    assert log.then.sum(axis=1) == pytest.approx(1.0)
    assert log.now.sum(axis=1) == pytest.approx(1.0)
    assert (log.then[log.kind, log.drawn] > 0).all()
    assert np.abs(np.bincount(log.kind, minlength=400) / len(log.kind) - log.kinds).max() < 0.05


@pytest.mark.parametrize("way", offpolicy.WAYS)
def test_the_true_error_is_the_spread_of_estimates(way: Way) -> None:
    log = offpolicy.a_log("near", 4)
    known, rng, found = offpolicy.truth(log, way), np.random.default_rng(0), []
    for _ in range(300):
        kind = rng.choice(len(log.kinds), len(log.kind), p=log.kinds)
        drawn = (
            (rng.random(len(kind))[:, None] > np.cumsum(log.then[kind], axis=1)).sum(axis=1).clip(0, log.then.shape[1] - 1)
        )
        grade = (rng.random(len(kind)) < log.right[kind, drawn]).astype(float)
        again = offpolicy.Log(log.kinds, log.right, log.then, log.now, log.predicted, kind, drawn, grade)
        said = estimate(sums(offpolicy.rows(again), way))
        assert isinstance(said, Estimate)
        found.append(said.mean)
    assert np.std(found) == pytest.approx(known.error, rel=0.15)
    assert np.mean(found) == pytest.approx(known.quality, abs=4 * known.error / 300**0.5)


def test_counts_add_up() -> None:
    found = offpolicy.measured(70, "doubly robust")
    whole = sum(found.values(), offpolicy.Seen())
    assert whole.logs == 70
    assert whole.covered <= whole.estimates == len(whole.widths)
    assert found["none"].refused == found["few"].refused == 10

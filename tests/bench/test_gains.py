"""What releases come to as figures: shares of what they are worth, what harmful ones cost, and whether that is enough."""

import numpy as np
import pytest

from choosing import gains, releases
from choosing.gains import Gain
from choosing.rows import Table
from pointsman.policy.outcomes import Outcomes

WAYS = ("chosen", "random", "UniRoute 4", "UniRoute 8")


def gain(name: str, kind: releases.Kind, full: float, *shares: float, seed: int = 0) -> Gain:
    """A release of which each way has a share of what it is worth, the same after any number of prompts."""
    return Gain("t", seed, name, kind, full, {way: (full * one,) * 3 for way, one in zip(WAYS, shares, strict=True)})


GOOD = [gain(f"m{n}", "made", 0.01 * (1 + n), 0.9, 0.5, 0.1, 0.2, seed=n) for n in range(8)]
BAD = [Gain("t", 0, f"h{n}", "harmful", 0.0, dict.fromkeys(WAYS, (-0.001 * n,) * 3)) for n in range(5)]


def test_a_share_is_a_ratio_of_sums() -> None:
    uneven = [gain("a", "made", 0.03, 1.0, 0, 0, 0), gain("b", "made", 0.01, 0.0, 0, 0, 0)]
    assert gains.shares(uneven, "chosen", 0).mean == pytest.approx(0.75)
    found = gains.shares(GOOD, "chosen", 1)
    assert (found.low, found.mean, found.high) == pytest.approx((0.9, 0.9, 0.9))
    assert gains.shares(GOOD, "chosen", 1, less="random").mean == pytest.approx(0.4)


def test_real_releases_count_by_their_mean_over_splits() -> None:
    worth = [gain("big", "real", full, 1, 1, 1, 1, seed=seed) for seed, full in enumerate((0.004, 0.007))]
    idle = [gain("small", "real", 0.004, 1, 1, 1, 1)]
    assert gains.counted([*worth, *idle, *BAD]) == worth


def test_floors_say_what_holds() -> None:
    verdicts = {floor.what: floor.verdict for floor in gains.floors([*GOOD, *BAD])}
    assert verdicts["a new model after 400 prompts: 90% of the full gains"] == "beaten"
    assert set(verdicts.values()) == {"beaten"}
    poor = [gain(f"m{n}", "made", 0.01, 0.1, 0.5, 0.1, 0.6, seed=n) for n in range(8)]
    dear = [Gain("t", 0, f"h{n}", "harmful", 0.0, dict.fromkeys(WAYS, (-0.02,) * 3)) for n in range(5)]
    assert {floor.verdict for floor in gains.floors([*poor, *dear])} == {"not met"}


def test_the_section_shows_every_way() -> None:
    text = gains.section([*GOOD, *BAD])
    assert text.startswith("## ")
    for row in ("| as shipped | 0.900", "| at random | 0.500", "| UniRoute | 0.200", "| as shipped | +0.20"):
        assert row in text


def test_made_releases_are_better_on_half_of_the_tasks_and_never_worse() -> None:
    rng = np.random.default_rng(0)
    size, task = 2000, np.arange(2000) % 4
    score = (rng.random((size, 2)) < 0.6).astype(float)
    paid = np.full((size, 2), 100.0)
    rows = Outcomes(
        ("a", "b"), np.array([f"{n:04d}" for n in range(size)]), np.zeros((size, 1), dtype=np.uint8), score, paid,
        np.ones(size), np.ones((size, 2)), task, ("w", "x", "y", "z"), np.full(size, -1), (),
    )  # fmt: skip
    table = Table("t", rows, (), score, np.isfinite(score), paid, ())
    raised = releases._better(table, 0, np.random.default_rng(1))
    change = np.array([(raised - score[:, 0])[task == one].mean() for one in range(4)])
    assert (change >= 0).all()
    assert (change > 0).sum() == 2
    worse = releases._turned(score[:, 0], 0.05, 0.0, np.random.default_rng(2))
    assert worse.mean() == pytest.approx(score[:, 0].mean() - 0.05, abs=0.015)

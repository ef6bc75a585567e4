"""Other ways of choosing, for the same requests."""

import pytest

from pointsman.cli.demo.compare import Answer, Mean, against, best_possible, by_hand, fixed, mean, share, way
from pointsman.control.tailor import PER_REQUEST
from pointsman.control.verdict import Ratio, Row
from pointsman.policy.guarantee import Interval, VerdictKind
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.tasks import Task

TASKS = [task for feature in features().values() for task in feature.tasks(2, seed=1)]
PRICES = {"big": 100, "mid": 10, "small": 1}


def ask(name: str, task: Task) -> Answer:
    """The big one is always right, the mid one on extraction and coding, the small one never."""
    return Answer(name == "big" or (name == "mid" and task.feature in ("extraction", "coding")), PRICES[name])


def row(feature: str, candidate: str, kind: VerdictKind, ratio: float | None) -> Row:
    cost = None if ratio is None else Ratio(ratio, ratio, ratio, 9)
    return Row(feature, "big", candidate, "t", Interval(0.0, -0.01, 0.01, 500), 0, cost, kind, 0.05)


def test_a_share_stays_between_nothing_and_all() -> None:
    for n in range(1, 300):
        everything, nothing = share(n, n), share(0, n)
        assert (everything.high, nothing.low) == (1.0, 0.0)
        assert everything.low == pytest.approx(1 - nothing.high)
    half = share(50, 100)
    assert (half.value, half.low, half.high) == pytest.approx((0.5, 0.4038, 0.5962), abs=1e-4)  # Wilson's own


def test_the_interval_of_a_mean() -> None:
    found = mean([1.0, 2.0, 3.0, 4.0])
    assert found.value == 2.5
    assert found.high - found.value == pytest.approx(1.959964 * 1.290994 / 2, abs=1e-5)
    assert mean([3.0]).high == float("inf")


def test_ways_are_summed_up_from_the_same_requests() -> None:
    chosen = fixed("by feature", TASKS, {"extraction": "mid", "support": "big", "backoffice": "big", "coding": "small"}, ask)
    assert chosen.right.value == 0.75
    assert chosen.usd_per_1000.value == pytest.approx((10 + 100 + 100 + 1) / 4 / 1e6)


def test_the_best_possible_takes_the_cheapest_that_is_right_and_else_the_cheapest_of_all() -> None:
    best = best_possible(TASKS, ["big", "mid", "small"], ask)
    assert best.right.value == 1.0
    assert best.usd_per_1000.value == pytest.approx(55 / 1e6)
    hopeless = best_possible(TASKS, ["mid", "small"], ask)
    assert [answer.cost_nano for answer in hopeless.answers] == [10, 10, 1, 1, 1, 1, 10, 10]


def test_two_ways_are_compared_request_by_request() -> None:
    ours = way("ours", [Answer(True, 10), Answer(True, 10), Answer(False, 10), Answer(True, 10)])
    theirs = way("theirs", [Answer(True, 100), Answer(False, 100), Answer(True, 100), Answer(True, 100)])
    change, ratio = against(ours, theirs)
    assert change.value == 0.0
    assert change.low < 0.0 < change.high
    assert ratio == Ratio(0.1, 0.1, 0.1, 4)
    assert against(ours, ours)[0] == Mean(0.0, 0.0, 0.0)


def test_by_hand_is_the_cheapest_single_model_that_is_ready() -> None:
    rows = [
        row("a", "dear", "ready", 0.5), row("a", "cheap", "ready", 0.2), row("a", PER_REQUEST, "ready", 0.1),
        row("a", "cheapest", "cannot tell", 0.01), row("b", "cheap", "stay", 0.2), row("b", "free", "ready", None),
    ]  # fmt: skip
    assert by_hand(rows) == {"a": "cheap"}

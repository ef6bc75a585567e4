"""What bench/review.py measures, on few seeds; its figures, from values that are known."""

import numpy as np
import pytest

import review
from reviewing import pairs, powered, queue


def test_what_people_say_has_the_stated_mean() -> None:
    rng = np.random.default_rng(1)
    for lean in (-0.3, 0.0, 0.2):
        people, judge = pairs.compare(rng, lean, pairs.JUDGES[0], 200_000)
        assert people.mean() == pytest.approx(pairs.truth(lean), abs=0.006)
        assert judge.mean() > people.mean() + 0.1
        assert set(np.unique(judge)) <= {-1.0, -0.5, 0.0, 0.5, 1.0}


@pytest.mark.parametrize("order", powered.ORDERS)
def test_an_estimate_covers_where_the_judge_alone_does_not(order: str) -> None:
    found = powered.measure(pairs.JUDGES[0], order, 100, judged=500, seeds=60)
    assert found.covered >= 52
    assert found.naive <= 5
    assert found.ever >= found.covered
    assert found.width < 1.3 * found.ideal
    assert found.width < found.alone


def test_orders_ask_each_question_once_and_end_at_what_is_known_of_all() -> None:
    for order in queue.ORDERS:
        world = queue.World(3, 0)
        for _ in range(60):
            queue.ORDERS[order](world)
        asked = [one.asked for row in world.features for one in row]
        assert sum(map(len, asked)) == 60
        assert all(len(places) == len(set(places)) for places in asked)
        assert world.value <= world.best


def test_worlds_are_the_same_for_every_order() -> None:
    first, second = (queue.values(order, range(2), (0,), 2) for order in ("queue", "random"))
    assert first.tolist() == second.tolist()


def test_figures() -> None:
    assert review.student(19) == pytest.approx(2.093, abs=0.001)
    assert review.student(5) == pytest.approx(2.571, abs=0.03)
    ours, theirs = np.array([0.5, 0.6, 0.7]), np.array([0.4, 0.5, 0.6])
    assert review.paired(ours, theirs) == pytest.approx((0.1, 0.0))
    assert review.ratio(ours, theirs).startswith("1.200 [")
    assert review.interval(0.1, 0.05) == "+10.0 [+5.0, +15.0]\\*"
    assert review.interval(0.01, 0.05) == "+1.0 [-4.0, +6.0]"
    assert review.written("queue", ["| x |"], "a\n<!-- queue:start -->\nold\n<!-- queue:end -->\nb") == (
        "a\n<!-- queue:start -->\n| x |\n<!-- queue:end -->\nb"
    )

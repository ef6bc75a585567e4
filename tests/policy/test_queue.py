"""What is asked next, and that its chances are true."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy.queue import Asked, Belief, Standing, believe, chances, gains, number, priority, worth

shares = st.floats(0, 1)


def standing(mean: float = -0.05, **fields: float) -> Standing:
    belief = Belief(mean, fields.pop("sd", 0.1), fields.pop("noise", 0.6))
    return Standing(belief, fields.get("saving", 1.0), fields.get("traffic", 10.0), 0.05, int(fields.get("left", 100)))


def test_a_judgement_is_worth_most_where_it_may_change_what_serves() -> None:
    (close,) = gains([standing(-0.05)])
    (clear,) = gains([standing(0.4)])
    (known,) = gains([standing(-0.05, sd=0.01)])
    (busy,) = gains([standing(-0.05, traffic=20.0)])
    assert close > known > 0
    assert close > 1000 * clear
    assert busy == pytest.approx(2 * close)


def test_nothing_is_gained_by_what_cannot_change_anything() -> None:
    assert gains([standing(saving=0.0), standing(saving=-1.0), standing(left=0), standing(sd=0.0)]) == [0.0] * 4


def test_a_candidate_that_another_beats_by_far_is_not_asked_about() -> None:
    alone, _ = gains([standing(-0.05), standing(-0.9)])
    beaten, _ = gains([standing(-0.05), standing(0.5)])
    assert alone > 100 * beaten


def test_the_gain_is_what_simulation_says() -> None:
    """One judgement of a candidate on the border: the mean gain of deciding after it, by a million draws."""
    one = standing(-0.03, sd=0.1, noise=0.2, left=1)
    rng = np.random.default_rng(5)
    truth = -0.03 + 0.1 * rng.standard_normal(1_000_000)
    seen = truth + 0.2 * rng.standard_normal(1_000_000)
    after = -0.03 + (seen + 0.03) * 0.01 / (0.01 + 0.04)
    utility = 1.0 + truth / 0.05
    gained = np.where(after > -0.05, utility, 0.0).mean() - max(0.0, 1.0 - 0.03 / 0.05)
    assert gains([one])[0] == pytest.approx(10 * gained, rel=0.03)


def test_a_belief_shrinks_few_errors_and_believes_many() -> None:
    few = believe(0.1, np.full(2, -0.5), np.ones(2))
    many = believe(0.1, np.full(2000, -0.5), np.ones(2000))
    assert -0.1 < few.mean < 0.1
    assert many.mean == pytest.approx(-0.4, abs=0.01)
    assert many.sd < 0.01 < few.sd < 0.1
    assert believe(0.1, np.empty(0), np.empty(0)) == Belief(0.1)


@given(shares, shares)
def test_close_calls_and_disagreement_are_worth_more(share: float, expected: float) -> None:
    assert worth(0.5) >= worth(share) > 0
    assert worth(share, expected) >= worth(share)
    assert worth(None) == worth(0.5)


def test_numbers_are_uniform_and_a_questions_own() -> None:
    numbers = np.array([number(f"q{place}") for place in range(20_000)])
    assert number("q7") == numbers[7]
    assert 0 < numbers.min() <= numbers.max() <= 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert np.quantile(numbers, 0.1) == pytest.approx(0.1, abs=0.01)
    assert priority("q7", 0.5) == 0.5 / numbers[7]


def test_all_that_was_asked_for_certain_has_chance_one() -> None:
    assert chances([Asked(1, 0.5, 3.0), Asked(2, 0.5, 0.0)]).tolist() == [1.0, 1.0]
    assert chances([Asked(1, 0.5, 2.0), Asked(2, 0.5, 1.0)]).tolist() == [0.5, 0.5]
    assert chances([]).tolist() == []


def test_a_threshold_counts_only_while_the_question_could_be_asked() -> None:
    gone = Asked(1, 0.5, 2.0, until=1.5)
    assert chances([gone, Asked(2, 0.5, 1.0)]).tolist() == [0.25, 0.5]


def draw(rng: np.random.Generator, worths: np.ndarray, *, first: int, then: int) -> dict[int, float]:
    """Ask ``first`` questions of the older half; then half of it is forgotten, the rest comes in, and ``then`` are asked."""
    count = len(worths)
    priorities = worths / (1.0 - rng.random(count))
    alive = list(range(count // 2))
    until = dict.fromkeys(range(count), math.inf)
    asked: list[tuple[int, Asked]] = []

    def ask(at: int) -> None:
        order = sorted((place for place in alive if place not in dict(asked)), key=lambda place: -priorities[place])
        following = priorities[order[1]] if len(order) > 1 else 0.0
        asked.append((order[0], Asked(at, worths[order[0]], following, until[order[0]])))

    for at in range(first):
        ask(at)
    for place in range(count // 4):
        until[place] = first - 0.5
    alive = list(range(count // 4, count))
    for at in range(then):
        ask(first + at)
    events = [Asked(event.at, event.worth, event.next, until[place]) for place, event in asked]
    return dict(zip((place for place, _ in asked), chances(events).tolist(), strict=True))


def test_totals_weighted_by_the_chances_are_unbiased_while_questions_come_and_go() -> None:
    """The sum of a value over all questions that could be asked, which goes with the worth, from those that were."""
    rng = np.random.default_rng(9)
    worths = rng.uniform(0.5, 1.0, 40)
    values = worths**3
    totals = []
    for _ in range(6000):
        found = draw(rng, worths, first=5, then=6)
        totals.append(sum(values[place] / chance for place, chance in found.items()))
    error = np.std(totals) / math.sqrt(len(totals))
    assert abs(np.mean(totals) - values.sum()) < 4 * error
    assert error < 0.02 * values.sum()

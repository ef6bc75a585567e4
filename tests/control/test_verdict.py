"""From judgements to the verdict table."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from pointsman.control.verdict import (
    Evidence,
    Ratio,
    Row,
    cost_ratio,
    difference,
    dollars,
    gather,
    is_cheaper,
    percent,
    points,
    spell,
    surely_below_zero,
)
from pointsman.core.chat import Usage
from pointsman.core.record import Judgement
from pointsman.policy.guarantee import ALPHA, Interval, VerdictKind

USED = Usage(100, 10)
NO_CHANGE = Interval(0.0, -0.01, 0.01, 500)


def pairs(
    n: int, *, worse: float = 0.0, better: float = 0.0, cost: int | None = 30, grader: str = "exact", trial: str = "t",
    candidate: str = "zoo/small", seed: int = 1, was_cost: int = 100,
) -> Iterator[Judgement]:  # fmt: skip
    rng = random.Random(seed)
    for place in range(n):
        u = rng.random()
        was, now = (1.0, 0.0) if u < worse else (0.0, 1.0) if u < worse + better else (1.0, 1.0)
        name = f"{trial}-{place}"
        yield Judgement(name, place, "extraction", "zoo/big", "reference", was, grader, trial, USED, was_cost)
        yield Judgement(name, place, "extraction", candidate, "candidate", now, grader, trial, USED, cost)


def only(judgements: Iterator[Judgement] | list[Judgement], tolerance: float = 0.05) -> Row:
    ((feature, candidate, trial), evidence), = gather(judgements).items()  # fmt: skip
    return evidence.row(feature, candidate, trial, tolerance)


def test_as_good_and_cheaper_is_ready() -> None:
    row = only(pairs(600, worse=0.02, better=0.02))
    assert (row.kind, spell(row)) == ("ready", "ready")
    assert (row.reference, row.candidate, row.change.n, row.ungraded) == ("zoo/big", "zoo/small", 600, 0)
    assert row.change.low < row.change.mean < row.change.high
    assert row.cost == Ratio(0.3, 0.3, 0.3, 600)


def test_clearly_worse_is_stay() -> None:
    assert spell(only(pairs(400, worse=0.2))) == "stay"


def test_as_good_but_dearer_is_stay_and_says_why() -> None:
    assert spell(only(pairs(600, cost=130))) == "stay: not cheaper"


def test_too_few_cannot_tell_and_says_how_many_more_and_for_how_much() -> None:
    row = only(pairs(60, worse=0.05, better=0.05, cost=20_000_000, was_cost=90_000_000))
    assert row.kind == "cannot tell"
    assert row.more is not None
    assert row.more_nano == row.more * 20_000_000
    row = only(pairs(60, worse=0.05, better=0.05, cost=50))
    assert spell(row).startswith("cannot tell: about ")
    assert spell(row).endswith(" more, less than $0.01")


def test_on_the_line_more_than_twenty_thousand() -> None:
    judged = list(pairs(400, worse=0.0, better=0.0))
    judged = [
        Judgement(**{f: getattr(j, f) for f in j.__struct_fields__} | {"score": 0.0})
        if j.arm == "candidate" and j.at_ms % 20 == 0
        else j
        for j in judged
    ]
    row = only(judged)
    assert row.change.mean == pytest.approx(-0.05)
    assert (row.more, spell(row)) == (None, "cannot tell: more than 20,000 more")


def test_without_a_price_nothing_is_called_ready() -> None:
    row = only(pairs(600, cost=None))
    assert spell(row) == "cannot tell: no price known"


def test_a_lucky_start_does_not_take_a_verdict_back() -> None:
    """By chance the bounds may cross; what lies clear of the tolerance is not called a contradiction for that."""
    early = list(pairs(150, worse=0.3, better=0.2))
    late = [replace(row, at_ms=row.at_ms + 150, exchange=f"late-{row.exchange}") for row in pairs(1500, worse=0.6)]
    row = only([*early, *late])
    low, high = row.change.ruled_out()
    assert low > high
    assert spell(row) == "stay"
    assert row.change.low < row.change.mean < row.change.high


def test_answers_that_change_across_the_tolerance_are_left_open_and_said() -> None:
    late = [replace(row, at_ms=row.at_ms + 900, exchange=f"late-{row.exchange}") for row in pairs(3000, worse=0.9)]
    row = only([*pairs(900, better=0.5), *late])
    assert spell(row) == "cannot tell: later answers contradict earlier ones: start it afresh"
    assert row.more is None


def test_ungraded_pairs_are_counted_and_do_not_move_the_interval() -> None:
    judged = list(pairs(10))
    judged.append(Judgement("u", 99, "extraction", "zoo/big", "reference", 1.0, "exact", "t", cost_nano=100))
    judged.append(Judgement("u", 99, "extraction", "zoo/small", "candidate", None, "exact", "t", cost_nano=30))
    row = only(judged)
    assert (row.change.n, row.ungraded) == (10, 1)


@pytest.mark.parametrize(("status", "score"), [(429, None), (400, 0.0)])
def test_a_call_without_an_answer_is_no_answer_for_nothing(status: int, score: float | None) -> None:
    """A candidate at one and a half times the cost, half of its calls without an answer (and without a bill)."""
    judged = [
        replace(row, score=score, usage=None, cost_nano=0, note=f"answered with status {status}")
        if row.arm == "candidate" and row.at_ms % 2
        else row
        for row in pairs(1200, better=0.5, cost=150)
    ]
    row = only(judged, tolerance=0.6)
    assert spell(row) == "stay: not cheaper"
    assert row.cost == Ratio(1.5, 1.5, 1.5, 600)


def test_a_failure_is_no_missing_price_and_an_answer_without_usage_is() -> None:
    failed = [replace(row, usage=None, cost_nano=None, note="no answer: timeout") for row in pairs(1)]
    ((_, evidence),) = gather(failed).items()
    assert (evidence.unpriced, evidence.costs) == (0, [])
    ((_, evidence),) = gather([replace(row, usage=None, cost_nano=None) for row in pairs(1)]).items()
    assert (evidence.unpriced, evidence.costs) == (1, [])


def test_nothing_judged_yet() -> None:
    row = Evidence().row("f", "c", "t", 0.05)
    assert spell(row) == "cannot tell: nothing judged yet"
    assert (points(row.change), percent(row.cost)) == ("-", "unknown")


def test_an_answer_pairs_with_its_own_reference_in_whatever_order_they_come() -> None:
    judged = list(pairs(50, worse=0.1))
    swapped = [row for two in zip(judged[1::2], judged[::2], strict=True) for row in two]
    assert gather(judged) == gather(swapped)


def test_a_candidate_without_its_reference_is_no_pair() -> None:
    assert gather([row for row in pairs(5) if row.arm == "candidate"]) == {}
    assert gather([Judgement("x", 1, "f", "zoo/small", "policy", 1.0, "exact")]) == {}


def test_trials_are_kept_apart() -> None:
    assert len(gather([*pairs(5, trial="a"), *pairs(5, trial="b"), *pairs(5, trial="b", candidate="zoo/tiny")])) == 3


@pytest.mark.parametrize(("share", "change"), [(0.0, -1.0), (0.25, -0.5), (0.5, 0.0), (1.0, 1.0)])
def test_a_judges_share_of_wins_is_wins_minus_losses(share: float, change: float) -> None:
    reference = Judgement("x", 1, "f", "a", "reference", 0.5, "judge:zoo/judge")
    candidate = Judgement("x", 1, "f", "b", "candidate", share, "judge:zoo/judge")
    assert difference(reference, candidate) == change


def test_the_cost_ratio_covers_its_truth_about_as_often_as_it_says() -> None:
    rng, covered = random.Random(5), 0
    for _ in range(300):
        costs = []
        for _ in range(80):
            size = rng.lognormvariate(0, 0.8)  # long requests are dear for both
            costs.append((round(300_000 * size * rng.uniform(0.5, 1.5)), round(1_000_000 * size * rng.uniform(0.5, 1.5))))
        ratio = cost_ratio(costs)
        assert ratio is not None
        covered += ratio.low <= 0.3 <= ratio.high
    assert 0.90 <= covered / 300 <= 0.985


def ever(ratio: float, seed: int, spread: float = 0.8) -> tuple[bool, bool]:
    """Whether a candidate of that true ratio is called cheaper, and not cheaper, at any look in 30..3000."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(0, 0.8, 3000))  # long requests are dear for both; the candidate's answers vary widely
    own, other = (size * np.exp(rng.normal(-s * s / 2, s, 3000)) for s in (spread, 0.3))
    change = ratio * own - other
    sums, squares = np.cumsum(change), np.cumsum(change**2)
    largest, least = np.maximum.accumulate(change), np.minimum.accumulate(change)
    looks = range(29, 3000)
    less = any(surely_below_zero(k + 1, float(sums[k]), float(squares[k]), float(largest[k]), ALPHA) for k in looks)
    more = any(surely_below_zero(k + 1, -float(sums[k]), float(squares[k]), -float(least[k]), ALPHA) for k in looks)
    return less, more


def test_whoever_looks_after_every_pair_is_rarely_wrong_about_the_cost() -> None:
    """At most 7 of 300 runs: the exact 95 % interval of that share (Clopper and Pearson) ends below 5 %."""
    assert sum(ever(1.0, seed)[0] for seed in range(300)) <= 7
    assert sum(ever(0.8, seed)[1] for seed in range(300)) <= 7


def test_a_cheaper_candidate_is_called_so_in_the_end() -> None:
    assert sum(ever(0.8, seed)[0] for seed in range(50)) >= 45
    assert all(ever(0.3, seed)[0] for seed in range(50))


def test_the_cost_is_open_until_thirty_pairs_and_settled_by_them_where_it_is_clear() -> None:
    rng = random.Random(1)
    costs = [(rng.randint(20, 40), rng.randint(90, 110)) for _ in range(40)]
    assert is_cheaper(costs[:29]) is None
    assert is_cheaper(costs[:30]) is True
    assert is_cheaper([(reference, candidate) for candidate, reference in costs]) is False
    assert is_cheaper([(5, 5)] * 30) is False
    assert is_cheaper([*costs, (100_000, 100)]) is None, "one such answer outweighs all that was saved"
    assert is_cheaper([(rng.randint(1, 200), rng.randint(1, 200)) for _ in range(100)]) is None


@pytest.mark.parametrize("costs", [[], [(1, 2)], [(1, 0), (2, 0)]])
def test_no_ratio_without_enough_to_divide(costs: list[tuple[int, int]]) -> None:
    assert cost_ratio(costs) is None


def test_a_free_candidate_costs_nothing() -> None:
    assert cost_ratio([(0, 5), (0, 7)]) == Ratio(0.0, 0.0, 0.0, 2)


@pytest.mark.parametrize(
    ("kind", "more", "nano", "said"),
    [
        ("cannot tell", 693, 24_100_000_000, "cannot tell: about 700 more, $24"),
        ("cannot tell", 1_234, 2_400_000_000, "cannot tell: about 1,300 more, $2.4"),
        ("cannot tell", 7, 40_000_000, "cannot tell: about 7 more, $0.04"),
        ("stay", None, None, "stay"),
    ],
)
def test_the_words_of_the_table(kind: VerdictKind, more: int | None, nano: int | None, said: str) -> None:
    row = Row("f", "a", "b", "t", NO_CHANGE, 0, Ratio(0.29, 0.2, 0.4, 9), kind, 0.05, more, nano)
    assert spell(row) == said
    assert percent(row.cost) == "-71 %"


def test_points_are_short() -> None:
    assert points(Interval(-0.004, -0.021, 0.013, 612)) == "-0.4 [-2.1,+1.3]"
    assert points(Interval(-0.091, -0.131, -0.052, 300)) == "-9.1 [-13,-5.2]"
    assert [dollars(nano) for nano in (0, 1, 50_000_000, 24_000_000_000)] == ["$0.00", "less than $0.01", "$0.05", "$24"]

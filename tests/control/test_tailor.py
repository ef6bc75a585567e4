"""Choosing per request: learned on some requests, tested on others, and accepted only where it pays."""

from collections.abc import Sequence
from functools import partial
from random import Random

import pytest
from msgspec.structs import replace

from pointsman.control.findings import Findings, propose
from pointsman.control.lessons import learn
from pointsman.control.plans import PlanError
from pointsman.control.tailor import FIRST, GROWTH, PER_REQUEST, Case, Learned, Tailor, Tailored
from pointsman.control.verdict import Ratio, Row
from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.price import Price
from pointsman.core.record import Judgement
from pointsman.core.routing import Deployment, Objective
from pointsman.policy import features
from pointsman.policy.cost import amount
from pointsman.policy.guarantee import Interval, VerdictKind
from pointsman.upstream.simulated.features import features as zoo_features
from pointsman.upstream.simulated.zoo import Zoo

BIG, CRANE, STORK = "zoo/sim-eagle-xl", "zoo/sim-crane-m", "zoo/sim-stork-m"


def deployments(zoo: Zoo) -> dict[str, Deployment]:
    found = {}
    for name in (BIG, CRANE, STORK):
        rates = zoo.rates(name[4:])
        assert rates is not None
        found[name] = Deployment(name, "zoo", name[4:], name[4:], price=Price(rates))
    return found


def trial(zoo: Zoo, feature: str, count: int) -> list[Judgement]:
    """What a trial of two candidates would have written."""
    known, rows = deployments(zoo), []
    for place, task in enumerate(zoo_features()[feature].tasks(count, seed=11)):
        messages = (Message("system", (Text(task.system),)), Message("user", (Text(task.user),)))
        vector = features.vector(ChatRequest("auto", messages))
        for name, deployment in known.items():
            truth = zoo.truth(name[4:], task)
            usage = Usage(truth.input_tokens, truth.output_tokens, truth.cached_tokens)
            price = deployment.price
            assert price is not None
            rows.append(
                Judgement(
                    exchange=f"x{place}", at_ms=place, feature=feature, deployment=name, trial="t", grader="exact",
                    arm="reference" if name == BIG else "candidate", score=float(truth.right), usage=usage,
                    cost_nano=amount(usage, price), vector=vector,
                )
            )  # fmt: skip
    return rows


def tailor(zoo: Zoo, feature: str, tolerance: float = 0.05) -> Tailor:
    known = deployments(zoo)
    everyone = tuple(known.values())
    teacher = partial(learn, deployments=everyone, objective=Objective(tolerance=0.02))
    return Tailor(feature, everyone[0], everyone[1:], "t", tolerance, teacher)


@pytest.fixture(scope="module")
def zoo() -> Zoo:
    return Zoo(seed=3)


@pytest.fixture(scope="module")
def support(zoo: Zoo) -> list[Judgement]:
    return trial(zoo, "support", 900)


def test_a_mix_may_be_ready_where_no_single_candidate_is(zoo: Zoo, support: list[Judgement]) -> None:
    found = tailor(zoo, "support").cut(support)
    assert found is not None
    assert found.row.kind == "ready"
    assert found.row.candidate == PER_REQUEST
    assert found.row.cost is not None
    assert found.row.cost.high < 0.6
    assert {CRANE, STORK} < set(found.choices)
    assert found.cheaper_than(BIG)
    assert not found.cheaper_than(STORK)


def test_nothing_is_tested_on_what_it_was_learned_from(zoo: Zoo, support: list[Judgement]) -> None:
    seen: list[int] = []
    own = tailor(zoo, "support", tolerance=0.0001)

    def spy(cases: Sequence[Case]) -> Learned:
        seen.append(len(cases))
        return own.learn(cases)

    found = Tailor("support", own.reference, own.candidates, "t", 0.0001, spy).cut(support)
    assert found is not None
    assert seen == [FIRST, FIRST * GROWTH]
    assert found.learned_from == FIRST * GROWTH
    assert found.row.change.n == 900 - FIRST * GROWTH == sum(found.choices.values())


def test_it_waits_for_enough_judgements(zoo: Zoo, support: list[Judgement]) -> None:
    assert tailor(zoo, "support").cut(support[: 3 * FIRST]) is None
    assert tailor(zoo, "support").cut(support[: 3 * FIRST + 3]) is not None


def test_the_same_journal_gives_the_same_policy_and_verdict(zoo: Zoo, support: list[Judgement]) -> None:
    first, second = (tailor(zoo, "support").cut(support[:900]) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.row == second.row
    assert first.choices == second.choices


def test_only_requests_that_everybody_answered_and_that_were_graded_count(zoo: Zoo, support: list[Judgement]) -> None:
    own = tailor(zoo, "support")
    rows = list(support[:30])
    assert len(own.cases(rows)) == 10
    assert len(own.cases(rows[1:])) == 9
    for spoiled in (replace(rows[4], score=None), replace(rows[4], usage=None), replace(rows[4], cost_nano=None)):
        assert len(own.cases([*rows[:4], spoiled, *rows[5:]])) == 9
    assert own.cases([replace(row, vector=b"") for row in rows]) == []
    assert own.cases([replace(row, trial="another") for row in rows]) == []


def test_another_features_requests_of_the_same_trial_are_left_out(zoo: Zoo, support: list[Judgement]) -> None:
    """A trial of ``*`` covers several features under one id."""
    other = [replace(row, feature="other", exchange=f"o{row.exchange}") for row in support]
    both = [row for two in zip(support, other, strict=True) for row in two]
    own = tailor(zoo, "support")
    assert own.cases(both) == own.cases(support)
    assert len(own.cases(other)) == 0


def test_a_mix_of_worse_models_is_rarely_called_ready() -> None:
    """Both candidates lose ten points more than is tolerated, on every kind of request: features teach nothing."""
    zoo = Zoo()
    known = deployments(zoo)
    called = 0
    for seed in range(20):
        rng = Random(seed)
        rows = []
        for place in range(500):
            vector = features.vector(ChatRequest("auto", (Message("user", (Text(f"word{rng.randrange(50)}"),)),)))
            for name, chance in ((BIG, 0.95), (CRANE, 0.80), (STORK, 0.80)):
                rows.append(
                    Judgement(
                        exchange=str(place), at_ms=place, feature="f", deployment=name, trial="t", grader="exact",
                        arm="reference" if name == BIG else "candidate", score=float(rng.random() < chance),
                        usage=Usage(100, 10), cost_nano=1000 if name == BIG else 10, vector=vector,
                    )
                )  # fmt: skip
        teacher = partial(learn, deployments=tuple(known.values()), objective=Objective("worth", usd_per_answer=1e-7))
        found = Tailor("f", known[BIG], (known[CRANE], known[STORK]), "t", 0.05, teacher).cut(rows)
        assert found is not None
        called += found.row.kind == "ready" and found.choices[BIG] < sum(found.choices.values()) / 2
    assert called <= 2


def row(candidate: str, kind: VerdictKind = "ready", cost: float = 0.3) -> Row:
    change = Interval(-0.004, -0.021, 0.013, 612)
    return Row("support", BIG, candidate, "t", change, 0, Ratio(cost, cost, cost, 612), kind, 0.05)


def tailored(zoo: Zoo, support: list[Judgement]) -> Tailored:
    found = tailor(zoo, "support").cut(support)
    assert found is not None
    return found


class TestPropose:
    def test_the_cheapest_that_is_ready(self) -> None:
        found = Findings((row(CRANE, cost=0.4), row(STORK, cost=0.2), row("zoo/x", "stay", 0.1)), {})
        proposal = propose(found, "support")
        assert proposal.row.candidate == STORK
        assert proposal.serving.one_model == STORK
        assert proposal.why == "one model suffices here"

    def test_choosing_per_request_only_where_it_is_certainly_cheaper(self, zoo: Zoo, support: list[Judgement]) -> None:
        mine = tailored(zoo, support)
        per_request = propose(Findings((row(BIG), mine.row), {"support": mine}), "support")
        assert per_request.row.candidate == PER_REQUEST
        assert per_request.serving.policy is not None
        assert set(per_request.serving.accepted) == set(mine.choices) - {BIG}
        fixed = propose(Findings((row(STORK), mine.row), {"support": mine}), "support")
        assert fixed.row.candidate == STORK
        alone = propose(Findings((row(STORK, "stay"), mine.row), {"support": mine}), "support")
        assert alone.row.candidate == PER_REQUEST

    def test_what_is_not_ready_needs_a_reason(self) -> None:
        found = Findings((row(CRANE, "stay"),), {})
        with pytest.raises(PlanError, match="nothing is ready"):
            propose(found, "support")
        with pytest.raises(PlanError, match="not ready"):
            propose(found, "support", CRANE)
        assert propose(found, "support", CRANE, despite="by hand").serving.one_model == CRANE
        with pytest.raises(PlanError, match="was not tried"):
            propose(found, "support", STORK)
        with pytest.raises(PlanError, match="pointsman trial coding"):
            propose(found, "coding")

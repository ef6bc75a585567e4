"""A few exchanges decided again by hand: who, for how much, what nobody could serve, and what grades say of it."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.control.replay.answer import Answer, answers, total
from pointsman.control.replay.question import Question, World, world
from pointsman.control.replay.tally import ASSUMED, FAILED, INSIDE, NAMED_BY_CLIENTS, Tally, Whose, needs_of, tally
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Needs, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.policy.estimate import CannotTell, Estimate
from pointsman.store.past import Drawn, Grade, Paid, Past

USAGE = Usage(1000, 200)
PRICES = {"a/big": "10", "a/small": "1", "b/big": "12"}
DEPLOYMENTS = {
    name: Deployment(name, name[0], name[2:], name, Price(Rates(Decimal(each), Decimal(each) * 4)), tools=name != "a/small")
    for name, each in PRICES.items()
}
BIG, SMALL, OTHER = DEPLOYMENTS.values()
PLAN = Plan("*", mode="auto", reference="a/big", accepted=("a/small",), acting_share=0.75, one_model="a/small")
SNAPSHOT = Snapshot(
    {name: Provider(name, "http://x") for name in "ab"},
    DEPLOYMENTS,
    {"auto": Route("auto", "a/big", ("a/small",), Objective(), 0.25, {"*": PLAN})},
)
WHOSE = Whose({"f": "exact"}, {"f": 10.0}, {"f": 10.0})


def paid(one: Deployment, usage: Usage = USAGE) -> int:
    assert one.price is not None
    return amount(usage, one.price)


def past(number: int, who: str = "a/small", **fields: Any) -> Past:
    arm = "policy" if who == "a/small" else "control"
    drawn = Drawn(who, ("a/big", "a/small"), (0.25, 0.75), "auto", arm, needs=Needs(1000))
    cost = paid(DEPLOYMENTS[who])
    base = Past(f"{number:024x}", "f", "auto", "ok", who, 800.0, cost, (Paid(who, USAGE, cost),), drawn)
    return replace(base, **fields)


def again(asked: World, *pasts: Past, grades: tuple[Grade, ...] = ()) -> Tally:
    return tally(asked, lambda _: None, pasts, grades, WHOSE)


def of(question: Question, *pasts: Past, grades: tuple[Grade, ...] = (), snapshot: Snapshot = SNAPSHOT) -> Answer:
    (answer,) = answers(again(world(question, snapshot), *pasts, grades=grades), WHOSE.graders)
    return answer


def test_as_it_is_nothing_moves_and_money_is_what_was_recorded() -> None:
    found = of(Question(), past(1), past(2, "a/big"))
    assert (found.requests, found.moved, found.nano, found.expected_nano) == (2, 0, found.nano_then, 0)
    assert {who.deployment: (who.requests_then, who.requests) for who in found.who} == {"a/big": (1, 1), "a/small": (1, 1)}


def test_what_is_lost_goes_to_the_reference_at_its_price_for_the_same_tokens() -> None:
    found = of(Question(without=("a/small",)), past(1), past(2, "a/big"))
    assert (found.moved, found.exact_nano, found.expected_nano) == (1, paid(BIG), paid(BIG))


def test_the_reference_that_is_lost_leaves_all_to_who_was_accepted() -> None:
    found = of(Question(without=("a/big",)), past(1), past(2, "a/big"))
    assert {(move.then, move.now, move.requests) for move in found.moves} == {
        ("a/small", "a/small", 1),
        ("a/big", "a/small", 1),
    }


def test_a_vendor_that_has_all_leaves_nobody_and_money_unspent() -> None:
    found = of(Question(without=("a",)), past(1), past(2, "a/big"))
    assert found.nano == 0
    assert {(each.deployment, each.requests, each.reason) for each in found.unserved} == {
        ("a/small", 1, "nothing else may answer here"), ("a/big", 1, "nothing else may answer here"),
    }  # fmt: skip


def test_the_same_model_elsewhere_takes_over() -> None:
    found = of(Question(without=("a",)), past(1), snapshot=_twin())
    assert [(move.now, move.expected_nano) for move in found.moves] == [("b/big", paid(OTHER))]


def _twin() -> Snapshot:
    return replace(SNAPSHOT, deployments={**DEPLOYMENTS, "b/big": replace(OTHER, model_key="a/big")})


def test_what_is_left_and_cannot_do_it_is_the_reason() -> None:
    tools = past(1, "a/big")
    assert tools.decision is not None
    tools = replace(tools, decision=replace(tools.decision, needs=Needs(1000, tools=True)))
    (lost,) = of(Question(without=("a/big",)), tools).unserved
    assert lost.reason == "what is left does not take tools"


def test_a_new_price_is_paid_for_the_tokens_that_were_billed() -> None:
    cached = Usage(1000, 200, cached=900)
    one = past(1, "a/big", calls=(Paid("a/big", cached, 7),), cost_nano=7)
    found = of(Question(prices={"a/big": Decimal(3)}), one)
    assert found.exact_nano == 3 * paid(BIG, cached)
    assert of(Question(), one).exact_nano == 7


def test_calls_that_failed_before_are_no_part_of_another_choice() -> None:
    calls = (Paid("a/small", Usage(10, 0), 3), Paid("a/big", USAGE, paid(BIG)))
    one = past(1, "a/big", calls=calls, cost_nano=paid(BIG) + 3)
    assert of(Question(), one).exact_nano == paid(BIG)


def test_a_cost_that_nobody_knows_is_counted_and_not_guessed() -> None:
    priceless = replace(SNAPSHOT, deployments={**DEPLOYMENTS, "a/big": replace(BIG, price=None)})
    found = of(Question(without=("a/small",)), past(1), snapshot=priceless)
    assert (found.nano, found.unpriced) == (0, 1)


def test_where_the_mode_is_another_chance_is_drawn_anew() -> None:
    observed = past(1, "a/big", decision=Drawn("a/big", ("a/big",), (1.0,), "observe", "reference", needs=Needs(1000)))
    found = of(Question(), observed)
    assert found.moved == pytest.approx(0.75)
    assert found.exact_nano == round(0.25 * paid(BIG))
    assert found.expected_nano == round(0.75 * paid(SMALL))


def test_what_clients_name_stays_with_them() -> None:
    pinned = past(1, decision=Drawn("a/small", ("a/small",), (1.0,), "observe", "pinned"), route="")
    assert of(Question(), pinned).moved == 0
    (lost,) = of(Question(without=("a",)), pinned).unserved
    assert lost.reason == NAMED_BY_CLIENTS
    named = past(2, "a/big", decision=Drawn("a/big", ("a/big", "b/big"), (1.0, 0.0), "observe", "observed"), route="")
    assert [(move.now, move.nano) for move in of(Question(without=("a",)), named).moves] == [("b/big", paid(OTHER))]


def test_calls_from_elsewhere_can_be_decided_as_if_they_had_asked_a_route() -> None:
    imported = past(1, "a/big", decision=None, route="")
    assert of(Question(), imported).moved == 0
    found = of(Question(route="auto"), imported)
    assert found.moved == pytest.approx(0.75)
    assert found.kinds[ASSUMED] == 1


def test_what_failed_stays_as_it_was() -> None:
    found = of(Question(without=("a",)), past(1, outcome="error", cost_nano=5))
    assert (found.kinds, found.nano, found.unserved) == ({FAILED: 1}, 5, ())


def test_needs_that_were_not_recorded_are_taken_from_what_was() -> None:
    assert needs_of(past(1, decision=None)) == Needs(1000)
    assert needs_of(past(1, decision=None, calls=())) == Needs(0)


def test_everything_is_counted_once() -> None:
    rows = [past(number, "a/big" if number % 3 else "a/small") for number in range(40)]
    whole, parts = again(world(Question(without=("a/small",)), SNAPSHOT), *rows), Tally()
    for start in (0, 7, 11):
        parts.merge(again(world(Question(without=("a/small",)), SNAPSHOT), *rows[start : {0: 7, 7: 11, 11: 40}[start]]))
    assert total(parts) == total(whole)
    assert sum(move.requests for move in total(whole).moves) == 40


# What grades say.


def grade(one: Past, score: float, deployment: str = "", arm: str = "", grader: str = "exact", trial: str = "") -> Grade:
    drawn = one.decision
    return Grade(one.id, deployment or one.deployment, arm or (drawn.arm if drawn else ""), grader, trial, score)


def test_grades_of_control_speak_for_a_world_without_the_others() -> None:
    rows = [past(number, "a/big" if number % 4 == 0 else "a/small") for number in range(4000)]
    scores = [1.0 if row.deployment == "a/big" else 0.0 for row in rows]
    given = tuple(grade(row, score) for row, score in zip(rows, scores, strict=True))
    found = of(Question(without=("a/small",)), *rows, grades=given).quality
    assert found is not None
    assert isinstance(found.now, Estimate)
    assert isinstance(found.then, Estimate)
    assert isinstance(found.change, Estimate)
    assert found.now.mean == pytest.approx(1.0, abs=0.01)
    assert found.now.worth == pytest.approx(1000)
    assert found.then.mean == pytest.approx(0.25)
    assert found.change.low < 0.75 < found.change.high


def test_who_was_never_tried_is_named_with_what_would_help() -> None:
    then = Drawn("a/big", ("a/big",), (1.0,), "observe", "reference", needs=Needs(9))
    rows = [past(number, "a/big", decision=then) for number in range(500)]
    found = of(Question(), *rows, grades=tuple(grade(row, 1.0, arm="control") for row in rows)).quality
    assert found is not None
    assert isinstance(found.now, CannotTell)
    assert found.now.why == "never tried"
    assert found.untried == {"a/small": pytest.approx(0.75)}
    assert "`pointsman trial f --candidates a/small` needs 200 graded requests" in found.remedy


def test_a_trial_grades_several_answers_to_one_request_and_needs_no_weights() -> None:
    then = Drawn("a/big", ("a/big",), (1.0,), "trial", "reference", needs=Needs(9))
    rows = [past(number, "a/big", decision=then) for number in range(400)]
    given = tuple(
        grade(row, score, name, arm, trial="f-1")
        for number, row in enumerate(rows)
        for name, arm, score in (("a/big", "reference", 1.0), ("a/small", "candidate", float(number % 2)))
    )
    found = of(Question(), *rows, grades=given).quality
    assert found is not None
    assert isinstance(found.now, Estimate)
    assert found.now.mean == pytest.approx(0.25 + 0.75 * 0.5)
    assert found.now.worth == pytest.approx(400)
    assert isinstance(found.change, Estimate)
    assert found.change.mean == pytest.approx(-0.375)


def test_a_trial_tells_what_served_answers_alone_cannot() -> None:
    then = Drawn("a/big", ("a/big",), (1.0,), "observe", "reference", snapshot="s1", needs=Needs(9))
    rows = [past(number, "a/big", decision=then) for number in range(1000)]
    served = tuple(grade(row, 1.0, arm="control") for row in rows[400:])
    tried = tuple(
        grade(row, score, name, arm, trial="f-1")
        for row in rows[:400]
        for name, arm, score in (("a/big", "reference", 1.0), ("a/small", "candidate", 0.5))
    )
    before, after = (of(Question(), *rows, grades=given).quality for given in (served, (*served, *tried)))
    assert before is not None
    assert after is not None
    assert isinstance(before.now, CannotTell)
    assert isinstance(after.now, Estimate)
    assert after.now.n == 400
    assert after.now.mean == pytest.approx(0.25 + 0.75 * 0.5)
    assert after.remedy == ""


def test_grades_by_others_do_not_mix() -> None:
    rows = [past(number) for number in range(300)]
    found = of(Question(without=("b",)), *rows, grades=tuple(grade(row, 1.0, grader="judge:x") for row in rows)).quality
    assert found is not None
    assert isinstance(found.now, CannotTell)
    assert found.now.why == "nothing graded"


def test_an_answer_inside_a_conversation_was_not_drawn_for_itself() -> None:
    inside = past(1)
    assert inside.decision is not None
    inside = replace(inside, decision=replace(inside.decision, course="c0"))
    found = of(Question(), inside, grades=(grade(inside, 1.0),))
    assert found.kinds[INSIDE] == 1
    assert found.quality is not None
    assert isinstance(found.quality.now, CannotTell)

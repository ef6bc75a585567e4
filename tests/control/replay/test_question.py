"""What can be asked, and what a question makes of a snapshot."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pointsman.control.replay.question import (
    Question,
    QuestionError,
    named,
    read_factors,
    read_objective,
    read_prices,
    times,
    world,
)
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot

LONG = Rates(Decimal(4), Decimal(9))
PRICE = Price(Rates(Decimal(2), Decimal(8), Decimal("0.5")), Decimal("0.01"), long_above=9, long_rates=LONG)
NAMES = ("a/big", "a/small", "b/big")
PLAN = Plan("*", reference="a/big", allow=("a/*", "b/big"))
SNAPSHOT = Snapshot(
    {name: Provider(name, "http://x") for name in "ab"},
    {name: Deployment(name, name[0], name[2:], f"key-{name[2:]}", PRICE) for name in NAMES},
    {"auto": Route("auto", "a/big", NAMES, Objective(), 0.05, {"*": PLAN})},
)


@pytest.mark.parametrize(
    ("said", "found"),
    [("a", ("a/big", "a/small")), ("a/small", ("a/small",)), ("big", ("a/big", "b/big")), ("key-small", ("a/small",))],
)
def test_a_name_is_a_provider_a_deployment_or_a_model(said: str, found: tuple[str, ...]) -> None:
    assert named(SNAPSHOT, said) == found


def test_a_name_that_nothing_has_is_a_mistake_that_says_what_there_is() -> None:
    with pytest.raises(QuestionError, match=r"nothing is called 'c': name a provider \(a, b\)"):
        world(Question(without=("c",)), SNAPSHOT)


def test_every_kind_of_price_is_multiplied() -> None:
    twice = times(PRICE, Decimal(2))
    assert twice.rates == Rates(Decimal(4), Decimal(16), Decimal("1.0"))
    assert twice.per_request == Decimal("0.02")
    assert twice.long_rates == Rates(Decimal(8), Decimal(18))


def test_a_question_changes_prices_of_what_it_names_and_nothing_else() -> None:
    own = Price(Rates(Decimal(1), Decimal(1)))
    asked = world(Question(prices={"a": Decimal(3)}, price_list={"b/big": own, "a/small": own}), SNAPSHOT)
    assert asked.repriced == {"a/big", "a/small", "b/big"}
    assert asked.snapshot.deployments["a/big"].price == times(PRICE, Decimal(3))
    assert asked.snapshot.deployments["a/small"].price == times(own, Decimal(3))
    assert asked.snapshot.deployments["b/big"].price == own
    assert replace(asked.snapshot, deployments=SNAPSHOT.deployments) == SNAPSHOT


def test_what_has_no_price_cannot_cost_twice_as_much() -> None:
    free = replace(SNAPSHOT, deployments={**SNAPSHOT.deployments, "b/big": Deployment("b/big", "b", "big", "big")})
    with pytest.raises(QuestionError, match="no price is known for b/big"):
        world(Question(prices={"b": Decimal(2)}), free)


def test_a_deployment_beside_is_chosen_per_request_where_it_may_answer() -> None:
    plan = world(Question(beside=("a/small",)), SNAPSHOT).snapshot.routes["auto"].plans["*"]
    assert (plan.accepted, plan.mode, plan.acting_share) == (("a/small",), "auto", 0.95)
    acting = replace(PLAN, mode="canary", accepted=("b/big",), one_model="b/big", acting_share=0.1, allow=("b/big",))
    route = replace(SNAPSHOT.routes["auto"], plans={"*": acting})
    kept = world(Question(beside=("a",)), replace(SNAPSHOT, routes={"auto": route})).snapshot.routes["auto"].plans["*"]
    assert (kept.accepted, kept.mode, kept.acting_share, kept.one_model) == (("b/big",), "canary", 0.1, None)


def test_a_route_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(QuestionError, match="there is no route 'fast'; there are: auto"):
        world(Question(route="fast"), SNAPSHOT)


def test_a_question_can_come_over_a_wire() -> None:
    asked = Question(
        since_ms=3, without=("a",), prices={"b": Decimal("1.5")}, price_list={"a/big": PRICE}, objective=Objective()
    )
    assert msgspec.json.decode(msgspec.json.encode(asked), type=Question) == asked
    assert msgspec.json.decode(b'{"prices": {"a": 2}}', type=Question) == Question(prices={"a": Decimal(2)})


def test_factors_are_read() -> None:
    assert read_factors(["openai=2x", "a/b=0.5"]) == {"openai": Decimal(2), "a/b": Decimal("0.5")}


@pytest.mark.parametrize("said", ["openai", "openai=", "=2", "openai=dear", "openai=-1", "openai=nan", "openai=inf"])
def test_no_factor_is_a_mistake(said: str) -> None:
    with pytest.raises(QuestionError, match="is no change of price"):
        read_factors([said])


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("best", Objective("best")),
        ("match 2", Objective("match", tolerance=0.02)),
        ("budget 2.5", Objective("budget", usd_per_1000=2.5)),
        ("worth 0.01", Objective("worth", usd_per_answer=0.01)),
    ],
)
def test_objectives_are_read(said: str, found: Objective) -> None:
    assert read_objective(said) == found


@pytest.mark.parametrize("said", ["", "best 2", "budget", "budget nan", "budget -1", "cheap 3", "worth inf", "match x"])
def test_no_objective_is_a_mistake(said: str) -> None:
    with pytest.raises(QuestionError, match="is no objective"):
        read_objective(said)


def test_a_price_list_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text('[[prices]]\ndeployment = "a/big"\ninput = 1.10\noutput = 8\ncached = 0.11\n')
    assert read_prices(file) == {
        "a/big": Price(Rates(Decimal("1.10"), Decimal(8), Decimal("0.11")), source="new.toml"),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prices = 3", "prices"),
        ('[[prices]]\ndeployment = "a/big"\ninput = 1', "output"),
        ('[[prices]]\ndeployment = "a/big"\ninput = 1\noutput = 2\nthinking = 3', "thinking"),
        ('[[prices]]\ndeployment = "a/big"\ninput = -1\noutput = 2', "below 0"),
        ("[[prices", r"new\.toml"),
    ],
)
def test_a_bad_price_list_is_a_mistake_that_names_the_file(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "new.toml"
    file.write_text(text)
    with pytest.raises(QuestionError, match=reason):
        read_prices(file)
    with pytest.raises(QuestionError, match=r"none\.toml"):
        read_prices(tmp_path / "none.toml")


def test_a_price_of_what_is_not_there_is_a_mistake() -> None:
    with pytest.raises(QuestionError, match="c/big, which is no deployment here"):
        world(Question(price_list={"c/big": PRICE}), SNAPSHOT)

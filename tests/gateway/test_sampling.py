"""Which live requests belong to which running trial."""

import pytest
from msgspec.structs import replace

from pointsman.core.routing import Decision, Objective, Plan, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.sampling import Standing, standing, wanted


def a_plan(feature: str, share: float | None, reference: str | None = None) -> Plan:
    trial = Trial(f"t-{feature}", ("p/c",), share, 1) if share is not None else None
    return Plan(feature, reference=reference, trial=trial)


def a_route(name: str, *plans: Plan, reference: str | None = "p/big") -> Route:
    return Route(name, reference, ("p/c",), Objective(), 0.05, {plan.feature: plan for plan in plans})


def decision(chosen: str = "p/big") -> Decision:
    return Decision(chosen, (), (chosen,), (1.0,), "observe", "reference", "why")


SNAPSHOT = Snapshot(
    routes={
        "auto": a_route("auto", a_plan("*", 0.5), a_plan("support", 0.2, "p/own"), a_plan("quiet", None)),
        "other": a_route("other", a_plan("*", None), a_plan("support", 0.1)),
        "bare": a_route("bare", a_plan("*", 0.3), reference=None),
    }
)
TRIALS = standing(SNAPSHOT)


def test_every_running_trial_is_found_with_its_reference_and_share() -> None:
    assert list(TRIALS) == [
        Standing("auto", "*", frozenset({"p/big"}), frozenset({"support", "quiet"}), 0.5),
        Standing("auto", "support", frozenset({"p/own"}), frozenset({"support", "quiet"}), 0.2),
        Standing("other", "support", frozenset({"p/big"}), frozenset({"support"}), 0.1),
        Standing("bare", "*", frozenset({""}), frozenset(), 0.3),
    ]
    assert standing(Snapshot()) == ()


@pytest.mark.parametrize(
    ("route", "feature", "chosen", "found"),
    [
        ("auto", "support", "p/c", ("auto", "support")),
        ("auto", "unheard of", "p/big", ("auto", "*")),
        ("auto", "quiet", "p/big", None),
        ("other", "support", "p/big", ("other", "support")),
        ("other", "unheard of", "p/big", None),
        ("gone", "support", "p/big", None),
        ("", "support", "p/own", ("auto", "support")),
        ("", "support", "p/big", ("other", "support")),
        ("", "unheard of", "p/big", ("auto", "*")),
        ("", "unheard of", "p/other", None),
        ("", "quiet", "p/big", None),
    ],
)
def test_a_request_belongs_to_one_trial_at_most(
    route: str, feature: str, chosen: str, found: tuple[str, str] | None
) -> None:
    trial = wanted(TRIALS, route, feature, decision(chosen))
    assert (None if trial is None else (trial.route, trial.feature)) == found


def test_a_trial_that_ended_takes_nothing() -> None:
    ended = replace(SNAPSHOT.routes["auto"], plans={"*": a_plan("*", None)})
    assert wanted(standing(Snapshot(routes={"auto": ended})), "auto", "support", decision()) is None

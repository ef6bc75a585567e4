"""Judgements as they count today."""

from decimal import Decimal

from msgspec.structs import replace

from pointsman.control.evidence import today
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Judgement
from pointsman.core.release import Change
from pointsman.core.routing import Deployment
from pointsman.core.snapshot import Snapshot

JUDGED = Judgement("x", 10, "support", "z/small", "candidate", 1.0, "exact", "t", Usage(1000, 100), 1_200_000)


def priced(price: str | None, **more: Change) -> Snapshot:
    rates = None if price is None else Price(Rates(Decimal(price), 2 * Decimal(price)))
    return Snapshot(deployments={"z/small": Deployment("z/small", "z", "small", "small", price=rates)}, changes=more)


def test_costs_are_those_of_today_and_the_kept_one_is_not_altered() -> None:
    (same,) = today([JUDGED], priced("1"))
    (dearer,) = today([JUDGED], priced("3"))
    assert same is JUDGED
    assert dearer == replace(JUDGED, cost_nano=3_600_000)


def test_without_tokens_or_a_price_a_cost_stays_what_it_was() -> None:
    bare, free = replace(JUDGED, usage=None), replace(JUDGED, cost_nano=None)
    assert [*today([bare, free], priced("3"))] == [bare, free]
    assert [*today([JUDGED], priced(None))] == [JUDGED]
    assert [*today([JUDGED], Snapshot())] == [JUDGED]


def test_what_was_judged_before_a_change_is_left_out() -> None:
    change = Change(11, 20, "worse")
    assert [*today([JUDGED], priced("1", **{"z/small": change}))] == []
    assert [*today([JUDGED], priced("1", **{"z/small": replace(change, since_ms=10)}))] == [JUDGED]
    assert [*today([JUDGED], priced("1", **{"z/other": change}))] == [JUDGED]

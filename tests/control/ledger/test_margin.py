"""What customers pay and what is left, worked out by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.control.ledger.made import AT, DAY_MS, kept

from pointsman.control.config.values import CustomerRules
from pointsman.control.ledger.margin import Margin, margins, months_between
from pointsman.control.ledger.report import Period
from pointsman.core.ledger import Line

DOLLAR = 10**9
SERVED = Line(
    "x", AT + 5, "fallback", "p/m", served=True, customer="acme", nano=DOLLAR // 4, fresh=900, cached=50, output=50
)
FAILED = Line("x", AT, "first", "q/m", customer="acme", basis="unknown", least=0, most=DOLLAR // 4, most_input=9)
OTHER = Line("y", AT, "first", "q/m", served=True, customer="else", nano=7)
TRIAL = Line("x", AT, "trial", "q/m", nano=DOLLAR)


def of(rules: CustomerRules, period: Period | None = None) -> Margin:
    (found,) = margins({"acme": rules}, kept([FAILED, SERVED, SERVED, OTHER, TRIAL]), period or Period())
    return found


@pytest.mark.parametrize(
    ("rules", "pays"),
    [
        (CustomerRules(per_request_usd=Decimal("0.75")), "1.5"),
        (CustomerRules(per_1000_tokens_usd=Decimal("0.4")), "0.8"),
        (CustomerRules(markup=Decimal("0.5")), "0.75"),
        (CustomerRules(per_request_usd=Decimal("0.1"), per_1000_tokens_usd=Decimal("0.1"), markup=Decimal(0)), "0.9"),
        (CustomerRules(), "0"),
    ],
)
def test_what_a_customer_pays(rules: CustomerRules, pays: str) -> None:
    found = of(rules)
    assert (found.requests, found.tokens, found.pays_nano) == (2, 2000, int(Decimal(pays) * DOLLAR))
    assert (found.settled_nano, found.least_nano, found.most_nano) == (DOLLAR // 2, DOLLAR // 2, 3 * DOLLAR // 4)
    expected = None if pays == "0" else float((Decimal(pays) - Decimal("0.75")) / Decimal(pays))
    assert found.share == (expected if expected is None else pytest.approx(expected))


def test_a_fee_is_for_the_part_of_the_month_that_is_asked_for() -> None:
    november = CustomerRules(per_month_usd=Decimal(30))
    assert of(november, Period(AT, AT + DAY_MS)).pays_nano == DOLLAR
    assert of(november, Period(AT, AT + 3 * DAY_MS)).pays_nano == 3 * DOLLAR
    assert of(november, Period(AT + 2 * DAY_MS, AT + 34 * DAY_MS)).pays_nano == (1 + 30) * DOLLAR
    assert of(november).pays_nano == round(Decimal(30) * 5 / (30 * DAY_MS) * DOLLAR)  # from the opening to the last line


def test_a_customer_that_asked_nothing_pays_its_fee_all_the_same() -> None:
    (found,) = margins({"new": CustomerRules(per_month_usd=Decimal(30))}, kept([SERVED]), Period(AT, AT + DAY_MS))
    assert (found.requests, found.pays_nano, found.most_nano) == (0, DOLLAR, 0)


@given(st.integers(0, 10**12), st.integers(0, 10**11), st.integers(0, 10**11))
def test_months_add_up(start: int, first: int, second: int) -> None:
    middle, end = start + first, start + first + second
    whole = months_between(start, end)
    assert months_between(start, middle) + months_between(middle, end) == pytest.approx(whole, abs=Decimal("1e-20"))
    assert months_between(end, start) == 0 or first + second == 0

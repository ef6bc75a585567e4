"""The tables ``budgets``: what an owner writes becomes one budget for each limit."""

from pathlib import Path

from pointsman.control.config import parse
from pointsman.core.budget import Budget


def budgets(text: str) -> tuple[Budget, ...]:
    return parse(text.encode(), "f").budgets


def test_each_limit_is_a_budget_of_its_own() -> None:
    assert budgets("") == ()
    assert budgets('[budgets.all]\nusd = 20\nrequests = 100\ntokens = 5000\nwindow = "minute"') == (
        Budget("all", "requests", 100, "minute"),
        Budget("all", "tokens", 5000, "minute"),
        Budget("all", "usd", 20_000_000_000, "minute"),
    )


def test_of_each_value_of_a_scope_or_of_one() -> None:
    assert budgets('[budgets.each]\nper = "customer"\nusd = 0.5') == (Budget("each", "usd", 500_000_000, "day", "customer"),)
    assert budgets('[budgets.acme]\ncustomer = "acme"\nusd = 1e-9\nwindow = "month"') == (
        Budget("acme", "usd", 1, "month", "customer", "acme"),
    )


def test_only_dollars_degrade() -> None:
    found = budgets('[budgets.soft]\nroute = "auto"\nusd = 1\nrequests = 5\non_limit = "degrade"')
    assert {one.unit: one.degrade for one in found} == {"requests": False, "usd": True}
    assert not budgets('[budgets.hard]\nusd = 1\non_limit = "refuse"')[0].degrade


def test_the_pages_example_is_read() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "budgets.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    azure = '[providers.azure]\nbase_url = "https://x.openai.azure.com/openai/v1"\n[deployments."azure/our-gpt"]\n'
    found = budgets(azure + example)
    assert [(one.name, one.unit, one.per, one.of) for one in found] == [
        ("everything", "usd", "all", ""),
        ("customers", "requests", "customer", ""),
        ("customers", "usd", "customer", ""),
        ("acme", "usd", "customer", "acme"),
        ("burst", "requests", "key", ""),
        ("contract", "tokens", "deployment", "azure/our-gpt"),
    ]

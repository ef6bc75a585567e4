"""budgets as a user runs it, on a real store."""

import json
import time

import pytest
from msgspec.structs import replace

from pointsman.cli.budgets import bar
from pointsman.core import snapshot as snapshots
from pointsman.core.budget import Budget, account
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace
from pointsman.store.leases import Ask
from tests.cli.recorded import run, words_of

BUDGETS = (
    Budget("all", "usd", 20 * 10**9, "month"),
    Budget("each", "requests", 1000, "month", "customer"),
    Budget("acme", "tokens", 10**6, "day", "customer", "acme", degrade=True),
)


@pytest.fixture
def budgeted(workspace: Workspace) -> Workspace:
    now = int(time.time() * 1000)
    data = snapshots.encode(replace(Snapshot(), budgets=BUDGETS))
    workspace.store.snapshots.publish(data, made_by="test", at_ms=1)
    holder = workspace.store.leases.hold()
    asks = [Ask(account(BUDGETS[0], "", now), BUDGETS[0].limit, 0, 15 * 10**9, 10**9, 0)]
    asks += [Ask(account(BUDGETS[1], name, now), 1000, 0, used) for name, used in (("bell", 3), ("acme", 700))]
    holder.renew(asks, now)
    return workspace


def test_without_budgets_it_says_how_to_make_one(workspace: Workspace) -> None:
    workspace.store.snapshots.publish(snapshots.encode(Snapshot()), made_by="test", at_ms=1)
    assert "There are no budgets. Add, for example, [budgets.all]" in words_of(run(workspace, "budgets"))


def test_each_budget_has_a_line_the_most_used_first(budgeted: Workspace) -> None:
    shown = words_of(run(budgeted, "budgets"))
    assert "all everything $15.00 $20.00 a month ###############-.... $1.00 $4.00" in shown
    assert "each customer acme 700 1,000 requests a month ##############...... 0 300" in shown
    assert shown.index("customer acme 700") < shown.index("customer bell 3")
    assert "acme customer acme 0 1,000,000 tokens a day .................... 0 1,000,000" in shown


def test_as_json_amounts_are_whole_numbers(budgeted: Workspace) -> None:
    found = json.loads(run(budgeted, "budgets", "--json").output)
    assert [(one["budget"], one["whose"], one["used"], one["leased"], one["left"], one["on_limit"]) for one in found] == [
        ("all", "everything", 15 * 10**9, 10**9, 4 * 10**9, "refuse"),
        ("each", "customer acme", 700, 0, 300, "refuse"),
        ("each", "customer bell", 3, 0, 997, "refuse"),
        ("acme", "customer acme", 0, 0, 10**6, "degrade"),
    ]


def test_a_bar_never_leaves_its_length() -> None:
    assert bar(0, 0, 10) == "." * 20
    assert bar(1, 0, 10**9) == "#" + "." * 19
    assert bar(30, 10, 10) == "#" * 20
    assert bar(8, 10, 10) == "#" * 16 + "-" * 4

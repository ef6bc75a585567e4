"""trial, accept and rollback as a user runs them, on a real store."""

import random
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pointsman.cli import commands
from pointsman.control.plans import plan_of
from pointsman.core import snapshot as snapshots
from pointsman.core.chat import Usage
from pointsman.core.price import Price, Rates
from pointsman.core.record import Judgement
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.serve.workspace import Workspace

PRICE = Price(Rates(Decimal(1), Decimal(2)))
CHEAP = Price(Rates(Decimal("0.29"), Decimal("0.58")))
PRICES = {"z/big": PRICE, "z/small": CHEAP, "z/mid": CHEAP, "z/bare": None}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("POINTSMAN_CONFIG", raising=False)
    opened = Workspace(None, tmp_path / "data")
    plan = Plan("*", reference="z/big", grader=Grader("exact"))
    before = Snapshot(
        {"z": Provider("z", "http://127.0.0.1:9/v1")},
        {name: Deployment(name, "z", name[2:], name[2:], price=price) for name, price in PRICES.items()},
        {"auto": Route("auto", "z/big", ("z/small", "z/mid"), Objective(), 0.05, {"*": plan})},
    )
    opened.publish(lambda _: before, made_by="a test")
    return opened


def run(workspace: Workspace, *words: str) -> Result:
    assert workspace.data_path is not None
    return CliRunner().invoke(commands, [words[0], "--data", str(workspace.data_path), *words[1:]])


def judge(workspace: Workspace, candidate: str, n: int, *, worse: float) -> None:
    trial = plan_of(workspace.snapshot(), "auto", "extraction").trial
    assert trial is not None
    rng, rows = random.Random(1), []
    for place in range(n):
        score = float(rng.random() >= worse)
        pair = (f"{candidate}{place}", place, "extraction")
        rows.append(Judgement(*pair, "z/big", "reference", 1.0, "exact", trial.id, Usage(100, 10), 120_000))
        rows.append(Judgement(*pair, candidate, "candidate", score, "exact", trial.id, Usage(100, 10), 34_800))
    workspace.store.journal.judge(rows)


def mode(workspace: Workspace) -> str:
    return plan_of(workspace.snapshot(), "auto", "extraction").mode


def test_the_whole_way_and_back(workspace: Workspace) -> None:
    assert "Nothing has been tried yet" in run(workspace, "trial").output

    started = run(workspace, "trial", "extraction", "--no-watch", "--cap", "2", "--tolerance", "4")
    assert started.exit_code == 0, started.output
    assert "Trying z/small, z/mid against z/big on 20 %" in started.output
    assert mode(workspace) == "trial"
    assert plan_of(workspace.snapshot(), "auto", "extraction").tolerance == 0.04

    early = run(workspace, "accept", "extraction")
    assert early.exit_code == 1
    assert "nothing was tried" in str(early.exception)

    judge(workspace, "z/small", 400, worse=0.0)
    judge(workspace, "z/mid", 300, worse=0.2)
    watched = run(workspace, "trial", "extraction", "--cap", "1")
    assert watched.exit_code == 0, watched.output
    assert "z/small is ready. Next: pointsman accept extraction" in watched.output

    table = run(workspace, "trial").output
    assert "-71 %" in table
    assert "ready" in table
    assert "stay" in table
    assert "Next: pointsman accept extraction" in table

    accepted = run(workspace, "accept", "extraction")
    assert accepted.exit_code == 0, accepted.output
    assert "extraction is in canary: 10 %" in accepted.output
    assert "of your requests: at most 4 points below z/big, at 95 %" in " ".join(accepted.output.split())
    assert plan_of(workspace.snapshot(), "auto", "extraction").accepted == ("z/small",)

    promoted = run(workspace, "accept", "extraction")
    assert "extraction is in auto: 95 %" in promoted.output
    assert "not measured" in promoted.output
    assert mode(workspace) == "auto"

    back = run(workspace, "rollback", "extraction")
    assert back.exit_code == 0, back.output
    assert "every request goes to z/big" in back.output
    assert mode(workspace) == "observe"

    again = run(workspace, "accept", "extraction")
    assert again.exit_code == 0, again.output
    assert mode(workspace) == "canary"


def test_what_is_not_ready_needs_a_reason_that_stays_on_record(workspace: Workspace) -> None:
    run(workspace, "trial", "extraction", "--no-watch")
    judge(workspace, "z/mid", 30, worse=0.1)
    refused = run(workspace, "accept", "extraction", "--candidate", "z/mid")
    assert "--despite-verdict" in str(refused.exception)
    taken = run(workspace, "accept", "extraction", "--candidate", "z/mid", "--despite-verdict", "we read all thirty")
    assert taken.exit_code == 0, taken.output
    published = workspace.published()
    assert published is not None
    assert "despite the verdict: we read all thirty" in snapshots.decode(published.data).made_by


def test_a_trial_stops(workspace: Workspace) -> None:
    run(workspace, "trial", "extraction", "--no-watch")
    assert "stopped" in run(workspace, "trial", "extraction", "--stop").output
    assert mode(workspace) == "observe"


def test_the_cap_counts_from_now_and_fresh_starts_over(workspace: Workspace) -> None:
    run(workspace, "trial", "extraction", "--no-watch", "--cap", "1")
    first = plan_of(workspace.snapshot(), "auto", "extraction").trial
    assert first is not None
    workspace.store.counters.add(f"trial:{first.id}", 900_000_000)
    run(workspace, "trial", "extraction", "--no-watch", "--cap", "1")
    second = plan_of(workspace.snapshot(), "auto", "extraction").trial
    assert second is not None
    assert (second.id, second.cap_nano) == (first.id, 1_900_000_000)
    run(workspace, "trial", "extraction", "--no-watch", "--cap", "1", "--fresh")
    third = plan_of(workspace.snapshot(), "auto", "extraction").trial
    assert third is not None
    assert third.id != first.id
    assert third.cap_nano == 1_000_000_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trial", "extraction", "--candidates", "z/none"), "no deployment of the configuration"),
        (("trial", "extraction", "--candidates", "z/bare"), "no price is known"),
        (("trial", "extraction", "--route", "other"), "there is no route"),
        (("rollback", "extraction"), "nothing to roll back"),
        (("accept", "extraction"), "pointsman trial extraction"),
        (("trial", "extraction", "--stop"), "no trial is running"),
    ],
)
def test_mistakes_say_what_to_do(workspace: Workspace, words: tuple[str, ...], said: str) -> None:
    result = run(workspace, *words)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_nothing_tried_is_said_without_an_empty_table(workspace: Workspace) -> None:
    result = run(workspace, "accept", "extraction")
    assert (result.exit_code, result.output) == (1, "")


@pytest.mark.parametrize("option", ["--share=3", "--share=0", "--cap=0", "--cap=inf", "--cap=nan", "--tolerance=-1"])
def test_numbers_out_of_range_are_refused(workspace: Workspace, option: str) -> None:
    result = run(workspace, "trial", "extraction", "--no-watch", option)
    assert result.exit_code == 2
    assert f"Invalid value for '{option.partition('=')[0]}'" in result.output
    assert mode(workspace) == "observe"


@pytest.mark.parametrize("option", ["--stop", "--fresh", "--candidates=z/small", "--tolerance=3"])
def test_what_is_meant_for_one_feature_needs_its_name(workspace: Workspace, option: str) -> None:
    result = run(workspace, "trial", option)
    assert result.exit_code == 2
    assert "which feature? For example: pointsman trial support --stop" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("trial",),
        ("trial", "extraction"),
        ("trial", "extraction", "--stop"),
        ("accept", "extraction"),
        ("rollback", "extraction"),
    ],
    ids=" ".join,
)
def test_a_place_without_an_installation_is_said_and_left_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(Workspace(None, Path("elsewhere")), *words)
    assert result.exit_code == 1
    assert "nothing is recorded in elsewhere yet" in str(result.exception)
    assert list(tmp_path.iterdir()) == []

"""The verdict table: a line says all of its verdict, and names are never broken, on any terminal."""

import pytest
from rich.console import Console

from pointsman.cli.verdict_table import ordered, savings_table, verdict_table
from pointsman.control.savings import Arm, Change, Savings
from pointsman.control.verdict import Ratio, Row
from pointsman.policy.guarantee import Interval, VerdictKind


def row(
    feature: str, candidate: str, kind: VerdictKind, mean: float = 0.0, ratio: float | None = 0.3, *, ungraded: int = 0,
    reference: str = "zoo/sim-eagle-xl", more: int | None = None, why: str = "",
) -> Row:  # fmt: skip
    change = Interval(mean, mean - 0.021, mean + 0.013, 800)
    cost = None if ratio is None else Ratio(ratio, ratio, ratio, 800)
    nano = None if more is None else 4_300_000_000
    return Row(feature, reference, candidate, "t", change, ungraded, cost, kind, 0.05, more, nano, why)


def shown(rows: list[Row], width: int) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(verdict_table(rows))
    return captured.get().splitlines()


ZOO = [
    row("backoffice", "zoo/sim-heron-l", "stay", 0.08, 2.98, why="not cheaper"),
    row("backoffice", "zoo/sim-owl-m", "cannot tell", -0.03, 0.47, more=4_700),
    row("backoffice", "per request", "ready", 0.092, 0.29),
    row("extraction", "zoo/sim-gnat-xs", "stay", -0.18, 0.001),
    row("extraction", "zoo/sim-finch-s", "ready", -0.001, 0.02),
]


def test_on_a_wide_terminal_it_looks_as_in_the_readme() -> None:
    rows = [
        row("extraction", "z/small-3", "ready", -0.004, 0.29, reference="z/big-1"),
        row("support", "z/mid-2", "cannot tell", 0.002, 0.52, reference="z/big-1", more=693),
    ]
    assert shown(rows, 100) == [
        "feature     today  candidate  judged  quality change     cost  verdict",
        "extraction  big-1  small-3       800  -0.4 [-2.5,+0.9]  -71 %  ready",
        "",
        "support     big-1  mid-2         800  +0.2 [-1.9,+1.5]  -48 %  cannot tell: about 700 more, $4.3",
        "",
    ]


def test_at_eighty_columns_no_name_is_broken_and_reasons_move_to_their_own_line() -> None:
    lines = shown(ZOO, 80)
    assert max(map(len, lines)) <= 80
    assert lines[2] == "backoffice sim-eagle-xl sim-owl-m      800 -3.0 [-5.1,-1.7]  -53 % cannot tell:"
    assert lines[3] == "about 4,700 more, $4.3".rjust(80)
    assert lines[4:6] == [
        "backoffice sim-eagle-xl sim-heron-l    800 +8.0 [+5.9,+9.3] +198 % stay:",
        "not cheaper".rjust(80),
    ]
    assert [line.split()[0] for line in lines[1:3]] == ["backoffice"] * 2


@pytest.mark.parametrize("width", [40, 60, 80, 100, 160])
def test_every_name_number_and_reason_is_whole_at_any_width(width: int) -> None:
    text = "".join("".join(shown(ZOO, width)).split())
    for part in ("backoffice", "extraction", "sim-eagle-xl", "sim-heron-l", "per request", "+198 %", "-18 [-20,-17]",
                 "about 4,700 more, $4.3", "not cheaper", "cannot tell:"):  # fmt: skip
        assert "".join(part.split()) in text


def test_where_columns_do_not_fit_feature_and_model_of_today_become_a_heading() -> None:
    long = "anthropic/claude-of-some-kind-2026-01-01"
    rows = [
        row("support", f"openai/{'x' * 30}", "ready", reference=long),
        row("support", "openai/y", "stay", reference=long),
    ]
    lines = shown(rows, 80)
    assert lines[1] == "support, today claude-of-some-kind-2026-01-01"
    assert sum("today" in line for line in lines) == 1
    assert max(map(len, lines)) <= 80


def test_ready_comes_first_by_cost_then_what_cannot_be_told_then_stay_by_quality() -> None:
    rows = [
        row("b", "x", "stay", -0.3), row("b", "y", "stay", -0.1), row("b", "z", "cannot tell", -0.2), row("a", "w", "stay"),
        row("b", "dear", "ready", 0.1, 0.9), row("b", "cheap", "ready", 0.0, 0.1), row("b", "u", "cannot tell", 0.1, None),
    ]  # fmt: skip
    assert [one.candidate for one in ordered(rows)] == ["w", "cheap", "dear", "u", "z", "y", "x"]


def test_providers_are_named_where_two_models_are_called_the_same() -> None:
    rows = [row("a", "p/small", "ready"), row("a", "q/small", "stay")]
    text = "\n".join(shown(rows, 120))
    assert "p/small" in text
    assert "zoo/sim-eagle-xl" in text


def test_what_could_not_be_graded_is_said() -> None:
    text = "\n".join(
        shown([row("a", "p/x", "ready", ungraded=1_234), row("a", "p/y", "cannot tell", more=9, ungraded=3)], 120)
    )
    assert "ready (1,234 not graded)" in text
    assert "cannot tell: about 9 more, $4.3 (3 not graded)" in text


def test_colours_only_on_a_terminal() -> None:
    console = Console(width=80, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(verdict_table(ZOO))
    coloured = captured.get()
    assert "\x1b[32mready\x1b[0m" in coloured
    assert "\x1b[31mstay\x1b[0m" in coloured
    assert "\x1b" not in "\n".join(shown(ZOO, 80))


def test_savings_fit_eighty_columns_and_say_what_was_not_measured() -> None:
    policy, control = Arm(283, 2, 0, 0.00055, 8.0), Arm(17, 0, 0, 0.00204, 7.0)
    change = Change(-0.0015, -0.00171, -0.00128, 283, 17)
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(savings_table(Savings("backoffice", policy, control, change, Change(0.06, -0.101, 0.283, 283, 17))))
        console.print(savings_table(Savings("coding", Arm(), Arm(), None, None)))
    lines = captured.get().splitlines()
    assert "backoffice, measured since its last step (canary or auto)" in lines[0]
    assert "-$1.50 [-$1.71,-$1.28]" in lines[3]
    assert lines[6].split() == ["quality,", "points", "283", "judged", "17", "judged", "+6.0", "[-10.1,+28.3]"]
    assert sum("not measured" in line for line in lines) == 4


def test_savings_of_conversations_are_told_by_conversation() -> None:
    policy, control = Arm(28_300, 2, 0, 0.055, 8.0, 590, 590), Arm(1_700, 0, 0, 0.204, 7.0, 31, 31)
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(savings_table(Savings("agents", policy, control, Change(-0.15, -0.171, -0.128, 590, 31), None)))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[3].split() == ["conversations", "590", "31"]
    assert lines[4].split()[:4] == ["cost", "of", "1,000", "$55.00"]
    assert "-$150.00 [-$171.00,-$128.00]" in lines[4]

"""The demo's tables fit 80 columns."""

from msgspec.structs import replace
from rich.console import Console

from pointsman.cli.demo.compare import Answer, way
from pointsman.cli.demo.show import TWO_LINES, paired_table, spend_table, ways_table
from pointsman.store.interfaces import Spend


def shown(part: object) -> list[str]:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(part)
    return captured.get().splitlines()


def test_spend_is_shown_dearest_first_and_without_the_provider() -> None:
    lines = [
        Spend(
            feature, f"zoo/{model}", "observe", "observed", 60, 0, 14_285, 5_714, 105_885, cost, 0.0, 0, 101.0, 200.0, 1, 2
        )
        for feature, model, cost in (
            ("backoffice", "sim-heron-l", 116_000_000),
            ("extraction", "sim-eagle-xl", 1_234_000_000),
        )
    ]
    text = shown(spend_table(lines))
    assert [line.split()[:2] for line in text[1:]] == [["extraction", "sim-eagle-xl"], ["backoffice", "sim-heron-l"]]
    assert text[1].split()[2:] == ["60", "14,285", "40", "%", "105,885", "$1.23", "101", "ms"]


def test_ways_are_shown_with_intervals_and_against_the_first() -> None:
    now = way("today's models", [Answer(True, 4_000_000 + each) for each in range(100)])
    auto = way("best possible (out of reach)", [Answer(each > 4, 400_000 + each) for each in range(100)], measured=True)
    text = shown(ways_table([now, auto]))
    assert text[1].startswith("today's models")
    assert "100.0 % [96.3,100.0]" in text[1]
    assert text[2].split()[-2:] == ["-90", "%"]
    pair = shown(paired_table(replace(auto, name="auto"), [now]))
    assert "-5.0 [-9.3,-0.7]" in pair[1]
    assert pair[1].rstrip().endswith("-90 % [-90,-90]")


def test_the_two_lines_fit() -> None:
    assert max(map(len, TWO_LINES.splitlines())) <= 80
    assert TWO_LINES.count("\n- ") + TWO_LINES.startswith("- ") == 2

import pytest

from pointsman.cli.figures import duration, money, paper, percent, table


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (None, ""), (0, "$0.00"), (1, "$0.000000001"), (1_500, "$0.000001500"), (15_000, "$0.000015"),
        (9_999_999, "$0.010000"), (10_000_000, "$0.0100"),
        (999_999_999, "$1.0000"), (1_000_000_000, "$1.00"), (1_234_567_890_123, "$1,234.57"), (-2_500_000_000, "-$2.50"),
    ],
)  # fmt: skip
def test_money_has_the_digits_that_matter(nano: int | None, shown: str) -> None:
    assert money(nano) == shown


def test_money_is_exact_where_floats_are_not() -> None:
    assert money(9_007_199_254_740_993_004_999_999) == "$9,007,199,254,740,993.00"


@pytest.mark.parametrize(("share", "shown"), [(None, ""), (0.0, "0 %"), (0.004, "0.4 %"), (0.25, "25 %"), (1.0, "100 %")])
def test_shares(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(("ms", "shown"), [(None, ""), (0.4, "0 ms"), (1234.0, "1,234 ms"), (61_500.0, "61.5 s")])
def test_durations(ms: float | None, shown: str) -> None:
    assert duration(ms) == shown


def test_no_terminal_obeys_a_name_that_a_client_chose(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b]0;title\x07\x1b[2J\x9b31m\u202esupport"
    made = table("feature")
    made.add_row(name)
    paper().print(made)
    paper().print(name)
    said = capsys.readouterr().out
    assert said.count("support") == 2
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said)

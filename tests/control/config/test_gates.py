"""The tables ``gates`` of a route, and ``canaries``."""

from pathlib import Path

import pytest

from pointsman.control.config import Config, load, parse
from pointsman.control.config.values import CanaryRules
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Gates


def gates(text: str) -> Gates:
    return parse(f"[routes.auto]\n{text}".encode(), "f").routes["auto"].gates


def test_what_is_not_said_is_as_usual() -> None:
    assert gates("") == Gates()
    assert gates("[routes.auto.gates]") == Gates()
    assert Config().canaries is None


def test_points_percent_and_factors_become_fractions() -> None:
    said = gates("[routes.auto.gates]\nerrors = 0.5\ncost = 10\nlatency = 3\npromote = false\nrollback = false")
    assert said == Gates(errors=0.005, cost=0.1, latency=3.0, promote=False, rollback=False)


@pytest.mark.parametrize("line", ["errors = 0", "errors = 51", "cost = -1", "latency = 0.9", "promote = 1", "quality = 2"])
def test_mistakes_are_said(line: str) -> None:
    with pytest.raises(ConfigError, match="f:3: "):
        gates(f"[routes.auto.gates]\n{line}")


def test_canaries_are_found_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('[canaries]\nprompts = "c.jsonl"\nfeature = "x"\nevery_h = 0.5\ncap_usd = 2', "utf-8")
    assert load(path).canaries == CanaryRules(str(tmp_path / "c.jsonl"), "x", 1_800_000, 2_000_000_000)
    path.write_text('[canaries]\nprompts = "c.jsonl"\nfeature = "x"\neach_usd_per_day = 0.002', "utf-8")
    assert load(path).canaries == CanaryRules(str(tmp_path / "c.jsonl"), "x", each_nano=2_000_000)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('feature = "x"', "has no prompts"),
        ('prompts = "c"', "has no feature"),
        ('prompts = "c"\nfeature = "x"\nevery_h = 0', "every_h"),
        ('prompts = "c"\nfeature = "x"\ncap_usd = 0', "cap_usd"),
        ('prompts = "c"\nfeature = "x"\neach_usd_per_day = 0', "each_usd_per_day"),
    ],
)
def test_mistakes_in_canaries_are_said(lines: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(f"[canaries]\n{lines}".encode(), "f")

"""``pointsman play`` where something is missing; that it plays is the guide's test."""

import random
from pathlib import Path
from statistics import fmean

import pytest
from click.testing import CliRunner

from pointsman.cli.demo.processes import free_port
from pointsman.cli.demo.traffic import Answered
from pointsman.cli.play import _thumbs, command
from pointsman.core.errors import PointsmanError
from pointsman.upstream.simulated.features import features


def test_a_feature_that_does_not_exist_is_named_with_those_that_do() -> None:
    done = CliRunner().invoke(command, ["--feature", "extracting"])
    assert done.exit_code == 2
    assert "there is no simulated feature 'extracting': extraction, support, backoffice, coding" in done.output


def test_without_a_gateway_it_says_where_none_answers_and_what_to_start(tmp_path: Path) -> None:
    config = tmp_path / "pointsman.toml"
    port = free_port()
    config.write_text(f"[gateway]\nport = {port}\n")
    done = CliRunner().invoke(command, ["--config", str(config), "--count", "1"])
    assert isinstance(done.exception, PointsmanError)
    remedy = "start `pointsman zoo` and `pointsman up` first, with the same configuration"
    assert str(done.exception) == f"no gateway answers at http://127.0.0.1:{port}/v1: {remedy}"


@pytest.mark.parametrize("count", ["0", "-1", "some"])
def test_a_count_is_a_positive_number(count: str) -> None:
    assert CliRunner().invoke(command, ["--count", count]).exit_code == 2


def test_users_like_most_right_answers_and_some_wrong_ones() -> None:
    task = next(iter(features()["support"].tasks(1, seed=1)))
    answered = [Answered(task, f"{n}", "zoo/a", "auto", "policy", right=n % 2 == 0) for n in range(4000)]
    said = _thumbs(answered, 0.5, random.Random(0))
    up = {
        right: [one["thumb"] == "up" for one in said if int(one["exchange"]) % 2 == (not right)] for right in (True, False)
    }
    assert len(said) == pytest.approx(2000, abs=150)
    assert fmean(up[True]) == pytest.approx(0.9, abs=0.04)
    assert fmean(up[False]) == pytest.approx(0.3, abs=0.05)
    assert _thumbs(answered, 0.0, random.Random(0)) == []

"""``pointsman check`` as people run it: all mistakes with exit 1, or what the file would serve, without any secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILE = """\
[gateway]
port = 9000
[providers.openai]
[providers.azure]
base_url = "http://azure.example/openai/v1"
credential = "file:azure.key"
[providers.house]
base_url = "http://127.0.0.1:8000/v1"
[deployments."house/small"]
[[prices]]
deployment = "openai/gpt-5"
since = 2026-01-01
input = 1.1
output = 8.8
[routes.auto]
reference = "openai/gpt-5"
candidates = ["openai/gpt-5-mini", "house/small"]
[routes.bare]
[features.support]
judge = "openai/gpt-4.1"
tolerance = 3
candidates = ["openai/gpt-5-mini"]
reference = "openai/gpt-5"
trial = {share = 0.1, cap_usd = 2.5}
[features.sums]
check = {kind = "regex", spec = "[0-9]+"}
"""
SECRET = "sk-very-secret"


def check(directory: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_KEY") and name != "POINTSMAN_CONFIG"}
    return subprocess.run(
        [sys.executable, "-m", "pointsman", "check", *words],
        cwd=directory, env={**plain, "COLUMNS": "200", **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_good_file_is_shown_as_it_would_be_served(tmp_path: Path) -> None:
    (tmp_path / "pointsman.toml").write_text(FILE)
    (tmp_path / "azure.key").write_text(SECRET)
    done = check(tmp_path, OPENAI_API_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert rows[0] == "pointsman.toml: no mistakes. Serves on http://127.0.0.1:9000/v1, data in .pointsman"
    assert "openai https://api.openai.com/v1 env:OPENAI_API_KEY (set) openai" in rows
    assert "azure http://azure.example/openai/v1 file:azure.key (set) azure" in rows
    assert "house http://127.0.0.1:8000/v1 none none" in rows
    assert "openai/gpt-5 1.1 8.8 as in as in 2026-01-01 config" in rows
    assert any(row.startswith("openai/gpt-5-mini 0.25 2 0.025 as in always genai-prices") for row in rows)
    assert "auto openai/gpt-5 openai/gpt-5-mini cheapest within 2 points of the reference 5 %" in rows
    assert "house/small" in rows, "the second candidate, below the first"
    assert "auto support openai/gpt-5 judge openai/gpt-4.1 3 points 10 %, up to $2.5" in rows
    assert "auto sums openai/gpt-5 regex [0-9]+ 5 points none" in rows
    assert any(row.startswith("look at: deployment house/small has no price") for row in rows)
    assert any(row.startswith("look at: provider azure: its key travels over plain HTTP") for row in rows)
    assert any(row.startswith("look at: route bare names no reference") for row in rows)
    assert not any("OPENAI_API_KEY holds nothing" in row for row in rows)
    assert SECRET not in done.stdout + done.stderr


def test_who_shares_requests_is_shown_in_the_order_in_which_they_are_asked(tmp_path: Path) -> None:
    added = '[deployments."house/gpt"]\nmodel_key = "gpt-5"\n[deployments."house/ours"]\nmodel_key = "gpt-5"\n'
    pool = '[pools.g]\ndeployments = ["house/gpt", "openai/gpt-5", "house/ours"]\ncommitted = ["house/ours"]\n'
    (tmp_path / "pointsman.toml").write_text(FILE + added + pool)
    lines = [line.split() for line in check(tmp_path).stdout.splitlines()]
    first = lines.index(["gpt-5", "house/ours", "10", "%"])
    assert lines[first + 1 : first + 3] == [["openai/gpt-5"], ["house/gpt"]]


def test_an_unset_variable_and_an_empty_file_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(FILE)
    (tmp_path / "azure.key").write_text(" \n")
    done = check(tmp_path, "mine.toml")
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "openai https://api.openai.com/v1 env:OPENAI_API_KEY (not set) openai" in rows
    assert "look at: provider openai: env:OPENAI_API_KEY holds nothing here: calls to it will be refused" in rows
    assert "look at: provider azure: file:azure.key holds nothing here: calls to it will be refused" in rows


@pytest.mark.parametrize("words", [("bad.toml",), ("-c", "bad.toml")])
def test_every_mistake_is_printed_and_the_exit_status_is_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "bad.toml").write_text(f'[providers.openai]\ncredential = "{SECRET}"\n[gateway]\nport = "x"\n')
    done = check(tmp_path, *words)
    assert done.returncode == 1
    assert "2 mistakes in bad.toml:" in done.stderr
    assert "bad.toml:2: providers.openai.credential does not name a place" in done.stderr
    assert "bad.toml:4: gateway.port must be a whole number" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_file_it_says_what_to_do(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert done.returncode == 1
    assert "there is no pointsman.toml here: name a file, or run `pointsman up`" in done.stderr

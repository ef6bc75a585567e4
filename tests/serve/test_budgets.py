"""Budgets in a running installation of two workers: one sum for both, and at the end nothing is held."""

import time
from collections.abc import Callable
from pathlib import Path

import openai

from tests.serve.conftest import Up

Start = Callable[..., Up]


def ask(up: Up) -> str:
    """Ask over a connection of its own, so that either worker may be asked; return what it was refused for, if it was."""
    with up.client() as client:
        try:
            client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "hi"}], max_tokens=5)
        except openai.RateLimitError as error:
            return str(error)
    return ""


def test_two_workers_share_one_budget_and_give_back_what_they_hold(start: Start, config: Path) -> None:
    config.write_text(config.read_text("utf-8") + '\n[budgets.all]\nrequests = 8\nwindow = "month"\n', "utf-8")
    up = start("--workers", "2")
    said = [ask(up) for _ in range(12)]
    assert said.count("") == 8
    assert all("budget 'all' allows 8 requests in each month" in one for one in said if one)
    assert up.stop() == 0
    workspace = up.workspace
    (standing,) = workspace.store.leases.standing(int(time.time() * 1000))
    assert (standing.used, standing.leased) == (8, 0)
    workspace.close()

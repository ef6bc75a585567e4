"""Simulated agents: bills by hand, no way of choosing that changes what is played, and the whole part in small."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from choosing import agents
from choosing.agent_traffic import CALLS, MODELS, Turn, play, talks
from choosing.agents import Fixed, Shipped, learned, outcome
from pointsman.core.chat import ChatRequest, Usage

QUIET: Callable[[str], None] = lambda _: None  # noqa: E731


class Scripted:
    """Chooses these in turn, and remembers what was billed."""

    def __init__(self, *places: int) -> None:
        self._places = list(places)
        self.asked: list[ChatRequest] = []
        self.bills: list[Usage] = []

    def choose(self, request: ChatRequest, tokens: int, now: float) -> int:
        self.asked.append(request)
        assert tokens > 0 <= now
        return self._places.pop(0)

    def billed(self, usage: Usage, now: float) -> None:
        assert now >= 0
        self.bills.append(usage)


def turn(calls: int, *, pause_s: float = 0.0, able: tuple[bool, ...] = (True,) * 4, from_step: int = 99) -> Turn:
    return Turn("go", pause_s, calls, able, from_step, (1000,) * calls, (5.0,) * calls)


def test_a_cache_is_read_while_it_is_warm_and_written_again_when_it_is_not() -> None:
    chooser = Scripted(0, 0, 0)
    played = play((turn(2), turn(1, pause_s=400.0)), chooser, np.random.default_rng(0))
    sent = [12_200, 12_200 + 1260, 12_200 + 2 * 1260 + 200]
    assert chooser.bills == [
        Usage(sent[0], 260, 0, sent[0]),
        Usage(sent[1], 260, sent[0], 1260),
        Usage(sent[2], 260, 0, sent[2]),
    ]
    written, read = sent[0] + 1260 + sent[2], sent[0]
    assert played.cost_nano == round((written * Decimal("6.25") + read * Decimal("0.5") + 780 * 25) * 1000)
    assert (played.succeeded, played.changes) == (True, 0)


def test_leaving_loses_the_cache_and_who_caches_nothing_reads_nothing() -> None:
    chooser = Scripted(0, 1, 0, 3, 3)
    played = play((turn(5),), chooser, np.random.default_rng(0))
    assert [bill.cached > 0 for bill in chooser.bills] == [False, False, True, False, False]
    assert played.changes == 3


def test_who_is_not_able_is_told_so_and_who_takes_over_in_time_succeeds() -> None:
    hard = turn(4, able=(True, False, False, False), from_step=1)
    alone, helped = Scripted(1, 1, 1, 1), Scripted(1, 1, 1, 0)
    assert not play((hard,), alone, np.random.default_rng(0)).succeeded
    assert play((hard,), helped, np.random.default_rng(0)).succeeded
    told = [message.text for message in alone.asked[-1].messages if message.role == "tool"]
    assert told == ["ok", "Error: no rule to make target", "Error: no rule to make target"]


def test_every_conversation_has_the_same_number_of_calls() -> None:
    made = talks(50, np.random.default_rng(1))
    assert {sum(one.calls for one in talk) for talk in made} == {CALLS}
    assert all(len(one.able) == len(MODELS) and talk[0].pause_s == 0 for talk in made for one in talk)


def test_the_gateways_code_never_steps_down_inside_a_loop_where_each_call_by_itself_does() -> None:
    rng = np.random.default_rng(0)
    policy = learned(talks(40, rng), rng)
    made = talks(6, np.random.default_rng(5))
    ours = outcome(made, 5, lambda: Shipped(policy, 1.0))
    stays = outcome(made, 5, lambda: Shipped(policy, 1.0, stays=True))
    assert (ours.downgrades, stays.downgrades, stays.changes) == (0, 0, 0)
    assert ours == outcome(made, 5, lambda: Shipped(policy, 1.0)), "nothing but the seeds decides"
    assert outcome(made, 5, lambda: Fixed(1)).usd < outcome(made, 5, lambda: Fixed(3)).usd, "a host without a cache is dear"


def test_the_part_as_a_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"TAUGHT": 20, "TUNED": 2, "SEEDS": range(2), "TALKS": 2, "_WORTHS": (0.5, 8.0)}.items():
        monkeypatch.setattr(agents, name, value)
    found = agents.measure(tmp_path, tmp_path, QUIET)
    assert found.section.startswith("## Conversations of agents (simulated)")
    assert found.section.count("\n| ") == 1 + 9
    assert [floor.item for floor in found.floors] == [7] * 4
    assert len(list(tmp_path.iterdir())) == 1 + 2
    monkeypatch.setattr(agents, "play", None)  # all that is played is kept
    monkeypatch.setattr(agents, "learned", lambda *_: None)
    assert agents.measure(tmp_path, tmp_path, QUIET) == found

"""Redaction in a process of its own: what it finds is not stored, and what it cannot look through in time is not either."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from pointsman.control import redacted as module
from pointsman.control.redacted import WITHHELD, redacted
from pointsman.core.snapshot import Keeping, Snapshot
from pointsman.serve import redacting
from pointsman.serve.redacting import Redactor

RULES = Keeping(redacted=("email",), patterns=(("slow", "(a|a)+$"), ("case", r"CASE-\d+")))
SLOW = "a" * 60 + "b"


@pytest.fixture
def using() -> Iterator[Any]:
    made: list[Redactor] = []

    def begin(keeping: Keeping | None) -> Redactor:
        made.append(Redactor(lambda: None if keeping is None else Snapshot(keeping=keeping)))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.mark.parametrize("keeping", [None, Keeping(), Keeping(days=3)])
def test_without_rules_no_process_is_started(using: Any, keeping: Keeping | None) -> None:
    redactor = using(keeping)
    assert redactor(["a@b.de"]) == ["a@b.de"]
    assert redactor._child is None


def test_texts_come_back_without_what_was_found(using: Any) -> None:
    redactor = using(RULES)
    assert redactor(["from a@b.de about CASE-7", "x" * 300_000, ""]) == ["from [email] about [case]", "x" * 300_000, ""]
    first = redactor._child
    assert redactor(["CASE-8"]) == ["[case]"]
    assert redactor._child is first


def test_a_pattern_that_takes_too_long_costs_its_own_text_only(using: Any) -> None:
    assert using(RULES)(["CASE-1", SLOW, "CASE-2"]) == ["[case]", WITHHELD, "[case]"]


def test_a_child_that_dies_is_started_again_and_nothing_is_stored_unseen(using: Any) -> None:
    redactor = using(RULES)
    assert redactor(["CASE-1"]) == ["[case]"]
    os.kill(redactor._child.pid, signal.SIGSTOP)
    os.kill(redactor._child.pid, signal.SIGKILL)
    redactor._child.wait()
    assert redactor(["CASE-2"]) == ["[case]"]


def test_a_child_that_hangs_is_not_waited_for(using: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = using(RULES)
    assert redactor(["CASE-1"]) == ["[case]"]
    os.kill(redactor._child.pid, signal.SIGSTOP)
    monkeypatch.setattr(redacting, "BATCH_S", 0.05)
    assert redactor(["CASE-2", "x"]) == [WITHHELD, WITHHELD]
    monkeypatch.setattr(redacting, "BATCH_S", 30.0)
    assert redactor(["CASE-3"]) == ["[case]"]


def test_in_the_control_process_the_limit_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXT_S", 0.05)
    assert redacted(RULES, SLOW) == WITHHELD
    assert redacted(RULES, "CASE-1 x@y.de") == "[case] [email]"

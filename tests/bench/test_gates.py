"""What bench/gates.py and bench/drift.py measure, in small."""

import sys

import numpy as np
import pytest

import drift
import gates


def test_gates_are_measured_and_a_weak_one_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gates, "EXCHANGES", 400)
    monkeypatch.setattr(gates, "LABELLED", 100)
    monkeypatch.setattr(sys, "argv", ["gates.py", "--runs", "2", "--power", "2", "--no-write"])
    assert gates.main() == 1  # a hundred grades do not show a loss of five points
    printed = capsys.readouterr()
    assert "FAILED: | 80 % | 0 points | 5 points | 0.0 %" in printed.err
    assert "| alike | 10 % | 0.0 %" in printed.out


def test_a_gross_fault_is_found_and_for_what_it_is() -> None:
    rng = np.random.default_rng(1)
    assert gates.sent_back(rng, gates.World(failures=0.5), 0.5, 0.05, 400) == "errors"
    assert gates.sent_back(rng, gates.World(latency=9.0), 0.5, 0.05, 400) == "latency"
    assert gates.sent_back(rng, gates.World(cost=9.0), 0.5, 0.05, 2000) == "cost"
    assert gates.sent_back(rng, gates.World(loss=0.6), 0.5, 0.05, 400) == "quality"
    assert gates.sent_back(rng, gates.World(), 0.5, 0.05, 400) == ""


def test_a_change_is_found_after_it_began(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    found = drift.canaries(rng, 30, 0.5, 10)
    assert found is not None
    assert 10 <= found < 16
    monkeypatch.setattr(drift, "QUIET", 5)
    monkeypatch.setattr(drift, "LIVE", 300)
    monkeypatch.setattr(sys, "argv", ["drift.py", "--runs", "1", "--no-write"])
    assert drift.main() == 0
    assert "an alarm was raised in 0.0 %" in capsys.readouterr().out

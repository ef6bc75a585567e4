"""Where the figures go: JSON for programs, the document for people."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.floors import Floor
from harness.results import Results, Summary

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
MARKS = "<!-- {name}: begin -->", "<!-- {name}: end -->"


def machine_line(load: float, rounds: int = 0) -> str:
    """Return when and where this was measured."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]
    where = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    versions = f"Python {platform.python_version()}, nginx {nginx}"
    busy = f"load average of the machine before: {load:.1f}"
    how = f"median (lowest–highest) of {rounds} rounds; " if rounds else ""
    return f"{datetime.now(UTC):%Y-%m-%d}; {how}{where}, {versions}; {busy}"


def as_json(results: Results, floors: Iterable[Floor], about: Mapping[str, Any]) -> str:
    """Return everything for programs: values by metric, target and round, and the floors."""
    judged = [
        {
            "floor": floor.what,
            "limit": floor.limit,
            "at_least": floor.at_least,
            "measured": _numbers(floor.measured),
            "tls": _numbers(floor.tls),
            "met": floor.met,
        }
        for floor in floors
    ]
    command = " ".join(sys.argv)
    found = {
        "command": command,
        **about,
        "versions": results.versions,
        "floors": judged,
        "errors": results.errors,
        "notes": results.notes,
    }
    return json.dumps({**found, "values": results.values}, indent=1, ensure_ascii=False)


def write(name: str, text: str) -> None:
    """Replace the part of the document that a benchmark makes."""
    begin, end = (mark.format(name=name) for mark in MARKS)
    head, rest = DOCUMENT.read_text("utf-8").split(begin)
    DOCUMENT.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}", "utf-8")


def _numbers(summary: Summary | None) -> dict[str, float] | None:
    return {"median": summary.median, "low": summary.low, "high": summary.high} if summary else None

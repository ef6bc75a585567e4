"""The tables, for people and for programs."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.floors import Floor
from harness.results import Results, Summary
from harness.targets import BASES

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
MARKS = "<!-- {name}: begin -->", "<!-- {name}: end -->"

Cell = Callable[[str], str]


def tables(results: Results) -> list[str]:
    """Return the measured values as Markdown tables; those of parts that were not measured are left out."""
    whole, burst, paced = "CPU µs per request", "per burst of 50", "per paced chunk"
    found = [
        _table(
            results,
            ("whole", "burst", "paced"),
            {
                whole: _of(results, "whole"),
                ": nginx": _ratio(results, "whole"),
                burst: _of(results, "burst"),
                ": nginx ": _ratio(results, "burst"),
                paced: _of(results, "paced", ",.1f"),
                ": nginx  ": _ratio(results, "paced"),
            },
        ),
        _table(
            results,
            ("rate", "latency p50", "first p50"),
            {
                "requests/s": _of(results, "rate"),
                "added p50 µs": _more(results, "latency p50"),
                "added p99 µs": _more(results, "latency p99"),
                "added to first byte p50 µs": _more(results, "first p50"),
                ": nginx": _added_ratio(results, "first p50"),
                "added to first byte p99 µs": _more(results, "first p99"),
            },
        ),
        _table(results, ("deciding",), {"CPU µs per request, 200 tokens": _of(results, "deciding")}),
        _table(
            results,
            ("resident idle", "streams open"),
            {
                "idle CPU, %": _of(results, "idle cpu", ".1f"),
                "resident MB idle": _of(results, "resident idle"),
                "after": _of(results, "resident after"),
                "requests": _of(results, "resident requests"),
                "streams open": _of(results, "streams open"),
                "failed": _of(results, "streams failed"),
                "KB per stream": _of(results, "stream kb", ".1f"),
            },
        ),
    ]
    return [table for table in found if table]


def floors_table(floors: Iterable[Floor]) -> str:
    """Return what was promised and what was measured as a Markdown table."""
    rows = [
        [floor.what, f"{'≥' if floor.at_least else '≤'} {floor.limit:,g}", *_measured(floor), _bold(floor)]
        for floor in floors
    ]
    return _markdown(["floor", "", "measured", "with TLS to the upstream", ""], rows, "lrrrl")


def machine_line(load: float, rounds: int) -> str:
    """Return when and where this was measured."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]
    where = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}"
    versions = f"Python {platform.python_version()}, nginx {nginx}"
    busy = f"load average of the machine before: {load:.1f}"
    return f"{datetime.now(UTC):%Y-%m-%d}; median (lowest–highest) of {rounds} rounds; {where}, {versions}; {busy}"


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
    found = {"command": command, **about, "floors": judged, "errors": results.errors, "notes": results.notes}
    return json.dumps({**found, "values": results.values}, indent=1, ensure_ascii=False)


def write(name: str, text: str) -> None:
    """Replace the part of the document that a benchmark makes."""
    begin, end = (mark.format(name=name) for mark in MARKS)
    head, rest = DOCUMENT.read_text("utf-8").split(begin)
    DOCUMENT.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}", "utf-8")


def _table(results: Results, metrics: tuple[str, ...], columns: Mapping[str, Cell]) -> str:
    rows = [[name, *(cell(name) for cell in columns.values())] for name in results.targets(*metrics)]
    rows = [row for row in rows if any(row[1:])]
    return _markdown(["", *(title.strip() for title in columns)], rows, "l" + "r" * len(columns)) if rows else ""


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]], sides: str) -> str:
    marks = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, marks, *rows))


def _of(results: Results, metric: str, form: str = ",.0f") -> Cell:
    return lambda target: _shown(results.of(metric, target), form)


def _ratio(results: Results, metric: str) -> Cell:
    return lambda target: "" if target == _base(target) else _shown(results.ratio(metric, target, _base(target)), ".1f")


def _added_ratio(results: Results, metric: str) -> Cell:
    return lambda target: (
        "" if target == _base(target) else _shown(results.added_ratio(metric, target, _base(target)), ".1f")
    )


def _more(results: Results, metric: str) -> Cell:
    return lambda target: "" if target == "direct" else _shown(results.more(metric, target, "direct"), ",.0f")


def _base(target: str) -> str:
    """Return the reverse proxy that a target is compared with."""
    beside = target.rpartition(" beside ")[2]
    if beside != target:
        return target
    return BASES.get(target, "nginx")


def _shown(summary: Summary | None, form: str) -> str:
    return summary.shown(form) if summary else ""


def _measured(floor: Floor) -> tuple[str, str]:
    return _shown(floor.measured, floor.form), _shown(floor.tls, floor.form)


def _bold(floor: Floor) -> str:
    return floor.verdict if floor.met is not False else f"**{floor.verdict}**"


def _numbers(summary: Summary | None) -> dict[str, float] | None:
    return {"median": summary.median, "low": summary.low, "high": summary.high} if summary else None

"""The measured values as Markdown tables; a cell is ``median (lowest–highest)`` of the rounds, or empty where nothing was
measured. Latencies are what is added to the upstream's own, round by round."""

from collections.abc import Callable, Iterable, Sequence

from harness.floors import PEERS, Floor
from harness.results import Results, Summary
from harness.targets import BASES

Cell = Callable[[str], str]
Column = tuple[str, Cell]


def tables(results: Results) -> list[str]:
    """Return a table for each thing that was measured."""
    ours = [target for target in results.targets() if target not in PEERS and " beside " not in target]
    found = (
        _table(ours, _costs(results)),
        _table(ours, [("requests/s", _of(results, "rate")), *_latencies(results)]),
        _table(ours, [("CPU µs per request of 200 tokens", _of(results, "deciding"))]),
        _table(ours, _memory(results)),
        _table(PEERS, _peer_costs(results)),
        _table(PEERS, [*_peer_latencies(results), *_memory(results)]),
    )
    return [table for table in found if table]


def floors_table(floors: Sequence[Floor]) -> str:
    """Return what was promised beside what was measured, and with TLS where any of it was."""
    columns: list[tuple[str, Callable[[Floor], str]]] = [
        ("floor", lambda floor: floor.what),
        ("", lambda floor: f"{'≥' if floor.at_least else '≤'} {floor.limit:,g}"),
        ("measured", lambda floor: _shown(floor.measured, floor.form)),
        ("with TLS to the upstream", lambda floor: _shown(floor.tls, floor.form)),
        ("", lambda floor: f"**{floor.verdict}**" if floor.met is False else floor.verdict),
    ]
    if not any(floor.tls for floor in floors):
        del columns[3]
    rows = [[cell(floor) for _, cell in columns] for floor in floors]
    return _markdown([title for title, _ in columns], rows, "l" + "r" * (len(columns) - 2) + "l")


def _costs(results: Results) -> list[Column]:
    return [
        ("CPU µs per request", _of(results, "whole")),
        (": nginx", _ratio(results, "whole")),
        ("per burst of 50", _of(results, "burst")),
        (": nginx", _ratio(results, "burst")),
        ("per paced chunk", _of(results, "paced", ",.1f")),
        (": nginx", _ratio(results, "paced")),
    ]


def _latencies(results: Results) -> list[Column]:
    return [
        ("added p50 µs", _more(results, "latency p50")),
        ("p99", _more(results, "latency p99")),
        ("to first byte p50", _more(results, "first p50")),
        (": nginx", _first_ratio(results)),
        ("p99", _more(results, "first p99")),
    ]


def _memory(results: Results) -> list[Column]:
    return [
        ("idle CPU, %", _of(results, "idle cpu", ".1f")),
        ("resident MB idle", _of(results, "resident idle")),
        ("after", _of(results, "resident after")),
        ("requests", _of(results, "resident requests")),
        ("streams open", _of(results, "streams open")),
        ("failed", _of(results, "streams failed")),
        ("KB per stream", _of(results, "stream kb", ".1f")),
    ]


def _peer_costs(results: Results) -> list[Column]:
    def title(metric: str, name: str, form: str = ",.0f") -> list[Column]:
        return [
            (name, _of(results, metric, form)),
            (": nginx", _ratio(results, metric)),
            (": pinned", lambda peer: _shown(results.ratio(metric, peer, f"pinned beside {peer}"), ".1f")),
        ]

    return [
        ("version", lambda peer: results.versions.get(peer, "")),
        *title("whole", "CPU µs per request"),
        *title("burst", "per burst of 50"),
        *title("paced", "per paced chunk", ",.1f"),
        ("requests/s", _of(results, "rate")),
    ]


def _peer_latencies(results: Results) -> list[Column]:
    added, _, first, *_ = _latencies(results)
    return [
        ("at requests/s", _of(results, "rates")),
        added,
        ("pinned's", lambda peer: _more(results, "latency p50")(f"pinned beside {peer}")),
        ("at bursts/s", _of(results, "burst rates")),
        first,
        ("pinned's", lambda peer: _more(results, "first p50")(f"pinned beside {peer}")),
        ("failed requests", lambda peer: str(results.errors.get(peer, ""))),
    ]


def _table(targets: Iterable[str], columns: Sequence[Column]) -> str:
    """Return a table of the columns and rows in which something stands."""
    rows = {target: [cell(target) for _, cell in columns] for target in targets}
    rows = {target: cells for target, cells in rows.items() if any(cells)}
    kept = [place for place in range(len(columns)) if any(cells[place] for cells in rows.values())]
    titles = ["", *(columns[place][0] for place in kept)]
    return _markdown(titles, [[name, *(cells[place] for place in kept)] for name, cells in rows.items()]) if rows else ""


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]], sides: str = "") -> str:
    marks = ["---:" if side == "r" else "---" for side in sides or "l" + "r" * (len(titles) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, marks, *rows))


def _of(results: Results, metric: str, form: str = ",.0f") -> Cell:
    return lambda target: _shown(results.of(metric, target), form)


def _ratio(results: Results, metric: str) -> Cell:
    return lambda target: _shown(results.ratio(metric, target, _base(target)), ".1f") if target != _base(target) else ""


def _first_ratio(results: Results) -> Cell:
    return lambda target: (
        _shown(results.added_ratio("first p50", target, _base(target)), ".1f") if target != _base(target) else ""
    )


def _more(results: Results, metric: str) -> Cell:
    def cell(target: str) -> str:
        beside = target.partition(" beside ")[2] or (target if target in PEERS else "")
        upstream = f"direct beside {beside}" if beside else "direct"
        return _shown(results.more(metric, target, upstream), ",.0f") if target != upstream else ""

    return cell


def _base(target: str) -> str:
    """Return the reverse proxy that a target is compared with; the target itself where there is none."""
    if target.startswith("workers"):
        return target
    return f"nginx beside {target}" if target in PEERS else BASES.get(target, "nginx")


def _shown(summary: Summary | None, form: str) -> str:
    return summary.shown(form) if summary else ""

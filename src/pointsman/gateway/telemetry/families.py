"""Every figure that ``/metrics`` shows.

Laws: a label's values are few and the owner's own (what a client can make up is counted as ``other``); no key, no name of a
customer and nothing of a request's content is a label. A figure is a list of numbers: one for a counter or a gauge; for a
histogram the sum of what was observed, then how much fell into each bucket, the last one without a bound.
"""

from typing import Final, Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram"]
Label = str | int
Lines = dict[tuple[Label, ...], list[float]]
"""The figures of one family, by the values of its labels."""

Readings = dict[str, Lines]
"""Figures by the name of their family."""

PREFIX: Final = "pointsman_"
OTHER: Final = "other"
NANO: Final = 1_000_000_000
SECONDS: Final[tuple[float, ...]] = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
)  # fmt: skip
LAG_SECONDS: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Family(Struct, frozen=True):
    """One figure: its name without prefix, what it is, and the names of its labels.

    ``bounds`` are a histogram's, in seconds. ``most``: of several processes' gauges the largest counts, else their sum.
    ``nano``: kept as whole nano-dollars, shown as dollars.
    """

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    most: bool = False
    nano: bool = False


def _timed(name: str, says: str, *labels: str, bounds: tuple[float, ...] = SECONDS) -> Family:
    return Family(name, "histogram", says, labels, bounds)


FAMILIES: Final = (
    Family(
        "requests_total",
        "counter",
        "Exchanges that have ended.",
        ("route", "feature", "dialect", "outcome", "status"),
    ),
    Family("refused_total", "counter", "Requests that were refused before they became an exchange.", ("cause",)),
    _timed("request_seconds", "From a request's arrival to the end of its reply.", "route"),
    _timed("first_content_seconds", "From a request's arrival to the first content of its stream.", "route"),
    Family("attempts_total", "counter", "Calls to deployments.", ("deployment", "cause", "outcome")),
    _timed("attempt_seconds", "How long calls took.", "deployment"),
    _timed("first_byte_seconds", "From a call to the head of its reply.", "deployment"),
    Family("tokens_total", "counter", "Tokens; each is of one kind only.", ("deployment", "kind")),
    Family(
        "cost_dollars_total", "counter", "What calls cost, where their price is known.", ("feature", "deployment"), nano=True
    ),
    Family("unpriced_attempts_total", "counter", "Calls whose cost is not known.", ("deployment",)),
    Family("breaker", "gauge", "Workers in which a deployment's breaker is in a state.", ("deployment", "state")),
    Family("under_way", "gauge", "Requests that are being served."),
    Family("workers", "gauge", "Processes that serve."),
    Family("journal_queued", "gauge", "Records that wait to be written."),
    Family("journal_written_total", "counter", "Records that were written."),
    Family("journal_dropped_total", "counter", "Records that were lost."),
    Family("journal_failures_total", "counter", "Times that the store took no records."),
    Family("snapshot_number", "gauge", "The snapshot in use, in each process.", ("process",)),
    Family("snapshot_info", "gauge", "Workers that use a snapshot, by its hash.", ("hash",)),
    Family("snapshot_published_seconds", "gauge", "When the newest snapshot in use was published (Unix time).", most=True),
    Family("problem", "gauge", "Workers in which something is wrong with a part: /readyz says what.", ("part",)),
    Family("shedding", "gauge", "Workers that refuse some requests now, so that the others do not wait."),
    Family("shed_total", "counter", "Requests refused for that."),
    Family("budget_leases", "gauge", "Leases of budgets that workers hold."),
    Family("budget_waited_total", "counter", "Requests that waited for a lease."),
    Family("budget_refused_total", "counter", "Requests for which a budget had no room."),
    _timed("loop_lag_seconds", "How late a process's event loop comes to what is due.", bounds=LAG_SECONDS),
    Family("resident_bytes", "gauge", "Memory that a process holds.", ("process",)),
    Family("cpu_seconds_total", "counter", "Processor time that a process has used.", ("process",)),
    Family("open_files", "gauge", "Files and sockets that a process has open.", ("process",)),
    Family("untold_total", "counter", "Exchanges that found no way into the log or to the collector of traces.", ("kind",)),
    Family("control_step_failing", "gauge", "Steps of the control process that fail now.", ("step",)),
    Family("build_info", "gauge", "The version that serves.", ("version",), most=True),
)
BY_NAME: Final = {family.name: family for family in FAMILIES}


def add(into: Readings, more: Readings) -> None:
    """Add figures of another process: gauges as their family says, all others number by number. Changes ``into`` only."""
    for name, lines in more.items():
        family = BY_NAME.get(name)
        if family is None:  # another version's
            continue
        found = into.setdefault(name, {})
        for labels, numbers in lines.items():
            before = found.get(labels)
            if before is None or len(before) != len(numbers):
                found[labels] = list(numbers)
            elif family.kind == "gauge" and family.most:
                found[labels] = [max(before[0], numbers[0])]
            else:
                found[labels] = [a + b for a, b in zip(before, numbers, strict=True)]


def counted(readings: Readings) -> Readings:
    """Return what only ever grows: counters and histograms."""
    return {name: lines for name, lines in readings.items() if name in BY_NAME and BY_NAME[name].kind != "gauge"}

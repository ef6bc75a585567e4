"""What the project promises of its speed, and whether it holds: the median over rounds decides."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.results import Results, Summary

PEERS = {"litellm": ("LiteLLM", 100.0), "portkey": ("Portkey", 15.0), "tensorzero": ("TensorZero", 2.5)}
"""How many times less CPU than a peer a pinned request is to take, at least."""


@dataclass(frozen=True)
class Floor:
    """A promise: at most (or at least) ``limit`` of something. ``tls``: with TLS to the upstream, for information."""

    what: str
    limit: float
    measured: Summary | None
    tls: Summary | None = None
    at_least: bool = False
    form: str = ".2f"

    @property
    def met(self) -> bool | None:
        """Whether it holds; None where it was not measured."""
        if self.measured is None:
            return None
        median = self.measured.median
        return median >= self.limit if self.at_least else median <= self.limit

    @property
    def verdict(self) -> str:
        """Return it in words."""
        return {True: "met", False: "not met", None: "not measured"}[self.met]


def floors(results: Results, streams: int) -> list[Floor]:
    """Return every floor of what was measured or was to be."""
    ratio, more = results.ratio, results.more

    def nginx(metric: str, of: Callable[[str, str, str], Summary | None] = ratio) -> tuple[Summary | None, Summary | None]:
        return of(metric, "pinned", "nginx"), of(metric, "pinned-tls", "nginx-tls")

    first = results.added_ratio
    return [
        Floor("pinned, CPU per request : nginx's", 4, *nginx("whole")),
        Floor("pure, CPU per request : nginx's", 12, ratio("whole", "pure", "nginx")),
        Floor("pinned, CPU per burst of 50 chunks : nginx's", 3, *nginx("burst")),
        Floor("pinned, CPU per paced chunk : nginx's", 2, *nginx("paced")),
        *(
            Floor(f"{name}, CPU per paced chunk : nginx's", 4, ratio("paced", name, "nginx"))
            for name in ("to-anthropic", "from-anthropic")
        ),
        Floor("pinned, added time to first byte p50 : nginx's", 2.5, *nginx("first p50", first)),
        Floor(
            "auto more than pinned at 200 tokens, CPU µs",
            400,
            more("deciding", "auto", "pinned"),
            more("deciding", "auto-tls", "pinned-tls"),
            form=",.0f",
        ),
        Floor(
            "auto more than pinned, p50 µs",
            1000,
            more("latency p50", "auto", "pinned"),
            more("latency p50", "auto-tls", "pinned-tls"),
            form=",.0f",
        ),
        Floor("two workers, CPU per request : one's", 1.1, ratio("whole", "workers 2", "workers 1")),
        Floor(
            "two workers, share of the requests that the less busy one served",
            0.1,
            results.of("share", "workers 2"),
            at_least=True,
        ),
        *_streams(results, streams),
        *(
            Floor(f"CPU per request, {name} : pinned", least, ratio("whole", peer, f"pinned beside {peer}"), at_least=True)
            for peer, (name, least) in PEERS.items()
        ),
        Floor("failed requests, all of nginx's and ours", 0, _failed(results), form=".0f"),
    ]


def _streams(results: Results, streams: int) -> list[Floor]:
    of = results.of
    return [
        Floor(
            f"streams open at once, of {streams:,}",
            streams,
            of("streams open", "pinned"),
            of("streams open", "pinned-tls"),
            at_least=True,
            form=",.0f",
        ),
        Floor("of those, failed", 0, of("streams failed", "pinned"), of("streams failed", "pinned-tls"), form=".0f"),
        Floor("memory per open stream, KB", 40, of("stream kb", "pinned"), form=".1f"),
        Floor("memory per open stream, KB, TLS to the upstream", 120, of("stream kb", "pinned-tls"), form=".1f"),
    ]


def _failed(results: Results) -> Summary | None:
    failed = float(sum(count for name, count in results.errors.items() if name not in PEERS))
    return Summary(failed, failed, failed) if results.errors else None

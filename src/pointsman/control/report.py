"""What was spent, on what, and how well it went; and what the same tokens would cost elsewhere.

Strategy: the database sums the journal by feature and deployment; a price is applied to sums of tokens, which is the same as
applying it to each call as long as the price is linear. Where a price has a dearer rate for long inputs, the calls above its
threshold are summed apart.

Laws: recorded money is never recomputed, it is the sum of what was recorded; what has no price is counted and never
estimated; a price elsewhere says nothing about quality, and says so (``UNKNOWN``); nothing is left out because it looks bad.
The same tokens are an assumption: other models count and answer differently.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.plans import EVERY
from pointsman.control.savings import Savings, savings
from pointsman.core.chat import Usage
from pointsman.core.price import NANO_PER_USD, Price
from pointsman.core.routing import Deployment
from pointsman.core.snapshot import Snapshot
from pointsman.policy.cost import amount
from pointsman.store.interfaces import Filter, Grouping, Journal, Spend

UNKNOWN: Final = "quality unknown"
SHOWN: Final = 5
_FAR_CHEAPER: Final = 2  # without named candidates: what would cost at most half
_BY_FEATURE: Final[tuple[Grouping, ...]] = ("feature",)
_BY_DEPLOYMENT: Final[tuple[Grouping, ...]] = ("feature", "deployment")


class Line(Struct, frozen=True):
    """Sums over the exchanges of one feature on one deployment (empty: all, or in a line, none was reached).

    ``cached_share`` of the input tokens in [0, 1], ``error_share`` of the requests; latencies in milliseconds, of answered
    requests; None where unknown. ``cost_nano`` is the money of requests that have a price; ``unpriced`` counts the others,
    failures without any tokens aside.
    """

    feature: str
    deployment: str
    requests: int
    errors: int
    error_share: float
    input_tokens: int
    cached_share: float | None
    output_tokens: int
    cost_nano: int
    unpriced: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    first_ms: int
    last_ms: int


class Alternative(Struct, frozen=True):
    """What a feature's tokens would cost on one deployment. ``change`` is relative to today, None where that is unknown."""

    deployment: str
    cost_nano: int
    change: float | None
    price_source: str
    quality: str = UNKNOWN


class Elsewhere(Struct, frozen=True):
    """One feature's alternatives, cheapest first. ``named``: the owner's candidates; else some that are far cheaper."""

    feature: str
    today_nano: int
    unpriced: int
    named: bool
    alternatives: tuple[Alternative, ...]


class Report(Struct, frozen=True):
    """Everything that ``pointsman report`` shows. ``total`` is None where there were no exchanges."""

    since_ms: int | None
    until_ms: int | None
    lines: tuple[Line, ...]
    total: Line | None
    elsewhere: tuple[Elsewhere, ...]
    savings: tuple[Savings, ...]


def report(journal: Journal, snapshot: Snapshot | None, wanted: Filter) -> Report:
    """Return the report over the wanted exchanges; without a snapshot, without prices elsewhere. Raises StoreError."""
    by_deployment = journal.spend(wanted, _BY_DEPLOYMENT)
    total = journal.spend(wanted, ())
    lines = tuple(_line(spend) for spend in sorted(by_deployment, key=lambda one: (one.feature, -one.cost_nano)))
    return Report(
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        lines=lines,
        total=_line(total[0]) if total else None,
        elsewhere=_elsewhere(journal, snapshot, wanted, lines) if snapshot else (),
        savings=tuple(measured(journal, snapshot, wanted.feature)) if snapshot else (),
    )


def _line(spend: Spend) -> Line:
    return Line(
        feature=spend.feature,
        deployment=spend.deployment,
        requests=spend.requests,
        errors=spend.errors,
        error_share=spend.errors / spend.requests,
        input_tokens=spend.input_tokens,
        cached_share=spend.cached_tokens / spend.input_tokens if spend.input_tokens else None,
        output_tokens=spend.output_tokens,
        cost_nano=spend.cost_nano,
        unpriced=spend.missing,
        latency_p50_ms=spend.latency_p50_ms or None,
        latency_p95_ms=spend.latency_p95_ms or None,
        first_ms=spend.first_ms,
        last_ms=spend.last_ms,
    )


def _elsewhere(journal: Journal, snapshot: Snapshot, wanted: Filter, lines: Iterable[Line]) -> tuple[Elsewhere, ...]:
    sums = Sums(journal, wanted)
    served: dict[str, set[str]] = {}
    for line in lines:
        served.setdefault(line.feature, set()).add(line.deployment)
    found = (_of_feature(sums, snapshot, spend, served[spend.feature]) for spend in sums.by_feature(None).values())
    return tuple(one for one in found if one.alternatives)


def _of_feature(sums: "Sums", snapshot: Snapshot, today: Spend, served: set[str]) -> Elsewhere:
    """Return a feature's alternatives. What serves all of it today is none of them."""
    named = [name for name in _candidates(snapshot, today.feature) if served != {name}]
    priced = _alternatives(sums, today, (snapshot.deployments[name] for name in named))
    if not named and not today.missing:
        others = _cheapest_of_each_model(_alternatives(sums, today, snapshot.deployments.values()), snapshot)
        priced = [one for one in others if _FAR_CHEAPER * one.cost_nano <= today.cost_nano][-SHOWN:]
    return Elsewhere(today.feature, today.cost_nano, today.missing, bool(named), tuple(priced))


def _candidates(snapshot: Snapshot, feature: str) -> Iterable[str]:
    """Return the deployments that the owner named for a feature, on any route, each once."""
    names: dict[str, None] = {}
    for route in snapshot.routes.values():
        plan = route.plans.get(feature) or route.plans[EVERY]
        reference = plan.reference or route.reference
        named = (*((reference,) if reference else ()), *(plan.candidates or route.candidates), *plan.accepted)
        names.update(dict.fromkeys(named))
    return [name for name in names if name in snapshot.deployments]


def _alternatives(sums: "Sums", today: Spend, deployments: Iterable[Deployment]) -> list[Alternative]:
    """Return what each priced deployment would cost, cheapest first."""
    found = []
    for one in deployments:
        if one.price is not None:
            cost = sums.cost(today, one.price)
            change = cost / today.cost_nano - 1 if today.cost_nano and not today.missing else None
            found.append(Alternative(one.name, cost, change, one.price.source))
    return sorted(found, key=lambda alternative: alternative.cost_nano)


def _cheapest_of_each_model(alternatives: Iterable[Alternative], snapshot: Snapshot) -> list[Alternative]:
    """Keep the first alternative of each model, whichever provider has it."""
    found: dict[str, Alternative] = {}
    for one in alternatives:
        found.setdefault(snapshot.deployments[one.deployment].model_key, one)
    return list(found.values())


class Sums:
    """The wanted exchanges' tokens by feature, all of them and those above a number of input tokens."""

    def __init__(self, journal: Journal, wanted: Filter) -> None:
        self._journal = journal
        self._wanted = wanted
        self._known: dict[int | None, dict[str, Spend]] = {}

    def by_feature(self, above: int | None) -> dict[str, Spend]:
        """Return the sums of exchanges with more than ``above`` input tokens (None: of all), by feature."""
        if above not in self._known:
            spends = self._journal.spend(replace(self._wanted, input_above=above), _BY_FEATURE)
            self._known[above] = {spend.feature: spend for spend in spends}
        return self._known[above]

    def cost(self, spend: Spend, price: Price) -> int:
        """Return the nano-dollars of a feature's requests at a price; short and long ones are rounded once each."""
        flat = Price(price.rates)
        served = spend.requests - (spend.unpriced - spend.missing)
        fixed = (served * price.per_request * NANO_PER_USD).to_integral_value(rounding=ROUND_HALF_EVEN)
        long = None if price.long_above is None else self.by_feature(price.long_above).get(spend.feature)
        if long is None or price.long_rates is None:
            return int(fixed) + amount(_usage(spend), flat)
        whole, part = _usage(spend), _usage(long)
        short = Usage(
            input=whole.input - part.input,
            output=whole.output - part.output,
            cached=whole.cached - part.cached,
            cache_written=whole.cache_written - part.cache_written,
        )
        return int(fixed) + amount(short, flat) + amount(part, Price(price.long_rates))


def _usage(spend: Spend) -> Usage:
    return Usage(
        input=spend.input_tokens,
        output=spend.output_tokens,
        cached=spend.cached_tokens,
        cache_written=spend.cache_written_tokens,
    )


def measured(journal: Journal, snapshot: Snapshot, feature: str | None) -> Iterable[Savings]:
    """Return what each feature that acts on a verdict has saved since its last step."""
    for route in snapshot.routes.values():
        for plan in route.plans.values():
            if plan.acts and plan.feature != EVERY and feature in (None, plan.feature):
                yield savings(journal, plan.feature, since_ms=plan.since_ms, route=route.name)

"""What is asked of a replay, and the world that a question describes: a snapshot, and who is lost.

Laws: a question names deployments that exist, or is a mistake that says which do; a lost deployment is one that cools down
for the whole period, exactly as the gateway would find it; prices are changed in the snapshot and nowhere else.
"""

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.errors import PointsmanError
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Objective, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.store.interfaces import Filter

EVERY: Final = "*"


class QuestionError(PointsmanError):
    """A question that cannot be asked: what is wrong with it, and what to ask instead."""


class Question(Struct, frozen=True):
    """What if? Every field left alone means: as it is.

    ``snapshot`` is the number of a published one, or ``as_of_ms`` the moment whose snapshot is meant. ``without`` and
    ``prices`` name providers, deployments or models; prices are factors (2: twice as dear), ``price_list`` new prices by
    deployment. ``beside`` are deployments that may be chosen too. ``route``: what clients named themselves, and imported
    calls, count as asked of this route. ``grader`` names whose grades count (empty: of each feature, who graded most).
    """

    since_ms: int | None = None
    until_ms: int | None = None
    feature: str | None = None
    snapshot: int | None = None
    as_of_ms: int | None = None
    without: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    prices: dict[str, Decimal] = {}
    price_list: dict[str, Price] = {}
    objective: Objective | None = None
    route: str = ""
    grader: str = ""

    @property
    def wanted(self) -> Filter:
        """Which exchanges are meant."""
        return Filter(since_ms=self.since_ms, until_ms=self.until_ms, feature=self.feature)


class World(Struct, frozen=True):
    """What a question describes. ``repriced`` deployments cost something else than what was recorded."""

    snapshot: Snapshot
    lost: frozenset[str] = frozenset()
    repriced: frozenset[str] = frozenset()
    route: str = ""


def world(question: Question, snapshot: Snapshot) -> World:
    """Return the world of a question about a snapshot; its objective is not looked at. Raises QuestionError."""
    if question.route and question.route not in snapshot.routes:
        raise QuestionError(f"there is no route {question.route!r}; there are: {', '.join(snapshot.routes) or 'none'}")
    lost = frozenset(name for said in question.without for name in named(snapshot, said))
    deployments, repriced = dict(snapshot.deployments), set()
    for name, price in question.price_list.items():
        deployments[_one(snapshot, name).name] = replace(_one(snapshot, name), price=price)
        repriced.add(name)
    for said, factor in question.prices.items():
        for name in named(snapshot, said):
            listed = deployments[name].price
            if listed is None:
                raise QuestionError(f"no price is known for {name}: give one with --prices FILE")
            deployments[name] = replace(deployments[name], price=times(listed, factor))
            repriced.add(name)
    routes = {name: _beside(snapshot, route, question.beside) for name, route in snapshot.routes.items()}
    changed = replace(snapshot, deployments=deployments, routes=routes)
    return World(changed, lost, frozenset(repriced), question.route)


def named(snapshot: Snapshot, said: str) -> tuple[str, ...]:
    """Return the deployments that a name stands for: a deployment, all of a provider or of a model. Raises QuestionError."""
    if said in snapshot.deployments:
        return (said,)
    found = tuple(one.name for one in snapshot.deployments.values() if said in (one.provider, one.model, one.model_key))
    if not found:
        providers = ", ".join(snapshot.providers) or "none"
        raise QuestionError(
            f"nothing is called {said!r}: name a provider ({providers}), a deployment (provider/model) or a model"
        )
    return found


def times(price: Price, factor: Decimal) -> Price:
    """Return a price multiplied by a factor, every kind of token, every service tier and the request itself."""
    return replace(
        price,
        rates=_rates(price.rates, factor),
        per_request=price.per_request * factor,
        long_rates=price.long_rates and _rates(price.long_rates, factor),
        tiers=tuple(
            replace(one, rates=_rates(one.rates, factor), long_rates=one.long_rates and _rates(one.long_rates, factor))
            for one in price.tiers
        ),
    )


def _rates(rates: Rates, factor: Decimal) -> Rates:
    cached = None if rates.cached is None else rates.cached * factor
    written = None if rates.cache_written is None else rates.cache_written * factor
    return Rates(rates.input * factor, rates.output * factor, cached, written)


def _one(snapshot: Snapshot, name: str) -> Deployment:
    if name not in snapshot.deployments:
        raise QuestionError(f"a price is given for {name}, which is no deployment here; deployments are provider/model")
    return snapshot.deployments[name]


def _beside(snapshot: Snapshot, route: Route, names: Iterable[str]) -> Route:
    """Let deployments be chosen too wherever the route acts; where it does not act yet, it does."""
    wanted = tuple(dict.fromkeys(one for said in names for one in named(snapshot, said)))
    if not wanted:
        return route
    return replace(route, plans={name: acting(route, plan, wanted) for name, plan in route.plans.items()})


def acting(route: Route, plan: Plan, beside: Iterable[str] = ()) -> Plan:
    """Return a plan that chooses per request among the reference, what is accepted and what is named ``beside``."""
    accepted = tuple(dict.fromkeys((*plan.accepted, *(name for name in beside if plan.allows(name)))))
    if not accepted:
        return plan
    acts = plan.acts
    share = plan.acting_share if acts else 1 - route.control_share
    return replace(plan, accepted=accepted, mode=plan.mode if acts else "auto", acting_share=share, one_model=None)


def read_factors(said: Iterable[str]) -> dict[str, Decimal]:
    """Return the factors in words like ``openai=2x`` or ``openai/gpt-5=0.5``. Raises QuestionError."""
    found: dict[str, Decimal] = {}
    for each in said:
        name, _, factor = each.rpartition("=")
        try:
            value = Decimal(factor.strip().removesuffix("x"))
        except InvalidOperation:
            value = Decimal("NaN")
        if not name or not value.is_finite() or value < 0:
            raise QuestionError(f"{each!r} is no change of price: write NAME=FACTOR, for example openai=2x")
        found[name.strip()] = value
    return found


class _Listed(Struct, frozen=True, forbid_unknown_fields=True):
    deployment: str
    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_written: Decimal | None = None
    per_request: Decimal = Decimal(0)


class _List(Struct, frozen=True, forbid_unknown_fields=True):
    prices: list[_Listed]


def read_prices(path: Path) -> dict[str, Price]:
    """Return the prices in a TOML file with ``[[prices]]`` as in pointsman.toml, without dates. Raises QuestionError."""
    try:
        said = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
        rows = msgspec.convert(said, _List, strict=False).prices
    except (OSError, ValueError) as error:  # msgspec's and tomllib's mistakes are ValueErrors
        raise QuestionError(
            f"{path}: {error}; write one [[prices]] for each deployment, with deployment, input and output "
            "(US dollars per million tokens)"
        ) from error
    for row in rows:
        if min(row.input, row.output, row.cached or 0, row.cache_written or 0, row.per_request) < 0:
            raise QuestionError(f"{path}: a price of {row.deployment} is below 0")
    return {
        row.deployment: Price(Rates(row.input, row.output, row.cached, row.cache_written), row.per_request, source=path.name)
        for row in rows
    }


_NUMBERED: Final[Mapping[str, str]] = {
    "budget": "usd_per_1000", "worth": "usd_per_answer", "match": "tolerance"
}  # fmt: skip


def read_objective(said: str) -> Objective:
    """Return the objective in words: ``best``, ``match 2`` (points), ``budget 2.5`` ($ per 1,000), ``worth 0.01`` ($)."""
    kind, _, number = said.strip().partition(" ")
    try:
        value = float(number) if number else None
        if kind == "best" and value is None:
            return Objective("best")
        if value is not None and 0 < value < float("inf") and kind in _NUMBERED:
            return msgspec.convert({"kind": kind, _NUMBERED[kind]: value / 100 if kind == "match" else value}, Objective)
    except ValueError:
        pass
    raise QuestionError(
        f'{said!r} is no objective: write best, "match 2" (points below the reference), "budget 2" (US dollars per 1,000 '
        'requests) or "worth 0.01" (US dollars for a right answer)'
    )

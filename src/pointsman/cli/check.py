"""``pointsman check``: every mistake in a configuration, or what it would serve."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.table import Table

from pointsman.cli.figures import paper, percent, table
from pointsman.cli.fit import fitted
from pointsman.control.compile import all_deployments, pool_of
from pointsman.control.config import Config, is_loopback, load
from pointsman.control.config.advice import advice, named, presence
from pointsman.core.errors import ConfigError
from pointsman.core.price import NANO_PER_USD, Price, Rates
from pointsman.core.routing import Deployment, Grader, Objective
from pointsman.serve.encoding import opened
from pointsman.serve.workspace import find_config

_OF_DEPLOYMENT: Final = ("in", "out", "cached", "written", "request", "since", "price from")


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-c", "--config", envvar="POINTSMAN_CONFIG", type=click.Path(path_type=Path), help="The same as FILE.")
def command(file: Path | None, config: Path | None) -> None:
    """Check a configuration FILE [default: ./pointsman.toml] and show what it would serve. No request is sent."""
    path = find_config(file or config)
    if path is None:
        raise ConfigError("there is no pointsman.toml here: name a file, or run `pointsman up`, which finds what you have")
    _show(path, load(path))


def _show(path: Path, config: Config) -> None:
    deployments = all_deployments(config, datetime.now(UTC).date())
    console = paper()
    console.print(f"{path}: no mistakes. Serves on http://{config.host}:{config.port}/v1, data in {config.data}")
    if config.encoder is not None:
        console.print(f"encoder: {opened(config.encoder)}, within {config.encoder.within_ms:g} ms")
    if config.providers:
        console.print(_providers(config))
    chosen = named(config)
    if chosen:
        console.print("US dollars per million tokens, and per request:")
        prices = ((name, *_price(deployments[name].price)) for name in chosen)
        for made in fitted(console, ("deployment",), _OF_DEPLOYMENT, prices):
            console.print(made)
    if others := len(deployments) - len(chosen):
        console.print(f"The price list knows {others} more of these providers.")
    for made in (_pools(config, deployments), _routes(config), _features(config)):
        if made.row_count:
            console.print(made)
    if not is_loopback(config.host) and not config.keys:
        remedy = "it starts once a key was made: pointsman key create NAME"
        console.print(f"look at: {config.host} can be reached from other machines: {remedy}", soft_wrap=True)
    for sentence in advice(config, deployments, os.environ):
        console.print(f"look at: {sentence}", soft_wrap=True)


def _providers(config: Config) -> Table:
    made = table("provider", "address", "key", "price list")
    for one in config.providers.values():
        key = one.credential if one.credential == "none" else f"{one.credential} ({presence(one.credential, os.environ)})"
        made.add_row(one.name, one.base_url, key, config.price_lists.get(one.name, "none"))
    return made


def _price(price: Price | None) -> tuple[str, ...]:
    if price is None:
        return ("unknown", "", "", "", "", "", "")
    above = f"; above {price.long_above:,} tokens: {_rates(price.long_rates)}" if price.long_rates else ""
    return (
        str(price.rates.input),
        str(price.rates.output),
        str(price.rates.cached if price.rates.cached is not None else "as in"),
        str(price.rates.cache_written if price.rates.cache_written is not None else "as in"),
        str(price.per_request) if price.per_request else "",
        price.since or "always",
        price.source + above,
    )


def _rates(rates: Rates) -> str:
    return f"{rates.input} in, {rates.output} out"


def _routes(config: Config) -> Table:
    made = table("route", "reference", "candidates", "objective", "control share")
    for name, one in config.routes.items():
        candidates = "\n".join(one.candidates) or "none"
        control = f"{one.control_share * 100:g} %"
        made.add_row(name, one.reference or "none named", candidates, _objective(one.objective), control)
    return made


def _pools(config: Config, deployments: Mapping[str, Deployment]) -> Table:
    made = table("shares requests", "in this order", "kept free")
    for rules in config.pools:
        pool = pool_of(rules, deployments)
        made.add_row(
            deployments[rules.deployments[0]].model_key, "\n".join(map(", ".join, pool.tiers)), percent(pool.keep_free)
        )
    return made


def _objective(objective: Objective) -> str:
    return {
        "best": "best quality",
        "match": f"cheapest within {objective.tolerance * 100:g} points of the reference",
        "budget": f"best at ${objective.usd_per_1000 or 0:g} per 1,000 requests",
        "worth": f"a right answer is worth ${objective.usd_per_answer or 0:g}",
    }[objective.kind]


def _features(config: Config) -> Table:
    made = table("route", "feature", "reference", "graded by", "tolerance", "trial")
    for name, route in config.routes.items():
        for feature, one in route.features.items():
            trial = f"{one.trial.share * 100:g} %, up to ${one.trial.cap_nano / NANO_PER_USD:g}" if one.trial else "none"
            reference = one.reference or route.reference or "none named"
            made.add_row(name, feature, reference, _grader(one.grader), f"{one.tolerance * 100:g} points", trial)
    return made


def _grader(grader: Grader | None) -> str:
    if grader is None:
        return "nothing"
    if grader.kind == "judge":
        return f"judge {grader.spec}"
    against = " against the reference's answer" if grader.against == "reference" else ""
    return f"{grader.kind} {_short(grader.spec)}".strip() + against


def _short(spec: str) -> str:
    return spec if len(spec) <= 40 else f"{spec[:37]}..."

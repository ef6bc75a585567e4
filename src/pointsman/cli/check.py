"""``pointsman check``: every mistake in a configuration, or what it would serve."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from pointsman.control.compile import all_deployments
from pointsman.control.config import Config, load
from pointsman.control.config.advice import advice, named, presence
from pointsman.core.errors import ConfigError
from pointsman.core.price import NANO_PER_USD, Price, Rates
from pointsman.core.routing import Deployment, Grader, Objective
from pointsman.serve.workspace import find_config


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
    console = Console(highlight=False)
    console.print(f"{path}: no mistakes. Serves on http://{config.host}:{config.port}/v1, data in {config.data}")
    for table in (_providers(config), _deployments(config, deployments), _routes(config), _features(config)):
        if table.row_count:
            console.print(table)
    for sentence in advice(config, deployments, os.environ):
        console.print(f"look at: {sentence}", soft_wrap=True, markup=False)


def _providers(config: Config) -> Table:
    table = _table("provider", "address", "key", "there?", "price list")
    for one in config.providers.values():
        vendor = config.price_lists.get(one.name, "none")
        _row(table, (one.name, one.base_url, one.credential, presence(one.credential, os.environ), vendor))
    return table


def _deployments(config: Config, deployments: dict[str, Deployment]) -> Table:
    table = _table("deployment", "$ per million: in", "out", "cached", "written", "$ a request", "since", "says")
    chosen = named(config)
    for name in chosen:
        _row(table, (name, *_price(deployments[name].price)))
    others = len(deployments) - len(chosen)
    if others:
        _row(table, (f"and {others} more of these providers", "", "", "", "", "", "", "the price list"))
    return table


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
    table = _table("route", "reference", "candidates", "objective", "control share")
    for name, one in config.routes.items():
        candidates = ", ".join(one.candidates) or "none"
        control = f"{one.control_share * 100:g} %"
        _row(table, (name, one.reference or "none named", candidates, _objective(one.objective), control))
    return table


def _objective(objective: Objective) -> str:
    return {
        "best": "best quality",
        "match": f"cheapest within {objective.tolerance * 100:g} points of the reference",
        "budget": f"best at ${objective.usd_per_1000 or 0:g} per 1,000 requests",
        "worth": f"a right answer is worth ${objective.usd_per_answer or 0:g}",
    }[objective.kind]


def _features(config: Config) -> Table:
    table = _table("route", "feature", "reference", "graded by", "tolerance", "standing trial")
    for name, route in config.routes.items():
        for feature, one in route.features.items():
            trial = f"{one.trial.share * 100:g} %, up to ${one.trial.cap_nano / NANO_PER_USD:g}" if one.trial else "none"
            reference = one.reference or route.reference or "none named"
            _row(table, (name, feature, reference, _grader(one.grader), f"{one.tolerance * 100:g} points", trial))
    return table


def _grader(grader: Grader | None) -> str:
    if grader is None:
        return "nothing"
    if grader.kind == "judge":
        return f"judge {grader.spec}"
    against = " against the reference's answer" if grader.against == "reference" else ""
    return f"{grader.kind} {_short(grader.spec)}".strip() + against


def _short(spec: str) -> str:
    return spec if len(spec) <= 40 else f"{spec[:37]}..."


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, cells: Iterable[str]) -> None:
    table.add_row(*(cell.replace("[", r"\[") for cell in cells))

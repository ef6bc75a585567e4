"""A complete ``pointsman.toml`` for the zoo: provider, deployments with their prices, and the four features."""

import json
from collections.abc import Container
from typing import Final

from pointsman.core.price import Rates
from pointsman.upstream.simulated.features import Feature, features
from pointsman.upstream.simulated.models import JUDGE
from pointsman.upstream.simulated.zoo import Zoo

PROVIDER: Final = "zoo"
REFERENCE: Final = "sim-eagle-xl"


def config_toml(zoo: Zoo, base_url: str, *, data: str = ".pointsman", port: int = 8787, judged: Container[str] = ()) -> str:
    """Return a configuration in which the route ``auto`` stands on the dearest model and every feature has its check.

    The features in ``judged`` are graded by the simulated judge instead.
    """
    candidates = [f"{PROVIDER}/{name}" for name in zoo.models]
    lines = [
        "# Simulated models: they cost nothing, and their prices and skills say nothing about real ones.",
        "[gateway]",
        f"port = {port}",
        f"data = {json.dumps(data)}",
        "",
        f"[providers.{PROVIDER}]",
        f'base_url = "{base_url}"',
        'credential = "none"',
        "",
        *(line for name in zoo.names for line in _deployment(zoo, name)),
        "[routes.auto]",
        f'reference = "{PROVIDER}/{REFERENCE}"',
        f"candidates = {json.dumps([name for name in candidates if name != f'{PROVIDER}/{REFERENCE}'])}",
        'objective = "match"',
        "control_share = 0.05",
        "",
        *(line for feature in features().values() for line in _feature(feature, candidates, judged=feature.name in judged)),
    ]
    return "\n".join(lines)


def _deployment(zoo: Zoo, name: str) -> list[str]:
    model, rates = zoo.models.get(name), zoo.rates(name)
    context = [f"context_tokens = {model.context_tokens}"] if model else []
    price = [f"price = {_price(rates)}"] if rates else []
    return [f'[deployments."{PROVIDER}/{name}"]', *context, *price, "media = []", ""]


def _price(rates: Rates) -> str:
    cached = "" if rates.cached is None else f", cached = {rates.cached}"
    return f"{{input = {rates.input}, output = {rates.output}{cached}}}"


def _feature(feature: Feature, candidates: list[str], *, judged: bool) -> list[str]:
    today = f"{PROVIDER}/{feature.today}"
    spec = f", spec = {json.dumps(feature.grader.spec)}" if feature.grader.spec else ""
    return [
        f"[features.{feature.name}]",
        f'reference = "{today}"',
        f"candidates = {json.dumps([name for name in candidates if name != today])}",
        "tolerance = 5",
        f'judge = "{PROVIDER}/{JUDGE}"' if judged else f'check = {{kind = "{feature.grader.kind}"{spec}}}',
        "",
    ]

"""What is no mistake in a configuration and yet worth a word: unset variables, missing prices, keys over plain HTTP.

Law: it is said whether a credential is there, never what it is.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pointsman.control.config import EVERY_FEATURE, Config, FeatureRules, RouteRules, is_loopback
from pointsman.core.demands import Demand
from pointsman.core.routing import Deployment
from pointsman.policy import permits

Presence = Literal["set", "not set", "looked for at the first call", "not needed"]


def presence(credential: str, environment: Mapping[str, str]) -> Presence:
    """Whether the place that a credential names holds anything."""
    scheme, _, place = credential.partition(":")
    if scheme == "env":
        return "set" if environment.get(place, "").strip() else "not set"
    if scheme == "file" or (scheme == "adc" and place):
        try:
            return "set" if Path(place).expanduser().read_bytes().strip() else "not set"
        except OSError:
            return "not set"
    return "not needed" if credential == "none" else "looked for at the first call"


def advice(config: Config, deployments: Mapping[str, Deployment], environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence for each thing to look at. ``deployments`` are all there are, with prices (``all_deployments``)."""
    if not config.providers:
        yield "no provider is configured: there is nobody to send a request to; add, for example, [providers.openai]"
    for provider in config.providers.values():
        if presence(provider.credential, environment) == "not set":
            yield f"provider {provider.name}: {provider.credential} holds nothing here: calls to it will be refused"
        address = urlsplit(provider.base_url)
        if address.scheme == "http" and provider.credential != "none" and not is_loopback(address.hostname or ""):
            yield f"provider {provider.name}: its key travels over plain HTTP to {address.hostname}: use https"
    for name in named(config):
        if deployments[name].price is None:
            yield (
                f"deployment {name} has no price: what it costs will not be known; "
                f'add price = {{input = ..., output = ...}} to [deployments."{name}"] (0 where it is free)'
            )
    for name, route in config.routes.items():
        if route.reference is None:
            yield (
                f'route {name} names no reference: requests for "{name}" are refused until [routes.{name}] has '
                'reference = "provider/model"'
            )
        yield from _unseeing(name, route, config.policies, deployments)
        if route.control_share == 0:
            yield f"route {name} keeps no control share: what it saves cannot be measured"


def _unseeing(
    name: str, route: RouteRules, policies: Mapping[str, Demand], deployments: Mapping[str, Deployment]
) -> Iterator[str]:
    """Yield who is to answer or to judge on a route and may not see its requests."""
    every = route.features.get(EVERY_FEATURE)
    for feature, rules in {EVERY_FEATURE: FeatureRules(), **route.features}.items():
        held = dict.fromkeys((*route.policies, *(every.policies if every else ()), *rules.policies))
        judge = rules.grader.spec if rules.grader is not None and rules.grader.kind == "judge" else None
        for one, role in ((rules.reference or route.reference, "reference"), (judge, "judge")):
            reason = one and permits.barred(deployments[one], (policies[policy] for policy in held))
            if reason:
                yield f"route {name}, feature {feature}: the {role} {one} {reason}; state it, or name another"


def named(config: Config) -> list[str]:
    """Return the deployments that a configuration declares or names as reference or candidate, in its order."""
    names = dict.fromkeys((*config.deployments, *(name for pool in config.pools for name in pool.deployments)))
    for route in config.routes.values():
        for rules in (route.reference, *route.candidates):
            if rules is not None:
                names[rules] = None
        for feature in route.features.values():
            judge = feature.grader.spec if feature.grader is not None and feature.grader.kind == "judge" else None
            for name in (feature.reference, *(feature.candidates or ()), judge):
                if name is not None:
                    names[name] = None
    return list(names)

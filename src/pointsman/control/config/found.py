"""The configuration of someone who wrote none: what was found on the machine, and the reference they name in passing.

Law: no reference is ever guessed. Without one named, ``auto`` answers with the one line that names it.
"""

from msgspec.structs import replace

from pointsman.control.config.callables import Callables
from pointsman.control.config.reading import Report
from pointsman.control.config.values import DEFAULT_ROUTE, Config
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Deployment
from pointsman.upstream.discover import Found


def discovered(found: Found, *, reference: str | None = None) -> Config:
    """Return the configuration made of what was found: its providers, and the models that local servers named.

    Raises ConfigError when a reference is named that is not a deployment.
    """
    config = Config(
        providers={one.provider.name: one.provider for one in found.providers},
        price_lists={one.provider.name: one.price_id for one in found.providers if one.price_id is not None},
        deployments={
            name: Deployment(name, one.provider.name, model, model_key=model)
            for one in found.providers
            for model in one.models
            for name in [f"{one.provider.name}/{model}"]
        },
    )
    return config if reference is None else with_reference(config, reference)


def with_reference(config: Config, reference: str) -> Config:
    """Return the configuration with a reference for the route ``auto``, as an option or a variable names it.

    Raises ConfigError when it is not a deployment.
    """
    report = Report({})
    callables = Callables(config.providers, config.price_lists, config.deployments, config.own_prices)
    if not callables.check(report, (), reference):
        raise ConfigError(f"the reference {report.mistakes[0].what}; {report.mistakes[0].remedy}")
    rules = replace(config.routes[DEFAULT_ROUTE], reference=reference)
    return replace(config, routes={**config.routes, DEFAULT_ROUTE: rules})

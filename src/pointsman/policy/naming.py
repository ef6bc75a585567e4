"""What a client's model name stands for: a route, or what the client chose for itself."""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from pointsman.core.errors import GatewayError
from pointsman.core.routing import Deployment, Plan, Route
from pointsman.core.snapshot import Snapshot

_NAMES_SHOWN: Final = 12
_LONGEST_NAME: Final = 512  # names of a provider's models are passed on unknown, and kept in records and headers


class Target(Struct, frozen=True):
    """What a model name stands for.

    A route, whose plan decides (``route`` set, ``arm`` None); or what the client chose for itself: ``pinned`` is one
    deployment, ``observed`` the deployments of one vendor's model, in configuration order.
    """

    route: Route | None
    deployments: tuple[str, ...]
    arm: Literal["pinned", "observed"] | None = None


def resolve(snapshot: Snapshot, asked: str) -> Target:
    """Return what a client's model name stands for.

    In this order: a route (it may shadow a vendor's name); ``provider/model`` with a configured provider, whether or not
    that deployment is configured; a vendor's bare name; with exactly one provider, any name, unchanged. Raises GatewayError
    (404 ``model_not_found``) naming what exists.
    """
    if len(asked) > _LONGEST_NAME:
        raise GatewayError(404, "model_not_found", f"no model has a name of {len(asked)} characters", param="model")
    route = snapshot.routes.get(asked)
    if route is not None:
        return Target(route, (route.reference,) if route.reference else ())
    provider, slash, rest = asked.partition("/")
    if slash and rest and provider in snapshot.providers:
        return Target(None, (asked,), "pinned")
    named = [d for d in snapshot.deployments.values() if d.model == asked]
    if named:  # two providers may give one name to two models: only the same model stands in
        return Target(None, tuple(d.name for d in named if d.model_key == named[0].model_key), "observed")
    if len(snapshot.providers) == 1 and asked:
        return Target(None, (f"{next(iter(snapshot.providers))}/{asked}",), "observed")
    raise GatewayError(
        404,
        "model_not_found",
        f"the model {asked!r} does not exist here: ask for a route ({_names(snapshot.routes)}) "
        f"or for provider/model with one of the providers {_names(snapshot.providers)}",
        param="model",
    )


def plan_for(route: Route, feature: str) -> Plan:
    """Return the plan in force for a feature: its own, or the one for all that have none."""
    return route.plans.get(feature) or route.plans["*"]


def deployment(snapshot: Snapshot, name: str) -> Deployment:
    """Return a deployment by name; one that is not configured is made up from its name, without a price.

    Raises KeyError when its provider is not configured either.
    """
    known = snapshot.deployments.get(name)
    if known is not None:
        return known
    provider, _, vendor_name = name.partition("/")
    row = snapshot.providers[provider]
    return Deployment(name, row.name, vendor_name, vendor_name, dialect=row.dialect, facts=row.facts)


def _names(known: Iterable[str]) -> str:
    names = list(known)
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none configured"
    return shown + (f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else "")

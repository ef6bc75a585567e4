"""Who is permitted to see a request: the demands of keys, features and routes, and what is stated of a deployment.

Laws: all demands hold together; what is not stated is not met; whoever is not permitted is so on every path (``fitness``
asks here first, whoever is drawn, stands in, is tried, is compared with or judges).
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from pointsman.core.demands import Demand
from pointsman.core.errors import GatewayError
from pointsman.core.routing import Deployment, Needs, Plan
from pointsman.core.snapshot import Snapshot

NOT_PERMITTED: Final = "is not permitted: "


def barred(one: Deployment, demands: Iterable[Demand]) -> str | None:
    """Say why a deployment may not see a request, None where it may."""
    for demand in demands:
        unmet = _unmet(one, demand)
        if unmet is not None:
            return f"{NOT_PERMITTED}{demand.source} {unmet}"
    return None


def governed(snapshot: Snapshot, plan: Plan, needs: Needs) -> Needs:
    """Return needs with the demands of the data policies that hold for a plan, each once."""
    if not plan.data_policies:
        return needs
    held = (snapshot.data_policies[name] for name in plan.data_policies)
    return replace(needs, demands=tuple(dict.fromkeys((*needs.demands, *held))))


def of_feature(snapshot: Snapshot, feature: str) -> tuple[Demand, ...]:
    """Return what is demanded for a feature whoever is asked by name: by its own data policies, and by those of ``*``."""
    held = snapshot.feature_policies
    names = dict.fromkeys((*held.get("*", ()), *held.get(feature, ()))) if held else ()
    return tuple([snapshot.data_policies[name] for name in names])


def named(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a deployment is among ``provider/model`` and ``provider/*``."""
    return name in patterns or f"{name.partition('/')[0]}/*" in patterns


def refusal(excluded: dict[str, str]) -> GatewayError | None:
    """Return the error of a request that nobody may serve, None where it is not for want of a permit."""
    reasons = [f"{name} {reason}" for name, reason in excluded.items()]
    if not any(reason.startswith(NOT_PERMITTED) for reason in excluded.values()):
        return None
    return GatewayError(403, "not_permitted", f"nobody may serve this request ({'; '.join(reasons)})")


def _unmet(one: Deployment, demand: Demand) -> str | None:
    facts = one.facts
    if demand.regions and not any(facts.region == name or facts.region.startswith(f"{name}-") for name in demand.regions):
        where = f"its region is {facts.region}" if facts.region else "its region is not stated"
        return f"demands the region {' or '.join(demand.regions)}, and {where}"
    if demand.zero_retention and not facts.zero_retention:
        return "demands zero retention, which is not stated of it"
    if demand.no_training and not facts.no_training:
        return "demands that nothing is trained on, which is not stated of it"
    if demand.vendors and one.provider not in demand.vendors:
        return f"approves of the vendors {', '.join(demand.vendors)} only"
    if demand.models and not named(one.name, demand.models):
        return f"approves of {', '.join(demand.models)} only"
    return None

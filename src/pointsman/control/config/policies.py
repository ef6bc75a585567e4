"""Policies of data: the tables ``policies``, what providers and deployments state of themselves, and who names a policy."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from pointsman.control.config.reading import Table, meant
from pointsman.core.demands import Demand, Facts


def read_facts(table: Table, usual: Facts) -> Facts:
    """Read what is stated of a provider or a deployment; ``usual`` is what holds where it says nothing."""
    return Facts(
        table.text("region") or usual.region,
        table.flag("zero_retention", usual.zero_retention),
        table.flag("no_training", usual.no_training),
    )


def read_policies(document: Table, providers: Iterable[str]) -> dict[str, Demand]:
    """Read the tables ``policies``."""
    return {name: _policy(name, table, list(providers)) for name, table in document.tables("policies")}


def policies_fit(document: Table, policies: Iterable[str]) -> None:
    """Note every policy that a key, a route or a feature names and that is not there."""
    known = list(policies)
    for path, named in _naming(document):
        if named not in known:
            remedy = meant(named, known) or f"add [policies.{named}]"
            document.report.add(path, f"there is no data policy {named!r}", remedy)


def _policy(name: str, table: Table, providers: list[str]) -> Demand:
    found = Demand(
        f"the data policy {name!r}",
        table.texts("regions") or (),
        table.flag("zero_retention", default=False),
        table.flag("no_training", default=False),
        table.texts("vendors") or (),
        table.texts("models") or (),
    )
    table.finish()
    if replace(found, source="") == Demand(""):
        remedy = "add regions, zero_retention, no_training, vendors or models, or remove it"
        table.report.add(table.path, f"[{table.name}] demands nothing", remedy)
    for key, names in (("vendors", found.vendors), ("models", tuple(one.partition("/")[0] for one in found.models))):
        for place, provider in enumerate(names):
            if provider not in providers:
                remedy = meant(provider, providers) or f"add [providers.{provider}]"
                table.report.add((*table.path, key, place), f"no provider {provider!r} is configured", remedy)
    return found


def _naming(document: Table) -> Iterable[tuple[tuple[str | int, ...], str]]:
    """Yield where a policy is named, and which."""
    tables: list[tuple[tuple[str | int, ...], Any]] = [
        ((outer, name), inner) for outer in ("keys", "features", "routes") for name, inner in _items(document.raw(outer))
    ]
    tables += [
        ((*path, "features", name), inner)
        for path, table in list(tables)
        if path[0] == "routes" and isinstance(table, dict)
        for name, inner in _items(table.get("features"))
    ]
    for path, table in tables:
        if isinstance(table, dict) and isinstance(table.get("policy"), str):
            yield (*path, "policy"), table["policy"]


def _items(values: Any) -> Iterable[tuple[str, Any]]:
    return values.items() if isinstance(values, dict) else ()

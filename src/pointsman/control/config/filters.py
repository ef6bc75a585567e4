"""Who may answer at all, and how long it may take: ``allow``, ``first_token_s`` and ``answer_s`` of routes and features.

A feature's keys replace the route's, one by one. Whoever the owner names elsewhere, as reference, candidate or judge, has to
be allowed: a rule about who may see requests that another line of the same file passes over is a mistake.
"""

from typing import Final

from pointsman.control.config.callables import Callables
from pointsman.control.config.reading import Table
from pointsman.control.config.values import FeatureRules, Filters, RouteRules
from pointsman.core.routing import Plan

_LONGEST_S: Final = "3600"


def read_filters(table: Table, callables: Callables) -> Filters:
    """Read the three keys of a route or a feature."""
    first = table.number("first_token_s", "0", _LONGEST_S, above=True)
    whole = table.number("answer_s", "0", _LONGEST_S, above=True)
    return Filters(
        _allow(table, callables), None if first is None else float(first), None if whole is None else float(whole)
    )


def judge_allowed(table: Table, feature: str, rules: FeatureRules, route: RouteRules) -> None:
    """Note who is named for a feature on a route and not allowed there. ``table`` is where it is said of the feature."""
    plan = Plan(feature, allow=rules.filters.over(route.filters).allow or ())
    reference = rules.reference or route.reference
    judge = rules.grader.spec if rules.grader is not None and rules.grader.kind == "judge" else None
    for name, role in ((reference, "reference"), (judge, "judge"), *((one, "candidate") for one in rules.candidates or ())):
        if name is not None and not plan.allows(name):
            what = f"{name!r} is the {role} in [{table.name}], and allow leaves it out"
            table.report.add(table.path, what, f"add it to allow, or name another {role}")


def _allow(table: Table, callables: Callables) -> tuple[str, ...] | None:
    names = table.texts("allow")
    if names is None:
        return None
    if not names:
        table.wrong("allow", "allows nobody", 'name deployments or providers: allow = ["openai/*"], or remove the key')
        return None
    written = table.raw("allow")
    return tuple(name for name in names if _known(table, (*table.path, "allow", written.index(name)), name, callables))


def _known(table: Table, path: tuple[str | int, ...], name: str, callables: Callables) -> bool:
    provider, _, model = name.partition("/")
    if model != "*":
        return callables.check(table.report, path, name)
    if provider not in callables.providers:
        table.report.add(path, f"{name!r}: no provider {provider!r} is configured", f"add [providers.{provider}]")
    return provider in callables.providers

"""What may be used in a window of time, by whom: the tables ``budgets``.

One table may state a limit of requests, of tokens and of dollars; each is a budget of its own to the gateway, and all hold.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from pointsman.control.config.callables import Callables
from pointsman.control.config.reading import Table, meant
from pointsman.core.budget import Budget, Scope, Unit, Window
from pointsman.core.price import NANO_PER_USD

_WINDOWS: Final[tuple[Window, ...]] = ("minute", "day", "month")
_SCOPES: Final[tuple[Scope, ...]] = ("key", "customer", "feature", "route", "deployment")
_MOST: Final = 10**15
_MOST_USD: Final = "1000000000"


def read_budgets(document: Table, callables: Callables, routes: Mapping[str, object]) -> tuple[Budget, ...]:
    """Read the tables ``budgets``; ``routes`` are those that there are."""
    return tuple([one for name, table in document.tables("budgets") for one in _budgets(name, table, callables, routes)])


def _budgets(name: str, table: Table, callables: Callables, routes: Mapping[str, object]) -> Iterator[Budget]:
    per, of = _scope(table, callables, routes)
    window = table.choice("window", _WINDOWS) or "day"
    degrade = table.choice("on_limit", ("refuse", "degrade")) == "degrade"
    limits = list(_limits(table))
    table.finish()
    if not limits and not any(key in table for key in ("requests", "tokens", "usd")):
        table.report.add(table.path, f"[{table.name}] has no limit", "add usd = 20, requests = 1000 or tokens = 1000000")
    if degrade and "usd" not in table:
        what = "cannot be degrade without usd: cheaper deployments save dollars, and neither requests nor tokens"
        table.wrong("on_limit", what, 'add usd = ..., or write "refuse"')
    if degrade and per == "deployment":
        what = "cannot be degrade for a deployment: where its budget is used up, others of the route serve anyway"
        table.wrong("on_limit", what, "remove it")
    for unit, limit in limits:
        yield Budget(name, unit, limit, window, per, of, degrade=degrade and unit == "usd")


def _limits(table: Table) -> Iterator[tuple[Unit, int]]:
    requests, tokens = table.whole("requests", 1, _MOST), table.whole("tokens", 1, _MOST)
    usd = table.number("usd", "0", _MOST_USD, above=True)
    if requests is not None:
        yield "requests", requests
    if tokens is not None:
        yield "tokens", tokens
    if usd is not None:
        yield "usd", max(int(usd * NANO_PER_USD), 1)


def _scope(table: Table, callables: Callables, routes: Mapping[str, object]) -> tuple[Scope, str]:
    """Read whose a budget is: of each value of a scope (``per``), of one (``customer = "acme"``), or everybody's."""
    per = table.choice("per", _SCOPES)
    stated: list[tuple[Scope, str]] = []
    for scope in _SCOPES:
        value = table.text(scope)
        if value is not None:
            stated.append((scope, value))
    if "per" in table and stated:
        scope = stated[0][0]
        remedy = f"keep per (each {scope} has the whole budget), or {scope} (one has it)"
        table.wrong("per", f"and {scope} are both there", remedy)
    elif len(stated) > 1:
        names = " and ".join(scope for scope, _ in stated)
        table.report.add(table.path, f"[{table.name}] names {names}", "name one, and make another budget for the other")
    for scope, value in stated:
        if scope == "deployment":
            callables.check(table.report, (*table.path, scope), value)
        elif scope == "route" and value not in routes:
            remedy = meant(value, routes) or f"add [routes.{value}]"
            table.wrong("route", f"names {value!r}, which is no route", remedy)
    return stated[0] if stated else (per or "all", "")

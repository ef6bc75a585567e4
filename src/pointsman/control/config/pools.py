"""Which deployments of one model share its requests: the tables ``pools``.

Laws: a pool holds one model, as ``model_key`` says, for what one of its deployments answers counts for all; a deployment is
in one pool at most.
"""

from typing import Final

from msgspec.structs import replace

from pointsman.control.config.callables import Callables
from pointsman.control.config.reading import Table
from pointsman.control.config.values import PoolRules

_LEAST: Final = 2


def read_pools(document: Table, callables: Callables) -> tuple[PoolRules, ...]:
    """Read the tables ``pools``."""
    found: list[PoolRules] = []
    seen: dict[str, str] = {}
    for name, table in document.tables("pools"):
        deployments = _members(table, callables)
        committed = table.texts("committed") or ()
        within, keep_free = table.number("price_within", "0", "1000"), table.number("keep_free", "0", "100")
        table.finish()
        for position, one in enumerate(committed):
            if one not in deployments:
                what = f"{one!r} is not one of the pool's deployments"
                table.report.add((*table.path, "committed", position), what, "add it to deployments, or remove it here")
        for position, one in enumerate(deployments):
            if one in seen:
                what = f"{one!r} is in the pool {seen[one]} already"
                table.report.add((*table.path, "deployments", position), what, "remove it from one of the two")
            seen[one] = name
        rules = PoolRules(deployments, committed)
        stated = {"price_within": within, "keep_free": keep_free}
        found.append(replace(rules, **{key: float(part / 100) for key, part in stated.items() if part is not None}))
    return tuple(found)


def _members(table: Table, callables: Callables) -> tuple[str, ...]:
    """Read the deployments of a pool: known ones, and one model."""
    names = table.texts("deployments")
    if names is None:
        if "deployments" not in table:
            remedy = 'add deployments = ["provider/model", "other/model"]'
            table.report.add(table.path, f"[{table.name}] does not say whose requests are shared", remedy)
        return ()
    known = [
        callables.check(table.report, (*table.path, "deployments", position), one) for position, one in enumerate(names)
    ]
    if all(known) and len(names) < _LEAST:
        table.wrong("deployments", "names one deployment only", "add another one of the same model, or remove the pool")
    if all(known) and names:
        key = callables.model_key(names[0])
        for position, one in enumerate(names):
            if callables.model_key(one) != key:
                what = f"{one!r} is the model {callables.model_key(one)!r}, and {names[0]!r} is {key!r}"
                remedy = f'where they are the same, write model_key = "{key}" under [deployments."{one}"]'
                table.report.add((*table.path, "deployments", position), what, remedy)
    return names

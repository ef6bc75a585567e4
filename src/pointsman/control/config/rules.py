"""What the owner wants: the tables ``routes`` and ``features``, with their objectives, checks and standing trials.

Strategy: ``[features.NAME]`` holds on every route; ``[routes.R.features.NAME]`` replaces its keys one by one on that route.
A route and its features are read first and judged together afterwards, because a trial needs a reference, candidates, a
check and prices, which may stand in different places.
"""

import re
from decimal import Decimal
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from pointsman.control.config.callables import Callables
from pointsman.control.config.filters import judge_allowed, read_filters
from pointsman.control.config.gates import read_gates
from pointsman.control.config.reading import Report, Table
from pointsman.control.config.values import DEFAULT_ROUTE, ExploreRules, FeatureRules, RouteRules, StandingTrial
from pointsman.control.grade import check as check_grader
from pointsman.core.errors import ConfigError
from pointsman.core.price import NANO_PER_USD
from pointsman.core.routing import Compared, Grader, GraderKind, Objective, ObjectiveKind, Plan

OBJECTIVES: Final[tuple[ObjectiveKind, ...]] = ("match", "best", "budget", "worth")
CHECKS: Final[tuple[GraderKind, ...]] = (
    "exact", "numeric", "regex", "json_schema", "json", "json_fields", "python", "judge",
)  # fmt: skip
COMPARED: Final[tuple[Compared, ...]] = ("exact", "numeric", "choice", "json")
MOST_DAYS: Final = 3650
_AGAINST: Final[tuple[Literal["expected", "reference"], ...]] = ("expected", "reference")
_RUN: Final = "code"
_ELSEWHERE: Final = (
    "code of models is run by evaluations only (pointsman eval run), in a sandbox that trials of live requests have not: "
    'grade by kind = "python" with a function of your own, or by a judge'
)
_COMPARING: Final = ("exact", "numeric", "json", "json_fields")
_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_MOST_USD: Final = "1000000000"
_POINT: Final = Decimal(100)


class _Feature(Struct, frozen=True):
    """A feature as it was read: only the keys that stand there."""

    table: Table
    said: dict[str, Any]


def read_routes(document: Table, callables: Callables) -> dict[str, RouteRules]:
    """Read ``routes`` and ``features``; the route ``auto`` is there even when nobody wrote it."""
    shared = dict(_features(document, callables))
    routes: dict[str, RouteRules] = {}
    for name, table in document.tables("routes"):
        rules = _route(table, callables)
        own = dict(_features(table, callables))
        table.finish()
        features = {key: _join(shared.get(key), own.get(key)) for key in (*shared, *own)}
        routes[name] = replace(rules, features=features)
        for key, feature in features.items():
            found = own.get(key) or shared[key]
            _judge_trial(found.table, table, feature, rules, callables)
            judge_allowed(found.table, key, feature, rules)
        judge_allowed(table, name, FeatureRules(candidates=rules.candidates), rules)
    if DEFAULT_ROUTE not in routes:
        features = {key: _join(feature, None) for key, feature in shared.items()}
        routes = {DEFAULT_ROUTE: RouteRules(features=features), **routes}
        if "routes" not in document:
            for key, feature in features.items():
                _judge_trial(shared[key].table, None, feature, routes[DEFAULT_ROUTE], callables)
                judge_allowed(shared[key].table, key, feature, routes[DEFAULT_ROUTE])
    return routes


def _route(table: Table, callables: Callables) -> RouteRules:
    reference = _deployment(table, "reference", callables)
    candidates = _deployments(table, callables) or ()
    if reference is not None and reference in candidates:
        position = candidates.index(reference)
        what = f"{reference!r} is the reference, which is compared with the candidates"
        table.report.add((*table.path, "candidates", position), what, "remove it from candidates")
    control = table.number("control_share", "0", "0.5")
    return RouteRules(
        reference,
        candidates,
        _objective(table),
        control_share=0.05 if control is None else float(control),
        filters=read_filters(table, callables),
        ask_twice=table.choice("ask_twice", COMPARED),
        gates=read_gates(table),
        explore=_explore(table),
        store_prompts=table.flag("prompts", False) if "prompts" in table else None,
        policies=_policies(table),
        hedge=float(table.number("hedge", "0", "0.5") or 0),
    )


def _objective(table: Table) -> Objective:
    """Read an objective: each kind has at most one number of its own, and another kind's number has no effect."""
    kind = table.choice("objective", OBJECTIVES) or "match"
    tolerance = _tolerance(table)
    numbers = {
        "usd_per_1000": table.number("usd_per_1000", "0", _MOST_USD, above=True),
        "usd_per_answer": table.number("usd_per_answer", "0", _MOST_USD, above=True),
    }
    confidence = table.number("confidence", "0.5", "0.999")
    caution = table.number("caution", "0", "3")
    own = {"tolerance": "match", "confidence": "match", "usd_per_1000": "budget", "usd_per_answer": "worth"}
    for key, owner in own.items():
        if key in table and kind != owner:
            table.wrong(key, f'has no effect with objective = "{kind}"', f'remove it, or write objective = "{owner}"')
    wanted = next((key for key in numbers if own[key] == kind), None)
    if wanted is not None and wanted not in table:
        what = f'objective = "{kind}" in [{table.name}] needs {wanted}'
        meaning = "dollars for 1,000 requests, on average" if kind == "budget" else "dollars that a right answer is worth"
        table.report.add((*table.path, "objective"), what, f"add {wanted} = {meaning}")
    return Objective(
        kind,
        tolerance=0.02 if tolerance is None else float(tolerance),
        usd_per_1000=_float(numbers["usd_per_1000"]),
        usd_per_answer=_float(numbers["usd_per_answer"]),
        confidence=_float(confidence),
        caution=1.0 if caution is None else float(caution),
    )


def _features(outer: Table, callables: Callables) -> "list[tuple[str, _Feature]]":
    found = []
    for name, table in outer.tables("features"):
        said: dict[str, Any] = {
            "reference": _deployment(table, "reference", callables),
            "candidates": _deployments(table, callables),
            "tolerance": _float(_tolerance(table)),
            "grader": _grader(table, callables),
            "trial": _trial(table),
            "filters": read_filters(table, callables),
            "review_days": table.whole("review_days", 0, MOST_DAYS),
            "store_prompts": table.flag("prompts", False) if "prompts" in table else None,
            "explore": _explore(table),
            "policies": _policies(table),
        }
        table.finish()
        found.append((name, _Feature(table, {key: value for key, value in said.items() if value is not None})))
    return found


def _join(shared: _Feature | None, own: _Feature | None) -> FeatureRules:
    said = {**(shared.said if shared else {}), **(own.said if own else {})}
    if shared and own:
        said["filters"] = own.said["filters"].over(shared.said["filters"])
        said["policies"] = tuple(dict.fromkeys((*shared.said["policies"], *own.said["policies"])))  # both hold
    return FeatureRules(**said)


def _policies(table: Table) -> tuple[str, ...]:
    name = table.text("policy")
    return () if name is None else (name,)


def _deployment(table: Table, key: str, callables: Callables) -> str | None:
    name = table.text(key)
    return name if name is not None and callables.check(table.report, (*table.path, key), name) else None


def _deployments(table: Table, callables: Callables) -> tuple[str, ...] | None:
    names = table.texts("candidates")
    if names is None:
        return None
    # Positions are those in the file, where an empty or repeated item was noted and left out.
    written = table.raw("candidates")
    known = [name for name in names if callables.check(table.report, (*table.path, "candidates", written.index(name)), name)]
    return tuple(known)


def _tolerance(table: Table) -> Decimal | None:
    """Read a tolerance in points, as a fraction. What lies between 0 and 0.1 points was meant as a fraction."""
    points = table.number("tolerance", "0", "50")
    if points is not None and 0 < points < Decimal("0.1"):
        meant = f"{(points * _POINT).normalize():f}"
        table.wrong("tolerance", f"is {points} of a point", f"tolerances are in points: write {meant} for {meant} %")
        return None
    return None if points is None else points / _POINT


def _grader(table: Table, callables: Callables) -> Grader | None:
    judge = table.text("judge")
    stated = table.table("check")
    if judge is not None and stated is not None:
        table.wrong("judge", "stands beside a check", "keep one of the two: a check costs nothing and does not err")
    if stated is not None:
        return _check(stated, callables)
    if judge is None or not callables.check(table.report, (*table.path, "judge"), judge):
        return None
    return Grader("judge", judge)


def _check(table: Table, callables: Callables) -> Grader | None:
    if table.text("kind") == _RUN:
        table.wrong("kind", f'cannot be "{_RUN}"', _ELSEWHERE)
        return None
    kind = table.choice("kind", CHECKS)
    spec = table.any_text("spec") or ""
    against = table.choice("against", _AGAINST) or "expected"
    table.finish()
    if kind is None:
        if "kind" not in table:
            table.report.add(table.path, f"{table.name} has no kind", f"add kind = one of {', '.join(CHECKS)}")
        return None
    if "against" in table and kind not in _COMPARING:
        table.wrong("against", f'has no effect on a check of kind "{kind}"', "remove it")
    where = (*table.path, "spec")
    if kind == "judge":
        if spec:
            return Grader(kind, spec) if callables.check(table.report, where, spec) else None
        table.report.add(table.path, f'a check of kind "judge" in {table.name} needs spec', 'add spec = "provider/model"')
        return None
    if kind == "python":
        # Only its form: the owner's code is imported where answers are graded, never where requests are forwarded.
        if not _FUNCTION.fullmatch(spec):
            table.report.add(where, f"{spec!r} does not name a function", 'write spec = "module:function"')
            return None
    else:
        try:
            check_grader(Grader(kind, spec))
        except ConfigError as error:
            table.report.add(where, str(error), f"correct spec (docs/configuration.md, kind {kind})")
            return None
    return Grader(kind, spec, against)


def _trial(table: Table) -> StandingTrial | None:
    stated = table.table("trial")
    if stated is None:
        return None
    share = stated.number("share", "0", "1", above=True)
    cap = stated.number("cap_usd", "0", _MOST_USD, above=True)
    stated.finish()
    if "cap_usd" not in stated:
        what = f"{stated.name} has no limit of money"
        stated.report.add(stated.path, what, "add cap_usd = the most US dollars that it may spend in all")
    if cap is None:
        return None
    return StandingTrial(0.1 if share is None else float(share), int((cap * NANO_PER_USD).to_integral_value()))


def _explore(table: Table) -> ExploreRules | None:
    stated = table.table("explore")
    if stated is None:
        return None
    share = stated.number("share", "0", "0.5", above=True)
    money = stated.number("usd_per_day", "0", _MOST_USD, above=True)
    stated.finish()
    missing = [
        (key, meaning)
        for key, meaning in (("share", "the most of requests, 0.02 is 2 %"), ("usd_per_day", "the most US dollars a day"))
        if key not in stated
    ]
    for key, meaning in missing:
        stated.report.add(
            stated.path, f"{stated.name} has no {key}: nobody is tried without a limit", f"add {key} = {meaning}"
        )
    if share is None or money is None:
        return None
    return ExploreRules(float(share), int((money * NANO_PER_USD).to_integral_value()))


def _judge_trial(table: Table, outer: Table | None, feature: FeatureRules, route: RouteRules, callables: Callables) -> None:
    """Note what a standing trial lacks, unless it is there and wrong, which was noted already.

    ``table`` is the feature's table; ``outer`` the route's, None where nobody wrote one.
    """
    if feature.trial is None:
        return
    path = (*table.path, "trial")
    report: Report = table.report
    reference = feature.reference or route.reference
    candidates = route.candidates if feature.candidates is None else feature.candidates
    allowed = Plan("", allow=feature.filters.over(route.filters).allow or ())
    candidates = tuple(name for name in candidates if name != reference and allowed.allows(name))
    tables = [table] if outer is None else [table, outer]
    if reference is None and not any("reference" in one for one in tables):
        what = f"the trial in [{table.name}] has no reference to compare with"
        report.add(path, what, 'add reference = "provider/model" to the route or the feature')
    written: Any = next((one.raw("candidates") for one in tables if "candidates" in one), [])
    if not candidates and isinstance(written, list) and set(map(str, written)) <= {reference}:
        report.add(path, f"the trial in [{table.name}] has no candidates", 'add candidates = ["provider/model", ...]')
    if feature.grader is None and "check" not in table and "judge" not in table:
        what = f"the trial in [{table.name}] cannot grade answers"
        report.add(path, what, 'add check = {...} or judge = "provider/model"')
    judge = (feature.grader.spec,) if feature.grader is not None and feature.grader.kind == "judge" else ()
    for name in (*candidates, *judge):
        if not callables.priced(name):
            what = f"the trial in [{table.name}] cannot keep its limit of money: no price is known for {name}"
            remedy = f'add price = {{input = ..., output = ...}} to [deployments."{name}"] (0 where it is free)'
            report.add(path, what, remedy)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)

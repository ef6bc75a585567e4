"""One year lived by everybody: what it came to, as numbers that can be kept in a file."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from seasons import bandits
from seasons.bandits import BANDITS, FIXED, OPTIONS, Options, Scene
from seasons.bank import Bank
from seasons.ours import Ours
from seasons.world import DAYS, OUTAGE, RELEASES, SILENT, VENDORS, Floats, Indices, Year, year

OURS: Final = "Pointsman"
POSSIBLE: Final = "best possible"
BUDGET_USD: Final = 0.6  # for 1,000 requests
AFFORDED: Final = "sim-crane-m"  # the reference of an owner with such a budget
MONTH: Final = 30


def tune(bank: Bank, requests: int, seed: int, _tuned: dict[str, Any]) -> dict[str, Any]:
    """Return what every option of every bandit comes to in a year, in dollars for 1,000 requests."""
    lived = year(bank, requests, seed)
    scene = Scene.of(lived)
    return {
        name: [
            float(1000 * _worth(lived, bandits.lived(lived, scene, name, option, seed)).mean()) for option in OPTIONS[name]
        ]
        for name in BANDITS
    }


def best(tuned: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, for each bandit, the option that came to most on average."""
    means = {name: np.mean([one[name] for one in tuned], axis=0) for name in BANDITS}
    found = {name: OPTIONS[name][int(mean.argmax())] for name, mean in means.items()}
    return {name: {"explore": option.explore, "forget": option.forget} for name, option in found.items()}


def others(bank: Bank, requests: int, seed: int, tuned: dict[str, Any]) -> dict[str, Any]:
    """Return what a year came to for everybody else: utility in dollars, by month and in all."""
    lived = year(bank, requests, seed)
    scene = Scene.of(lived)
    monthly = {name: _monthly(lived, _worth(lived, bandits.fixed(lived, parts(lived)))) for name, parts in FIXED.items()}
    monthly[POSSIBLE] = _monthly(lived, _worth(lived, bandits.possible(lived)))
    for name in BANDITS:
        served = bandits.lived(lived, scene, name, Options(**tuned[name]), seed)
        monthly[name] = _monthly(lived, _worth(lived, served))
    return {"monthly": monthly, "total": {name: sum(months) for name, months in monthly.items()}}


def worth(bank: Bank, requests: int, seed: int, _tuned: dict[str, Any]) -> dict[str, Any]:
    """Return a year in which a right answer has a worth: what it came to for Pointsman, and what that found."""
    lived = year(bank, requests, seed)
    before = time.process_time()
    ours = Ours(lived, seed)
    monthly = _monthly(lived, ours.run())
    spent = (ours.bill.trials + ours.bill.reviews + ours.bill.canaries) / 1e9
    return {
        "seed": seed,
        "requests": requests,
        "monthly": {OURS: monthly},
        "trials": ours.bill.trials / 1e9,
        "reviews": ours.bill.reviews / 1e9,
        "canaries": ours.bill.canaries / 1e9,
        "tried": ours.bill.tried / 1e9,
        "total": {OURS: sum(monthly) - spent},
        "cpu": time.process_time() - before,
        "events": _events(lived, ours),
        "explored": float(ours.explored.mean()),
        "dearest_day": float(max(np.bincount(lived.day, weights=ours.paid * ours.explored)) / 1e9),
        "paid": float(ours.paid.mean() / 1e6),
    }


def together(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Return a year with what it came to for everybody."""
    return {**ours, "monthly": {**theirs["monthly"], **ours["monthly"]}, "total": {**theirs["total"], **ours["total"]}}


def budget(bank: Bank, requests: int, seed: int, _tuned: dict[str, Any]) -> dict[str, Any]:
    """Return how a year kept a budget: the worst day and the worst 30 days, once choosing acts, as shares of it."""
    lived = year(bank, requests, seed)
    ours = Ours(lived, seed, today=AFFORDED, budget_usd_per_1000=BUDGET_USD)
    ours.run()
    first = int(ours.began) + 1
    over = ours.paid / (BUDGET_USD * 1e6) - 1
    daily = np.array([over[lived.day == day].mean() for day in range(first, DAYS)])
    months = [over[(lived.day >= day) & (lived.day < day + MONTH)].mean() for day in range(first, DAYS - MONTH + 1)]
    return {
        "seed": seed,
        "requests": requests,
        "day": float(np.abs(daily).max()),
        "days_within": float((np.abs(daily) <= 0.03).mean()),
        "month": float(np.abs(months).max()),
        "year": float(over[lived.day >= first].mean()),
        "quality": float(lived.chance[np.arange(len(lived)), ours.served].mean()),
    }


PARTS: Final[dict[str, Callable[[Bank, int, int, dict[str, Any]], dict[str, Any]]]] = {
    "tune": tune,
    "others": others,
    "worth": worth,
    "budget": budget,
}


def _worth(lived: Year, served: Indices) -> Floats:
    return np.asarray(lived.utility[np.arange(len(lived)), served])


def _monthly(lived: Year, utility: Floats) -> list[float]:
    """Return the sums of utility of each of twelve months, in dollars."""
    return [float(part) for part in np.bincount(np.minimum(lived.day * 12 // DAYS, 11), weights=utility, minlength=12)]


def _events(lived: Year, ours: Ours) -> dict[str, Any]:
    """Return, for each event, when it was found (days after), or how much a model served."""
    found: dict[str, Any] = {}
    changed = f"{VENDORS[SILENT.model]}/{SILENT.model}"
    right = [day for day, name in ours.alarms if name == changed and day >= SILENT.day]
    found["silent"] = right[0] - SILENT.day if right else None
    found["false alarms"] = sum(1 for day, name in ours.alarms if name != changed or day < SILENT.day)
    for release in RELEASES:
        name = f"{VENDORS[release.model.name]}/{release.model.name}"
        after = lived.day >= release.day
        taken = [day for day, accepted in ours.accepted if name in accepted]
        share = float((ours.served[after] == lived.names.index(release.model.name)).mean())
        ideal = float((bandits.possible(lived)[after] == lived.names.index(release.model.name)).mean())
        found[release.model.name] = {"after": taken[0] - release.day if taken else None, "share": share, "ideal": ideal}
    out = np.array([VENDORS[name] == OUTAGE.vendor for name in lived.names])
    found["outage"] = {"failed": ours.failed, "asked": int((lived.day == OUTAGE.day).sum()), "vendor": int(out.sum())}
    return found

"""What the brain must reach on outcome tables, and whether it does.

Laws: a floor is beaten when the figure is better than it, met while the figure's 95 % interval does not exclude it, else not
met; a comparison counts where it is significant after Holm's adjustment over all comparisons of its table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from choosing import baselines
from choosing.figures import NOT_DEPLOYABLE, Figures, Measure
from choosing.statistics import Interval

Verdict = Literal["beaten", "met", "not met", "not measured"]

SHARES: Final = {"routerbench_part": 0.73, "mmlu_pro": 0.72, "open_llm_lb2_carrot": 0.66}
GAINS: Final = {"mmlu_pro": 0.009, "open_llm_lb2_carrot": 0.016, "routerdc7": 0.05, "llmrouter_uiuc": 0.038}
BRIERS: Final = {"routerbench_part": 0.190, "mmlu_pro": 0.200, "open_llm_lb2_carrot": 0.197}
ABOVE: Final = ("kNN", "k-means", baselines.SINGLE)
_TABLES_ABOVE: Final = 4
_LARGE: Final = 3000
_ERROR: Final = 0.02
_OFF: Final = 0.025
_LENGTH: Final = 0.9
_LOSS: Final = 0.01


@dataclass(frozen=True)
class Floor:
    """One floor: the item of the issue, what is asked for, what was measured, and the verdict."""

    item: int
    what: str
    figure: str
    verdict: Verdict


def floors(tables: Sequence[Figures]) -> list[Floor]:
    """Judge every floor that the measured tables have a part in."""
    if not tables:
        return []
    return [*_comparisons(tables), *_savings(tables), *_gains(tables), *_calibrations(tables), *_lengths(tables)]


def at_most(found: Interval, limit: float) -> Verdict:
    """Judge a figure that must not be above a limit."""
    return "beaten" if found.mean <= limit else "met" if found.low <= limit else "not met"


def at_least(found: Interval, limit: float) -> Verdict:
    """Judge a figure that must not be below a limit."""
    return "beaten" if found.mean >= limit else "met" if found.high >= limit else "not met"


def points(found: Interval) -> str:
    """Write a difference in points, with its interval."""
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def plain(found: Interval, form: str = ".3f") -> str:
    """Write a figure with its interval."""
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"


def below(measure: Measure) -> list[str]:
    """Return the deployable baselines that are significantly above Pointsman."""
    return [name for name, one in measure.others.items() if name not in NOT_DEPLOYABLE and one.verdict == "below"]


def _comparisons(tables: Sequence[Figures]) -> list[Floor]:
    found = []
    for each in tables:
        over = below(each.headline)
        figure = ", ".join(f"{name} {points(each.headline.others[name].ahead)}" for name in over) or "none is above"
        what = f"{each.name}: not significantly below any deployable baseline"
        found.append(Floor(1, what, figure, "not met" if over else "met"))
    for name in ABOVE:
        above = [each.name for each in tables if each.headline.others[name].verdict == "above"]
        what = f"significantly above {name} on at least {_TABLES_ABOVE} of 6 tables"
        figure = f"{len(above)} of {len(tables)} tables" + (f": {', '.join(above)}" if above else "")
        found.append(Floor(1, what, figure, "met" if len(above) >= _TABLES_ABOVE else "not met"))
    for each in tables:
        lead = each.headline.others[baselines.LABEL]
        what = f"{each.name}: not significantly below *best per label*, which is given the label"
        found.append(Floor(1, what, points(lead.ahead), "not met" if lead.verdict == "below" else "met"))
    return found


def _savings(tables: Sequence[Figures]) -> list[Floor]:
    found = []
    for each in tables:
        if each.name in SHARES:
            own = each.savings["Pointsman"]
            limit = SHARES[each.name]
            what = f"{each.name}: share of best single's cost within one point of it, at most {limit:.2f}"
            found.append(Floor(2, what, plain(own.share), at_most(own.share, limit)))
            what = f"{each.name}: mean loss there, at most one point"
            found.append(Floor(2, what, points(own.change), at_least(own.change, -_LOSS)))
    return found


def _gains(tables: Sequence[Figures]) -> list[Floor]:
    found = []
    for each in tables:
        lead = each.accuracy.others[baselines.SINGLE]
        if each.name in GAINS:
            limit = GAINS[each.name]
            what = f"{each.name}: accuracy over best single, cost ignored, at least {100 * limit:+.1f} points"
            found.append(Floor(2, what, points(lead.ahead), at_least(lead.ahead, limit)))
        else:
            what = f"{each.name}: accuracy not significantly below best single's, cost ignored"
            found.append(Floor(2, what, points(lead.ahead), "not met" if lead.verdict == "below" else "met"))
    return found


def _calibrations(tables: Sequence[Figures]) -> list[Floor]:
    found = []
    for each in tables:
        error = each.calibration.pooled
        what = f"{each.name}: calibration error, at most {_ERROR}"
        found.append(Floor(3, what, plain(error, ".4f"), at_most(error, _ERROR)))
        if each.groups > _LARGE:
            name, off = each.calibration.worst
            size = off if off.mean >= 0 else Interval(-off.mean, -off.high, -off.low)
            what = f"{each.name}: each model's mean expectation over the splits off by at most 2.5 points; the worst, {name}"
            figure = f"{points(size)}; the worst in one split alone {100 * each.calibration.worst_split:.1f}"
            found.append(Floor(3, what, figure, at_most(size, _OFF)))
        found.append(_brier(each))
        if each.name in BRIERS:
            what = f"{each.name}: Brier score of a prototype, {BRIERS[each.name]:.3f}"
            found.append(Floor(3, what, plain(each.brier.own, ".4f"), at_most(each.brier.own, BRIERS[each.name])))
    return found


def _brier(each: Figures) -> Floor:
    """Judge the Brier score against the best deployable baseline's."""
    rivals = {name: one for name, one in each.brier.others.items() if name not in NOT_DEPLOYABLE}
    name, best = min(rivals.items(), key=lambda pair: pair[1].figure.mean)
    margin = best.ahead
    figure = f"{plain(margin, '+.4f')} against {name}"
    return Floor(3, f"{each.name}: Brier score below every deployable baseline's", figure, at_most(margin, 0.0))


def _lengths(tables: Sequence[Figures]) -> list[Floor]:
    found = []
    for each in tables:
        if each.lengths is None:
            continue
        covered = each.lengths.covered
        what = f"{each.name}: share of outputs within the predicted 90 % quantile of length, 87 to 93 %"
        found.append(Floor(3, what, f"{100 * covered:.1f} %", "met" if 0.87 <= covered <= 0.93 else "not met"))
        what = f"{each.name}: median relative error of output length, at most 0.90 of the per-model median's"
        ratio = each.lengths.ratio
        if ratio is None:
            figure = f"{each.lengths.predicted:.3f} against 0: most answers are as long as their model's median"
            found.append(Floor(3, what, figure, "not met"))
        else:
            found.append(Floor(3, what, plain(ratio), at_most(ratio, _LENGTH)))
    return found

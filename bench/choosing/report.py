"""The document: what was measured, as Markdown and pictures."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from choosing import baselines, pictures
from choosing.figures import Figures
from choosing.floors import Floor, floors, plain, points
from choosing.parts import Found
from choosing.runs import OWN
from choosing.statistics import DRAWS, interval

_DOCS: Final = Path(__file__).parents[2] / "docs"
DOCUMENT: Final = _DOCS / "routing-benchmarks.md"
PICTURES: Final = _DOCS / "pictures"
COMMAND: Final = ".venv/bin/python bench/routing.py --tables DIR"


def write(tables: Sequence[Figures], skipped: Sequence[str], beside: Sequence[Found] = ()) -> None:
    """Write the document and its pictures."""
    drawn = pictures.draw(tables, PICTURES)
    DOCUMENT.write_text(document(tables, skipped, drawn, beside), "utf-8")


def document(
    tables: Sequence[Figures], skipped: Sequence[str], drawn: Sequence[str] = (), beside: Sequence[Found] = ()
) -> str:
    """Return the document as Markdown; ``beside`` are the parts that were measured beside ways of choosing."""
    found = sorted([*floors(tables), *(floor for part in beside for floor in part.floors)], key=lambda floor: floor.item)
    sections = [
        "# How good the choices are",
        _head(tables, skipped) if tables else "",
        "## Floors, and whether they are reached",
        _floors(found),
        *(_ways_compared(tables, drawn) if tables else ()),
        *(part.section for part in beside),
        _PROTOCOL,
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _ways_compared(tables: Sequence[Figures], drawn: Sequence[str]) -> list[str]:
    """Return the sections on ways of choosing."""
    shown = {name: f"![{name.removesuffix('.svg')}]({PICTURES.name}/{name})" for name in drawn}
    return [
        "## Against other ways of choosing",
        _HOW_COMPARED,
        *(picture for name, picture in shown.items() if "leads" in name),
        _leads(tables),
        _averages(tables),
        *(picture for name, picture in shown.items() if "curves" in name),
        *(_table(each) for each in tables),
        "## As cheap as possible within one point of the best single model",
        _savings(tables),
        "## Accuracy, cost ignored",
        _accuracy(tables),
        "## Calibration",
        _calibration(tables),
        _brier(tables),
        "## Output length",
        _lengths(tables),
        "## What loses",
        _losses(tables),
    ]


_NO_MATTER: Final = ("cheapest", "zero-router hull")  # where cost is ignored

_HOW_COMPARED: Final = """\
Area (AIQ) where costs exist, accuracy where they do not. A lead is Pointsman's figure less the other's, in points, with its
95 % interval; *above* and *below* are significant after Holm's adjustment over all comparisons of the table. *best per
label* is given the dataset's name of every prompt, which nobody else is; *best possible* knows the outcomes."""

_PROTOCOL: Final = f"""\
## How it was measured

- **Splits**: groups of equal prompts (`dup_group`), 30 % set aside by each seed; one row a group, equal prompts averaged.
  Models that answered under 97 % of the prompts are left out, and on tables with costs models without any; then prompts
  with a score for under 80 % of the models. A missing score counts as wrong, a missing cost as its model's mean.
- **Tuning** is inside the fit part only: for baselines on 30 % of it, set aside once more; Pointsman's code does its own.
- **Area**: the mean, over costs from the fit part's cheapest model's to its dearest's, of the non-decreasing upper convex
  hull of a way's points (47 values of a right answer from 1,000 to 1/30 mean costs of the dearest model, and cost ignored).
  Every way may be mixed with the cheapest model; best single's area is that of its mixtures.
- **Intervals**: differences are averaged over the splits for each group, and groups are drawn {DRAWS:,} times; areas and
  shares through their linearisation, which takes the hull's vertices as given. A floor is *beaten* when the figure is
  better, *met* while its interval does not exclude it.
- **Pointsman** is the code that ships (`policy/teach`, `policy/trade`, `policy/model`), taught with the dataset labels, and
  asked without them. Its accuracy with cost ignored is under the objective `best`, its saving under `match` with a tolerance
  of one point, without caution and with: either may say that one model suffices.
- **Baselines** read the text as TF-IDF over words and word pairs (sublinear, in at least two prompts; each Chinese character
  is a word): *kNN* by cosine, k from 10 to 200; the others on its first 256 singular directions. *k-means* is Avengers-Pro's
  rule (arXiv:2508.12631), 16 or 60 clusters, the four nearest; *UniRoute clusters* (arXiv:2502.08773) 5 to 100; *per-model
  logistic* one of three penalties; *item response* (arXiv:2506.01048) one or four dimensions. Costs are predicted by
  neighbours, clusters or the model's mean, as their authors do. None has a sentence encoder: with one they may be better.
- **Best single** is chosen on each fit part; ties go to the model that is better on the whole fit part.
- Tables are not part of this repository; no prompt is shown here."""


def _head(tables: Sequence[Figures], skipped: Sequence[str]) -> str:
    seeds = sorted({seed for each in tables for seed in each.seeds})
    of_ten = "" if len(seeds) == 10 else f" (**{len(seeds)} of the ten seeds that the protocol asks for**)"
    made = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} by `{COMMAND} --write`, seeds {', '.join(map(str, seeds))}{of_ten}; "
        f"Python {platform.python_version()}, numpy {np.__version__}. This page is written by that command."
    )
    lines = [
        f"| {each.name} | {each.groups:,} | {each.models} | {'yes' if each.priced else 'no'} "
        f"| {', '.join(each.singles)} | {', '.join(each.left_out) or '–'} |"
        for each in tables
    ]
    head = "| table | prompts | models | costs | best single on the fit parts | left out |\n" + "|---" * 6 + "|"
    return "\n\n".join([made, "\n".join([head, *lines]), *(f"Skipped: {reason}." for reason in skipped)])


def _floors(found: Sequence[Floor]) -> str:
    count = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("beaten", "met", "not met")}
    lines = [f"| {one.item} | {one.what} | {one.figure} | {_strong(one.verdict)} |" for one in found]
    told = f"{count['beaten']} beaten, {count['met']} met, **{count['not met']} not met**."
    return told + "\n\n| item | floor | measured [95 %] | |\n|---|---|---|---|\n" + "\n".join(lines)


def _strong(verdict: str) -> str:
    return f"**{verdict}**" if verdict == "not met" else verdict


def _leads(tables: Sequence[Figures]) -> str:
    """Return Pointsman's lead over every way on every table."""
    head = "| lead over, points | " + " | ".join(each.name for each in tables) + " |\n|---" + "|---" * len(tables) + "|"
    lines = []
    for way in _ways(tables):
        cells = []
        for each in tables:
            one = each.headline.others.get(way)
            verdict = f" *{one.verdict}*" if one and one.verdict and way != baselines.POSSIBLE else ""
            cells.append(f"{100 * one.ahead.mean:+.2f}{verdict}" if one else "–")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return head + "\n" + "\n".join(lines)


def _ways(tables: Sequence[Figures]) -> list[str]:
    return list(dict.fromkeys(way for each in tables for way in each.headline.others))


def _averages(tables: Sequence[Figures]) -> str:
    """Return the leads averaged over tables (macro) and over prompts (micro), of ways that are on all tables."""
    sizes = np.array([each.groups for each in tables], dtype=np.float64)
    lines = []
    for way in (way for way in _ways(tables) if all(way in each.headline.others for each in tables)):
        cells = []
        for weights in (np.full(len(tables), 1 / len(tables)), sizes / sizes.sum()):
            mean = sum(weight * each.headline.others[way].ahead.mean for weight, each in zip(weights, tables, strict=True))
            draws = sum(weight * each.headline.leads[way] for weight, each in zip(weights, tables, strict=True))
            cells.append(points(interval(float(mean), np.asarray(draws))))
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    head = f"| lead over, points | macro, over {len(tables)} tables | micro, over prompts |\n|---|---|---|"
    return head + "\n" + "\n".join(lines)


def _table(each: Figures) -> str:
    what = "area" if each.priced else "accuracy"
    lines = [f"| {OWN} | {plain(each.headline.own, '.4f')} | | | |"]
    for way, one in sorted(each.headline.others.items(), key=lambda pair: -pair[1].figure.mean):
        judged = ("–", "") if way == baselines.POSSIBLE else (f"{one.chance:.3f}", one.verdict)
        lines.append(f"| {way} | {plain(one.figure, '.4f')} | {points(one.ahead)} | {' | '.join(judged)} |")
    head = f"### {each.name}\n\n| way | {what} [95 %] | lead, points | p, adjusted | Pointsman is |\n" + "|---" * 5 + "|"
    return head + "\n" + "\n".join(lines)


def _savings(tables: Sequence[Figures]) -> str:
    priced = [each for each in tables if each.savings]
    if not priced:
        return "No table with costs was measured."
    text = (
        "The trade-off is chosen on the fit part. Share of best single's cost, and change in accuracy against it in points; "
        "both averaged over splits. Pointsman and all others make an even bet of it: the cheapest trade-off whose estimated "
        "loss is the point (`match` with `caution = 0`). Beside it stands Pointsman as it is without that line."
    )
    ways = [way for way in priced[0].savings if way not in (baselines.SINGLE, _NO_MATTER[0])]
    parts = [text]
    for each in priced:
        lines = [f"| {way} | {plain(each.savings[way].share)} | {points(each.savings[way].change)} |" for way in ways]
        alone = f"\n\nUnder `match` one model was said to suffice in {each.alone[1]} of {len(each.seeds)} splits."
        parts.append(
            f"### {each.name}\n\n| way | share of cost | change, points |\n|---|---|---|\n" + "\n".join(lines) + alone
        )
    return "\n\n".join(parts)


def _accuracy(tables: Sequence[Figures]) -> str:
    ways = [way for way in _ways(tables) if all(way in each.accuracy.others for each in tables) and way not in _NO_MATTER]
    head = "| way | " + " | ".join(each.name for each in tables) + " |\n|---" + "|---" * len(tables) + "|"
    lines = [f"| {OWN} | " + " | ".join(f"{100 * each.accuracy.own.mean:.2f}" for each in tables) + " |"]
    lines += [
        f"| {way} | " + " | ".join(f"{100 * each.accuracy.others[way].figure.mean:.2f}" for each in tables) + " |"
        for way in ways
    ]
    lines.append(
        f"| {OWN}, lead over best single | "
        + " | ".join(points(each.accuracy.others[baselines.SINGLE].ahead) for each in tables)
        + " |"
    )
    lines.append("| the same, with its usual caution | " + " | ".join(points(each.sure) for each in tables) + " |")
    lines.append("| the same, choosing always | " + " | ".join(points(each.always) for each in tables) + " |")
    alone = ", ".join(f"{each.name} {each.alone[0]} of {len(each.seeds)}" for each in tables)
    told = (
        f"Splits in which one model was said to suffice (`caution = 0`): {alone}. *Choosing always* takes the highest "
        "expectation for every prompt, whether or not that was shown to pay on the fit part."
    )
    return head + "\n" + "\n".join(lines) + "\n\n" + told


def _calibration(tables: Sequence[Figures]) -> str:
    head = (
        "Error in 15 bins of equal count, pooled over models, mean over splits with its range; the model whose mean "
        "expectation is furthest from its mean score over all splits, and the furthest of any single split, in points.\n\n"
        "| table | error [95 %] | by split | furthest model | off by, points | in one split |\n|---|---|---|---|---|---|"
    )
    lines = []
    for each in tables:
        one = each.calibration
        lines.append(
            f"| {each.name} | {plain(one.pooled, '.4f')} | {min(one.error):.4f} to {max(one.error):.4f} | {one.worst[0]} "
            f"| {points(one.worst[1])} | {100 * one.worst_split:.1f} |"
        )
    return head + "\n" + "\n".join(lines)


def _brier(tables: Sequence[Figures]) -> str:
    ways = list(tables[0].brier.others)
    head = (
        "| Brier score, lower is better | "
        + " | ".join(each.name for each in tables)
        + " |\n|---"
        + "|---" * len(tables)
        + "|"
    )
    lines = [f"| {OWN} | " + " | ".join(f"{each.brier.own.mean:.4f}" for each in tables) + " |"]
    for way in ways:
        cells = []
        for each in tables:
            one = each.brier.others[way]
            better = {"above": " *better than Pointsman*", "below": " *worse*"}.get(one.verdict, "")
            cells.append(f"{one.figure.mean:.4f}{better}")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return head + "\n" + "\n".join(lines)


def _lengths(tables: Sequence[Figures]) -> str:
    known = [each for each in tables if each.lengths is not None]
    if not known:
        return "No table with output lengths was measured."
    lines = []
    for each in known:
        one = each.lengths
        assert one is not None
        ratio = "–" if one.ratio is None else plain(one.ratio)
        lines.append(f"| {each.name} | {one.predicted:.3f} | {one.median:.3f} | {ratio} | {100 * one.covered:.1f} % |")
    head = (
        "Median absolute relative error over all answers set aside; predicted are the median and the 90 % quantile.\n\n"
        "| table | predicted | per-model median | ratio | within the 90 % quantile |\n|---|---|---|---|---|"
    )
    return head + "\n" + "\n".join(lines)


def _losses(tables: Sequence[Figures]) -> str:
    """Return where Pointsman is behind: significantly, or by the figure alone."""
    lines = []
    for each in tables:
        behind = {
            name: f"{name} ({100 * one.ahead.mean:+.2f})"
            for name, one in each.headline.others.items()
            if one.ahead.mean < 0 and name != baselines.POSSIBLE
        }
        sure = [name for name in behind if each.headline.others[name].verdict == "below"]
        told = [
            ("significantly: ", [text for name, text in behind.items() if name in sure]),
            ("not significantly: ", [text for name, text in behind.items() if name not in sure]),
            ("Brier score, significantly: ", [name for name, one in each.brier.others.items() if one.verdict == "above"]),
        ]
        parts = [start + ", ".join(names) for start, names in told if names]
        lines.append(f"- **{each.name}**: {'; '.join(parts) or 'none'}.")
    return (
        "Ways that Pointsman is behind, with its lead in points (*best per label* knows more than it does):\n\n"
        + "\n".join(lines)
    )

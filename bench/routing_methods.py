"""What each part of choosing per request is worth: the way that ships, taken apart, on splits that nothing was tuned on.

    .venv/bin/python bench/routing_methods.py --tables DIR [--only NAME,...] [--seeds 100:132] [--cache DIR]

Objective match at a tolerance of one point against the model that is best on the part learned from; 30 % of the groups of
equal prompts are set aside, seed by seed, as ``pointsman evaluate`` does. All ways share each split's decomposition. A way's
change is averaged over the splits for each group, and bootstrapped over groups. With ``--cache`` a split that was measured
is not measured again. Tables that are absent are skipped, and named. Prints Markdown; seconds to half a minute a split.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.control.evaluate import _comparable, _interval, _paid, _split
from pointsman.control.tables import read_outcomes
from pointsman.core.routing import Objective
from pointsman.policy import model, quality, spend, teach, trade
from pointsman.policy.linear import Folded, softmax
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.quality import Tasks
from pointsman.policy.trade import Evidence, choices, earns, resolve

TABLES = ("mmlu_pro", "routerbench_part", "open_llm_lb2_carrot")
TOLERANCE = 0.01
Array = NDArray[Any]


@dataclass(frozen=True)
class Way:
    """``apart``: whether models are told apart within a task (None: where that earns its place).

    ``by_task``: whether costs have a factor for each task; ``caution`` is the objective's, ``least`` is
    that of ``policy/trade``.
    """

    apart: bool | None
    by_task: bool
    caution: float = 1.0
    least: float = trade.LEAST


WAYS = {
    "before": Way(apart=True, by_task=False, caution=0.75, least=0.0),
    "before, 1.645 standard errors": Way(apart=True, by_task=False, caution=1.645, least=0.0),
    "before, no quality sold cheap": Way(apart=True, by_task=False, caution=0.75, least=trade.LEAST / 0.75),
    "as shipped": Way(apart=None, by_task=True),
    "as shipped, always told apart": Way(apart=True, by_task=True),
    "as shipped, never told apart": Way(apart=False, by_task=True),
    "as shipped, quality sold at any price": Way(apart=None, by_task=True, least=0.0),
    "as shipped, an even bet": Way(apart=None, by_task=True, caution=0.0),
}


@dataclass(frozen=True)
class Split:
    """One split: predictions for rows held out of learning and for those set aside, by form; what was observed."""

    quality: dict[bool, tuple[Array, Array]]
    cost: dict[bool, tuple[Array, Array]]
    score: Array
    spent: Array


def learned(rows: Outcomes, asked: Outcomes) -> Split:
    """Learn on some rows as ``policy/teach`` does, in every form, and predict others."""
    axes, centre, scale = teach.seen(rows.vectors)
    there = (model.design(asked.vectors, centre, scale) - axes.centre) @ axes.directions
    folds = rows.folds(quality.FOLDS)
    tasks = Tasks.of(rows, axes.coordinates, folds)
    chances, usual = softmax(there @ tasks.slopes + tasks.intercept), tasks.chances.mean(axis=0)
    folded = Folded.of(np.hstack((axes.coordinates, teach.TASK_SIZE * (tasks.chances - usual))), folds)
    there = np.hstack((there, teach.TASK_SIZE * (chances - usual)))
    qualities, costs = {}, {}
    for form in (False, True):
        found, held = quality.fit(rows, tasks, folded, apart=form)
        qualities[form] = held, chances @ found.table + there @ found.slopes + found.intercept
        labels, told, asks = (
            (tasks.labels, tasks.chances, chances)
            if form
            else (np.zeros(len(rows), dtype=np.int64), np.ones((len(rows), 1)), np.ones((len(asked), 1)))
        )
        amounts, held = spend.fit(rows.cost_nano, labels, told, folded)
        logs = amounts.intercept + there @ amounts.slopes + asks @ amounts.table
        costs[form] = held, np.minimum(np.exp(logs), amounts.most)
    return Split(qualities, costs, rows.score, rows.cost_nano)


def picked(way: Way, split: Split, names: tuple[str, ...], home: int) -> tuple[Array, Array]:
    """Return what a way chooses for each prompt set aside, and the quality that it predicts."""
    held_cost, cost = split.cost[way.by_task]

    def evidence(form: bool) -> Evidence:
        return Evidence.of(names, split.quality[form][0], held_cost, split.score, split.spent)

    form = earns(evidence(True), evidence(False)) if way.apart is None else way.apart
    aim = Objective("match", tolerance=TOLERANCE, caution=way.caution)
    found = resolve(aim, evidence(form), names[home], np.random.default_rng(0), least=way.least)
    predicted = np.clip(split.quality[form][1], quality.CLOSEST, 1 - quality.CLOSEST)
    if found.one_model is not None:
        return np.full(len(predicted), names.index(found.one_model)), predicted
    serving = [place for place, name in enumerate(names) if name in found.chosen or place == home]
    return np.array(serving)[choices(predicted[:, serving], cost[:, serving], found.value_nano)], predicted


def calibration_error(predicted: Array, seen: Array) -> float:
    """Return the mean distance of predicted and observed means over 15 bins of equal count, all models pooled."""
    bins = np.array_split(np.argsort(predicted.ravel(), kind="stable"), 15)
    flat, truth = predicted.ravel(), seen.ravel()
    return float(sum(len(each) / len(flat) * abs(flat[each].mean() - truth[each].mean()) for each in bins))


def measured(rows: Outcomes, score: Array, paid: Array, seed: int) -> dict[str, Array]:
    """Return, for one split, rows set aside, and for each way change and costs by row, Brier score, calibration error."""
    fit, test = _split(rows, seed)
    home = int(score[fit].mean(axis=0).argmax())
    split = learned(rows.rows(fit), rows.rows(test))
    here = np.arange(len(test))
    found: dict[str, Array] = {"test": test, "base": paid[test, home]}
    for name, way in WAYS.items():
        chosen, predicted = picked(way, split, rows.deployments, home)
        found[f"change {name}"] = score[test][here, chosen] - score[test, home]
        found[f"cost {name}"] = paid[test][here, chosen]
        error = np.square(predicted - score[test]).mean(), calibration_error(predicted, score[test])
        found[f"error {name}"] = np.array(error)
    return found


def kept(directory: Path | None, name: str, seeds: range, rows: Outcomes) -> Iterator[dict[str, Array]]:
    """Yield every split's results, from the cache where they are there."""
    score, paid = np.nan_to_num(rows.score), _paid(rows, {})
    for seed in seeds:
        path = None if directory is None else directory / f"{name}.{seed}.npz"
        if path is not None and path.exists():
            yield dict(np.load(path))
            continue
        found = measured(rows, score, paid, seed)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, allow_pickle=False, **found)
        yield found


def report(name: str, rows: Outcomes, splits: list[dict[str, Array]]) -> None:
    print(f"\n### {name}: {len(splits)} splits\n")
    titles = "way", "change, points [95 %]", "cost share (sd)", "within 1 point", "at most 0.80", "both", "Brier", "ECE"
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for way in WAYS:
        total, seen = np.zeros(len(rows)), np.zeros(len(rows))
        for split in splits:
            total[split["test"]] += split[f"change {way}"]
            seen[split["test"]] += 1
        mean, low, high = (100 * each for each in _interval(total[seen > 0] / seen[seen > 0]))
        change = np.array([split[f"change {way}"].mean() for split in splits])
        share = np.array([split[f"cost {way}"].mean() / split["base"].mean() for split in splits])
        near, cheap = change >= -TOLERANCE - 1e-12, share <= 0.8
        brier, error = np.mean([split[f"error {way}"] for split in splits], axis=0)
        print(
            f"| {way} | {mean:+.2f} [{low:+.2f}, {high:+.2f}] | {share.mean():.3f} ({share.std():.3f}) | {near.sum()} | "
            f"{cheap.sum()} | {(near & cheap).sum()} | {brier:.4f} | {error:.4f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="directory of the outcome tables")
    parser.add_argument("--only", default=",".join(TABLES), help="names of tables, with commas between")
    parser.add_argument("--seeds", default="100:132", help="first seed, and the one after the last")
    parser.add_argument("--cache", type=Path, help="where the results of single splits are kept")
    options = parser.parse_args()
    seeds = range(*map(int, options.seeds.split(":")))
    for name in options.only.split(","):
        path = options.tables / f"{name}.parquet"
        if not path.exists():
            print(f"skipped {name}: there is no {path}")
            continue
        rows, _ = _comparable(read_outcomes([path]).grouped())
        report(name, rows, list(kept(options.cache, name, seeds, rows)))


if __name__ == "__main__":
    main()

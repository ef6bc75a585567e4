"""The whole way on real outcome tables: learn on 70 % of a table, decide on the other 30 % over HTTP, grade by the table.

Strategy: nothing but commands and HTTP. ``pointsman up`` serves in front of a simulated upstream that accepts the table's
model names; ``pointsman learn`` publishes to it while it runs; the ``openai`` client asks ``model="auto"`` for every prompt;
the reply's headers say who was chosen, and the table says how well that deployment answered and for how much.

    .venv/bin/python bench/end_to_end.py --tables DIR [--seed 0] [--tolerance 1]

DIR holds ``routerbench_part`` and ``mmlu_pro`` (see docs/outcome-tables.md). The split is by dup_group and seeded; a
missing cell counts as wrong and at its model's mean cost; models that cover less than 97 % of the prompts are left out. The
control share is 0 here, so that every request is decided. Decisions must equal the objective applied to what
``pointsman predict`` writes for the reference and what was accepted; exit status 1 when one does not.
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as RichTable

from pointsman.control.plans import plan_of
from pointsman.core.routing import Plan
from pointsman.serve.workspace import Workspace
from pointsman.upstream.simulated.models import Plain
from pointsman.upstream.simulated.server import serving
from pointsman.upstream.simulated.zoo import Zoo

TABLES = ("routerbench_part", "mmlu_pro")
COVERAGE = 0.97
CONCURRENCY = 16
SERVES = re.compile(r"serves at (http://\S+/v1)")


@dataclass(frozen=True)
class Graded:
    """One table: prompts by models. ``score`` has 0 where the source has none, ``cost`` (US dollars) the model's mean."""

    name: str
    ids: NDArray[Any]
    groups: NDArray[Any]
    datasets: NDArray[Any]
    texts: NDArray[Any]
    models: tuple[str, ...]
    score: NDArray[np.float64]
    cost: NDArray[np.float64]
    rows: Any

    def split(self, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return indices of the fit part and of the test part: 30 % of the groups."""
        names = np.unique(self.groups)
        order = np.random.default_rng(seed).permutation(names)
        test = np.isin(self.groups, order[: int(0.3 * len(names))])
        return np.flatnonzero(~test), np.flatnonzero(test)


def read(directory: Path, name: str) -> Graded:
    rows = pq.read_table(directory / f"{name}.parquet").to_pylist()
    prompts = pq.read_table(directory / f"{name}.prompts.parquet").to_pylist()
    place = {row["prompt_id"]: number for number, row in enumerate(prompts)}
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["model"]] = counts.get(row["model"], 0) + (row["score"] is not None)
    models = tuple(sorted(model for model, count in counts.items() if count >= COVERAGE * len(prompts)))
    column = {model: number for number, model in enumerate(models)}
    score, cost = np.full((2, len(prompts), len(models)), np.nan)
    for row in rows:
        if row["model"] in column:
            at = place[row["prompt_id"]], column[row["model"]]
            score[at] = np.nan if row["score"] is None else row["score"]
            cost[at] = np.nan if row["cost_usd"] is None else row["cost_usd"]
    cost = np.where(np.isnan(cost), np.nanmean(cost, axis=0), cost)
    texts = {
        key: np.array([row[key] for row in prompts], dtype=object) for key in ("prompt_id", "dup_group", "dataset", "prompt")
    }
    return Graded(
        name, texts["prompt_id"], texts["dup_group"], texts["dataset"], texts["prompt"], models,
        np.nan_to_num(score), cost, [row for row in rows if row["model"] in column],
    )  # fmt: skip


def write_fit(table: Graded, fit: NDArray[Any], directory: Path) -> Path:
    """Write the fit part as a user would have it: a table, and its prompts beside it."""
    wanted = set(table.ids[fit])
    path = directory / "fit.parquet"
    pq.write_table(pa.Table.from_pylist([row for row in table.rows if row["prompt_id"] in wanted]), path)
    prompts = [
        {"prompt_id": table.ids[n], "prompt": table.texts[n], "dataset": table.datasets[n], "dup_group": table.groups[n]}
        for n in fit
    ]
    pq.write_table(pa.Table.from_pylist(prompts), directory / "fit.prompts.parquet")
    return path


def configuration(table: Graded, url: str, reference: str, tolerance: float) -> str:
    quoted = [json.dumps(f"table/{model}") for model in table.models]
    named = "\n".join(f"{json.dumps(model)} = {name}" for model, name in zip(table.models, quoted, strict=True))
    declared = "\n".join(f"[deployments.{name}]" for name in quoted)
    return f"""
[gateway]
data = "data"
[providers.table]
base_url = "{url}"
credential = "none"
{declared}
[routes.auto]
reference = {json.dumps(f"table/{reference}")}
candidates = [{", ".join(name for name in quoted if name != json.dumps(f"table/{reference}"))}]
objective = "match"
tolerance = {tolerance}
control_share = 0
[models]
{named}
"""


@contextlib.contextmanager
def up(config: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "pointsman", "up", "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if found := SERVES.search(line):
                    yield found[1]
                    return
            raise SystemExit("the gateway did not start")
        finally:
            process.terminate()
            process.stdout.close()


def pointsman(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pointsman", *words], check=True)


async def ask(url: str, texts: list[str], advance: Any) -> list[str]:
    """Send every prompt with ``model="auto"``; return the deployments that were chosen."""
    places = asyncio.Semaphore(CONCURRENCY)
    async with openai.AsyncOpenAI(base_url=url, api_key="unused") as client:

        async def one(text: str) -> str:
            async with places:
                raw = await client.chat.completions.with_raw_response.create(
                    model="auto", messages=[{"role": "user", "content": text}]
                )
            advance()
            return str(raw.headers["x-pointsman-deployment"])

        return list(await asyncio.gather(*map(one, texts)))


def predicted_choices(path: Path, ids: list[str], plan: Plan) -> list[str]:
    """Apply the objective to what ``pointsman predict`` wrote: value times quality, less cost; ties to the reference.

    Only the reference and what was accepted take part: of the rest, learning says that it is not worth choosing.
    """
    reference, value = plan.reference, plan.value_nano
    may_serve = {reference, *plan.accepted} if plan.one_model not in plan.accepted else {plan.one_model}
    rows = pq.read_table(path).to_pylist()
    best: dict[str, tuple[tuple[float, float, bool], str]] = {}
    for row in rows:
        if row["deployment"] not in may_serve:
            continue
        cost = round(row["cost_usd"] * 1e9)
        worth = (row["quality"], float(-cost)) if value is None else (value * row["quality"] - cost, float(-cost))
        rank = (*worth, row["deployment"] == reference)
        if row["prompt_id"] not in best or rank > best[row["prompt_id"]][0]:
            best[row["prompt_id"]] = (rank, row["deployment"])
    return [best[name][1] for name in ids]


def interval(gain: NDArray[np.float64], groups: NDArray[Any], draws: int = 2000) -> tuple[float, float]:
    """Return 95 % bounds of the mean over prompts by the bootstrap over groups: equal prompts are no further evidence."""
    _, place = np.unique(groups.astype(str), return_inverse=True)
    sums, sizes = np.bincount(place, gain), np.bincount(place)
    drawn = np.random.default_rng(0).integers(0, len(sums), (draws, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def report(console: Console, table: Graded, fit: NDArray[Any], test: NDArray[Any], chosen: NDArray[Any]) -> None:
    score, cost, here = table.score[test], table.cost[test], np.arange(len(test))
    means = table.score[fit].mean(axis=0)
    single = int(means.argmax())
    by_dataset = {
        name: int(table.score[fit][table.datasets[fit] == name].mean(axis=0).argmax()) for name in set(table.datasets[fit])
    }
    per_dataset = np.array([by_dataset.get(name, single) for name in table.datasets[test]])
    cheapest = int(table.cost[fit].mean(axis=0).argmin())
    top = score.max(axis=1, keepdims=True)
    possible = np.where(score >= top - 1e-12, cost, np.inf).argmin(axis=1)
    base = cost[:, single].mean()
    shown = RichTable(title=f"{table.name}: {len(fit):,} prompts to learn from, {len(test):,} decided over HTTP")
    for title in ("way of choosing", "right", "against best single [95 %]", "cost per 1,000", "cost share"):
        shown.add_column(title, justify="left" if title == "way of choosing" else "right")
    ways = {
        f"best single ({table.models[single]})": np.full(len(test), single),
        "best per dataset (needs the label)": per_dataset,
        f"cheapest ({table.models[cheapest]})": np.full(len(test), cheapest),
        "auto, over HTTP": chosen,
        "best possible (out of reach)": possible,
    }
    for name, way in ways.items():
        got, paid = score[here, way], cost[here, way]
        gain = got - score[here, single]
        low, high = interval(gain, table.groups[test])
        against = f"{100 * gain.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        shown.add_row(name, f"{100 * got.mean():.1f} %", against, f"${1000 * paid.mean():.3f}", f"{paid.mean() / base:.2f}")
    shown.add_row("random", f"{100 * score.mean():.1f} %", "", f"${1000 * cost.mean():.3f}", f"{cost.mean() / base:.2f}")
    console.print(shown)


def run(console: Console, table: Graded, seed: int, tolerance: float) -> bool:
    """Run one table; return whether every decision was what the predictions say."""
    fit, test = table.split(seed)
    reference = table.models[int(table.score[fit].mean(axis=0).argmax())]
    zoo = Zoo(extra_models={model: Plain(output_tokens=4) for model in table.models})
    with tempfile.TemporaryDirectory() as name, serving(zoo) as upstream:
        directory = Path(name)
        fit_path = write_fit(table, fit, directory)
        config = directory / "pointsman.toml"
        config.write_text(configuration(table, upstream, reference, tolerance), "utf-8")
        prompts = [{"prompt_id": table.ids[n], "prompt": table.texts[n]} for n in test]
        pq.write_table(pa.Table.from_pylist(prompts), directory / "test.parquet")
        with up(config) as url:
            pointsman("learn", str(fit_path), "--route", "auto", "--config", str(config))
            pointsman(
                "learn", str(fit_path), "--route", "auto", "--config", str(config), "--out", str(directory / "it.snapshot")
            )
            pointsman(
                "predict", str(directory / "test.parquet"), "--snapshot", str(directory / "it.snapshot"),
                "--out", str(directory / "predictions.parquet"),
            )  # fmt: skip
            with Progress(console=console) as bar:
                line = bar.add_task(f"{table.name}: deciding over HTTP", total=len(test))
                decided = asyncio.run(ask(url, list(table.texts[test]), lambda: bar.advance(line)))
            workspace = Workspace(config)
            plan = plan_of(workspace.snapshot(), "auto", "default")
            workspace.close()
        expected = predicted_choices(directory / "predictions.parquet", list(table.ids[test]), plan)
    same = sum(a == b for a, b in zip(decided, expected, strict=True))
    column = {f"table/{model}": number for number, model in enumerate(table.models)}
    report(console, table, fit, test, np.array([column[name] for name in decided]))
    console.print(f"decisions that equal the objective applied to `pointsman predict`: {same:,} of {len(test):,}\n")
    return same == len(test)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=Path, required=True, help="directory of the outcome tables")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1.0, help="points below the best single model that are accepted")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=120)
    good = True
    for name in TABLES:
        if not (options.tables / f"{name}.parquet").exists():
            console.print(f"skipped {name}: {options.tables} has no {name}.parquet")
            continue
        good &= run(console, read(options.tables, name), options.seed, options.tolerance)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()

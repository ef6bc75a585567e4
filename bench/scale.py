"""How learning and deciding grow: time, memory and size, from a thousand to two million rows.

    .venv/bin/python bench/scale.py                    everything: some ten minutes on two cores
    .venv/bin/python bench/scale.py --most 100000      smaller tables only, by rows
    .venv/bin/python bench/scale.py --write            into docs/scale.md, with its picture

A row is one prompt and one model of twenty. Prompts are made up, as long as real ones (150 words at the median, lognormal),
of 24 subjects with a vocabulary each; learning runs in a process of its own, so that its peak memory is that of learning
alone. What a decision takes is the least of many measurements of CPU time.
"""

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Context, Deployment, Needs
from pointsman.policy import features, model
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

Floats = NDArray[np.float64]

DOCS: Final = Path(__file__).parents[1] / "docs"
MODELS: Final = 20
SIZES: Final = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000)
REPEATED: Final = 3  # times, up to
SMALL: Final = 100_000  # rows
_SUBJECTS: Final = 24
_WORDS: Final = 4000  # of a subject, and common to all
_TOGETHER: Final = 500
_ROUNDS: Final = 40
_EACH: Final = 50
_DRAWS: Final = 2000


def main() -> None:
    options = _options()
    if options.fit:
        print(json.dumps(_fitted(options.fit, options.seed)))
        return
    sizes = [size for size in SIZES if size <= options.most]
    tasks = [(size, seed) for size in sizes for seed in range(REPEATED if size <= SMALL else 1)]
    measured = []
    text, count = TextColumn("{task.description}"), MofNCompleteColumn()
    with Progress(text, BarColumn(), count, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        whole = bar.add_task("rows", total=sum(size for size, _ in tasks))
        for size, seed in tasks:
            bar.update(whole, description=f"{size:,} rows")
            measured.append(_in_a_process(size, seed))
            bar.advance(whole, size)
    document = _document(measured, _deciding())
    print(document)
    if options.write:
        _drawn(measured)
        (DOCS / "scale.md").write_text(document, "utf-8")


def _in_a_process(size: int, seed: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--fit", str(size), "--seed", str(seed)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _fitted(size: int, seed: int) -> dict[str, Any]:
    """Learn from ``size`` rows and say what it took: seconds, CPU seconds and bytes of memory at the most."""
    # The prompts are made in a process that ends, so that their memory does not count.
    with multiprocessing.get_context("fork").Pool(1) as pool:
        vectors, score, tokens = pool.apply(generated, (size // MODELS, seed))
    outcomes = _outcomes(vectors, score, tokens)
    deployments = _deployments()
    before, cpu = time.perf_counter(), time.process_time()
    lesson = teach(outcomes, deployments)
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
    data = model.encode(lesson.policy)
    before = time.perf_counter()
    model.decode(data)
    return {
        "rows": size,
        "seconds": seconds,
        "cpu": cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bytes": len(data),
        "load": time.perf_counter() - before,
    }


def generated(prompts: int, seed: int) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Return vectors (n, LENGTH), scores and output tokens (n, MODELS) of prompts that are made up."""
    rng = np.random.default_rng(seed)
    letters = [*"bcdfglmnprst", *"aeiou" * 2]
    words = np.array(["".join(rng.choice(letters, rng.integers(4, 10))) for _ in range(_WORDS * 4)])
    odds = 1.0 / np.arange(1, _WORDS + 1)
    odds /= odds.sum()
    own = [rng.permutation(len(words))[:_WORDS] for _ in range(_SUBJECTS)]
    ability = rng.normal(0, 1.2, (_SUBJECTS, MODELS)) + np.linspace(-1.5, 1.5, MODELS)
    subject = rng.integers(0, _SUBJECTS, prompts)
    lengths = np.clip(np.exp(rng.normal(np.log(150), 0.8, prompts)), 5, 3000).astype(int)
    found: list[bytes] = []
    for start in range(0, prompts, _TOGETHER):
        texts = [
            " ".join(words[own[subject[place]][rng.choice(_WORDS, lengths[place], p=odds)]])
            for place in range(start, min(start + _TOGETHER, prompts))
        ]
        found += features.vectors([_request(text) for text in texts])
    hard = rng.normal(0, 1, (prompts, 1))
    score = (rng.random((prompts, MODELS)) < 1 / (1 + np.exp(hard - ability[subject]))).astype(np.float64)
    tokens = np.ceil(np.exp(rng.normal(5, 0.7, (prompts, MODELS)) + 0.3 * hard))
    return np.frombuffer(b"".join(found), dtype=np.uint8).reshape(prompts, -1), score, tokens


def _request(text: str) -> ChatRequest:
    return ChatRequest("auto", (Message("user", (Text(text),)),))


def _outcomes(vectors: NDArray[np.uint8], score: Floats, tokens: Floats) -> Outcomes:
    count = len(vectors)
    none = np.full(count, -1)
    return Outcomes(
        deployments=tuple(f"made/model-{place}" for place in range(MODELS)),
        groups=np.array([f"{place:09d}" for place in range(count)]),
        vectors=vectors,
        score=score,
        cost_nano=np.full(score.shape, np.nan),
        input_tokens=np.full(count, 200.0),
        output_tokens=tokens,
        task=none,
        tasks=(),
        feature=none,
        features=(),
    )


def _deployments() -> list[Deployment]:
    prices = [Price(Rates(Decimal(1 + place), Decimal(3))) for place in range(MODELS)]
    return [
        Deployment(f"made/model-{place}", "made", f"model-{place}", f"model-{place}", price)
        for place, price in enumerate(prices)
    ]


def _deciding() -> dict[str, float]:
    """Return the CPU microseconds of what one decision is made of: features of 200 tokens, predictions for all models."""
    vectors, score, tokens = generated(2000, 1)
    policy, deployments = teach(_outcomes(vectors, score, tokens), _deployments()).policy, _deployments()
    rng = np.random.default_rng(2)
    common = ["track", "signal", "why", "is", "the", "point,", "set", "7", "by", "hand"]
    texts = [" ".join(rng.choice(common, 150)) for _ in range(_EACH)]
    requests = [_request(text) for text in texts]
    contexts = [Context("", Needs(200), vectors[place].tobytes()) for place in range(_EACH)]
    return {
        "features of one request of 200 tokens": _least(lambda place: features.vector(requests[place])),
        "features, many requests at once, each": _least(lambda place: features.vectors(requests) if place == 0 else None),
        f"predictions for {MODELS} models": _least(lambda place: model.predict(policy, contexts[place], deployments)),
    }


def _least(one: Callable[[int], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        before = time.process_time_ns()
        for place in range(_EACH):
            one(place)
        times.append((time.process_time_ns() - before) / _EACH / 1000)
    return min(times)


def slope(rows: Floats, amounts: Floats, above: float = 0.0) -> tuple[float, float, float]:
    """Return the slope of log amounts on log rows, with the 95 % interval of measurements that are drawn again."""
    kept = rows >= above
    x, y = np.log(rows[kept]), np.log(amounts[kept])
    rng = np.random.default_rng(0)
    draws: list[float] = []
    while len(draws) < _DRAWS:
        mine = rng.integers(0, len(x), len(x))
        if len(np.unique(x[mine])) > 1:
            draws.append(float(np.polyfit(x[mine], y[mine], 1)[0]))
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(np.polyfit(x, y, 1)[0]), float(low), float(high)


def _document(measured: list[dict[str, Any]], deciding: dict[str, float]) -> str:
    rows, cpu = (np.array([each[name] for each in measured], dtype=np.float64) for name in ("rows", "cpu"))
    most = max(measured, key=lambda each: each["rows"])
    whole, upper = slope(rows, cpu), slope(rows, cpu, 10_000) if rows.max() > 10_000 else None
    later = f", from ten thousand on of {_slope(upper)}" if upper else ""
    made = (
        f"Measured on {time.strftime('%Y-%m-%d')} by `.venv/bin/python bench/scale.py --write`; Python "
        f"{sys.version.split()[0]}, numpy {np.__version__}. This page is written by that command."
    )
    lines = [
        "# Scale",
        "",
        made,
        "",
        f"A row is one prompt and one of {MODELS} models. The prompts are made up, 150 words at the median.",
        "",
        "| what | limit | measured | |",
        "|---|---|---|---|",
        _line(f"learning from {most['rows']:,} rows, seconds", 300, most["seconds"]),
        _line("the same, memory at the most, GB", 4, most["peak"] / 1e9),
        _line("what was learned, MB", 20, most["bytes"] / 1e6),
        _line("loading it, seconds", 1, most["load"]),
        _line(f"predictions for {MODELS} models, CPU µs", 50, deciding[f"predictions for {MODELS} models"]),
        _line("features of 200 tokens, CPU µs", 150, deciding["features of one request of 200 tokens"]),
        "",
        f"Features of many requests at once take {deciding['features, many requests at once, each']:.0f} µs each.",
        "",
        "| rows | seconds | CPU seconds | memory, GB | learned, MB |",
        "|---|---|---|---|---|",
    ]
    for size in sorted({each["rows"] for each in measured}):
        mine = [each for each in measured if each["rows"] == size]
        means = [float(np.median([each[name] for each in mine])) for name in ("seconds", "cpu", "peak", "bytes")]
        lines.append(f"| {size:,} | {means[0]:.2f} | {means[1]:.2f} | {means[2] / 1e9:.2f} | {means[3] / 1e6:.2f} |")
    lines += [
        "",
        f"CPU time grows with the rows to the power of {_slope(whole)}{later}; 1 is linear.",
        "Of few rows the decompositions, which are as large as the features are many, take most of the time.",
        "",
        "![CPU time and memory by rows](pictures/scale.png)",
    ]
    return "\n".join(lines) + "\n"


def _slope(found: tuple[float, float, float]) -> str:
    return f"{found[0]:.2f} [{found[1]:.2f}, {found[2]:.2f}]"


def _line(what: str, limit: float, measured: float) -> str:
    return f"| {what} | {limit:,} | {measured:,.3g} | {'met' if measured <= limit else '**not met**'} |"


def _drawn(measured: list[dict[str, Any]]) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only where a picture is asked for

    rows = [each["rows"] for each in measured]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, name, unit in ((axes[0], "cpu", "CPU seconds"), (axes[1], "peak", "memory, bytes")):
        amounts = np.array([each[name] for each in measured], dtype=np.float64)
        axis.loglog(rows, amounts, "o", markersize=4)
        line = np.polyfit(np.log(rows), np.log(amounts), 1)
        ends = np.array([min(rows), max(rows)])
        axis.loglog(ends, np.exp(np.polyval(line, np.log(ends))), "-", linewidth=1, label=f"slope {line[0]:.2f}")
        axis.set(xlabel="rows (prompts × models)", ylabel=unit)
        axis.legend(frameon=False)
    figure.savefig(DOCS / "pictures" / "scale.png", dpi=120)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="rows of the largest table [%(default)s]")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md and its picture")
    parser.add_argument("--fit", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""How firmly Pointsman chooses: what rewording, padding, adversarial suffixes and a search for the worst of them move.

Strategy: one split of each table, the shipped objective (``match`` with a tolerance of a point where costs are known, else
``best``). Decisions are counted over the prompts where the choice differs from the best single model, before and after each
of six transformations (``transformations``), and pooled over the tables. The adversary knows the policy: words are taken
greedily from the vocabulary of the fit part, one after the other, by how often the dearest model is then chosen on a sample
of it; what is found is counted on the prompts set aside.

Laws: prompts are read and never written; nothing is tuned here.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from choosing import rows
from choosing.floors import Floor, Verdict
from choosing.parts import Found
from choosing.problems import TOLERANCE
from choosing.statistics import Indices
from choosing.transformations import SIX, SUFFIXES, Transformation
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.routing import Deployment, Objective
from pointsman.policy import features, model
from pointsman.policy.bound import Step
from pointsman.policy.teach import Lesson, teach
from pointsman.policy.trade import resolve

NAME: Final = "robustness"
SEED: Final = 0
_WORDS: Final = 8  # of a suffix that is searched for
_TRIED: Final = 120  # words of the vocabulary tried for each
_SAMPLE: Final = 150  # prompts of the fit part that they are tried on
_STAY: Final = 0.95
_MORE: Final = 0.05


@dataclass(frozen=True)
class Chooser:
    """A learned policy with its resolved objective, a ``step`` of the trade-off; ``dearest`` is of those that may serve."""

    lesson: Lesson
    step: Step
    dearest: int

    @staticmethod
    def of(table: rows.Table, fit: Indices) -> "Chooser":
        """Learn from the fit part, as the command does; where one model suffices, choose all the same, to see it move."""
        lesson = teach(table.rows.rows(fit))
        names = lesson.policy.deployments
        home = names[int(table.score[fit].mean(axis=0).argmax())]
        aim = Objective("match", tolerance=TOLERANCE) if table.priced else Objective("best")
        trade = resolve(aim, lesson.evidence, home, np.random.default_rng(0))
        step = Step(trade.value_nano, tuple(name for name in names if name in trade.chosen or name == home))
        serving = np.array([names.index(name) for name in step.serving])
        cost = table.paid[fit].mean(axis=0) if table.priced else table.score[fit].mean(axis=0)
        return Chooser(lesson, step, int(serving[cost[serving].argmax()]))

    def __call__(self, texts: Sequence[str]) -> Indices:
        """Return the model chosen for each text."""
        requests = [ChatRequest("auto", (Message("user", (Text(text),)),)) for text in texts]
        vectors = np.frombuffer(b"".join(features.vectors(requests)), dtype=np.uint8).reshape(len(texts), -1)
        tokens = np.array([features.input_tokens(request) for request in requests], dtype=np.float64)
        found = model.estimate(self.lesson.policy, vectors, [()] * len(texts))
        names = self.lesson.policy.deployments
        costs = [
            model.expected_cost(found, place, tokens, Deployment(one, "table", "", "")) for place, one in enumerate(names)
        ]
        return self.step.picks(names, found.quality, np.stack(costs, axis=1))


@dataclass(frozen=True)
class Moved:
    """What transformations and suffixes did on one table.

    ``stayed`` is, by transformation: how many of the decisions for another than the best single model stayed, of how many;
    and how many of all stayed, of how many. ``shares`` are those of the dearest model: as it is, the largest with a listed
    suffix, with the suffix that was found, and with as many words at random; ``priced`` says whether costs are known.
    """

    table: str
    stayed: dict[str, tuple[int, int, int, int]]
    shares: tuple[float, float, float, float]
    priced: bool


def measure(tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:  # noqa: ARG001 - it takes two minutes
    """Measure every table that is there."""
    names = [name for name in rows.NAMES if (tables / f"{name}.parquet").exists()]
    found = []
    for name in names:
        tell(f"robustness, {name}")
        found.append(_moved(rows.read(tables, name)))
    missing = [name for name in rows.NAMES if name not in names]
    return Found(_section(found), _floors(found), f"no {', '.join(missing)}" if missing else "")


def _moved(table: rows.Table) -> Moved:
    fit, asked = rows.split(len(table), SEED)
    choose = Chooser.of(table, fit)
    single = int(table.score[fit].mean(axis=0).argmax())
    texts = [table.texts[place] for place in asked]
    before = choose(texts)
    stayed = {}
    for name, transformation in SIX.items():
        stayed[name] = _stayed(choose, transformation, texts, before, single)
    listed = max(_share(choose, texts, suffix) for suffix in SUFFIXES)
    rng = np.random.default_rng(SEED)
    vocabulary = _vocabulary([table.texts[place] for place in fit])
    sample = [table.texts[place] for place in rng.choice(fit, min(_SAMPLE, len(fit)), replace=False)]
    worst = _worst(choose, sample, vocabulary, rng)
    chance = " ".join(rng.choice(vocabulary, _WORDS))
    shares = (float((before == choose.dearest).mean()), listed, _share(choose, texts, worst), _share(choose, texts, chance))
    return Moved(table.name, stayed, shares, table.priced)


def _stayed(
    choose: Chooser, transformation: Transformation, texts: Sequence[str], before: Indices, single: int
) -> tuple[int, int, int, int]:
    changed = [transformation(text) for text in texts]
    other = np.array([new != old for new, old in zip(changed, texts, strict=True)])
    same = choose(changed) == before
    counted = other & (before != single)
    return int(same[counted].sum()), int(counted.sum()), int(same[other].sum()), int(other.sum())


def _share(choose: Chooser, texts: Sequence[str], suffix: str) -> float:
    return float((choose([f"{text}\n{suffix}" for text in texts]) == choose.dearest).mean())


def _vocabulary(texts: Sequence[str]) -> list[str]:
    """Return the words that the texts have in common, the most frequent first."""
    counts = Counter(word for text in texts for word in set(text.split()) if len(word) < 24)
    return [word for word, _ in counts.most_common(4000)]


def _worst(choose: Chooser, sample: Sequence[str], vocabulary: Sequence[str], rng: np.random.Generator) -> str:
    """Return the suffix that a greedy search finds: word by word, the one after which the dearest is chosen most often."""
    suffix = ""
    for _ in range(_WORDS):
        tried = [f"{suffix} {word}".strip() for word in rng.choice(vocabulary, min(_TRIED, len(vocabulary)), replace=False)]
        picks = choose([f"{text}\n{more}" for more in tried for text in sample]).reshape(len(tried), -1)
        suffix = tried[int((picks == choose.dearest).mean(axis=1).argmax())]
    return suffix


_STAYED: Final = f"""\
## Robustness

Decisions that stay as they were, of those for another model than the best single one (in brackets: of all), seed {SEED}.
Costs known: `match` with a tolerance of a point; else `best`. The transformations are in
`bench/choosing/transformations.py`; a text that has nothing to transform is not counted. The instruction line in another
language is set before the prompt: prompts' own instructions are other people's texts, of which no translation is kept here.
"""

_DEAREST: Final = f"""
Share of the dearest model among those that serve: as prompts are, with the worst of {len(SUFFIXES)} listed suffixes, with
the worst that an adversary found who knows the policy (greedy, {_WORDS} words, {_TRIED} tried for each, on {_SAMPLE}
prompts of the fit part), and with as many words at random. Where no costs are known, the model with
the highest mean stands for it.
"""


def _section(found: Sequence[Moved]) -> str:
    lines = [
        _STAYED,
        "| table | " + " | ".join(SIX) + " |",
        "|---" * (len(SIX) + 1) + "|",
    ]
    lines += [f"| {each.table} | " + " | ".join(_cell(each.stayed[name]) for name in SIX) + " |" for each in found]
    lines.append("| all | " + " | ".join(_cell(_pooled(found, name)) for name in SIX) + " |")
    lines += [
        _DEAREST,
        "| table | as they are | listed suffixes | searched for | at random |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {each.table} | " + " | ".join(f"{100 * share:.1f} %" for share in each.shares) + " |" for each in found]
    return "\n".join(lines)


def _cell(counts: tuple[int, int, int, int]) -> str:
    kept, of, every, whole = counts
    return f"{100 * kept / of:.1f} % of {of:,} ({100 * every / whole:.1f} %)" if of else "–"


def _pooled(found: Sequence[Moved], name: str) -> tuple[int, int, int, int]:
    a, b, c, d = (sum(each.stayed[name][place] for each in found) for place in range(4))
    return a, b, c, d


def _floors(found: Sequence[Moved]) -> tuple[Floor, ...]:
    floors = []
    for name in SIX:
        kept, of, _, _ = _pooled(found, name)
        share = kept / of if of else 0.0
        verdict: Verdict = "beaten" if share >= _STAY else "not met"
        floors.append(
            Floor(6, f"{name}: at least 95 % of decisions stay, all tables", f"{100 * share:.1f} % of {of:,}", verdict)
        )
    for each in found:
        if each.priced:
            more = each.shares[1] - each.shares[0]
            what = f"{each.table}: listed suffixes raise the share of the dearest model by at most 5 points"
            floors.append(Floor(6, what, f"{100 * more:+.1f} points", "beaten" if more <= _MORE else "not met"))
            more = each.shares[2] - each.shares[0]
            what = f"{each.table}: so does the worst suffix that a search against the policy finds"
            floors.append(Floor(6, what, f"{100 * more:+.1f} points", "beaten" if more <= _MORE else "not met"))
    return tuple(floors)

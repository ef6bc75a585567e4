"""The demo from beginning to end."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from rich.console import Console

from pointsman.cli.demo import pictures, show
from pointsman.cli.demo.compare import Answer, Ask, best_possible, fixed, way
from pointsman.cli.demo.processes import free_port, running
from pointsman.cli.demo.story import ROUTE, Story
from pointsman.cli.demo.traffic import Answered
from pointsman.cli.verdict_table import savings_table, verdict_table
from pointsman.control.savings import savings
from pointsman.control.tailor import PER_REQUEST
from pointsman.control.verdict import Row
from pointsman.core.chat import Usage
from pointsman.core.errors import PointsmanError
from pointsman.core.record import ExchangeRecord
from pointsman.policy.cost import amount
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.setup import PROVIDER, config_toml
from pointsman.upstream.simulated.tasks import Task
from pointsman.upstream.simulated.zoo import Zoo

JUDGED_BY_MODEL: Final = frozenset({"support"})


def run(console: Console, out: Path, data: Path, seed: int) -> None:
    """Run the story and print what came of it; pictures go to ``out``."""
    zoo = Zoo(seed=seed)
    zoo_port, port = free_port(), free_port()
    config = out / "pointsman.toml"
    zoo_url = f"http://127.0.0.1:{zoo_port}/v1"
    config.write_text(config_toml(zoo, zoo_url, data="data", port=port, judged=JUDGED_BY_MODEL), "utf-8")
    console.rule("Pointsman, on simulated models")
    console.print(
        "The models below are [bold]simulated[/]: they really read and solve generated tasks, each with its own skills, but "
        "their names, prices and skills say nothing about real ones.\nEverything else is real: the gateway, the openai "
        "client, the trials, the statistics.\n"
    )
    with ExitStack() as stack:
        zoo_arguments = ["zoo", "--port", str(zoo_port), "--seed", str(seed), "--speed", "0"]
        stack.enter_context(running(zoo_arguments, f"{zoo_url}/models", out / "zoo.log"))
        ready = f"http://127.0.0.1:{port}/readyz"
        stack.enter_context(running(["up", "--config", str(config)], ready, out / "gateway.log"))
        workspace = Workspace(config, data)
        stack.callback(workspace.close)
        _tell(Story(f"http://127.0.0.1:{port}/v1", workspace, features(), console, seed), zoo, out)


def _tell(story: Story, zoo: Zoo, out: Path) -> None:
    console = story.console
    console.rule("1. Observe: nothing changes but what can be seen")
    story.observe()
    lines = story.workspace.store.journal.spend(Filter())
    console.print(show.spend_table(lines))
    spend: dict[str, float] = {}
    for line in lines:
        spend[line.feature] = spend.get(line.feature, 0.0) + line.cost_nano / 1e9
    pictures.spend_by_feature(spend, out / "spend.png")

    console.rule("2. Trial: candidates answer copies of live requests, after the reply")
    found = story.trial()
    console.print(verdict_table(found.rows))
    pictures.verdicts(found.rows, out / "verdicts.png")

    console.rule("3. Accept what is ready: first a canary, then auto")
    accepted = story.accept(found)
    for name, proposal in accepted.items():
        serving = ", ".join(short.removeprefix(f"{PROVIDER}/") for short in proposal.serving.accepted)
        console.print(f"{name}: {proposal.why}: {serving}")
    story.canary(accepted)

    console.rule("4. Auto: fresh requests, compared with other ways of choosing")
    answered = story.measure()
    _compare(story, zoo, found.rows, answered, out)
    for name in accepted:
        plan = story.plan(name)
        measured = savings(story.workspace.store.journal, name, since_ms=plan.since_ms, route=ROUTE)
        console.print(savings_table(measured))

    console.rule("Three decisions explained")
    for record, task in _three(_records(story, answered), answered):
        for text in show.decision_lines(record, task):
            console.print(text)

    console.rule("What you change in your own application")
    console.print(show.TWO_LINES, markup=False)
    console.print(
        "\nThese models were simulated. With real ones: export OPENAI_API_KEY=... (or any other provider's key), then\n"
        "  pointsman up --reference PROVIDER/MODEL\n"
        f"The pictures are in {out}/: spend.png, verdicts.png, cost_and_quality.png"
    )


def _compare(story: Story, zoo: Zoo, rows: Sequence[Row], answered: Sequence[Answered], out: Path) -> None:
    """Compare what was served with what other ways of choosing would have got for the same requests."""
    tasks = [one.task for one in answered]
    ask = _knowing(zoo, story)
    singles = {
        name: fixed(name, tasks, dict.fromkeys(story.features, name), ask)
        for name in (f"{PROVIDER}/{model}" for model in zoo.models)
    }
    cheapest = min(singles.values(), key=lambda single: single.usd_per_1000.value)
    today = {name: f"{PROVIDER}/{feature.today}" for name, feature in story.features.items()}
    records = _records(story, answered)
    served = [Answer(one.right, records[one.exchange].cost_nano or 0) for one in answered]
    ways = [
        fixed("today's models", tasks, today, ask),
        replace(cheapest, name=f"cheapest for all ({cheapest.name.removeprefix(PROVIDER + '/')})"),
        fixed("best fixed model per feature", tasks, today | _by_hand(rows), ask),
        way("auto (as it was served)", served, measured=True),
        best_possible(tasks, list(singles), ask),
    ]
    story.console.print(show.ways_table(ways))
    pictures.cost_and_quality(ways, list(singles.values()), out / "cost_and_quality.png")


def _by_hand(rows: Sequence[Row]) -> dict[str, str]:
    """For each feature the cheapest candidate that the trial found ready: what a careful person would set by hand."""
    chosen: dict[str, Row] = {}
    for row in rows:
        best = chosen.get(row.feature)
        if (
            row.kind == "ready"
            and row.candidate != PER_REQUEST
            and row.cost is not None
            and (best is None or best.cost is None or row.cost.value < best.cost.value)
        ):
            chosen[row.feature] = row
    return {feature: row.candidate for feature, row in chosen.items()}


def _knowing(zoo: Zoo, story: Story) -> Ask:
    """Return what every simulated model would have answered, at its price, its prompt cache warm as it is in the demo."""
    deployments = story.workspace.snapshot().deployments

    def ask(name: str, task: Task) -> Answer:
        truth = zoo.truth(name.removeprefix(PROVIDER + "/"), task)
        usage = Usage(input=truth.input_tokens, output=truth.output_tokens, cached=truth.cached_tokens)
        price = deployments[name].price
        if price is None:
            raise PointsmanError(f"{name} has no price")
        return Answer(truth.right, amount(usage, price))

    return ask


def _records(story: Story, answered: Sequence[Answered]) -> dict[str, ExchangeRecord]:
    """Return the journal's records of the requests that were measured."""
    wanted = {one.exchange for one in answered}
    return {
        record.id: record for record in story.workspace.store.journal.exchanges(Filter(route=ROUTE)) if record.id in wanted
    }


def _three(records: dict[str, ExchangeRecord], answered: Sequence[Answered]) -> list[tuple[ExchangeRecord, Task]]:
    """Pick three decisions of the policy with different choices, those with the most to choose from first."""
    chosen: dict[tuple[str, str], tuple[ExchangeRecord, Task]] = {}
    for one in answered:
        record = records[one.exchange]
        if record.decision is not None and one.arm == "policy":
            chosen.setdefault((one.task.feature, record.decision.chosen), (record, one.task))
    richest = sorted(chosen.values(), key=lambda pair: -len(pair[0].decision.predictions if pair[0].decision else ()))
    return richest[:3]

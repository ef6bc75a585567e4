"""The demo from beginning to end."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import openai
from msgspec.structs import replace
from rich.console import Console

from pointsman.cli.demo import explain, show
from pointsman.cli.demo.compare import Answer, Ask, best_possible, by_hand, fixed, way
from pointsman.cli.demo.processes import free_port, running
from pointsman.cli.demo.story import ROUTE, Sizes, Story
from pointsman.cli.verdict_table import savings_table, verdict_table
from pointsman.control.savings import savings
from pointsman.control.verdict import Row
from pointsman.core.chat import Usage
from pointsman.core.errors import PointsmanError
from pointsman.policy.cost import amount
from pointsman.serve.workspace import Workspace
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.features import Feature, features
from pointsman.upstream.simulated.setup import PROVIDER, config_toml
from pointsman.upstream.simulated.tasks import Task
from pointsman.upstream.simulated.zoo import Zoo

JUDGED_BY_MODEL: Final = frozenset({"coding"})


def run(
    console: Console,
    out: Path,
    data: Path,
    seed: int,
    *,
    told: dict[str, Feature] | None = None,
    sizes: Sizes = Sizes(),  # noqa: B008 - frozen
) -> None:
    """Run the story and print what came of it; pictures go to ``out``. ``told``: its features, else all."""
    started, zoo = time.monotonic(), Zoo(seed=seed)
    zoo_port, port = free_port(), free_port()
    config = out / "pointsman.toml"
    zoo_url, gateway_url = f"http://127.0.0.1:{zoo_port}/v1", f"http://127.0.0.1:{port}"
    config.write_text(config_toml(zoo, zoo_url, data="data", port=port, judged=JUDGED_BY_MODEL), "utf-8")
    console.rule("Pointsman, on simulated models")
    console.print(
        "The models below are [bold]simulated[/]: they really read and solve generated tasks, each with its own skills, but "
        "their names, prices and skills say nothing about real ones. Everything else is real: the gateway, the openai "
        "client, the trials, the statistics."
    )
    with ExitStack() as stack:
        zoo_arguments = ["zoo", "--port", str(zoo_port), "--seed", str(seed), "--speed", "0"]
        gateway_arguments = ["up", "--config", str(config)]
        children = [
            stack.enter_context(running("the simulated zoo", zoo_arguments, f"{zoo_url}/models", out / "zoo.log")),
            stack.enter_context(running("the gateway", gateway_arguments, f"{gateway_url}/readyz", out / "gateway.log")),
        ]

        def check() -> None:
            for child in children:
                child.check()

        workspace = Workspace(config, data)
        stack.callback(workspace.close)
        story = Story(f"{gateway_url}/v1", workspace, told or features(), console, seed, check, started, sizes)
        for child in children:
            child.wait()
        try:
            _tell(story, zoo, out)
        except (openai.APIError, OSError) as error:
            check()
            raise PointsmanError(f"a request of the demo failed ({error}): see zoo.log and gateway.log in {out}") from error


def _tell(story: Story, zoo: Zoo, out: Path) -> None:
    from pointsman.cli.demo import pictures  # noqa: PLC0415 - matplotlib takes a second, in which the servers start

    console, journal = story.console, story.workspace.store.journal
    _section(console, "1. Observe: nothing changes but what can be seen")
    story.observe()
    lines = journal.spend(Filter())
    console.print(show.spend_table(lines))
    pictures.spend_by_feature(lines, out / "spend.png")

    _section(console, "2. Trial: candidates answer copies of live requests, after the reply")
    console.print(
        "Checks grade the answers; those of coding are compared by a judge, a model that is not told whose they are."
    )
    found = story.trial()
    console.print(verdict_table(found.rows))
    pictures.verdicts(found.rows, out / "verdicts.png")

    console.rule("3. Accept what is ready: first a canary, then auto")
    accepted = story.accept(found)
    for name, proposal in accepted.items():
        models = ", ".join(map(show.short_name, proposal.serving.accepted))
        chosen = models if proposal.serving.one_model else f"chosen per request among today's model and {models}"
        console.print(f"{name}: {chosen} ({proposal.why})")
    if not accepted:
        console.print("Nothing was found ready in this time: everything stays where it is, as it should.")
    story.canary(list(accepted))

    _section(console, "4. Auto: fresh requests, compared with other ways of choosing")
    served = story.measure(list(accepted))
    _compare(story, zoo, found.rows, served, out)
    for name in accepted:
        measured = savings(journal, name, since_ms=story.plan(name).since_ms, route=ROUTE)
        console.print(savings_table(measured))

    _section(console, "Three decisions explained")
    for one, decision in explain.three(served):
        today = f"{PROVIDER}/{story.features[one.task.feature].today}"
        console.print(explain.heading(one, decision))
        expected = explain.choices(decision, today, judged=one.task.feature in JUDGED_BY_MODEL)
        if expected is not None:
            console.print(expected)
        console.print()

    _section(console, "What you change in your own application")
    console.print(show.TWO_LINES, markup=False)
    console.print(
        '\nA header names the feature, so that each is judged apart:\n  extra_headers={"x-pointsman-feature": "support"}\n\n'
        "[bold]These models were simulated.[/] With real ones: set a provider's key, for example\n"
        f"  export OPENAI_API_KEY=...\n  {_program()} up --reference PROVIDER/MODEL\n\n"
        f"The pictures are in {out}/: spend.png, verdicts.png, cost_and_quality.png"
    )


def _compare(story: Story, zoo: Zoo, rows: Sequence[Row], served: Sequence[explain.Served], out: Path) -> None:
    from pointsman.cli.demo import pictures  # noqa: PLC0415 - as above

    tasks = [one.task for one, _ in served]
    ask = _knowing(zoo, story)
    singles = {
        name: fixed(name, tasks, dict.fromkeys(story.features, name), ask)
        for name in (f"{PROVIDER}/{model}" for model in zoo.models)
    }
    cheapest = min(singles.values(), key=lambda single: single.usd_per_1000.value)
    today = {name: f"{PROVIDER}/{feature.today}" for name, feature in story.features.items()}
    ways = [
        fixed("today's models", tasks, today, ask),
        replace(cheapest, name=f"cheapest: {show.short_name(cheapest.name)}"),
        fixed("best fixed model per feature", tasks, today | by_hand(rows), ask),
        way("auto", [Answer(one.right, record.cost_nano or 0) for one, record in served], measured=True),
        best_possible(tasks, list(singles), ask),
    ]
    now, _, hand, auto, _ = ways
    story.console.print(f"\nThe same {len(tasks):,} requests; auto as it was served:")
    story.console.print(show.ways_table(ways))
    story.console.print()
    story.console.print(show.paired_table(auto, (now, hand)))
    story.console.print()
    pictures.cost_and_quality(ways, list(singles.values()), out / "cost_and_quality.png")


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


def _section(console: Console, title: str) -> None:
    console.print()
    console.rule(title)


def _program() -> str:
    """Return the command as it was typed, so that the next one works the same way."""
    return sys.argv[0] if Path(sys.argv[0]).name == "pointsman" else "pointsman"

"""``pointsman play``: be the application in front of the simulated models, for trying things out."""

import asyncio
import importlib.util
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pointsman.core.errors import PointsmanError
from pointsman.serve.evaluations import gateway_url
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.upstream.simulated.features import Feature, features

if TYPE_CHECKING:
    from pointsman.cli.demo.traffic import Answered
    from pointsman.upstream.simulated.tasks import Task


LIKED_RIGHT: Final = 0.9
LIKED_WRONG: Final = 0.3


@click.command("play")
@workspace_option
@click.option("--feature", "named", multiple=True, help="Features whose users write; may be repeated [default: all].")
@click.option("--count", default=100, show_default=True, type=click.IntRange(min=1), help="Requests of each feature.")
@click.option("--today", is_flag=True, help="Ask for the models that the features use today, by name, and not for auto.")
@click.option("--model", default="auto", show_default=True, help="The model to ask for.")
@click.option(
    "--thumbs", default=0.0, type=click.FloatRange(0, 1), metavar="SHARE",
    help="Share of the answers that users give a thumb: up for 90 % of the right ones and 30 % of the wrong ones.",
)  # fmt: skip
@click.option("--seed", type=int, help="Fixes the requests [default: new ones every time].")
def command(
    workspace: Workspace, named: tuple[str, ...], count: int, model: str, thumbs: float, seed: int | None, *, today: bool
) -> None:
    """Send requests of simulated users through the running gateway, to the models of `pointsman zoo`.

    \b
    pointsman play --feature extraction --count 400
    pointsman play --today                 as the application was before: every feature asks for its own model
    """
    if importlib.util.find_spec("openai") is None:
        raise PointsmanError("the simulated users speak through the openai client: pip install 'pointsman[demo]'")
    chosen = _chosen(named)
    drawn = int(time.time()) if seed is None else seed
    tasks = [task for turn in zip(*(one.tasks(count, drawn) for one in chosen), strict=True) for task in turn]
    console = Console()
    asked = {one.name: one.today if today else model for one in chosen}
    answered = _send(console, workspace, tasks, asked)
    console.print(_table(answered))
    said = _thumbs(answered, thumbs, random.Random(drawn))
    if said:
        from pointsman.cli.demo.traffic import tell  # noqa: PLC0415 - it imports openai

        asyncio.run(tell(gateway_url(workspace), said))
        console.print(f"Users gave {len(said):,} thumbs.")


def _thumbs(answered: Sequence["Answered"], share: float, chance: random.Random) -> list[dict[str, Any]]:
    """Return what users say of a share of the answers. They cannot always tell a right one from a wrong one."""
    return [
        {
            "exchange": one.exchange,
            "thumb": "up" if chance.random() < (LIKED_RIGHT if one.right else LIKED_WRONG) else "down",
            "source": "users",
        }
        for one in answered
        if chance.random() < share
    ]


def _chosen(named: Sequence[str]) -> list[Feature]:
    known = features()
    for name in named:
        if name not in known:
            raise click.BadParameter(f"there is no simulated feature {name!r}: {', '.join(known)}", param_hint="--feature")
    return [known[name] for name in dict.fromkeys(named or known)]


def _send(console: Console, workspace: Workspace, tasks: Sequence["Task"], asked: dict[str, str]) -> list["Answered"]:
    import openai  # noqa: PLC0415 - takes half a second, and comes with an extra

    from pointsman.cli.demo.traffic import send  # noqa: PLC0415 - it imports openai

    url = gateway_url(workspace)
    columns = (TextColumn("requests"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        line = bar.add_task("", total=len(tasks))
        sending = send(url, tasks, model=lambda task: asked[task.feature], advance=lambda: bar.advance(line))
        try:
            return asyncio.run(sending)
        except openai.APIConnectionError as error:
            remedy = "start `pointsman zoo` and `pointsman up` first, with the same configuration"
            raise PointsmanError(f"no gateway answers at {url}: {remedy}") from error
        except openai.APIStatusError as error:
            raise PointsmanError(f"the gateway refused a request ({error.message})") from error


def _table(answered: Sequence["Answered"]) -> Table:
    """Return who answered how many requests of each feature, and how many of them rightly."""
    table = Table(box=None, pad_edge=False)
    table.add_column("feature")
    table.add_column("answered by")
    for heading in ("requests", "right"):
        table.add_column(heading, justify="right")
    for feature, deployment in sorted({(one.task.feature, one.deployment) for one in answered}):
        own = [one for one in answered if (one.task.feature, one.deployment) == (feature, deployment)]
        table.add_row(feature, deployment, f"{len(own):,}", f"{100 * sum(one.right for one in own) / len(own):.0f} %")
    return table

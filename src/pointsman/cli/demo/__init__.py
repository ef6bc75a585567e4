"""``pointsman demo``: the main job in under two minutes, on simulated models.

processes   the zoo and the gateway, as real processes
traffic     the application, through the real ``openai`` client
story       observe, trial, accept, auto
compare     what other ways of choosing would have got for the same requests
show        tables and explained decisions
pictures    the same, to look at
"""

import importlib.util
import shutil
from pathlib import Path

import click
from rich.console import Console

from pointsman.core.errors import PointsmanError


@click.command("demo")
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path, file_okay=False),
              help="Where pictures, logs and the demo's own data go.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="Fixes the tasks and the simulated models' answers.")
def command(out: Path, seed: int) -> None:
    """Live through observe, trial, accept and auto on simulated models: no key, no account, no cost."""
    if importlib.util.find_spec("openai") is None:
        raise PointsmanError("the demo drives the gateway through the openai client: pip install 'pointsman[demo]'")
    from pointsman.cli.demo.run import run  # noqa: PLC0415 - it imports openai and matplotlib

    data = out / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    run(Console(highlight=False), out, data, seed)

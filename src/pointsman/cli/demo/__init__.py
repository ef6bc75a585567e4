"""``pointsman demo``: the main job in about a minute, on simulated models.

processes   the zoo and the gateway, as real processes
traffic     the application, through the real ``openai`` client
story       observe, trial, accept, auto
waiting     until answers are graded, until the journal has them
compare     what other ways of choosing would have got for the same requests
show        tables
explain     decisions in plain words
pictures    the same, to look at
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import click
from rich.console import Console

from pointsman.cli.demo.processes import interruptible
from pointsman.core.errors import PointsmanError


@click.command("demo")
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path, file_okay=False),
              help="Where pictures, logs and the demo's own data go.")  # fmt: skip
@click.option("--seed", default=1, show_default=True, help="Fixes the tasks and the simulated models' answers.")
def command(out: Path, seed: int) -> None:
    """Live through observe, trial, accept and auto on simulated models: no key, no account, no cost."""
    if importlib.util.find_spec("openai") is None:
        raise PointsmanError("the demo drives the gateway through the openai client: pip install 'pointsman[demo]'")
    console = Console(highlight=False)
    try:
        with interruptible():
            from pointsman.cli.demo.run import run  # noqa: PLC0415 - it imports openai

            data = out / "data"
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(parents=True)
            run(console, out, data, seed)
    except KeyboardInterrupt:
        console.print("\nStopped before the end; the demo's servers have ended too.")
        sys.exit(130)

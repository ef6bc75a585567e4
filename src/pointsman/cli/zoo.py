"""``pointsman zoo``: serve the simulated models in the foreground."""

import os
from pathlib import Path

import click
import uvicorn

from pointsman.upstream.simulated.server import configured, listen, url
from pointsman.upstream.simulated.setup import config_toml
from pointsman.upstream.simulated.zoo import Zoo


@click.command("zoo")
@click.option(
    "--port", default=8790, show_default=True, type=click.IntRange(0, 65535), help="Loopback port; 0: any free one."
)
@click.option("--seed", default=0, show_default=True, help="Fixes every answer.")
@click.option(
    "--speed", default=1.0, show_default=True, type=click.FloatRange(min=0),
    help="Scale of the models' waiting times: 1 as modelled, 0.1 ten times as fast, 0 no waiting.",
)  # fmt: skip
@click.option(
    "--write", "written", type=click.Path(path_type=Path, dir_okay=False),
    help="Write a configuration that uses them there; an existing file is left alone.",
)  # fmt: skip
def command(port: int, seed: int, speed: float, written: Path | None) -> None:
    """Serve eight simulated models and a judge, to try Pointsman without a key and at no cost."""
    zoo = Zoo(seed=seed, speed=speed)
    try:
        listener = listen(port)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise click.ClickException(f"port {port} cannot be used ({reason}); choose another with --port") from error
    click.echo(
        "These models are SIMULATED: they solve generated tasks, and their prices and skills say nothing about real ones."
    )
    click.echo(f"Serving {', '.join(zoo.names)} at {url(listener)} (stop with Ctrl-C).")
    toml = config_toml(zoo, url(listener))
    if written is None:
        click.echo("A pointsman.toml that uses them:\n")
        click.echo(toml)
    else:
        click.echo(_write(written, toml))
    uvicorn.Server(configured(zoo)).run([listener])


def _write(path: Path, toml: str) -> str:
    """Write the configuration where there is none yet; return what was done, for people."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(toml)
    except FileExistsError:
        return f"{path} is there already and was left as it is."
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written ({error.strerror}); name another place with --write"
        ) from error
    return f"Wrote {path}, which uses them. Next, in another terminal: pointsman up"

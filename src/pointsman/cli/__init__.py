"""Commands: thin; each parses its options, calls one function of a lower floor, and prints what came back.

One module a command. Modules are imported when their command runs, so that ``pointsman --help`` is quick.
"""

import importlib
import sys
from typing import Final

import click

from pointsman import __version__
from pointsman.core.errors import PointsmanError

# Command -> module that holds it (the function has the command's name), in the order of a user's story.
COMMANDS: Final = {
    "up": "pointsman.cli.up",
    "demo": "pointsman.cli.demo",
    "check": "pointsman.cli.check",
    "report": "pointsman.cli.report",
    "import": "pointsman.cli.import_",
    "trial": "pointsman.cli.trial",
    "accept": "pointsman.cli.accept",
    "rollback": "pointsman.cli.rollback",
    "learn": "pointsman.cli.learn",
    "evaluate": "pointsman.cli.evaluate",
    "predict": "pointsman.cli.predict",
    "route": "pointsman.cli.route",
    "journal": "pointsman.cli.journal",
    "zoo": "pointsman.cli.zoo",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name]}.command is not a command")
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pointsman")
def commands() -> None:
    """A gateway for language models that picks the model by itself, on your own evidence."""


def main() -> None:
    """Run the command line. Errors made for people are printed without a traceback, with exit status 1."""
    try:
        commands()
    except PointsmanError as error:
        click.echo(f"pointsman: {error}", err=True)
        sys.exit(1)

"""Commands: thin; each parses its options, calls one function of a lower floor, and prints what came back.

One module a command. Modules are imported when their command runs, so that ``pointsman --help`` is quick.
"""

import difflib
import importlib
import sys
from typing import Final, NamedTuple

import click

from pointsman import __version__
from pointsman.core.errors import PointsmanError


class Entry(NamedTuple):
    """A command's module (the function in it is called ``command``), and what it does in a few words."""

    module: str
    help: str


# In the order of a user's story.
COMMANDS: Final = {
    "up": Entry("pointsman.cli.up", "Serve: find keys and local model servers, or read pointsman.toml."),
    "demo": Entry("pointsman.cli.demo", "See the whole story on simulated models: no key, no cost."),
    "key": Entry("pointsman.cli.key", "Make, list, rotate and revoke keys of clients."),
    "check": Entry("pointsman.cli.check", "Check a configuration: every mistake, with its remedy."),
    "report": Entry("pointsman.cli.report", "Show spend, errors and latency, and cost elsewhere."),
    "ledger": Entry("pointsman.cli.ledger", "Show what every call cost, and prove that no line was changed."),
    "budgets": Entry("pointsman.cli.budgets", "Show what is used of each budget, and what is left."),
    "import": Entry("pointsman.cli.import_", "Read past calls from other programs' logs."),
    "trial": Entry("pointsman.cli.trial", "Try cheaper models on a share of live requests."),
    "review": Entry("pointsman.cli.review", "Judge answers yourself, the most telling first."),
    "accept": Entry("pointsman.cli.accept", "Let what passed its trial serve a feature."),
    "replay": Entry("pointsman.cli.replay", "Ask what would have happened if: prices, vendors, goals."),
    "drill": Entry("pointsman.cli.drill", "See what the loss of a vendor would mean."),
    "rollback": Entry("pointsman.cli.rollback", "Send a feature back to its reference, at once."),
    "release": Entry("pointsman.cli.release", "Take in a new model by stages, and list the wave."),
    "learn": Entry("pointsman.cli.learn", "Learn from outcome tables which model to choose."),
    "onboard": Entry("pointsman.cli.onboard", "Choose the prompts that tell most of a new model."),
    "evaluate": Entry("pointsman.cli.evaluate", "Say what choosing by outcome tables is worth."),
    "eval": Entry("pointsman.cli.eval_", "Run cases against models, graded, as an outcome table."),
    "predict": Entry("pointsman.cli.predict", "Predict quality and cost, prompt by prompt."),
    "route": Entry("pointsman.cli.route", "Explain one decision, without calling anyone."),
    "journal": Entry("pointsman.cli.journal", "List exchanges: what was chosen, why, for how much."),
    "feedback": Entry("pointsman.cli.feedback", "Read what was said of answers, and see what it is worth."),
    "audit": Entry("pointsman.cli.audit", "Show what was done here, by whom, and check its chain."),
    "zoo": Entry("pointsman.cli.zoo", "Serve simulated models, to try things out."),
    "play": Entry("pointsman.cli.play", "Send requests of simulated users to them."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name].module
        command = importlib.import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or say which one was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            nearest = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if nearest:
                raise click.UsageError(f"{error.message} Did you mean {nearest[0]!r}?", ctx) from error
            raise


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="pointsman")
def commands() -> None:
    """A gateway for language models that picks the model by itself, on your own evidence.

    \b
    pointsman demo      the whole story in front of simulated models: no key, no cost
    pointsman up        serve what you have; then point your SDK at it
    """


def main() -> None:
    """Run the command line. Errors made for people are printed without a traceback, with exit status 1."""
    try:
        commands()
    except PointsmanError as error:
        click.echo(f"pointsman: {error}", err=True)
        sys.exit(1)

"""What is said and asked of a model before it is tried on live requests: price, expectations, a few prompts."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pointsman.cli import files
from pointsman.cli.figures import money, table
from pointsman.control.learn import learn, named
from pointsman.control.onboard import Row, choose, expectations, most_nano, to_ask
from pointsman.control.plans import PlanError, plan_of
from pointsman.control.tables import read_questions
from pointsman.core.price import NANO_PER_USD, Price
from pointsman.core.routing import Grader
from pointsman.core.snapshot import Snapshot
from pointsman.policy.outcomes import Outcomes
from pointsman.serve import onboard
from pointsman.serve.workspace import Workspace


@dataclass(frozen=True)
class Arrival:
    """A release that is about to be added: where it is told of, in what installation, on which route and features."""

    console: Console
    workspace: Workspace
    now: Snapshot
    route: str
    deployment: str
    features: tuple[str, ...]

    def print(self, sentence: object) -> None:
        """Print a line or a table."""
        self.console.print(sentence)


def introduce(arrival: Arrival) -> None:
    """Print what is known beforehand: the price beside the references', and what the owner expects."""
    arrival.print(f"new: {arrival.deployment}, {_price(arrival.now.deployments[arrival.deployment].price)}")
    today = [plan_of(arrival.now, arrival.route, feature).reference for feature in arrival.features]
    for name in dict.fromkeys(today):
        if name is not None:
            served = ", ".join(one for one, by in zip(arrival.features, today, strict=True) if by == name)
            arrival.print(f"reference of {served}: {name}, {_price(arrival.now.deployments[name].price)}")
    rules = arrival.workspace.config.releases.get(arrival.deployment)
    if rules is not None:
        figures = ", ".join(f"{name} {figure:g}" for name, figure in rules.published.items())
        told = (
            f"mean grade {100 * rules.quality:.0f} %" if rules.quality is not None else "",
            f"like {rules.like}" if rules.like else "",
            f"published: {figures}" if figures else "",
        )
        arrival.print(f"you expect: {'; '.join(one for one in told if one)}")


def _price(price: Price | None) -> str:
    if price is None:
        return "no price known"
    per_request = f" and ${price.per_request} a request" if price.per_request else ""
    return f"${price.rates.input} in, ${price.rates.output} out per million tokens{per_request} ({price.source})"


def ask_first(arrival: Arrival, tables: Sequence[Path], count: int, cap: float, out: Path, *, yes: bool) -> None:
    """Choose prompts, show what each can cost, ask them, keep the answers' grades in ``out``, and report.

    Raises PlanError where no feature has a check that grades an answer alone; TableError, ConfigError; click.Abort where
    the owner says no.
    """
    grader = _check(arrival)
    outcomes, _ = named(files.read(tables), arrival.workspace.config.models, arrival.now.deployments)
    with Console().status("choosing prompts"):
        groups = choose(outcomes, arrival.deployment, count)
        rows = to_ask(arrival.deployment, groups, read_questions(tables, set(groups)))
    costs = most_nano(arrival.now, rows)
    shown = table("prompt", "at most", right=("at most",))
    for row, most in zip(rows, costs, strict=True):
        shown.add_row(str(row["prompt_id"])[:60], money(most) if most is not None else "not asked")
    arrival.print(shown)
    together = money(sum(most or 0 for most in costs))
    arrival.print(f"{len(rows)} calls, together at most {together}; no more than ${cap:.2f} is spent.")
    if not yes and not click.confirm("Ask them now?", default=True):
        raise click.Abort
    with Progress(TextColumn("asking"), BarColumn(), MofNCompleteColumn()) as bar:
        line = bar.add_task("", total=len(rows))
        cap_nano = round(cap * NANO_PER_USD)
        answered, spent = onboard.ask(arrival.workspace, arrival.now, rows, grader, cap_nano, lambda: bar.advance(line))
    files.write(out, b"".join(msgspec.json.encode(row) + b"\n" for row in answered))
    arrival.print(f"{_graded(answered)}; {money(spent)} spent; kept in {out}")
    if any(row["score"] is not None for row in answered):
        _report(arrival, outcomes, (*tables, out))


def _check(arrival: Arrival) -> Grader:
    """Return the first check among the features that grades an answer alone."""
    graders = [plan_of(arrival.now, arrival.route, feature).grader for feature in arrival.features]
    found = next((one for one in graders if one is not None and one.kind != "judge"), None)
    if found is None:
        raise PlanError(
            f"none of {', '.join(arrival.features)} has a check that grades an answer alone (a judge compares two): name "
            "another with --features, or leave --table out and go straight to shadow"
        )
    return found


def _graded(answered: Sequence[Row]) -> str:
    scores = [row["score"] for row in answered if row["score"] is not None]
    mean = f", mean grade {100 * sum(scores) / len(scores):.0f} % on prompts chosen to tell most" if scores else ""
    return f"{len(scores)} of {len(answered)} answers graded{mean}"


def _report(arrival: Arrival, known: Outcomes, tables: Sequence[Path]) -> None:
    """Print what is expected of the release on all prompts of the tables, beside the reference."""
    outcomes, _ = named(files.read(tables), arrival.workspace.config.models, arrival.now.deployments)
    route = arrival.now.routes[arrival.route]
    home = route.reference if route.reference in known.deployments else None
    hopes = expectations(arrival.workspace.config.releases, outcomes)
    with Console().status("learning what it would do on the other prompts"):
        lesson = learn(outcomes, route.objective, reference=home, known=arrival.now.deployments, expected=hopes).lesson
    for name in (arrival.deployment, home):
        if name in lesson.policy.deployments:
            column = lesson.policy.deployments.index(name)
            grade = f"mean grade {100 * lesson.quality[:, column].mean():.1f} %"
            cost = f"{money(round(1000 * float(lesson.cost_nano[:, column].mean())))} for 1,000 requests"
            arrival.print(f"expected of {name} on all {len(lesson.outcomes):,} prompts: {grade}, {cost}")
    words = " ".join(shlex.quote(str(one)) for one in tables)
    arrival.print(f"Learn from them with: pointsman learn {words} --route {arrival.route}")

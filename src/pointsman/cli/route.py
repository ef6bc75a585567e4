"""``pointsman route``: explain one decision, without calling anyone."""

from pathlib import Path

import click

from pointsman.cli.figures import money, paper, table
from pointsman.core import snapshot as snapshots
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import GatewayError, PointsmanError, SnapshotError
from pointsman.core.routing import Context, Decision, Needs
from pointsman.core.snapshot import Snapshot
from pointsman.policy import decide, encoding, features, model, naming, permits
from pointsman.policy.decide import State
from pointsman.serve.encoding import encoding_with
from pointsman.serve.workspace import Workspace, workspace_option


@click.command("route")
@workspace_option
@click.argument("prompt")
@click.option("--system", default="", help="The system prompt that goes with it.")
@click.option("--feature", default="default", show_default=True, help="The feature that the request belongs to.")
@click.option("--task", default="", help="The kind of task, where the application says it.")
@click.option("--customer", default="", help="Whom the request is for, where the application says it.")
@click.option("--route", default="auto", show_default=True, help="The model name that the client would send.")
@click.option("--snapshot", type=click.Path(path_type=Path), help="A snapshot file [default: the one in force].")
def command(
    workspace: Workspace,
    prompt: str,
    system: str,
    feature: str,
    task: str,
    customer: str,
    route: str,
    snapshot: Path | None,
) -> None:
    """Explain which deployment would answer PROMPT, and why. No request is sent, nothing is recorded.

    \b
    pointsman route "What is 17 * 23?" --feature arithmetic
    pointsman route "What is 17 * 23?" --snapshot my.snapshot
    """
    current, name = _snapshot(workspace, snapshot)
    messages = ([Message("system", (Text(system),))] if system else []) + [Message("user", (Text(prompt),))]
    tags = tuple([f"{kind}:{said}" for kind, said in (("task", task), ("customer", customer)) if said])
    decision = explained(current, ChatRequest(route, tuple(messages)), feature, name, tags)
    show(decision, route, feature)


def explained(current: Snapshot, request: ChatRequest, feature: str, name: str, tags: tuple[str, ...] = ()) -> Decision:
    """Return the decision for a request when the draw falls to the policy. Raises PointsmanError where there is none."""
    try:
        target = naming.resolve(current, request.model)
        policy = None
        if target.route is not None:
            data = current.policies.get(naming.plan_for(target.route, feature).policy or target.route.name)
            policy = model.decode(data) if data else None
        demands = permits.of_feature(current, feature) if target.route is None else ()  # a route's are read where it decides
        needs = Needs(input_tokens=features.input_tokens(request), demands=demands)
        encode = encoding_with(current.encoder) if policy is not None and policy.encoder else None
        behind = b"" if encode is None else encode([encoding.text_of(request)])[1].tobytes()
        context = Context(feature, needs, features.vector(request) + behind, tags=tags)
        return decide.decide(current, target, policy, context, State(snapshot=name), 0.0)
    except GatewayError as error:
        raise PointsmanError(error.message) from error


def show(decision: Decision, route: str, feature: str) -> None:
    """Print a decision: what is expected of each deployment, how likely each is, and the reason."""
    console = paper()
    lines = table("", "deployment", "expected quality", "expected cost", "chance", "")
    for name, probability in zip(decision.eligible, decision.probabilities, strict=True):
        expected = decision.predicted(name)
        quality = "unknown"
        if expected is not None and expected.quality is not None:
            quality = f"{100 * expected.quality:.0f} % ± {100 * (expected.quality_sd or 0):.0f}"
        cost = "unknown" if expected is None or expected.cost_nano is None else money(expected.cost_nano)
        mark = ">" if name == decision.chosen else ""
        lines.add_row(mark, name, quality, cost, f"{100 * probability:.0f} %", "")
    for name, reason in decision.excluded.items():
        lines.add_row("", name, "", "", "", reason)
    console.print(lines)
    console.print(f"{decision.chosen}: {decision.why}.")
    console.print(f"route {route}, feature {feature}, mode {decision.mode}, snapshot {decision.snapshot}")
    if decision.fallbacks:
        console.print(f"If it fails: {', then '.join(decision.fallbacks)}.")


def _snapshot(workspace: Workspace, path: Path | None) -> tuple[Snapshot, str]:
    if path is None:
        snapshot, published = workspace.snapshot(), workspace.published()
        return snapshot, published.hash if published else ""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SnapshotError(
            f"{path} cannot be read ({error.strerror}); name a file that `pointsman learn --out` wrote"
        ) from error
    try:
        return snapshots.decode(data), snapshots.snapshot_hash(data)
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error

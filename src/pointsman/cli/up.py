"""``pointsman up``: find what the user has, or read the configuration, and serve."""

import functools
import os
from datetime import UTC, datetime

import click

from pointsman.control.compile import all_deployments
from pointsman.control.config import Config, with_reference
from pointsman.control.config.advice import advice
from pointsman.control.config.found import discovered
from pointsman.serve import logs, up
from pointsman.serve.handover import predecessor
from pointsman.serve.lock import claim
from pointsman.serve.loop import run
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.last_good import LastGood
from pointsman.upstream.discover import Found, discover
from pointsman.upstream.transport import HttpTransport

NOTHING_FOUND = """\
Found no provider key in the environment and no model server on this machine.

  export OPENAI_API_KEY=...      or ANTHROPIC_API_KEY, GEMINI_API_KEY, XAI_API_KEY, MISTRAL_API_KEY, ... then: pointsman up
  ollama serve                   or llama.cpp, vLLM, LM Studio at their default ports, then: pointsman up
  pointsman demo                 see it work on simulated models first, without a key and at no cost"""

_SHOWN = 6  # model names of one server


@click.command("up")
@workspace_option
@click.option("--host", help="Address to listen on [default: the configuration's, else 127.0.0.1].")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port; 0: any free one [default: the configuration's, else 8787]."
)
@click.option(
    "--reference", envvar="POINTSMAN_REFERENCE", help="The deployment that `auto` stands for until there is evidence."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that share the port [default: the configuration's, else 1]."
)
@click.option("--takeover", is_flag=True, help="Take the port over from the gateway on this data; it finishes its requests.")
def command(
    workspace: Workspace, host: str | None, port: int | None, reference: str | None, workers: int | None, *, takeover: bool
) -> None:
    """Serve. Without a configuration, with whatever keys and model servers are found.

    \b
    export OPENAI_API_KEY=...; pointsman up
    pointsman up --reference openai/big-1         model="auto" is big-1 until there is evidence
    pointsman up --config pointsman.toml --port 9000
    pointsman up --takeover                       an upgrade that drops no request; starts as usual where none serves
    """
    config, made_by = _configured(workspace, reference)
    logs.begin(as_json=config.json_logs)
    workers, store = workers or config.workers, workspace.patient_store
    keyed = up.keyed(config, store, LastGood(workspace.data, keeps=False))
    old = predecessor(workspace.data) if takeover else None
    bound = functools.partial(up.adopt, old.listeners) if old else up.bind
    listeners = bound(config, host, port, workers, keyed=keyed)
    installation = up.Installation(config, workspace.config_path, workspace.data, store)
    with claim(workspace.data, old.lock if old else None) as lock:
        if lock is None:
            click.echo(f"note: another gateway works on {workspace.data}: from now on it serves this configuration too")
        for note in up.begin(installation, made_by):
            click.echo(f"note: {note}")
        _greet(config, up.base_url(listeners[0]), keyed=keyed)
        run(functools.partial(up.serve, installation, listeners, workers=workers, lock=lock, before=old))


def _configured(workspace: Workspace, reference: str | None) -> tuple[Config, str]:
    """Return the configuration, written or found, and where it is from. Exits where nothing was found."""
    if workspace.config_path is not None:
        config = workspace.config if reference is None else with_reference(workspace.config, reference)
        for sentence in advice(config, all_deployments(config, datetime.now(UTC).date()), os.environ):
            click.echo(f"look at: {sentence}")
        return config, f"configuration {workspace.config_path}"
    found = run(_discover)
    _show(found)
    if not found.providers:
        raise SystemExit(1)
    config = discovered(found, reference=reference)
    if reference is None:
        remedy = f"pointsman up --reference {_example(config)}"
        click.echo(f'\n`model="auto"` needs the deployment that you trust today: {remedy}')
        click.echo("Until then every model keeps its own name, passes through unchanged, and is observed.")
    return config, "what was found on this machine"


async def _discover() -> Found:
    transport = HttpTransport()
    try:
        return await discover(os.environ, transport)
    finally:
        await transport.close()


def _show(found: Found) -> None:
    for one in found.providers:
        more = f", and {len(one.models) - _SHOWN} more" if len(one.models) > _SHOWN else ""
        models = f": {', '.join(one.models[:_SHOWN])}{more}" if one.models else ""
        click.echo(f"found {one.title} ({one.where}){models}")
        if one.note:
            click.echo(f"      {one.note}")
    for problem in found.problems:
        click.echo(f"look at: {problem}")
    if not found.providers:
        click.echo(NOTHING_FOUND)


def _example(config: Config) -> str:
    """Return a deployment to name in an example: one that is there, else the form of one."""
    return next(iter(config.deployments), f"{next(iter(config.providers), 'PROVIDER')}/MODEL")


def _greet(config: Config, url: str, *, keyed: bool) -> None:
    named = next((name for name, route in config.routes.items() if route.reference), None)
    example = f"""
Pointsman serves at {url} (stop with Ctrl-C)

    from openai import OpenAI
    client = OpenAI(base_url="{url}", api_key="{"YOUR-KEY" if keyed else "unused"}")
    client.chat.completions.create(model="{named or _example(config)}",
        messages=[{{"role": "user", "content": "Hello"}}], extra_headers={{"x-pointsman-feature": "support"}})

Then: pointsman report, pointsman trial FEATURE, pointsman accept FEATURE
"""
    click.echo(example)

"""``pointsman up``: find what the user has, or read the configuration, and serve."""

import asyncio
import functools
import importlib.util
import logging
import os
from collections.abc import Callable, Coroutine
from typing import Any

import click

from pointsman.control.config import Config, with_reference
from pointsman.control.config.found import discovered
from pointsman.serve import up
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.upstream.discover import Found, discover
from pointsman.upstream.transport import HttpTransport

NOTHING_FOUND = """\
Found no provider key in the environment and no model server on this machine.

  export OPENAI_API_KEY=...      or ANTHROPIC_API_KEY, GEMINI_API_KEY, XAI_API_KEY, MISTRAL_API_KEY, ... then: pointsman up
  ollama serve                   or llama.cpp, vLLM, LM Studio at their default ports, then: pointsman up
  pointsman demo                 see it work on simulated models first, without a key and at no cost"""


@click.command("up")
@workspace_option
@click.option("--host", help="Address to listen on [default: the configuration's, else 127.0.0.1].")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port; 0: any free one [default: the configuration's, else 8787]."
)
@click.option(
    "--reference", envvar="POINTSMAN_REFERENCE", help="The deployment that `auto` stands for until there is evidence."
)
def command(workspace: Workspace, host: str | None, port: int | None, reference: str | None) -> None:
    """Serve. Without a configuration, with whatever keys and model servers are found."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    if workspace.config_path is not None:
        config = workspace.config if reference is None else with_reference(workspace.config, reference)
        made_by = f"configuration {workspace.config_path}"
    else:
        found = _run(_discover)
        _show(found)
        if not found.providers:
            raise SystemExit(1)
        config, made_by = discovered(found, reference=reference), "what was found on this machine"
    listener = up.bind(config, host, port)
    installation = up.Installation(config, workspace.config_path, workspace.data, workspace.store)
    for note in up.publish_configuration(installation, made_by):
        click.echo(f"note: {note}")
    _greet(config, up.base_url(listener))
    _run(functools.partial(up.serve, installation, listener))


async def _discover() -> Found:
    transport = HttpTransport()
    try:
        return await discover(os.environ, transport)
    finally:
        await transport.close()


def _show(found: Found) -> None:
    for one in found.providers:
        models = f": {', '.join(one.models[:6])}" if one.models else ""
        click.echo(f"found {one.title} ({one.where}){models}")
    for problem in found.problems:
        click.echo(f"look at: {problem}")
    if not found.providers:
        click.echo(NOTHING_FOUND)


def _greet(config: Config, url: str) -> None:
    click.echo(f"\nPointsman serves at {url} (stop with Ctrl-C)\n")
    model = next(iter(config.routes)) if any(route.reference for route in config.routes.values()) else None
    if model is None:
        click.echo('`model="auto"` needs the deployment that you trust today: pointsman up --reference PROVIDER/MODEL')
        click.echo("Until then every model keeps its own name, passes through unchanged, and is observed.\n")
    example = f"""\
    from openai import OpenAI
    client = OpenAI(base_url="{url}", api_key="unused")
    client.chat.completions.create(model="{model or "your model's name"}",
        messages=[{{"role": "user", "content": "Hello"}}], extra_headers={{"x-pointsman-feature": "support"}})
"""
    click.echo(example)
    click.echo("Then: pointsman report, pointsman trial FEATURE, pointsman accept FEATURE\n")


def _run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run on uvloop where it exists: it halves what a request costs."""
    factory = importlib.import_module("uvloop").new_event_loop if importlib.util.find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())

"""Other gateways, as their own documentation starts them, with one worker, their logging low and no database.

They are in ``.bench``, an environment of their own (bench/gateway/install.sh), in the versions of bench/gateway/peers.

    litellm      LiteLLM's proxy: checks one static key, its master key
    portkey      Portkey's gateway: checks no key; the provider stands in headers of each request
    tensorzero   TensorZero's gateway (Rust), started in Python by its own package: without key and observability
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.load import KEY, SOURCES, Target
from harness.machine import Machine, NotStarted, free_port
from harness.targets import Upstream

HOME = Path(__file__).parents[2] / ".bench"
PYTHON = HOME / "venv" / "bin" / "python"
PORTKEY = HOME / "node" / "node_modules" / "@portkey-ai" / "gateway"


@dataclass(frozen=True)
class Peer:
    """How one is started, and how many whole requests and bursts a second leave it room to breathe."""

    start: Callable[[Machine, contextlib.ExitStack, Upstream], Target]
    rate: float = 100
    burst_rate: float = 100


def version(name: str) -> str:
    """Return the installed version; empty where there is none."""
    if name == "portkey":
        package = PORTKEY / "package.json"
        return str(json.loads(package.read_text())["version"]) if package.exists() else ""
    found = sorted((HOME / "venv" / "lib").glob(f"python3*/site-packages/{name}-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").partition("-")[2] if found else ""


def start(name: str, machine: Machine, stack: contextlib.ExitStack, upstream: Upstream) -> Target:
    """Start one. Raises NotStarted, also where it is not installed."""
    if not version(name):
        raise NotStarted(f"{name} is not installed: run bench/gateway/install.sh")
    return PEERS[name].start(machine, stack, upstream)


def _litellm(machine: Machine, stack: contextlib.ExitStack, upstream: Upstream) -> Target:
    port = free_port()
    file = machine.directory / "litellm.yaml"
    served = {"model": "openai/model-0", "api_base": f"http://127.0.0.1:{upstream.port}/v1", "api_key": "none"}
    settings = {
        "model_list": [{"model_name": "model-0", "litellm_params": served}],
        "litellm_settings": {"telemetry": False, "set_verbose": False},
        "general_settings": {"master_key": KEY, "disable_spend_logs": True},
    }
    file.write_text(json.dumps(settings))  # JSON is YAML
    words = ("--config", file, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"}
    running = machine.running(machine.proxy_core, PYTHON.with_name("litellm"), *words, port=port, name="litellm", env=quiet)
    return Target("litellm", port, "model-0", stack.enter_context(running))


def _portkey(machine: Machine, stack: contextlib.ExitStack, upstream: Upstream) -> Target:
    port = free_port()
    words = (PORTKEY / "build" / "start-server.js", f"--port={port}", "--headless")
    quiet = {"NODE_ENV": "production"}
    running = machine.running(machine.proxy_core, "node", *words, port=port, name="portkey", env=quiet)
    host = f"x-portkey-custom-host: http://127.0.0.1:{upstream.port}/v1"
    return Target("portkey", port, "model-0", stack.enter_context(running), headers=("x-portkey-provider: openai", host))


def _tensorzero(machine: Machine, stack: contextlib.ExitStack, upstream: Upstream) -> Target:
    file, told = machine.directory / "tensorzero.toml", machine.directory / "tensorzero.url"
    file.write_text(
        f"""[gateway]
observability.enabled = false
[models.model-0]
routing = ["fast"]
[models.model-0.providers.fast]
type = "openai"
model_name = "model-0"
api_base = "http://127.0.0.1:{upstream.port}/v1/"
api_key_location = "none"
"""
    )

    def ready() -> bool:
        return bool(told.read_text())

    words = (SOURCES / "peers" / "tensorzero_gateway.py", file, told)
    running = machine.running(machine.proxy_core, PYTHON, *words, ready=ready, name="tensorzero")
    pid = stack.enter_context(running)
    port = int(told.read_text().partition("://")[2].partition("/")[0].rpartition(":")[2])
    return Target("tensorzero", port, "tensorzero::model_name::model-0", pid, path="/openai/v1/chat/completions")


PEERS = {
    "litellm": Peer(_litellm, rate=20, burst_rate=5),
    "portkey": Peer(_portkey),
    "tensorzero": Peer(_tensorzero),
}

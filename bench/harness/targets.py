"""What is measured: the fast upstream by itself, nginx as a plain reverse proxy, and Pointsman as people start it.

    direct          the upstream
    nginx           a reverse proxy with one worker and kept connections
    pinned          Pointsman, `provider/model`; journal and key checks on, providers of two dialects
    single          the same, where every provider speaks the one dialect of its clients
    pure            the same as pinned, from the sources: no compiled module
    auto            Pointsman decides each request: features, predictions for eight deployments, a draw
    to-anthropic    a client of the OpenAI dialect on a provider of the Anthropic dialect
    from-anthropic  the reverse
    nginx-tls, pinned-tls, auto-tls   with TLS between the proxy and the upstream

TLS to the upstream is another nginx in front of it, on the upstream's core; its certificate is from an authority made for
the run, which nginx and the gateway are told to trust, and verify.
"""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from harness import load
from harness.acting import act_on_evidence
from harness.load import Target
from harness.machine import Machine, answers, free_port, until

DEPLOYMENTS = tuple(f"model-{number}" for number in range(8))
BASES = {"nginx-tls": "nginx-tls", "direct": "direct", "pinned-tls": "nginx-tls", "auto-tls": "nginx-tls"}
"""What a target is compared with, where that is not nginx."""


@dataclass(frozen=True)
class Upstream:
    """Where the upstream listens, in plaintext and with TLS, and the authority that its certificate is from."""

    port: int
    tls_port: int
    authority: Path


@dataclass(frozen=True)
class Gateway:
    """A running Pointsman."""

    pid: int
    port: int

    def target(self, name: str) -> Target:
        """Return one of the ways in which it is measured."""
        model = {
            "auto": "auto",
            "auto-tls": "auto-tls",
            "to-anthropic": "claude/model-0",
            "pinned-tls": "tls/model-0",
        }.get(name, "fast/model-0")
        return Target(name, self.port, model, self.pid, "anthropic" if name == "from-anthropic" else "openai")


def start_upstream(machine: Machine, stack: contextlib.ExitStack) -> Upstream:
    """Start the upstream, and what speaks TLS in front of it. Raises NotStarted."""
    load.build(machine, "upstream", "load")
    port, tls_port = free_port(), free_port()
    stack.enter_context(machine.running(machine.load_core, machine.directory / "upstream", str(port), port=port))
    authority = _certificates(machine.directory)
    certificate = f"ssl_certificate {machine.directory}/server.pem; ssl_certificate_key {machine.directory}/server.key;"
    _nginx(machine, stack, "tls-front", tls_port, f"http://127.0.0.1:{port}", core=machine.load_core, listening=certificate)
    return Upstream(port, tls_port, authority)


def direct(upstream: Upstream) -> Target:
    """Return the upstream itself as a target."""
    return Target("direct", upstream.port, "model-0", None)


def start_nginx(machine: Machine, stack: contextlib.ExitStack, upstream: Upstream, *, tls: bool = False) -> Target:
    """Start nginx as a plain reverse proxy. Raises NotStarted."""
    name, port = "nginx-tls" if tls else "nginx", free_port()
    if tls:
        verifying = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {upstream.authority}; proxy_ssl_name localhost;"
        to = f"https://127.0.0.1:{upstream.tls_port}"
    else:
        verifying, to = "", f"http://127.0.0.1:{upstream.port}"
    pid = _nginx(machine, stack, name, port, to, core=machine.proxy_core, passing=verifying)
    return Target(name, port, "model-0", pid)


def start_pointsman(
    machine: Machine,
    stack: contextlib.ExitStack,
    upstream: Upstream,
    *,
    workers: int = 1,
    single: bool = False,
    acting: bool = False,
    pure: bool = False,
) -> Gateway:
    """Start a gateway with a data directory of its own, compiled if it can be. Raises NotStarted.

    ``acting``: a policy acts on ``auto``; ``pure``: from the sources.
    """
    port = free_port()
    directory = machine.directory / f"pointsman-{port}"
    directory.mkdir()
    file = directory / "pointsman.toml"
    file.write_text(_configuration(upstream, single=single))
    words = ("-m", "pointsman", "up", "-c", file, "--port", str(port), "--workers", str(workers))
    running = machine.running(
        machine.proxy_core,
        sys.executable,
        *words,
        port=port,
        name="pointsman",
        directory=directory,
        env={"SSL_CERT_FILE": str(upstream.authority), **_imports(None if pure else machine.native)},
    )
    pid = stack.enter_context(running)
    until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the gateway is ready")
    if acting:
        act_on_evidence(directory / ".pointsman", port, {"auto": "fast", "auto-tls": "tls"}, DEPLOYMENTS)
    return Gateway(pid, port)


def _imports(native: Path | None) -> dict[str, str]:
    """Return what makes Python import the compiled packages rather than the sources."""
    return {} if native is None else {"PYTHONPATH": str(native)}


def _nginx(
    machine: Machine,
    stack: contextlib.ExitStack,
    name: str,
    port: int,
    to: str,
    *,
    core: int,
    listening: str = "",
    passing: str = "",
) -> int:
    directory = machine.directory / f"{name}-{port}"
    directory.mkdir()
    text = (load.SOURCES / "nginx.conf").read_text()
    scheme, _, address = to.partition("://")
    filled = {
        "@DIRECTORY@": str(directory),
        "@LISTEN@": f"127.0.0.1:{port}{' ssl' if listening else ''}",
        "@ADDRESS@": address,
        "@SCHEME@": scheme,
        "@LISTENING@": listening,
        "@PASSING@": passing,
        "user root;": "user root;" if os.geteuid() == 0 else "",
    }
    for word, value in filled.items():
        text = text.replace(word, value)
    file = directory / "nginx.conf"
    file.write_text(text)
    return stack.enter_context(machine.running(core, "nginx", "-p", directory, "-c", file, port=port, name=name))


def _configuration(upstream: Upstream, *, single: bool) -> str:
    providers = {"fast": (f"http://127.0.0.1:{upstream.port}/v1", "openai_chat")}
    if not single:
        providers |= {
            "claude": (f"http://127.0.0.1:{upstream.port}/v1", "anthropic"),
            "tls": (f"https://localhost:{upstream.tls_port}/v1", "openai_chat"),
        }
    lines = [f'[keys.bench]\nsha256 = "{sha256(load.KEY.encode()).hexdigest()}"\n']
    for provider, (address, dialect) in providers.items():
        lines.append(f'[providers.{provider}]\nbase_url = "{address}"\ndialect = "{dialect}"\n')
        for number, name in enumerate(DEPLOYMENTS):
            price = f"{{input = {number + 1}, output = {4 * number + 4}}}"
            lines.append(f'[deployments."{provider}/{name}"]\nprice = {price}\n')
    for route, provider in {"auto": "fast", "auto-tls": "tls"}.items():
        if provider in providers:
            candidates = json.dumps([f"{provider}/{name}" for name in DEPLOYMENTS[:-1]])
            lines.append(f'[routes.{route}]\nreference = "{provider}/{DEPLOYMENTS[-1]}"\ncandidates = {candidates}\n')
    return "\n".join(lines)


def _certificates(directory: Path) -> Path:
    """Make an authority, and a certificate from it for this machine; return the authority's certificate."""
    (directory / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
    authority = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    signing = ("-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key")
    for words in (
        ("req", "-x509", *authority, "-days", "2", "-subj", "/CN=bench", "-keyout", "ca.key", "-out", "ca.pem"),
        ("req", "-new", *authority, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"),
        ("x509", "-req", *signing, "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem"),
    ):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)
    return directory / "ca.pem"

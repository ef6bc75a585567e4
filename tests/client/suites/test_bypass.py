"""What an application does when the gateway is gone: the code of docs/faults.md, run with the SDKs of the other vendors.

A server that is not there, one that is no gateway's, and an answer that came through one.
"""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

PAGE: Final = Path(__file__).parents[3] / "docs" / "faults.md"
SAID: Final = {
    "anthropic": b'{"id":"m","type":"message","role":"assistant","model":"m","stop_reason":"end_turn","stop_sequence":null,'
    b'"content":[{"type":"text","text":"four"}],"usage":{"input_tokens":1,"output_tokens":1}}',
    "genai": b'{"candidates":[{"content":{"role":"model","parts":[{"text":"four"}]},"finishReason":"STOP"}]}',
}
ASKS: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {"max_tokens": 9, "messages": [{"role": "user", "content": "2+2?"}]},
    "genai": {"contents": "2+2?"},
}
DIRECT: Final = {"anthropic": "ANTHROPIC", "genai": "GOOGLE_GEMINI"}


class Server(ThreadingHTTPServer):
    """Answers every POST alike."""

    status, body, through = 200, b"", False


class _Answers(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.body)))
        if self.server.through:
            self.send_header("x-pointsman-exchange", "0" * 24)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """A gateway and a provider."""
    found = [Server(("127.0.0.1", 0), _Answers) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in found]
    for thread in threads:
        thread.start()
    yield found
    for server, thread in zip(found, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("sdk", SAID)
@pytest.mark.parametrize("case", ["gone", "not ready", "answered"])
def test_bypass(servers: list[Server], monkeypatch: pytest.MonkeyPatch, sdk: str, case: str) -> None:
    gateway, provider = servers
    provider.body = SAID[sdk]
    gateway.status, gateway.through, gateway.body = 503, case == "answered", b'{"error":{"code":503,"message":"no"}}'
    monkeypatch.setenv(f"{DIRECT[sdk]}_BASE_URL", f"http://127.0.0.1:{provider.server_port}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if sdk in block)
    port = 9 if case == "gone" else gateway.server_port  # discard: nobody listens there
    names: dict[str, Any] = {}
    exec(code.replace("127.0.0.1:8787", f"127.0.0.1:{port}"), names)  # noqa: S102 - it is ours
    if case == "answered":
        with pytest.raises(Exception, match="503"):
            names["complete"](**ASKS[sdk])
    else:
        reply = names["complete"](**ASKS[sdk])
        assert "four" in str(reply)
    for client in ("gateway", "direct"):
        names[client].close()

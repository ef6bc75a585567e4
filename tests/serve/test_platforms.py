"""A whole ``pointsman up`` that gets its own tokens: a directory and a resource of Azure's kind, in this process."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.serve.conftest import Up

TOKEN = "eyJ.entra.token"
SAID = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


class Azure(BaseHTTPRequestHandler):
    """Grants tokens to who knows the secret, and answers who has one."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []  # noqa: RUF012 - one server, one list; the fixture empties it

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(self.path)
        if self.path == "/a-tenant/oauth2/v2.0/token":
            self._answer(200 if b"client_secret=a-secret" in body else 401, {"access_token": TOKEN, "expires_in": 3599})
        else:
            self._answer(200 if self.headers["authorization"] == f"Bearer {TOKEN}" else 401, SAID)

    def _answer(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def azure() -> Iterator[str]:
    Azure.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Azure)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def config(azure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"TENANT_ID": "a-tenant", "CLIENT_ID": "us", "CLIENT_SECRET": "a-secret"}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", azure)
    path = tmp_path / "pointsman.toml"
    path.write_text(
        f'[gateway]\ndata = "data"\n[providers.azure]\nbase_url = "{azure}/openai/v1"\ncredential = "entra"\n'
        '[deployments."azure/our-gpt"]\n[routes.auto]\nreference = "azure/our-gpt"\n'
    )
    return path


def test_tokens_are_fetched_once_and_no_secret_is_kept(start: Callable[..., Up], tmp_path: Path) -> None:
    up = start()
    client = up.client()
    for _ in range(3):
        reply = client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "2+2?"}])
        assert reply.choices[0].message.content == "four"
    assert up.stop() == 0
    assert Azure.asked == ["/a-tenant/oauth2/v2.0/token", *["/openai/v1/chat/completions"] * 3]
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept
    assert b"a-secret" not in kept
    assert not any(TOKEN in line or "a-secret" in line for line in up.said)

"""A sentence encoder as an owner uses it: learn, predict, route and check, with an embeddings server on a real socket."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pa_parquet
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from pointsman.cli import commands
from pointsman.control.evaluate import AUTO, SINGLE
from pointsman.core import snapshot as snapshots
from pointsman.core.errors import ConfigError, SnapshotError, TableError
from pointsman.policy import model
from pointsman.serve.workspace import Workspace

SIDES = ("red", "blue")
CONFIG = """
[gateway]
data = "data"
[encoder]
url = "http://127.0.0.1:{port}/v1/embeddings"
model = "sides"
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[deployments."p/red"]
price = {{input = 1, output = 4}}
[deployments."p/blue"]
price = {{input = 1, output = 4}}
[routes.auto]
reference = "p/red"
candidates = ["p/blue"]
objective = "best"
[models]
red = "p/red"
blue = "p/blue"
"""


class Embeddings(BaseHTTPRequestHandler):
    """Says of a text which side it is on: what its words do not tell."""

    asked: list[str] = []  # noqa: RUF012 - the server makes a handler for each request
    status = 200

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        type(self).asked += texts
        rows = [{"index": n, "embedding": [1.0, 0.0] if _side(text) else [0.0, 1.0]} for n, text in enumerate(texts)]
        body = json.dumps({"data": rows}).encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _side(text: str) -> bool:
    return int(text.rsplit(maxsplit=1)[-1]) % 2 == 0  # all digits look alike to a sketch of words


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Embeddings.asked, Embeddings.status = [], 200
    found = ThreadingHTTPServer(("127.0.0.1", 0), Embeddings)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def config(tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pointsman.toml"
    path.write_text(CONFIG.format(port=server.server_address[1]))
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.jsonl"
    rows = [
        {
            "prompt_id": str(number),
            "prompt": f"solve the riddle number {number}",
            "model": name,
            "score": float(_side(f"{number}") == (name == "red")),
            "prompt_tokens": 20,
            "completion_tokens": 30,
        }
        for number in range(1000, 1300)
        for name in SIDES
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*words: str) -> Result:
    return CliRunner().invoke(commands, words)


def test_learning_encodes_each_prompt_once_and_what_is_published_names_its_encoder(config: Path, table: Path) -> None:
    learned = run("learn", str(table))
    assert learned.exit_code == 0, learned.output
    assert len(Embeddings.asked) == len(set(Embeddings.asked)) == 300
    workspace = Workspace(config)
    published = workspace.snapshot()
    policy = model.decode(published.policies["auto"])
    workspace.close()
    assert published.encoder is not None
    assert (policy.encoder, published.encoder.model) == ("url:sides", "sides")
    assert published.routes["auto"].plans["*"].accepted == ("p/blue",)
    assert run("learn", str(table)).exit_code == 0
    assert len(Embeddings.asked) == 300  # from the data directory

    Embeddings.asked.clear()
    for number, name in ((2000, "red"), (2001, "blue")):
        shown = run("route", f"solve the riddle number {number}")
        assert f"p/{name}: " in shown.output, shown.output
    assert len(Embeddings.asked) == 2


def test_predictions_use_the_encoder_and_refuse_another(config: Path, table: Path, tmp_path: Path) -> None:
    snapshot, out = tmp_path / "s.snapshot", tmp_path / "p.parquet"
    assert run("learn", str(table), "--out", str(snapshot)).exit_code == 0
    words = ("predict", str(table), "--snapshot", str(snapshot), "--out", str(out))
    assert run(*words).exit_code == 0
    found = [row for row in pa_parquet.read_table(out).to_pylist() if row["deployment"] == "p/red"]
    assert [row["quality"] > 0.8 for row in found] == [_side(row["prompt_id"]) for row in found]

    current = snapshots.decode(snapshot.read_bytes())
    assert current.encoder is not None
    other = replace(current, encoder=replace(current.encoder, model="others"))
    snapshot.write_bytes(snapshots.encode(other))
    refused = run(*words)
    assert isinstance(refused.exception, SnapshotError)
    assert "learned with the encoder url:sides" in str(refused.exception)


def test_an_encoder_that_fails_stops_learning_with_a_remedy(config: Path, table: Path) -> None:
    Embeddings.status = 500
    stopped = run("learn", str(table))
    assert isinstance(stopped.exception, TableError)
    assert "answered 500. What was encoded is kept: run this again" in str(stopped.exception)
    Embeddings.status = 200
    assert run("learn", str(table)).exit_code == 0


def test_evaluate_measures_with_the_encoder(config: Path, table: Path) -> None:
    found = run("evaluate", str(table), "--objective", "best", "--seeds", "1", "--json")
    assert found.exit_code == 0, found.output
    assert len(Embeddings.asked) == 300
    ways = {each["way"]: each["quality"] for each in json.loads(found.output)["ways"]}
    assert ways[AUTO] > 0.95
    assert ways[SINGLE] < 0.7


def test_checking_opens_the_encoder(config: Path) -> None:
    assert "encoder: url:sides, within 50 ms" in run("check", str(config)).output
    config.write_text('[encoder]\nonnx = "nowhere"')
    wrong = run("check", str(config))
    assert isinstance(wrong.exception, ConfigError)
    assert "nowhere" in str(wrong.exception)

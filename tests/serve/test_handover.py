"""A new gateway takes the port over from the one that serves it: no connection refused, no stream cut, no request failed."""

import asyncio
import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from pointsman.control.config import Config
from pointsman.core.errors import ConfigError, StoreError
from pointsman.serve import handover
from pointsman.serve import lock as locks
from pointsman.serve.handover import ENDED, READY, SOCKET, SOCKETS, TAKE, Predecessor, Succession, predecessor
from pointsman.serve.up import adopt, bind
from pointsman.store.interfaces import Filter
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up
from tests.serve.test_workers import children, until, workers

Start = Callable[..., Up]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@contextlib.contextmanager
def offering(data: Path, listener: socket.socket) -> Iterator[list[str]]:
    """An old gateway in a thread; what it was told, and when its control process ended."""
    heard: list[str] = []

    async def relieved() -> None:
        heard.append("relieved")
        await asyncio.sleep(0)
        heard.append("control ended")

    lock = os.open(data / "lock", os.O_CREAT | os.O_RDWR)
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        with Succession(data, lock, [listener], relieved) as succession:
            running = asyncio.create_task(succession.run())
            ready.set()
            await asyncio.to_thread(over.wait)
            running.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield heard
    finally:
        over.set()
        thread.join(10)
        os.close(lock)


def test_where_nobody_serves_there_is_nobody_to_take_over_from(tmp_path: Path) -> None:
    assert predecessor(tmp_path) is None
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))  # as kill -9 leaves it
    assert predecessor(tmp_path) is None


def test_the_sockets_are_the_very_same_and_what_waits_on_them_is_not_lost(tmp_path: Path, listener: socket.socket) -> None:
    address = listener.getsockname()
    with offering(tmp_path, listener) as heard:
        taken = predecessor(tmp_path)
        assert taken is not None
        waiting = socket.create_connection(address)  # nobody has accepted it yet
        waiting.sendall(b"hello")
        asyncio.run(taken.relieve())
        assert heard == ["relieved", "control ended"]
        listener.close()
        (mine,) = taken.listeners
        mine.setblocking(True)
        accepted, _ = mine.accept()
        assert accepted.recv(5) == b"hello"
        assert not os.get_inheritable(mine.fileno())
        for one in (accepted, waiting, mine):
            one.close()
        os.close(taken.lock)
        taken.close()
    assert not (tmp_path / SOCKET).exists()


def test_a_new_process_that_fails_before_it_is_ready_changes_nothing(tmp_path: Path, listener: socket.socket) -> None:
    with offering(tmp_path, listener) as heard:
        for _ in range(3):
            taken = predecessor(tmp_path)
            assert taken is not None
            for one in taken.listeners:
                one.close()
            os.close(taken.lock)
            taken.close()  # as its death does
        assert heard == []
        with socket.create_connection(listener.getsockname()):
            pass
        again = predecessor(tmp_path)
        assert again is not None
        asyncio.run(again.relieve())
        assert heard == ["relieved", "control ended"]
        again.listeners[0].close()
        os.close(again.lock)
        again.close()


def test_one_at_a_time_is_served(tmp_path: Path, listener: socket.socket) -> None:
    with offering(tmp_path, listener) as heard:
        first = predecessor(tmp_path)
        assert first is not None
        with pytest.raises(StoreError, match="does not hand over its port"):
            predecessor(tmp_path, patience_s=0.1)
        first.listeners[0].close()
        os.close(first.lock)
        first.close()
        assert heard == []


def test_one_that_was_just_relieved_hangs_up_and_its_successor_is_asked(tmp_path: Path, listener: socket.socket) -> None:
    """A third gateway that comes while the second one relieves the first: it waits for the second to listen."""
    path = tmp_path / SOCKET
    old = socket.socket(socket.AF_UNIX)
    old.bind(str(path))
    old.listen()
    found: list[Predecessor | None] = []
    thread = threading.Thread(target=lambda: found.append(predecessor(tmp_path)))
    thread.start()
    line, _ = old.accept()  # what was asked is read by nobody
    path.unlink()
    line.close()
    old.close()
    with offering(tmp_path, listener):
        thread.join(20)
        (taken,) = found
        assert taken is not None
        taken.listeners[0].close()
        os.close(taken.lock)
        taken.close()


def test_while_the_directory_is_held_who_relieved_the_one_before_is_waited_for(
    tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third gateway that comes when the first does not listen any more, and the second not yet."""
    found: list[Predecessor | None] = []
    asked_in_vain = threading.Event()

    def told(data: Path) -> bool:
        asked_in_vain.set()
        return locks.held(data)

    monkeypatch.setattr(handover, "held", told)
    with locks.claim(tmp_path):
        thread = threading.Thread(target=lambda: found.append(predecessor(tmp_path)))
        thread.start()
        assert asked_in_vain.wait(10)
        with offering(tmp_path, listener):
            thread.join(20)
            (taken,) = found
            assert taken is not None
            taken.listeners[0].close()
            os.close(taken.lock)
            taken.close()


def test_a_gateway_that_speaks_otherwise_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / SOCKET))
        other.listen()

        def answer() -> None:
            line, _ = other.accept()
            with line:
                line.recv(len(TAKE))
                line.sendall(b"pointsman sockets 9\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StoreError, match="in a way that this version does not know"):
            predecessor(tmp_path)
        thread.join(10)


def test_a_data_directory_may_have_a_long_path(tmp_path: Path, listener: socket.socket) -> None:
    data = tmp_path / ("long" * 30)
    data.mkdir()
    with offering(data, listener):
        taken = predecessor(data)
        assert taken is not None
        taken.listeners[0].close()
        os.close(taken.lock)
        taken.close()


def test_the_words_stay_as_they_are() -> None:
    """Any two versions have to understand each other."""
    assert (TAKE, SOCKETS, READY, ENDED) == (
        b"pointsman take 1\n",
        b"pointsman sockets 1\n",
        b"pointsman ready 1\n",
        b"pointsman control ended 1\n",
    )


def test_a_takeover_keeps_the_address() -> None:
    (first,) = bind(Config(), None, 0)
    with first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"listens on 127.0.0.1:{port}, and 127.0.0.1:{port + 1} is asked for"):
            adopt([first], Config(), None, port + 1)
        assert adopt([first], Config(), "localhost", port) == (first,)


def test_more_workers_get_sockets_of_their_own_and_nobody_shares_a_port_unnoticed() -> None:
    (first,) = bind(Config(), None, 0)
    port = first.getsockname()[1]
    more = adopt([first], Config(), None, 0, workers=3)
    assert [one.getsockname()[1] for one in more] == [port] * 3
    with pytest.raises(ConfigError, match="Address already in use"):
        bind(Config(), None, port, workers=2)
    calls = [socket.create_connection(("127.0.0.1", port)) for _ in range(64)]
    accepted = []
    for one in more:
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted.append(one.accept()[0])
    assert len(accepted) == 64
    for each in (*calls, *accepted, *more):
        each.close()


class Clients:
    """Threads that ask again and again, half of them streaming, each on one connection that it keeps."""

    def __init__(self, up: Up, count: int) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        base = up.base_url
        self._threads = [threading.Thread(target=self._ask, args=(base, place)) for place in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, base: str, place: int) -> None:
        client = openai.OpenAI(base_url=base, api_key="unused", max_retries=0, timeout=60)
        while not self._stop.is_set():
            try:
                if place % 2:
                    stream = client.chat.completions.create(
                        model="auto", messages=[{"role": "user", "content": "What is 2 + 3?"}], stream=True
                    )
                    ended = [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1]
                else:
                    whole = client.chat.completions.create(
                        model="auto", messages=[{"role": "user", "content": "What is 2 + 3?"}]
                    )
                    ended = whole.choices[0].finish_reason
                assert ended == "stop"
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                with self._lock:
                    self.failures.append(repr(error))
            else:
                with self._lock:
                    self.answers += 1
        client.close()

    def more(self, count: int) -> None:
        wanted = self.answers + count
        until(lambda: self.answers >= wanted or self.failures, 60)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        """Also where the test has failed: threads that go on asking would slow down all that follow."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def control_processes(*pids: int) -> int:
    return sum("control_process" in command for pid in pids for command in children(pid).values())


@pytest.mark.long
@pytest.mark.timeout(300)
def test_upgrades_under_load_fail_no_request_and_cut_no_stream(start: Start, zoo: Zoo) -> None:
    """From one process to two, to one again; a stream from before the first of them is read to its end after the last."""
    zoo.speed = 0.02
    first = start()
    port = first.base_url.rsplit(":", 1)[1].removesuffix("/v1")
    with Clients(first, 6) as clients:
        clients.more(20)
        second = start("--takeover", "--port", port, "--workers", "2")
        assert second.base_url == first.base_url
        first.hears(lambda line: "another process has taken over" in line, 60)
        clients.more(20)
        until(lambda: len(workers(second.process.pid)) == 1)
        third = start("--takeover", "--port", port)
        second.hears(lambda line: "another process has taken over" in line, 60)
        clients.more(20)
        seen = []
        while first.process.poll() is None or second.process.poll() is None:
            seen.append(control_processes(first.process.pid, second.process.pid, third.process.pid))
            time.sleep(0.02)
        clients.more(20)
    assert clients.failures == []
    assert (first.stop(), second.stop()) == (0, 0)
    assert max(seen, default=0) <= 1
    until(lambda: control_processes(third.process.pid) == 1)
    assert third.stop() == 0
    records = list(third.workspace.store.journal.exchanges(Filter()))
    assert len(records) == clients.answers
    # The SDK hangs up at `[DONE]`, which may be before the last chunk: nothing of the answer was missing.
    assert {record.outcome for record in records} <= {"ok", "client_gone"}


class Gated(BaseHTTPRequestHandler):
    """A provider that streams one word, and the end of it once ``go`` is set."""

    protocol_version = "HTTP/1.1"
    go = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._say({"content": "Hel"}, None)
        self.go.wait(60)
        self._say({"content": "lo"}, "stop", b"data: [DONE]\n\n")

    def _say(self, delta: dict[str, str], finish: str | None, last: bytes = b"") -> None:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gated"}
        said = {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        data = b"data: " + msgspec.json.encode(said) + b"\n\n" + last
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) + (b"0\r\n\r\n" if last else b""))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gate(config: Path) -> Iterator[threading.Event]:
    """Puts a gated provider in the place of the zoo."""
    Gated.go.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Gated) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f'base_url = "http://127.0.0.1:{server.server_port}/v1"'
        config.write_text(re.sub(r'base_url = ".*"', url, config.read_text("utf-8"), count=1), "utf-8")
        yield Gated.go
        Gated.go.set()
        server.shutdown()
        thread.join(10)


def test_a_stream_is_answered_to_its_end_by_the_process_that_began_it(gate: threading.Event, start: Start) -> None:
    first = start("--workers", "2")
    port = first.base_url.rsplit(":", 1)[1].removesuffix("/v1")
    until(lambda: len(workers(first.process.pid)) == 1)
    hello: list[Any] = [{"role": "user", "content": "Hello"}]
    clients = [first.client() for _ in range(16)]  # some of them come to the worker
    streams = [client.chat.completions.create(model="auto", messages=hello, stream=True) for client in clients]
    begun = [next(stream).choices[0].delta.content for stream in streams]
    (worker,) = workers(first.process.pid)
    second = start("--takeover", "--port", port, "--workers", "2")
    first.hears(lambda line: "another process has taken over; requests under way" in line)
    assert second.client().models.list().data  # by the new one: the old one accepts nothing more
    assert first.process.poll() is None
    assert Path(f"/proc/{worker}").exists()
    gate.set()
    rest = ["".join(chunk.choices[0].delta.content or "" for chunk in stream) for stream in streams]
    assert (begun, rest) == (["Hel"] * 16, ["lo"] * 16)
    for client in clients:
        client.close()
    assert first.process.wait(30) == 0
    assert not Path(f"/proc/{worker}").exists()
    assert second.stop() == 0
    assert not any("another gateway works on" in line for line in second.said)
    records = list(second.workspace.store.journal.exchanges(Filter()))
    assert len(records) == 16
    assert {record.outcome for record in records} <= {"ok", "client_gone"}  # the SDK may hang up at `[DONE]`


def test_a_mistake_in_the_new_one_leaves_the_old_one_serving(start: Start, config: Path) -> None:
    first = start()
    port = first.base_url.rsplit(":", 1)[1].removesuffix("/v1")
    second = start("--takeover", "--port", "1")
    assert second.process.wait(20) == 1
    assert second.hears(lambda line: "a takeover keeps the" in line)
    first.hears(lambda line: "ended before it was ready" in line)
    assert first.client().models.list().data
    assert first.process.poll() is None
    third = start("--takeover", "--port", port)
    third.base_url  # noqa: B018 - it serves
    first.hears(lambda line: "another process has taken over" in line, 60)


def test_where_nobody_serves_a_takeover_is_a_start(start: Start) -> None:
    only = start("--takeover")
    assert only.client().models.list().data
    assert only.stop() == 0
    assert not (only.workspace.data / handover.SOCKET).exists()

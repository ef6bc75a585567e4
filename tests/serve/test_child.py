"""The control process seen from the gateway: started again when it dies, ended gently, killed only when it will not end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.core.chat import Usage
from pointsman.core.record import Sample
from pointsman.serve import child
from pointsman.serve.child import ControlProcess
from pointsman.serve.samples import SampleQueue

SAMPLE = Sample("e1", "support", "auto", "z/big", "reference", b'{"model":"auto"}', "4", Usage(3, 1), 100)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "FIRST_PAUSE_S", 0.01)


def control(queue: SampleQueue, script: str, *arguments: object) -> ControlProcess:
    """A control process that runs a script of the test in place of ours."""
    made = ControlProcess(queue, config=None, data=Path("unused"))
    made._arguments = ["-c", script, *map(str, arguments)]
    return made


class Call:
    """A port that a script calls once it is at work."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.port = 0

    def _hear(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self.heard.set()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


CALLS = "import socket, sys, time; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close(); "


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    made = Call()
    async with await made.listen():
        yield made


class Heard(logging.Handler):
    """Counts what was logged."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.enough = asyncio.Event()
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        if len(self.records) >= self._count:
            self.enough.set()


async def cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_it_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    heard = Heard(3)
    child.log.addHandler(heard)
    try:
        script = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(3)"
        task = asyncio.create_task(control(SampleQueue(), script, starts).run())
        await asyncio.wait_for(heard.enough.wait(), 20)
        await cancelled(task)
    finally:
        child.log.removeHandler(heard)
    assert len(starts.read_text()) >= 3
    assert [record.args for record in heard.records[:3]] == [(3, 0.01), (3, 0.02), (3, 0.04)]


async def test_it_is_fed_and_finishes_what_it_has_begun(tmp_path: Path, call: Call) -> None:
    """It ends because its standard input does, with time to write down what it got."""
    kept = tmp_path / "kept"
    script = f"import sys; first = sys.stdin.buffer.read(1); {CALLS}"
    script += "open(sys.argv[2], 'wb').write(first + sys.stdin.buffer.read())"
    queue = SampleQueue()
    task = asyncio.create_task(control(queue, script, call.port, kept).run())
    assert queue.offer(SAMPLE)
    await asyncio.wait_for(call.heard.wait(), 20)
    await cancelled(task)
    assert b"e1" in kept.read_bytes()
    assert queue.sent == 1


async def test_one_that_will_not_end_is_killed(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE_S", 0.1)
    late = tmp_path / "late"
    script = f"{CALLS} time.sleep(60); open(sys.argv[2], 'w').close()"
    task = asyncio.create_task(control(SampleQueue(), script, call.port, late).run())
    await asyncio.wait_for(call.heard.wait(), 20)
    async with asyncio.timeout(10):
        await cancelled(task)
    assert not late.exists()

"""``pointsman up`` as a process: it serves, takes up what others publish, keeps the last good state, and stops gently."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest
from msgspec.structs import replace

from pointsman.core.errors import StoreError
from pointsman.core.record import Judgement
from pointsman.core.snapshot import Snapshot
from pointsman.serve.lock import LOCK_FILE, claim, held
from pointsman.store.interfaces import Filter
from pointsman.store.last_good import FILE as COPY
from pointsman.store.sqlite import FILE
from pointsman.upstream.simulated.features import features
from pointsman.upstream.simulated.zoo import Zoo
from tests.serve.conftest import Up

Start = Callable[..., Up]


def ask(client: openai.OpenAI, model: str = "auto", **more: object) -> str:
    task = next(iter(features()["extraction"].tasks(1, seed=3)))
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=task.messages, extra_headers={"x-pointsman-feature": "extraction"}, **more,
    )  # type: ignore[call-overload]  # fmt: skip
    return str(raw.headers["x-pointsman-exchange"])


def test_without_evidence_auto_is_the_reference_and_the_journal_says_so(start: Start) -> None:
    up = start()
    exchange = ask(up.client())
    assert up.stop() == 0
    (record,) = up.workspace.store.journal.exchanges(Filter())
    assert record.id == exchange
    assert record.decision is not None
    assert (record.decision.chosen, record.decision.arm, record.decision.mode) == (
        "zoo/sim-eagle-xl",
        "reference",
        "observe",
    )
    assert record.decision.probabilities == (1.0,)
    assert record.prompt == ""
    assert len(record.vector) > 100


def test_feedback_of_a_client_becomes_a_judgement_of_who_answered(start: Start) -> None:
    up = start()
    sent = up.client().chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": "What is 2 + 3?"}], extra_headers={"x-pointsman-id": "order-7"}
    )
    assert sent.headers["x-pointsman-exchange"]
    said = up.client().post("/feedback", body={"client_id": "order-7", "thumb": "up"}, cast_to=object)
    assert isinstance(said, dict)
    assert said["feedback"][0]["taken"] in ("joined", "waiting")
    workspace = up.workspace
    until = time.monotonic() + 20
    found: list[Judgement] = []
    while not found and time.monotonic() < until:
        time.sleep(0.05)
        found = list(workspace.store.journal.judgements(Filter()))
    assert [(one.exchange, one.deployment, one.grader, one.score) for one in found] == [
        (sent.headers["x-pointsman-exchange"], sent.headers["x-pointsman-deployment"], "feedback:client:thumb", 1.0)
    ]
    workspace.close()


def test_a_published_snapshot_is_taken_up_within_a_second_and_no_request_is_lost(start: Start) -> None:
    up = start()
    client = up.client()
    failures: list[Exception] = []
    asked = 0
    stop = threading.Event()

    def load() -> None:
        nonlocal asked
        while not stop.is_set():
            try:
                ask(client)
                asked += 1
            except openai.OpenAIError as error:
                failures.append(error)

    workers = [threading.Thread(target=load) for _ in range(4)]
    ask(client)
    for worker in workers:
        worker.start()
    taken = []
    for limit in (2000, 2001, 2002):
        published = up.workspace.publish(partial(_with_limit, limit=limit), made_by="test")
        began = time.monotonic()
        url = up.base_url.removesuffix("/v1") + "/readyz"
        while httpx.get(url).json()["snapshot"] != published.hash:
            assert time.monotonic() - began < 5
        taken.append(time.monotonic() - began)
    stop.set()
    for worker in workers:
        worker.join(20)
    assert not failures
    assert asked > 0
    assert sorted(taken)[1] < 1.0


def _with_limit(now: Snapshot, limit: int) -> Snapshot:
    return replace(now, limits=replace(now.limits, concurrent=limit))


def test_a_mistake_in_the_configuration_is_printed_and_the_old_one_stays(start: Start, config: Path) -> None:
    up = start()
    ask(up.client())
    good = config.read_text("utf-8")
    config.write_text(good.replace("control_share = 0.05", "control_share = 5"), "utf-8")
    up.hears(lambda line: "control_share" in line)
    ask(up.client())
    config.write_text(good.replace("control_share = 0.05", "control_share = 0.5"), "utf-8")
    up.hears(lambda line: "took up" in line)
    current = up.workspace.published()
    assert current is not None
    assert "changed" in current.made_by


def test_kill_9_loses_at_most_the_flush_interval_and_a_restart_works(start: Start) -> None:
    up = start()
    client = up.client()
    finished: list[tuple[float, str]] = []
    lock = threading.Lock()

    def load() -> None:
        try:
            while True:
                exchange = ask(client)
                with lock:
                    finished.append((time.monotonic(), exchange))
        except openai.OpenAIError:
            return

    workers = [threading.Thread(target=load) for _ in range(8)]
    for worker in workers:
        worker.start()
    while len(finished) < 400:
        assert any(worker.is_alive() for worker in workers)
        time.sleep(0.01)
    killed = time.monotonic()
    up.stop(signal.SIGKILL)
    for worker in workers:
        worker.join(20)
    again = start()
    ask(again.client())
    kept = {record.id for record in again.workspace.store.journal.exchanges(Filter())}
    lost = [at for at, exchange in finished if exchange not in kept]
    # The flush interval is 200 ms; the rest is what a busy machine needs to write a batch.
    assert all(killed - at < 1.5 for at in lost), killed - min(lost)


def test_ctrl_c_lets_streams_finish_and_ends_with_nothing_left_over(start: Start, zoo: Zoo) -> None:
    zoo.speed = 0.05
    up = start()
    task = next(iter(features()["backoffice"].tasks(1, seed=5)))
    messages: list[Any] = task.messages
    stream = up.client().chat.completions.create(model="auto", messages=messages, stream=True)
    first = next(stream)
    up.process.send_signal(signal.SIGINT)
    rest = list(stream)
    assert first.choices
    assert rest[-1].choices[0].finish_reason == "stop"
    assert up.process.wait(30) == 0
    assert up.hears(lambda line: "requests under way: 1; they get 30 s, Ctrl-C again stops at once" in line)
    assert not any("Traceback" in line for line in up.said)


def test_the_printed_example_works_as_it_is(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    up = start()
    up.hears(lambda line: line.startswith("Then: "))
    lines = [line for line in up.said if line.startswith("    ")]
    assert len(lines) == 4
    exec(textwrap.dedent("".join(lines)), {})  # noqa: S102 - as a user pastes it
    assert up.stop() == 0
    (record,) = up.workspace.store.journal.exchanges(Filter())
    assert (record.outcome, record.feature, record.asked) == ("ok", "support", "auto")


def test_a_second_ctrl_c_does_not_wait(start: Start, zoo: Zoo) -> None:
    zoo.speed = 1000.0
    up = start()
    failed: list[openai.OpenAIError] = []

    def wait() -> None:
        try:
            ask(up.client())
        except openai.OpenAIError as error:
            failed.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert zoo.wait_for("sim-eagle-xl", "asked")
    up.process.send_signal(signal.SIGINT)
    up.hears(lambda line: "requests under way: 1" in line)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(15) == 0
    waiting.join(20)
    assert len(failed) == 1
    (record,) = up.workspace.store.journal.exchanges(Filter())
    assert record.outcome != "ok"
    assert not any("Traceback" in line for line in up.said)


def test_sigterm_lets_streams_finish_too(start: Start, zoo: Zoo) -> None:
    zoo.speed = 0.05
    up = start()
    stream = up.client().chat.completions.create(model="auto", messages=[{"role": "user", "content": "Hello"}], stream=True)
    next(stream)
    up.process.send_signal(signal.SIGTERM)
    assert list(stream)[-1].choices[0].finish_reason == "stop"
    assert up.process.wait(30) == 0


def test_a_port_that_is_taken_is_said_with_the_remedy(start: Start) -> None:
    first = start()
    port = first.base_url.rsplit(":", 1)[1].removesuffix("/v1")
    second = start("--port", port)
    assert second.process.wait(20) == 1
    assert second.hears(
        lambda line: f"cannot listen on 127.0.0.1:{port} (Address already in use)" in line and "--port" in line
    )
    ask(first.client())


def test_a_second_gateway_on_the_same_data_is_told_of_the_first(start: Start) -> None:
    first, second = start(), start()
    ask(first.client())
    ask(second.client())
    notes = [line for up in (first, second) for line in up.said if line.startswith("note: another gateway works on")]
    assert len(notes) == 1
    assert first.stop() == second.stop() == 0
    assert len(list(first.workspace.store.journal.exchanges(Filter()))) == 2


def test_a_place_that_cannot_be_a_directory_is_named(start: Start, config: Path) -> None:
    (config.parent / "data").write_text("a file", "utf-8")
    up = start()
    assert up.process.wait(20) == 1
    assert up.hears(lambda line: "data" in line and "name another data directory" in line)
    assert not any("Traceback" in line for line in up.said)


def test_a_snapshot_cut_in_half_is_named_and_what_was_recorded_stays(start: Start, config: Path) -> None:
    up = start()
    exchange = ask(up.client())
    assert up.stop() == 0
    with sqlite3.connect(config.parent / "data" / FILE) as raw:
        raw.execute("UPDATE snapshots SET data = substr(data, 1, length(data) / 2)")
    raw.close()
    (config.parent / "data" / COPY).unlink()  # else it would be put back
    again = start()
    assert again.process.wait(20) == 1
    assert again.hears(lambda line: "snapshot 1 in" in line and "put back a copy of this directory" in line)
    assert not any("Traceback" in line for line in again.said)
    assert [record.id for record in again.workspace.store.journal.exchanges(Filter())] == [exchange]


def test_a_data_directory_is_held_by_one_and_given_back(tmp_path: Path) -> None:
    with claim(tmp_path) as first:
        assert (tmp_path / LOCK_FILE).stat().st_mode & 0o077 == 0  # whoever may open it may hold it
        with claim(tmp_path) as second:
            assert first is not None
            assert second is None
        with claim(tmp_path) as third:
            assert third is None
        assert held(tmp_path)
    assert not held(tmp_path)
    with claim(tmp_path) as again:
        assert again is not None
    with pytest.raises(StoreError, match="cannot be written to"), claim(tmp_path / "absent"):
        pass
    assert not held(tmp_path / "absent")


def test_an_open_address_without_keys_is_refused(start: Start) -> None:
    up = start("--host", "0.0.0.0")  # noqa: S104 - refused, that is the test
    assert up.process.wait(20) == 1
    assert up.hears(lambda line: "anyone could spend your money" in line)


def test_with_nothing_to_serve_it_says_what_to_do(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "pointsman", "up", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "OPENAI_API_KEY" in done.stdout
    assert "pointsman demo" in done.stdout
    assert list(tmp_path.iterdir()) == []

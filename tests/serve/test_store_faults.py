"""A gateway whose store fails, while it runs and when it starts: it serves on, says so, and goes on by itself afterwards.

Real processes, real files: what is damaged is bytes on a disk, what is full is a file system.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import openai
import pytest

from pointsman.store.interfaces import Filter
from pointsman.store.last_good import FILE as COPY
from pointsman.store.sqlite import FILE
from tests.disks import small_disk
from tests.serve.conftest import Up
from tests.serve.test_workers import until

Start = Callable[..., Up]
KEY = "ein-schluessel"
FILES = (FILE, f"{FILE}-wal", f"{FILE}-shm")


@pytest.fixture
def keyed(config: Path) -> Path:
    """The configuration with a key that every client needs."""
    key = f'\n[keys.app]\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
    config.write_text(config.read_text("utf-8") + key, "utf-8")
    return config


@pytest.fixture(name="small_disk")
def _small_disk(keyed: Path) -> Iterator[Path]:
    """The data directory on a file system of four megabytes."""
    with small_disk(keyed.parent / "data", 4) as there:
        yield there


def ask(up: Up) -> str:
    with openai.OpenAI(base_url=up.base_url, api_key=KEY, max_retries=0, timeout=20) as client:
        hello: list[Any] = [{"role": "user", "content": "Hello"}]
        return str(
            client.chat.completions.with_raw_response.create(model="auto", messages=hello).headers["x-pointsman-exchange"]
        )


def stands(up: Up) -> dict[str, Any]:
    answered = httpx.get(up.base_url.removesuffix("/v1") + "/readyz")
    assert answered.status_code == 200
    return dict(answered.json())


def no_stranger_comes_in(up: Up) -> None:
    for key in ("unused", KEY[:-1]):
        asked = httpx.get(f"{up.base_url}/models", headers={"authorization": f"Bearer {key}"})
        assert asked.status_code == 401


def recorded(up: Up, *exchanges: str) -> None:
    assert [record.id for record in up.recorded(*exchanges, timeout=30)] == list(exchanges)


def well(up: Up) -> bool:
    return not stands(up)["problems"]


def damage(data: Path) -> None:
    """Overwrite the file's beginning and some pages behind it."""
    with (data / FILE).open("r+b") as file:
        file.write(os.urandom(3 * 4096))


def move_away(data: Path) -> None:
    for name in FILES:
        if (data / name).exists():
            (data / name).replace(data / f"damaged-{name}-{time.monotonic_ns()}")


@pytest.mark.long
def test_a_damaged_store_is_served_without_and_a_copy_of_it_is_taken_up_again(start: Start, keyed: Path) -> None:
    data = keyed.parent / "data"
    up = start()
    first = ask(up)
    recorded(up, first)
    assert up.stop() == 0
    shutil.copy(data / FILE, data.parent / "copy")

    up = start()
    ask(up)
    damage(data)  # while it runs
    second = ask(up)
    until(lambda: "journal" in stands(up)["problems"])
    assert stands(up)["status"] == "ready"
    no_stranger_comes_in(up)
    up.stop()

    up = start()  # and when it starts
    up.hears(lambda line: "THE STORE DOES NOT WORK" in line)
    up.hears(lambda line: "served is the last good snapshot" in line)
    third = ask(up)
    no_stranger_comes_in(up)
    found = stands(up)
    assert found["from_copy"]
    assert "not a SQLite file, or its beginning is damaged" in found["problems"]["snapshot"]
    assert not any("Traceback" in line for line in up.said)

    move_away(data)  # what its owner is told to do
    shutil.copy(data.parent / "copy", data / "copy")
    (data / "copy").replace(data / FILE)
    until(lambda: well(up), 30)
    assert not stands(up)["from_copy"]
    recorded(up, first, third)
    fourth = ask(up)
    recorded(up, fourth)
    assert second not in {one.id for one in up.workspace.store.journal.exchanges(Filter())}  # it was in memory only
    no_stranger_comes_in(up)


@pytest.mark.long
def test_a_full_disk_while_it_runs_and_when_it_starts(start: Start, small_disk: Path) -> None:
    up = start()
    first = ask(up)
    recorded(up, first)
    ballast = small_disk / "ballast"
    fill(ballast)
    second = [ask(up) for _ in range(10)]
    until(lambda: "journal" in stands(up)["problems"])
    no_stranger_comes_in(up)
    with openai.OpenAI(base_url=up.base_url, api_key=KEY, max_retries=0) as client:
        said = {"exchange": first, "thumb": "up"}
        with pytest.raises(openai.InternalServerError, match="send it again"):
            client.post("/feedback", body=said, cast_to=object)
        assert "feedback" in stands(up)["problems"]
        ballast.unlink()
        until(lambda: "journal" not in stands(up)["problems"])
        client.post("/feedback", body=said, cast_to=object)
    recorded(up, *second)
    assert well(up)
    up.stop()

    fill(ballast)
    up = start()
    third = ask(up)
    no_stranger_comes_in(up)
    until(lambda: "journal" in stands(up)["problems"])
    ballast.unlink()
    recorded(up, third)
    until(lambda: well(up), 30)


def fill(ballast: Path) -> None:
    for size in (65536, 1024, 1):
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))


def test_a_snapshot_cut_in_half_is_followed_by_the_last_good_one(start: Start, keyed: Path) -> None:
    """Learning and commands go on from there."""
    up = start()
    ask(up)
    up.stop()
    before = up.workspace.published()
    assert before is not None
    with contextlib.closing(sqlite3.connect(keyed.parent / "data" / FILE)) as raw, raw:
        raw.execute("UPDATE snapshots SET data = substr(data, 1, length(data) / 2)")
    up = start()
    up.hears(lambda line: "the last good snapshot was put back: snapshot 1 is damaged" in line)
    ask(up)
    no_stranger_comes_in(up)
    assert well(up)
    now = up.workspace.published()
    assert now is not None
    assert (now.number, now.data) == (2, before.data)


def test_what_was_acknowledged_is_there_after_kill_9(start: Start, keyed: Path) -> None:
    up = start()
    first = ask(up)
    with openai.OpenAI(base_url=up.base_url, api_key=KEY, max_retries=0) as client:
        for number in range(20):
            client.post("/feedback", body={"id": str(number), "exchange": first, "thumb": "up"}, cast_to=object)
    up.process.kill()
    up.process.wait(10)
    kept = up.workspace.store.feedback.kept(limit=100)
    assert {one.feedback.id for one in kept} == {str(number) for number in range(20)}


def test_without_a_copy_a_damaged_store_is_refused(start: Start, keyed: Path) -> None:
    up = start()
    ask(up)
    up.stop()
    damage(keyed.parent / "data")
    (keyed.parent / "data" / COPY).unlink()
    up = start()
    assert up.process.wait(30) == 1
    up.hears(lambda line: "put back a copy" in line)


def test_a_newer_store_is_refused_with_and_without_a_copy(start: Start, keyed: Path) -> None:
    up = start()
    ask(up)
    up.stop()
    with contextlib.closing(sqlite3.connect(keyed.parent / "data" / FILE)) as raw:
        raw.execute("PRAGMA user_version = 99")
    up = start()
    assert up.process.wait(30) == 1
    up.hears(lambda line: "was written by a newer version" in line)

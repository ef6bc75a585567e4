"""One run of a program in a cell: started, listened to within bounds, killed in time."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from pointsman.core.errors import ConfigError

_PYTHON: Final = str(Path(sys.executable).resolve())  # the one that a virtual environment stands on
_CELL: Final = Path(__file__).with_name("cell.py")
_USERS: Final = (1_900_000_000, 2_000_000_000)  # users that nobody is: where we are root, a run gets one for itself
_START_S: Final = 10.0  # beside the program's own time, for a busy machine to start it
_END_S: Final = 5.0
_PIECE: Final = 8192


class Bounds(Struct, frozen=True):
    """What a program may take.

    ``seconds`` on the clock, and of CPU for each process; ``memory_bytes`` of address space for each of at most
    ``processes`` (threads count); ``files_bytes`` in memory for all files; ``output_bytes`` of output and errors together.
    """

    seconds: float = 10.0
    memory_bytes: int = 512 * 1024 * 1024
    processes: int = 16
    files_bytes: int = 16 * 1024 * 1024
    output_bytes: int = 64 * 1024


class Ended(Struct, frozen=True):
    """How a program ended: its exit ``status`` (128 + n: by signal n), None where it was ``stopped``, and by what.

    ``output`` is what it wrote, errors included, at most ``Bounds.output_bytes``.
    """

    status: int | None
    output: str
    stopped: Literal["", "time", "output"] = ""


async def run(source: str, bounds: Bounds = Bounds(), *, isolated: bool = True) -> Ended:  # noqa: B008 - frozen
    """Run Python source. Without ``isolated`` only limits hold: the program sees files and network as we do.

    Raises ConfigError where isolation was asked for and cannot be had.
    """
    work = None if isolated else tempfile.mkdtemp(prefix="pointsman-")
    try:
        return await _ran(source, bounds, work)
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


async def why_not() -> str:
    """Return why programs cannot be isolated here, empty where they can."""
    if sys.platform != "linux":
        return f"{sys.platform} has no namespaces"
    try:
        ended = await run("print(6 * 7)")
    except ConfigError as error:
        return str(error)
    return "" if ended.output == "42\n" else f"Python does not run there: {ended.output.strip()[-200:]}"


async def _ran(source: str, bounds: Bounds, work: str | None) -> Ended:
    hears, ready = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            _PYTHON, "-I", "-S", "-X", "utf8", str(_CELL), str(ready),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={}, cwd="/", pass_fds=(ready,), start_new_session=True,
        )  # fmt: skip
    except OSError:
        os.close(hears)
        raise
    finally:
        os.close(ready)
    try:
        order = {
            "source": source, "isolated": work is None, "work": work, "uid": random.randrange(*_USERS),
            "seconds": bounds.seconds, "memory_bytes": bounds.memory_bytes, "processes": bounds.processes,
            "files_bytes": bounds.files_bytes,
        }  # fmt: skip
        return await _heard(process, json.dumps(order).encode(), hears, bounds)
    finally:
        os.close(hears)
        await _end(process, at_once=work is not None)


async def _heard(process: asyncio.subprocess.Process, order: bytes, hears: int, bounds: Bounds) -> Ended:
    """Give the order and read what the program writes, until it ends or has had enough of anything."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101, PT018
    said = bytearray()
    stopped: Literal["", "time", "output"] = ""
    try:
        async with asyncio.timeout(bounds.seconds + _START_S) as clock:
            process.stdin.write(order)
            process.stdin.close()
            await _until_ready(process, hears)
            clock.reschedule(asyncio.get_running_loop().time() + bounds.seconds)
            while piece := await process.stdout.read(_PIECE):
                said += piece
                if len(said) > bounds.output_bytes:
                    stopped = "output"
                    break
            else:
                await process.wait()
    except TimeoutError:
        stopped = "time"
    output = bytes(said[: bounds.output_bytes]).decode(errors="replace")
    return Ended(None if stopped else process.returncode, output, stopped)


async def _until_ready(process: asyncio.subprocess.Process, hears: int) -> None:
    """Wait until the program itself is about to run. Raises ConfigError where it never will be."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[bytes] = loop.create_future()

    def hear() -> None:
        if not told.done():
            told.set_result(os.read(hears, 1))

    loop.add_reader(hears, hear)
    try:
        began = await told
    finally:
        loop.remove_reader(hears)
    if not began and process.stderr is not None:
        reason = (await process.stderr.read(_PIECE)).decode(errors="replace").strip()
        raise ConfigError(reason.splitlines()[-1] if reason else "the cell ended before it began")


async def _end(process: asyncio.subprocess.Process, *, at_once: bool) -> None:
    """Kill what still runs. A cell that is asked to ends when all that was in it has ended."""
    draining = asyncio.ensure_future(_drain(process))  # ``wait`` returns only once the pipes have come to their ends
    with contextlib.suppress(ProcessLookupError, TimeoutError):
        if not at_once:
            process.terminate()
            await asyncio.wait_for(process.wait(), _END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Whoever got away, where nothing is isolated, could hold a pipe for ever.
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
    await process.wait()
    draining.cancel()


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Read what is left of the output, and forget it."""
    while process.stdout is not None and await process.stdout.read(_PIECE):
        pass

"""Somebody who makes, rotates and revokes keys all the time, by the commands, half of which are killed at a random moment.

The holder is a process that has everything imported and forks for each command, so that the time of a command is that of its
work, and a moment drawn from it falls in the midst of that. Few such moments fall between what is written and what is told,
so one kill of two is at a step (a call or a return of Python's) that is drawn from those around the transaction's end.
"""

import json
import multiprocessing
import os
import random
import select
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from pointsman.cli.key import command
from pointsman.store.sqlite import audit
from spending.keys import CREATE, REVOKE, ROTATE, Held, Told

FEW = 4  # keys that are not revoked: fewer, and one is made
PAUSE_S = 0.1
STEPS = 150  # from the act's line in the log on: the transaction ends, the copy of the keys is written, and it is told
_USUAL_S = 0.1  # how long a command takes, before one was measured


class Holder:
    """Runs beside everything else until it is asked what it was told."""

    def __init__(self, data: Path, seed: int) -> None:
        self._line, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("forkserver")
        self._process = context.Process(target=_hold, args=(data, seed, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def told(self) -> Told:
        """Stop, and return what was told."""
        self._line.send(None)
        found = self._line.recv()
        assert isinstance(found, Told)
        self._process.join()
        return found


class Commands:
    """Runs ``pointsman key`` in processes of their own, in this process's image; ``told`` is what they said.

    A command may be killed where ``chance`` says so: at a moment within the time that the one before took, or at a step.
    """

    def __init__(self, data: Path, chance: random.Random) -> None:
        self.told = Told()
        self._data = data
        self._chance = chance
        self._usual = _USUAL_S
        self._count = 0

    def act(self) -> None:
        """Do something with some key, and keep in mind what came of it."""
        living = [one for one in self.told.held if one.opening and not one.cut]
        if len(living) < FEW or self._chance.random() < 0.4:
            self._count += 1
            self.create(f"held-{self._count}", kills=self._kills())
        elif self._chance.random() < 0.6:
            self.rotate(self._chance.choice(living), overlaps=self._chance.random() < 0.5, kills=self._kills())
        else:
            self.revoke(self._chance.choice(living), kills=self._kills())

    def create(self, name: str, *, kills: bool) -> None:
        """Make a key."""
        said = self._run(CREATE, "create", name, "--json", kills=kills)
        if said:
            shown = json.loads(said)
            self.told.held.append(Held(shown["id"], shown["name"], {shown["key"]}))
        else:
            self.told.cut.append(name)

    def rotate(self, key: Held, *, overlaps: bool, kills: bool) -> None:
        """Give a key another secret."""
        said = self._run(ROTATE, "rotate", key.id, "--overlap", "24h" if overlaps else "0", "--json", kills=kills)
        if said:
            key.rotated(json.loads(said)["key"], overlaps=overlaps)
        else:
            key.cut, key.overlaps = ROTATE, overlaps

    def revoke(self, key: Held, *, kills: bool) -> None:
        """Revoke a key."""
        if self._run(REVOKE, "revoke", key.id, kills=kills):
            key.revoked()
        else:
            key.cut = REVOKE

    def _kills(self) -> bool:
        return self._chance.random() < 0.5

    def _run(self, act: str, *arguments: str, kills: bool) -> str:
        """Run a command and return the line that it said, empty where it was killed, or failed, before that."""
        reading, writing = os.pipe()
        step = self._chance.randrange(STEPS) if kills and self._chance.random() < 0.5 else None
        pid = os.fork()
        if pid == 0:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            if step is not None:
                _die_at(step)
            _obey(["--data", str(self._data), *arguments])
        os.close(writing)
        began = time.monotonic()
        moment = self._chance.uniform(0, 1.2) * self._usual
        if kills and step is None and not _ends_within(pid, moment):
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.told.killed[act] += status == -signal.SIGKILL
        if status == 0:
            self._usual = time.monotonic() - began
        elif status != -signal.SIGKILL:
            self.told.failed.append(f"{' '.join(arguments[:2])}: {said.strip()[-300:]}")
            return ""
        if not said.endswith("\n"):
            self.told.silent[act] += 1
            return ""
        return said


def _ends_within(pid: int, seconds: float) -> bool:
    """Wait for a process, which is left to be waited for."""
    handle = os.pidfd_open(pid)
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def _die_at(step: int) -> None:
    """Kill this process at a step behind the one at which an act's line is put into the log."""
    left = -1

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        if left < 0 and event == "call" and frame.f_code is audit.append.__code__:
            left = step + 1
        if left > 0:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(look)


def _obey(arguments: list[str]) -> None:
    """Be a command, in a process of its own, and end."""
    status = 1
    try:
        name, *rest = arguments[2:]
        command.main([name, *arguments[:2], *rest], standalone_mode=False)
        status = 0
    except Exception as error:  # noqa: BLE001 - whatever went wrong is what it says
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _hold(data: Path, seed: int, line: Connection) -> None:
    commands = Commands(data, random.Random(seed))
    while not line.poll(PAUSE_S):
        commands.act()
    line.send(commands.told)

"""Whether the time of an answer tells how much of a key was right.

Two wrong keys are tried in turns, in an order that chance decides within each pair: one that is right but for its last
letter, and one that shares nothing with it. The mean of the differences within pairs and its 95 % interval are taken
over a kept connection. The largest and the smallest hundredth of the differences are left out: they are the scheduler's.
Admission by itself, where the scheduler hardly speaks, is timed by ``bench/key_guessing.py``.
"""

import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.load import KEY

NEAR, FAR = KEY[:-1] + "1", "zz" + "9" * (len(KEY) - 2)
TRIMMED = 0.01


@dataclass(frozen=True)
class Leak:
    """The mean difference in microseconds with its 95 % interval."""

    mean: float
    low: float
    high: float


def timed(port: int, tries: int, seed: int = 0) -> Leak:
    """Time a running gateway."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    said = "GET /v1/models HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\n\r\n"
    requests = {key: said.format(key).encode() for key in (NEAR, FAR)}

    def refuse(key: str) -> float:
        began = time.perf_counter_ns()
        connection.sendall(requests[key])
        reply = connection.recv(65536)
        took = (time.perf_counter_ns() - began) / 1e3
        if not reply.startswith(b"HTTP/1.1 401"):
            raise RuntimeError(f"a wrong key got {reply[:40]!r}")
        return took

    with connection:
        return _leak(refuse, tries, seed)


def _leak(refuse: Callable[[str], float], tries: int, seed: int) -> Leak:
    chance = random.Random(seed)
    for _ in range(200):
        refuse(NEAR), refuse(FAR)
    found = []
    for _ in range(tries // 2):
        if chance.random() < 0.5:
            near, far = refuse(NEAR), refuse(FAR)
        else:
            far, near = refuse(FAR), refuse(NEAR)
        found.append(near - far)
    kept = np.sort(np.array(found))
    cut = int(len(kept) * TRIMMED)
    kept = kept[cut : len(kept) - cut]
    mean, error = float(kept.mean()), 1.96 * float(kept.std(ddof=1)) / len(kept) ** 0.5
    return Leak(mean, mean - error, mean + error)

"""Clients that spend, each as fast as it is answered, over connections of its own; and what they were told.

A client asks again where it was refused, so that a budget is used to its end if it can be; a connection that breaks is one
call whose end nobody heard of.
"""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_REFUSED_S = 0.05
_PATIENCE_S = 15.0
MOST_OUTPUT = 200


@dataclass
class Heard:
    """What clients were told: requests by status, calls cut off by customer, feedback that was acknowledged."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    feedback: list[str] = field(default_factory=list)
    served_at: float = field(default_factory=time.monotonic)
    longest_s: float = 0.0


class Client:
    """One client of one port; its requests are of one customer each, drawn from some."""

    def __init__(
        self, port: int, customers: tuple[str, ...], seed: int, heard: Heard, *, says: float = 0.0, key: str = ""
    ) -> None:
        self._port = port
        self._bearer = f"authorization: Bearer {key}\r\n" if key else ""
        self._customers = customers
        self._chance = random.Random(seed)
        self._name = f"{seed}"
        self._heard = heard
        self._says = says
        self._count = 0
        self._ways: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def spend(self) -> None:
        """Ask again and again, until cancelled."""
        try:
            while True:
                self._count += 1
                customer = self._chance.choice(self._customers)
                try:
                    await self._ask(customer)
                except ConnectionRefusedError:  # nobody heard the call: an installation that is started again
                    await asyncio.sleep(_REFUSED_S)
                except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):  # at a dead worker's socket, too
                    self._heard.broken[customer] += 1
                    self._leave()
        finally:
            self._leave()

    async def once(self) -> int:
        """Ask once, and return the status."""
        try:
            body = request_body(f"{self._customers[0]} {self._name}")
            return (await self._posted("/v1/chat/completions", body, f"x-pointsman-customer: {self._customers[0]}\r\n"))[0]
        finally:
            self._leave()

    async def _ask(self, customer: str) -> None:
        body = request_body(f"{customer} {self._name} {self._count}")
        began, alone = time.monotonic(), not self._heard.statuses  # until the first answer, workers are starting
        status, said = await self._posted("/v1/chat/completions", body, f"x-pointsman-customer: {customer}\r\n")
        heard = self._heard
        heard.statuses[status] += 1
        heard.longest_s = max(heard.longest_s, 0.0 if alone else time.monotonic() - began)
        if status != 200:
            await asyncio.sleep(_REFUSED_S * (0.5 + self._chance.random()))
            return
        heard.served_at = time.monotonic()
        if self._chance.random() < self._says:
            await self._say(json.loads(said)["id"])

    async def _say(self, about: str) -> None:
        """Give feedback, and remember what was acknowledged."""
        name = f"{self._name}-{self._count}"
        body = json.dumps({"client_id": about, "thumb": "up", "id": name}).encode()
        status, _ = await self._posted("/v1/feedback", body)
        if 200 <= status < 300:
            self._heard.feedback.append(name)

    async def _posted(self, path: str, body: bytes, extra: str = "") -> tuple[int, bytes]:
        if self._ways is None:
            self._ways = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._ways
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\n{self._bearer}{extra}content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        async with asyncio.timeout(_PATIENCE_S):
            lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            return int(lines[0].split()[1]), await reader.readexactly(length)

    def _leave(self) -> None:
        if self._ways is not None:
            self._ways[1].close()
            self._ways = None


def request_body(words: str) -> bytes:
    """Return a request whose answer has at most ``MOST_OUTPUT`` tokens."""
    return json.dumps(
        {"model": "auto", "max_tokens": MOST_OUTPUT, "messages": [{"role": "user", "content": f"customer {words}"}]}
    ).encode()


@contextlib.asynccontextmanager
async def spending(clients: list[Client]) -> AsyncIterator[None]:
    """Let clients spend."""
    tasks = [asyncio.create_task(one.spend()) for one in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception):
                raise one

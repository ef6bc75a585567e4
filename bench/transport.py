"""CPU per request of the outbound transport, measured in the process that uses it.

Run it with ``python bench/transport.py``. A second process answers every request with the same 627 bytes (uvloop, loopback,
no TLS); this one sends 422-byte requests, 64 at a time. The figure is user + system time divided by requests, and so
includes the kernel's share of writing and reading one socket. Medians of five rounds.
"""

import asyncio
import multiprocessing
import resource
import statistics
import time
from multiprocessing.connection import Connection

import uvloop

from pointsman.upstream.interfaces import Request, Timeouts
from pointsman.upstream.transport import HttpTransport

HEADERS = (
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"user-agent", b"bench"),
)
BODY = b"x" * 200
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 560\r\n\r\n" + b"y" * 560
BURST = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"a0\r\n%b\r\n" % (b"z" * 160) * 50
    + b"0\r\n\r\n"
)


class Answering(asyncio.Protocol):
    """Answers by path; a request of this bench arrives in one read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(BURST if data.startswith(b"POST /burst") else WHOLE)


def serve(pipe: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


async def measure(url: str, requests: int, at_once: int) -> tuple[float, float]:
    transport, request, limits = HttpTransport(), Request("POST", url, HEADERS, BODY), Timeouts()

    async def work() -> None:
        for _ in range(requests // at_once):
            await (await transport.send(request, limits)).read(100_000)

    await work()
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - begun
    await transport.close()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu / requests * 1e6, requests / took


def main() -> None:
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()
    for path, requests in (("whole", 32_000), ("burst", 6_400)):
        rounds = [uvloop.run(measure(f"http://127.0.0.1:{port}/{path}", requests, 64)) for _ in range(5)]
        cpu, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{path}: {cpu:.1f} us CPU per request, {rate:,.0f} requests/s")
    server.terminate()


if __name__ == "__main__":
    main()

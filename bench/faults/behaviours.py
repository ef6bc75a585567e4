"""The ways in which an upstream misbehaves: each a coroutine that gets the line to the gateway and what was asked.

A behaviour says what it generated before it breaks something (``Line.generated``), and what usage it reported.
"""

import asyncio
import gzip
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from faults import providers
from faults.providers import Asked

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Line:
    """The way back of one call. ``kept``: the connection may be used again; ``reported``: output tokens in a usage sent."""

    writer: asyncio.StreamWriter
    asked: Asked
    behaviour: str
    kept: bool = True
    generated: int = 0
    reported: int | None = None

    async def send(self, *data: bytes) -> None:
        if self.writer.is_closing():  # where asyncio says so too, uvloop raises a bare RuntimeError
            raise ConnectionResetError
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def head(self, status: int, length: int | None, kind: bytes = b"application/json", *more: bytes) -> None:
        framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
        lines = (b"HTTP/1.1 %d X" % status, b"content-type: " + kind, framing, *more)
        await self.send(b"\r\n".join(lines), b"\r\n\r\n")

    async def reply(self, status: int, body: bytes, kind: bytes = b"application/json", *more: bytes) -> None:
        await self.head(status, len(body), kind, *more)
        await self.send(body)

    async def begin(self, *frames: bytes) -> None:
        if frames and self.asked.anthropic:
            self.generated = max(self.generated, 1)  # what message_start counts
        await self.head(200, None, b"text/event-stream")
        await self.chunks(*frames)

    async def chunks(self, *frames: bytes, pause_s: float = 0.0) -> None:
        for frame in frames:
            await self.send(b"%x\r\n%b\r\n" % (len(frame), frame))
            if pause_s:
                await asyncio.sleep(pause_s)

    def hang_up(self) -> None:
        self.kept = False
        self.writer.close()

    def reset(self) -> None:
        self.kept = False
        if (sock := self.writer.get_extra_info("socket")) is not None:  # None: the gateway was first
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()

    def worked(self, part: float = 1.0) -> None:
        """A part of the answer was generated."""
        self.generated = round(len(providers.pieces(self.asked.nonce)) * part)

    def told(self) -> None:
        """All of it was, and reported."""
        self.worked()
        self.reported = self.generated


Behaviour = Callable[[Line], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}


def _behaves(run: Behaviour) -> Behaviour:
    BEHAVIOURS[run.__name__.strip("_")] = run
    return run


@_behaves
async def well(line: Line) -> None:
    line.told()
    to = line.asked
    if to.stream:
        await line.begin(*providers.opening(to), *providers.content(to), *providers.closing(to))
        await line.send(b"0\r\n\r\n")
    else:
        await line.reply(200, providers.whole(to))


def _status(code: int, *more: bytes) -> None:
    async def run(line: Line) -> None:
        await line.reply(code, providers.complaint(line.asked, framed=False), b"application/json", *more)

    BEHAVIOURS[f"status {code}{' with a wait' if more else ''}"] = run


for _code in (400, 401, 403, 404, 408, 409, 413, 422, 424, 429, 500, 501, 504, 529):
    _status(_code)
_status(429, b"retry-after-ms: 60")
_status(503, b"retry-after: 1")


@_behaves
async def redirect(line: Line) -> None:
    await line.reply(307, b"", b"text/html", b"location: http://127.0.0.1:1/elsewhere")


@_behaves
async def not_modified(line: Line) -> None:
    await line.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")


@_behaves
async def no_content(line: Line) -> None:
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")


@_behaves
async def error_page(line: Line) -> None:
    await line.reply(502, b"<html><h1>Bad gateway</h1></html>", b"text/html")


@_behaves
async def log_in_page(line: Line) -> None:
    await line.reply(200, b"<html>log in</html>", b"text/html")


@_behaves
async def reset_at_once(line: Line) -> None:
    line.reset()


@_behaves
async def hang_up_at_once(line: Line) -> None:
    line.hang_up()


@_behaves
async def reset_after_work(line: Line) -> None:
    await asyncio.sleep(1.05)  # later than any race for a stale connection
    line.worked()
    line.reset()


@_behaves
async def half_a_status_line(line: Line) -> None:
    await line.send(b"HTTP/1.1 20")
    line.hang_up()


@_behaves
async def half_a_head(line: Line) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-type: appl")
    line.reset()


@_behaves
async def no_body_after_head(line: Line) -> None:
    line.worked()
    await line.head(200, 500)
    line.hang_up()


@_behaves
async def half_a_body(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body))
    await line.send(body[: len(body) // 2])
    line.reset()


@_behaves
async def length_too_long(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body) + 100)
    await line.send(body)
    line.hang_up()


@_behaves
async def length_too_short(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body) - 20)
    await line.send(body)
    line.hang_up()


@_behaves
async def two_lengths(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.reply(200, body, b"application/json", b"content-length: %d" % (len(body) + 7))
    line.hang_up()


@_behaves
async def length_and_chunks(line: Line) -> None:
    line.worked()
    await line.head(200, None, b"application/json", b"content-length: 5")
    await line.chunks(providers.whole(line.asked))
    line.hang_up()


@_behaves
async def bad_chunk_size(line: Line) -> None:
    line.worked()
    await line.head(200, None)
    await line.send(b"zz\r\n" + providers.whole(line.asked) + b"\r\n0\r\n\r\n")
    line.hang_up()


@_behaves
async def chunks_without_end(line: Line) -> None:
    line.worked()
    await line.head(200, None)
    await line.chunks(providers.whole(line.asked)[:-3])
    line.hang_up()


@_behaves
async def garbage_for_http(line: Line) -> None:
    await line.send(os.urandom(300))
    line.hang_up()


@_behaves
async def garbage_for_json(line: Line) -> None:
    await line.reply(200, b"\xff\xfe" + os.urandom(200))


@_behaves
async def other_json(line: Line) -> None:
    await line.reply(200, b'{"choices": {"deep": [[[[]]]]}, "content": 7}')


@_behaves
async def nothing_at_all(line: Line) -> None:
    await line.reply(200, b"")


@_behaves
async def half_a_json(line: Line) -> None:
    line.worked()
    await line.reply(200, providers.whole(line.asked)[:-25])


@_behaves
async def half_a_gzip(line: Line) -> None:
    line.worked()
    await line.reply(200, gzip.compress(providers.whole(line.asked))[:-9], b"application/json", b"content-encoding: gzip")


@_behaves
async def error_in_a_200(line: Line) -> None:
    await line.reply(200, providers.complaint(line.asked, framed=False))


@_behaves
async def huge_header(line: Line) -> None:
    await line.reply(200, providers.whole(line.asked), b"application/json", b"x-huge: " + b"h" * 100_000)
    line.hang_up()


@_behaves
async def many_headers(line: Line) -> None:
    await line.reply(200, providers.whole(line.asked), b"application/json", *[b"x-%d: y" % n for n in range(400)])
    line.hang_up()


@_behaves
async def dripping_head(line: Line) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx-drip: " + b"." * 200:
        await line.send(bytes((byte,)))
        await asyncio.sleep(0.05)
    line.hang_up()


@_behaves
async def dripping_body(line: Line) -> None:
    line.told()
    body = providers.whole(line.asked)
    await line.head(200, len(body))
    for start in range(0, len(body), 60):
        await line.send(body[start : start + 60])
        await asyncio.sleep(0.03)


@_behaves
async def silence(line: Line) -> None:
    await asyncio.sleep(8)
    line.hang_up()


@_behaves
async def thoughtful(line: Line) -> None:
    await asyncio.sleep(0.6)
    await well(line)


@_behaves
async def interim_replies(line: Line) -> None:
    await line.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
    await well(line)


@_behaves
async def endless_interim_replies(line: Line) -> None:
    for _ in range(4000):
        await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    line.hang_up()


@_behaves
async def switching_protocols(line: Line) -> None:
    await line.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\nother")
    line.hang_up()


@_behaves
async def a_second_reply_behind(line: Line) -> None:
    line.told()
    if line.asked.stream:
        await well(line)
    else:
        body = providers.whole(line.asked)
        await line.reply(200, body)
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    line.kept = False


@_behaves
async def closes_soon_after(line: Line) -> None:
    await well(line)
    await asyncio.sleep(0.01)
    line.hang_up()


@_behaves
async def complains_while_unused(line: Line) -> None:
    await well(line)
    await asyncio.sleep(0.02)
    await line.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    line.hang_up()


@_behaves
async def whole_for_a_stream(line: Line) -> None:
    line.told()
    await line.reply(200, providers.whole(line.asked))


@_behaves
async def stream_for_a_whole(line: Line) -> None:
    line.told()
    to = line.asked
    await line.begin(*providers.opening(to), *providers.content(to), *providers.closing(to))
    await line.send(b"0\r\n\r\n")


@_behaves
async def no_usage(line: Line) -> None:
    line.worked()
    to = line.asked
    if to.stream:
        frames = (*providers.opening(to, usage=False), *providers.content(to), *providers.closing(to, usage=False))
        await line.begin(*frames)
        await line.send(b"0\r\n\r\n")
    else:
        await line.reply(200, providers.whole(to, usage=False))


@_behaves
async def cut_before_content(line: Line) -> None:
    await line.begin(*providers.opening(line.asked))
    line.reset()


@_behaves
async def cut_after_content(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated])
    await asyncio.sleep(0.02)
    line.reset()


@_behaves
async def cut_within_a_frame(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated], frames[-1][:20])
    await asyncio.sleep(0.02)
    line.hang_up()


@_behaves
async def error_before_content(line: Line) -> None:
    await line.begin(*providers.opening(line.asked), providers.complaint(line.asked, framed=True))
    await line.send(b"0\r\n\r\n")


@_behaves
async def error_after_content(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    complaint = providers.complaint(line.asked, framed=True)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated], complaint)
    await line.send(b"0\r\n\r\n")


@_behaves
async def ends_without_finishing(line: Line) -> None:
    line.worked()
    await line.begin(*providers.opening(line.asked), *providers.content(line.asked))
    await line.send(b"0\r\n\r\n")


@_behaves
async def stalls_in_the_middle(line: Line) -> None:
    line.worked(0.5)
    frames = providers.content(line.asked)
    await line.begin(*providers.opening(line.asked), *frames[: line.generated])
    await asyncio.sleep(8)
    line.hang_up()


@_behaves
async def pings_for_ever(line: Line) -> None:
    await line.begin(*providers.opening(line.asked))
    for _ in range(100):
        await line.chunks(b": ping\n\n")
        await asyncio.sleep(0.1)
    line.hang_up()


@_behaves
async def endless_content(line: Line) -> None:
    to = line.asked
    await line.begin(*providers.opening(to), *providers.content(to))
    line.worked()
    for _ in range(400):
        line.generated += 1
        await line.chunks(providers.content(to)[0])
        await asyncio.sleep(0.02)
    line.hang_up()


@_behaves
async def endless_line(line: Line) -> None:
    await line.begin(*providers.opening(line.asked), b"data: ")
    for _ in range(400):
        await line.chunks(b"x" * 100_000)
    line.hang_up()


@_behaves
async def nonsense_frames(line: Line) -> None:
    await line.begin(b"data: <html>\x00\n\n", b"data: {\n\n", b"event\n\n", b"data: null\n\n", b"data: [1]\n\n")
    await line.send(b"0\r\n\r\n")


@_behaves
async def drips_frames(line: Line) -> None:
    line.told()
    to = line.asked
    data = b"".join((*providers.opening(to), *providers.content(to), *providers.closing(to)))
    await line.begin()
    await line.chunks(*[data[start : start + 97] for start in range(0, len(data), 97)], pause_s=0.005)
    await line.send(b"0\r\n\r\n")

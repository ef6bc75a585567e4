"""Misbehaviour before a reply, in its head, and in a whole one."""

import asyncio
import gzip
import os

from faults import providers
from faults.behaviours.line import Behaviours, Line

REPLIES = Behaviours()


@REPLIES.add
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

    REPLIES[f"status {code}{' with a wait' if more else ''}"] = run


for _code in (400, 401, 403, 404, 408, 409, 413, 422, 424, 429, 500, 501, 504, 529):
    _status(_code)
_status(429, b"retry-after-ms: 60")
_status(503, b"retry-after: 1")


@REPLIES.add
async def redirect(line: Line) -> None:
    await line.reply(307, b"", b"text/html", b"location: http://127.0.0.1:1/elsewhere")


@REPLIES.add
async def not_modified(line: Line) -> None:
    await line.send(b"HTTP/1.1 304 Not Modified\r\n\r\n")


@REPLIES.add
async def no_content(line: Line) -> None:
    await line.send(b"HTTP/1.1 204 No Content\r\n\r\n")


@REPLIES.add
async def error_page(line: Line) -> None:
    await line.reply(502, b"<html><h1>Bad gateway</h1></html>", b"text/html")


@REPLIES.add
async def log_in_page(line: Line) -> None:
    await line.reply(200, b"<html>log in</html>", b"text/html")


@REPLIES.add
async def reset_at_once(line: Line) -> None:
    line.reset()


@REPLIES.add
async def hang_up_at_once(line: Line) -> None:
    line.hang_up()


@REPLIES.add
async def reset_after_work(line: Line) -> None:
    await asyncio.sleep(1.05)  # later than any race for a stale connection
    line.worked()
    line.reset()


@REPLIES.add
async def half_a_status_line(line: Line) -> None:
    await line.send(b"HTTP/1.1 20")
    line.hang_up()


@REPLIES.add
async def half_a_head(line: Line) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-type: appl")
    line.reset()


@REPLIES.add
async def no_body_after_head(line: Line) -> None:
    line.worked()
    await line.head(200, 500)
    line.hang_up()


@REPLIES.add
async def half_a_body(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body))
    await line.send(body[: len(body) // 2])
    line.reset()


@REPLIES.add
async def length_too_long(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body) + 100)
    await line.send(body)
    line.hang_up()


@REPLIES.add
async def length_too_short(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.head(200, len(body) - 20)
    await line.send(body)
    line.hang_up()


@REPLIES.add
async def two_lengths(line: Line) -> None:
    line.worked()
    body = providers.whole(line.asked)
    await line.reply(200, body, b"application/json", b"content-length: %d" % (len(body) + 7))
    line.hang_up()


@REPLIES.add
async def length_and_chunks(line: Line) -> None:
    line.worked()
    await line.head(200, None, b"application/json", b"content-length: 5")
    await line.chunks(providers.whole(line.asked))
    line.hang_up()


@REPLIES.add
async def bad_chunk_size(line: Line) -> None:
    line.worked()
    await line.head(200, None)
    await line.send(b"zz\r\n" + providers.whole(line.asked) + b"\r\n0\r\n\r\n")
    line.hang_up()


@REPLIES.add
async def chunks_without_end(line: Line) -> None:
    line.worked()
    await line.head(200, None)
    await line.chunks(providers.whole(line.asked)[:-3])
    line.hang_up()


@REPLIES.add
async def garbage_for_http(line: Line) -> None:
    await line.send(os.urandom(300))
    line.hang_up()


@REPLIES.add
async def garbage_for_json(line: Line) -> None:
    await line.reply(200, b"\xff\xfe" + os.urandom(200))


@REPLIES.add
async def other_json(line: Line) -> None:
    await line.reply(200, b'{"choices": {"deep": [[[[]]]]}, "content": 7}')


@REPLIES.add
async def nothing_at_all(line: Line) -> None:
    await line.reply(200, b"")


@REPLIES.add
async def half_a_json(line: Line) -> None:
    line.worked()
    await line.reply(200, providers.whole(line.asked)[:-25])


@REPLIES.add
async def half_a_gzip(line: Line) -> None:
    line.worked()
    await line.reply(200, gzip.compress(providers.whole(line.asked))[:-9], b"application/json", b"content-encoding: gzip")


@REPLIES.add
async def error_in_a_200(line: Line) -> None:
    await line.reply(200, providers.complaint(line.asked, framed=False))


@REPLIES.add
async def huge_header(line: Line) -> None:
    await line.reply(200, providers.whole(line.asked), b"application/json", b"x-huge: " + b"h" * 100_000)
    line.hang_up()


@REPLIES.add
async def many_headers(line: Line) -> None:
    await line.reply(200, providers.whole(line.asked), b"application/json", *[b"x-%d: y" % n for n in range(400)])
    line.hang_up()


@REPLIES.add
async def dripping_head(line: Line) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx-drip: " + b"." * 200:
        await line.send(bytes((byte,)))
        await asyncio.sleep(0.05)
    line.hang_up()


@REPLIES.add
async def dripping_body(line: Line) -> None:
    line.told()
    body = providers.whole(line.asked)
    await line.head(200, len(body))
    for start in range(0, len(body), 60):
        await line.send(body[start : start + 60])
        await asyncio.sleep(0.03)


@REPLIES.add
async def silence(line: Line) -> None:
    await asyncio.sleep(8)
    line.hang_up()


@REPLIES.add
async def thoughtful(line: Line) -> None:
    await asyncio.sleep(0.6)
    await well(line)


@REPLIES.add
async def interim_replies(line: Line) -> None:
    await line.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
    await well(line)


@REPLIES.add
async def endless_interim_replies(line: Line) -> None:
    for _ in range(4000):
        await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
    line.hang_up()


@REPLIES.add
async def switching_protocols(line: Line) -> None:
    await line.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\nother")
    line.hang_up()


@REPLIES.add
async def a_second_reply_behind(line: Line) -> None:
    line.told()
    if line.asked.stream:
        await well(line)
    else:
        body = providers.whole(line.asked)
        await line.reply(200, body)
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    line.kept = False


@REPLIES.add
async def closes_soon_after(line: Line) -> None:
    await well(line)
    await asyncio.sleep(0.01)
    line.hang_up()


@REPLIES.add
async def complains_while_unused(line: Line) -> None:
    await well(line)
    await asyncio.sleep(0.02)
    await line.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    line.hang_up()

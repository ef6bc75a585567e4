"""Bytes that two readers of HTTP could read in two ways (RFC 9112, sections 2.2, 5, 6.3, 7.1 and 11).

Each attack hides a second request behind a first one. It got through if more than one reply came, if the hidden request
reached anything, or if what must be refused was served. Attacks that a proper reader may read in one way only are
``served``: one reply, and the hidden words stay what they are, a body.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.load import KEY

BODY = b'{"model":"fast/m","messages":[{"role":"user","content":"hello"}]}'
HIDDEN = b"GET /smuggled HTTP/1.1\r\nhost: gateway\r\nx: y\r\n\r\n"
_AUTH = b"authorization: Bearer " + KEY.encode()


@dataclass(frozen=True)
class Attack:
    """Bytes, and what must become of them: ``refused`` with an error, or ``served`` as one request.

    ``either`` is for what a reader may do as it likes, once. ``replies`` is how many are expected at most.
    """

    name: str
    data: bytes
    must: Literal["refused", "served", "either"] = "refused"
    replies: int = 1


def request(
    *headers: bytes, line: bytes = b"POST /v1/chat/completions HTTP/1.1", body: bytes = b"", end: bytes = b"\r\n"
) -> bytes:
    """Return a request as it is written, every mistake in it meant."""
    return end.join([line, b"host: gateway", _AUTH, b"content-type: application/json", *headers, b"", b""]) + body


def chunked(body: bytes) -> bytes:
    """Return a body in one chunk."""
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def attacks() -> Iterator[Attack]:
    """Yield them all."""
    yield from _lengths()
    yield from _codings()
    yield from _chunks()
    yield from _lines()
    yield from _heads()
    yield from _sizes()
    yield from _sequences()


def _lengths() -> Iterator[Attack]:
    length = b"%d" % len(BODY)
    wrong = [
        b"+" + length,
        b"-" + length,
        b"-1",
        b"0x" + length,
        length + b"," + length,
        length + b", 0",
        length + b" 0",
        b"1e1",
        b"",
        b"\xd9\xa5",
        length + b"\x00",
        b"9" * 20,
        b"18446744073709551616",
        b"18446744073709551681",
        b"4294967296" * 3,
        length + b";x",
        b"'" + length + b"'",
        length + b".0",
        b"_" + length,
        length + b"\x0b",
        b"NaN",
        b"a",
    ]
    for value in wrong:
        yield Attack(f"length {value!r}", request(b"content-length: " + value, body=BODY + HIDDEN))
    for first, second in ((length, length), (length, b"0"), (b"0", length), (length, b"1")):
        twice = (b"content-length: " + first, b"content-length: " + second)
        yield Attack(f"two lengths {first!r} {second!r}", request(*twice, body=BODY + HIDDEN))
    for name in (
        b"content-length ",
        b"content-length\t",
        b" content-length",
        b"content length",
        b"content-length\x00",
        b"content-length\x0b",
    ):
        yield Attack(f"a length called {name!r}", request(name + b": " + length, body=BODY + HIDDEN))
    folded = request(b"x: y", b" content-length: " + length, b"content-length: " + length, body=BODY)
    yield Attack("a folded line with a length", folded)
    yield Attack("a folded length", request(b"content-length:\r\n " + length, body=BODY + HIDDEN))


def _codings() -> Iterator[Attack]:
    length = b"content-length: %d" % len(BODY)
    codings = [
        b"chunked",
        b"chunked, identity",
        b"identity, chunked",
        b"x, chunked",
        b"chunked, chunked",
        b"chunked;q=1",
        b"'chunked'",
        b'"chunked"',
        b"chunked\x00",
        b"\x0bchunked",
        b"chunked\x0b",
        b"\x00chunked",
        b"CHUNKED",
        b"cow",
        b"identity",
        b"",
        b"xchunked",
        b"chunkedx",
        b"chun\rked",
        b"gzip, chunked",
        b"chunked\xa0",
        b"\xefchunked",
        b", chunked",
        b"chunked,",
        b"ch\xc3\xbcnked",
    ]
    for coding in codings:
        both = request(length, b"transfer-encoding: " + coding, body=BODY + HIDDEN)
        yield Attack(f"a length and {coding!r}", both)
        late = request(b"transfer-encoding: " + coding, length, body=chunked(BODY) + HIDDEN)
        yield Attack(f"{coding!r} and a length", late)
        if coding not in (b"chunked", b"CHUNKED"):
            yield Attack(
                f"coding {coding!r} alone", request(b"transfer-encoding: " + coding, body=chunked(BODY) + HIDDEN), "either"
            )
    names = [
        b"transfer-encoding ",
        b"transfer-encoding\t",
        b" transfer-encoding",
        b"transfer encoding",
        b"transfer-encoding\x00",
        b"\x00transfer-encoding",
        b"transfer-encoding\x0b",
        b"Transfer\xadEncoding",
        b"x\ntransfer-encoding",
        b"x: y\rtransfer-encoding",
        b"x: y\ntransfer-encoding",
        b"transfer-encoding\r\n",
        b"transfer-encoding:",
        b"[transfer-encoding]",
    ]
    for name in names:
        yield Attack(f"a coding called {name!r}", request(length, name + b": chunked", body=BODY + HIDDEN))
    yield Attack("a folded coding", request(length, b"transfer-encoding:\r\n chunked", body=BODY + HIDDEN))
    two = (b"transfer-encoding: chunked", b"transfer-encoding: identity")
    yield Attack("two codings", request(*two, body=chunked(BODY) + HIDDEN))
    yield Attack("two codings and a length", request(length, *two, body=BODY + HIDDEN))
    old = b"POST /v1/chat/completions HTTP/1.0"
    yield Attack(
        "chunks of HTTP/1.0", request(b"transfer-encoding: chunked", line=old, body=chunked(BODY) + HIDDEN), "either"
    )
    yield Attack("an underscore", request(length, b"transfer_encoding: chunked", body=BODY), "served")
    yield Attack("chunks", request(b"transfer-encoding: CHUNKED", body=chunked(BODY)), "served")


def _chunks() -> Iterator[Attack]:
    coded, size = b"transfer-encoding: chunked", b"%x" % len(BODY)
    sizes = [
        b"-" + size,
        b"+" + size,
        b"0x" + size,
        size + b" ",
        b" " + size,
        size + b"\t",
        size + b"\x00",
        b"g",
        b"",
        b"F" * 17,
        b"8000000000000000",
        size + b",",
        size + b"\x0b",
        b"\xd9\xa5",
        size + b"\r",
        b"_" + size,
        size + b" ; x",
    ]
    for written in sizes:
        body = written + b"\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN
        yield Attack(
            f"chunk of {written!r}",
            request(coded, body=body),
            "either" if b" " in written or b"\t" in written else "refused",
        )
    endings = {
        "no end of a chunk": size + b"\r\n" + BODY + b"0\r\n\r\n",
        "a wrong end of a chunk": size + b"\r\n" + BODY + b"XX0\r\n\r\n",
        "a bare line feed after a size": size + b"\n" + BODY + b"\r\n0\r\n\r\n",
        "a bare carriage return after a size": size + b"\rX" + BODY + b"\r\n0\r\n\r\n",
        "a bare line feed after a chunk": size + b"\r\n" + BODY + b"\n0\r\n\r\n",
        "a chunk longer than its size": b"5\r\n" + BODY + b"\r\n0\r\n\r\n",
        "a line feed in an extension": size + b";x\ny\r\n" + BODY + b"\r\n0\r\n\r\n",
        "a carriage return in an extension": size + b";x\ry\r\n" + BODY + b"\r\n0\r\n\r\n",
        "a NUL in an extension": size + b";x\x00y\r\n" + BODY + b"\r\n0\r\n\r\n",
        "a folded trailer": size + b"\r\n" + BODY + b"\r\n0\r\nx: y\r\n z\r\n\r\n",
    }
    for name, body in endings.items():
        yield Attack(name, request(coded, body=body + HIDDEN))
    for trailer in (
        b"content-length: 100",
        b"transfer-encoding: chunked",
        b"host: other",
        b"authorization: Bearer x",
        b"x: y",
    ):
        body = size + b"\r\n" + BODY + b"\r\n0\r\n" + trailer + b"\r\n\r\n"
        yield Attack(f"trailer {trailer!r}", request(coded, body=body), "either")
    yield Attack(
        "a size with many zeros", request(coded, body=b"0" * 40 + size + b"\r\n" + BODY + b"\r\n0\r\n\r\n"), "either"
    )
    yield Attack("an extension", request(coded, body=size + b';x="y"\r\n' + BODY + b"\r\n0\r\n\r\n"), "served")


def _lines() -> Iterator[Attack]:
    length = b"content-length: %d" % len(BODY)
    lines = [
        b"POST  /v1/chat/completions HTTP/1.1",
        b"POST\t/v1/chat/completions\tHTTP/1.1",
        b"POST /v1/chat/completions  HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.1 ",
        b" POST /v1/chat/completions HTTP/1.1",
        b"post /v1/chat/completions HTTP/1.1",
        b"POST /v1/chat/completions",
        b"POST /v1/chat/completions HTTP/0.9",
        b"POST /v1/chat/completions HTTP/2.0",
        b"POST /v1/chat/completions HTTP/1.2",
        b"POST /v1/chat/completions HTTP/9.9",
        b"POST /v1/chat/completions http/1.1",
        b"POST /v1/chat/completions HTTP/1.1\x00",
        b"POST /v1/chat\x00/completions HTTP/1.1",
        b"POST /v1/chat\r/completions HTTP/1.1",
        b"POST /v1/chat /completions HTTP/1.1",
        b"POST /v1/chat\x0b/completions HTTP/1.1",
        b"P\xd0\x9eST /v1/chat/completions HTTP/1.1",
        b"CONNECT 169.254.169.254:80 HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"POST * HTTP/1.1",
        b"POST gateway:80 HTTP/1.1",
        b"POST http:// HTTP/1.1",
        b"POST file:///etc/passwd HTTP/1.1",
        b"POST \\\\v1\\chat HTTP/1.1",
        b"XYZZY / HTTP/1.1",
        b"POST HTTP/1.1",
        b"POST /v1/chat/completions HTTP/1.1\x0b",
        b"POST /v1/chat/completions HTP/1.1",
        b"POST /v1/chat/completions HTTP /1.1",
        b"POST /v1/chat/completions HTTP/11",
        b"POST /v1/chat/completions HTTP/1.",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]
    for line in lines:
        # Two blanks between words may be read as one (RFC 9112, section 3): a target holds none.
        yield Attack(f"line {line!r}", request(length, line=line, body=BODY), "either" if b"  " in line else "refused")
    yield Attack("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    yield Attack("bare line feeds", request(length, body=BODY + HIDDEN, end=b"\n"))
    yield Attack("bare carriage returns", request(length, body=BODY, end=b"\r"))
    absolute = request(length, line=b"POST http://169.254.169.254/v1/chat/completions HTTP/1.1", body=BODY)
    yield Attack("an address of somebody else", absolute, "served")


def _heads() -> Iterator[Attack]:
    length = b"content-length: %d" % len(BODY)
    fields = [
        b"x\x00: y",
        b"x: y\x00z",
        b"x y: z",
        b": y",
        b"x",
        b"x\t: y",
        b"x\r: y",
        b"x: y\rz: w",
        b"x: y\nz: w",
        b"\x80: y",
        b"(x): y",
        b"x: y\r\n\tz",
        b" x: y",
        b"x: y\r\n z: w",
        b"host: other",
        b"Host : other",
        b"authorization: Bearer other",
        b"x: \x07",
        b"x@: y",
    ]
    for one in fields:
        yield Attack(f"field {one!r}", request(one, length, body=BODY + HIDDEN))
    no_host = b"\r\n".join([b"POST /v1/chat/completions HTTP/1.1", _AUTH, length, b"", BODY])
    yield Attack("no host", no_host)
    yield Attack("a length hidden by connection", request(b"connection: content-length", length, body=BODY), "served")
    yield Attack("a key hidden by connection", request(b"connection: authorization, close", length, body=BODY), "served")
    yield Attack(
        "an offer of HTTP/2", request(b"connection: upgrade, http2-settings", b"upgrade: h2c", length, body=BODY), "served"
    )
    yield Attack(
        "an offer of web sockets", request(b"connection: upgrade", b"upgrade: websocket", length, body=BODY), "served"
    )
    yield Attack("an unknown expectation", request(b"expect: 200-ok", length, body=BODY), "either")


def _sizes() -> Iterator[Attack]:
    length = b"content-length: %d" % len(BODY)
    yield Attack("a line of 100,000 bytes", request(length, line=b"POST /" + b"a" * 100_000 + b" HTTP/1.1", body=BODY))
    yield Attack("a field of 100,000 bytes", request(b"x: " + b"a" * 100_000, length, body=BODY))
    yield Attack("a name of 100,000 bytes", request(b"x" * 100_000 + b": y", length, body=BODY))
    yield Attack("1,000 fields", request(*(b"x-%d: y" % number for number in range(1000)), length, body=BODY))
    yield Attack("100,000 blank lines", b"\r\n" * 100_000 + request(length, body=BODY))
    yield Attack("a length of a terabyte", request(b"content-length: 1000000000000", body=BODY))
    yield Attack("a length of a terabyte, asked first", request(b"content-length: 1000000000000", b"expect: 100-continue"))


def _sequences() -> Iterator[Attack]:
    length = b"content-length: %d" % len(BODY)
    good = request(length, body=BODY)
    yield Attack("three at once", good * 3, "served", replies=3)
    yield Attack("twenty at once", good * 20, "served", replies=20)
    yield Attack("a bad one behind a good one", good + request(b"content-length: -1", body=BODY), "either", replies=2)
    yield Attack("more behind a last one", request(length, b"connection: close", body=BODY) + HIDDEN, "served")
    get = request(length, line=b"GET /v1/models HTTP/1.1", body=HIDDEN[: len(BODY)].ljust(len(BODY)))
    yield Attack("a body behind a GET", get, "served")
    yield Attack("a request as a body", request(b"content-length: %d" % len(HIDDEN), body=HIDDEN))

"""A whole reply that C reads is what the parser makes of it; everything else is left to the parser."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

_whole = pytest.importorskip(
    "pointsman.upstream.transport._whole", reason="nothing is compiled here: `make compiled` tests it"
)
FIELDS = 128
NAME = 64
PLAIN = b"HTTP/1.1 200 OK\r\nDate: Sat\r\ncontent-length: 2\r\nConnection: keep-alive\r\n\r\nok"


class Parsed:
    """What the connection takes of the parser."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.ended = 0
        self.kept = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(data)
        self.status = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1
        self.kept = self._parser.should_keep_alive()


def same(data: bytes) -> bool:
    """Whether a reply was read at once: then it is what the parser says, the only one, and its connection is kept."""
    found = _whole.read(data)
    if found is None:
        return False
    parsed = Parsed(data)
    assert found == (parsed.status, tuple(parsed.headers), parsed.body)
    assert parsed.ended == 1
    assert parsed.kept
    return True


def test_a_plain_reply_is_read_and_its_header_names_are_in_lower_case() -> None:
    headers = ((b"date", b"Sat"), (b"content-length", b"2"), (b"connection", b"keep-alive"))
    assert _whole.read(PLAIN) == (200, headers, b"ok")
    assert same(PLAIN)
    assert same(PLAIN.replace(b"Date", b"d" * (NAME - 1)))
    assert same(PLAIN.replace(b"Date: Sat", b"\r\n".join([b"a: b"] * (FIELDS - 2))))
    assert same(b"HTTP/1.1 429 \r\ncontent-length: 2\r\n\r\n{}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        PLAIN[:-1],
        PLAIN + b"k",
        PLAIN + PLAIN,
        b"\r\n" + PLAIN,
        PLAIN.replace(b"1.1", b"1.0"),
        PLAIN.replace(b"200", b"100"),
        PLAIN.replace(b"200", b"204"),
        PLAIN.replace(b"200", b"304"),
        PLAIN.replace(b"200 OK", b"200"),
        PLAIN.replace(b"200 OK", b"2000 OK"),
        PLAIN.replace(b"content-length: 2", b"content-length: +2"),
        PLAIN.replace(b"content-length: 2", b"content-length: 0x2"),
        PLAIN.replace(b"content-length: 2", b"content-length: 2, 2"),
        PLAIN.replace(b"content-length: 2", b"content-length: " + b"0" * 15 + b"2"),
        PLAIN.replace(b"content-length: 2", b"content-length: 2\r\ncontent-length: 2"),
        PLAIN.replace(b"content-length: 2", b"content-length: 2\r\ntransfer-encoding: chunked"),
        PLAIN.replace(b"content-length: 2\r\n", b""),
        PLAIN.replace(b"content-length: 2", b"content-length: 0").removesuffix(b"ok"),
        PLAIN.replace(b"keep-alive", b"close"),
        PLAIN.replace(b"keep-alive", b"keep-alive, close"),
        PLAIN.replace(b"Connection: keep-alive", b"upgrade: h2c"),
        PLAIN.replace(b"Date: Sat", b"Date: Sat\r\n Sun"),
        PLAIN.replace(b"Date: Sat", b"Date : Sat"),
        PLAIN.replace(b"Date: Sat", b"Date:Sat"),
        PLAIN.replace(b"Date: Sat", b"Date: Sat "),
        PLAIN.replace(b"Date: Sat", b"Date: S\tt"),
        PLAIN.replace(b"Date: Sat", b"Date: S\xe4t"),
        PLAIN.replace(b"Date: Sat", b"Date: S\nt"),
        PLAIN.replace(b"Date: Sat", b"Date: S\x00t"),
        PLAIN.replace(b"Date: Sat", b"Date:"),
        PLAIN.replace(b"Date: Sat", b"Date"),
        PLAIN.replace(b"Date: Sat", b": Sat"),
        PLAIN.replace(b"Date: Sat", b"x" * (NAME + 1) + b": Sat"),
        PLAIN.replace(b"Date: Sat", b"\r\n".join([b"a: b"] * FIELDS)),
        PLAIN.replace(b"Date: Sat", b"Date: " + b"S" * 16384),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(data: bytes) -> None:
    assert _whole.read(data) is None


LINE = st.one_of(
    st.from_regex(rb"[A-Za-z-]{1,8}: [ -~]{0,9}", fullmatch=True),
    st.sampled_from([b"content-length: 5", b"Content-Length: 5", b"content-length: 05", b"connection: Keep-Alive"]),
    st.sampled_from([b"connection: close", b"transfer-encoding: chunked", b"proxy-connection: close", b"trailer: x"]),
    st.binary(max_size=6),
)


@given(status=st.sampled_from([b"200 OK", b"429 Too Many", b"503 ", b"204 No", b"200"]), lines=st.lists(LINE, max_size=5))
def test_what_is_read_is_what_the_parser_reads(status: bytes, lines: list[bytes]) -> None:
    same(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"content-length: 5", b"", b"hello"]))
    same(b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b"hello"]))


def test_no_byte_of_a_reply_may_be_missing() -> None:
    assert not any(same(PLAIN[:end]) for end in range(len(PLAIN)))


@given(data=st.binary(min_size=1, max_size=3), place=st.integers(0, len(PLAIN)), cut=st.integers(0, 3))
def test_one_change_anywhere_never_makes_another_reading(data: bytes, place: int, cut: int) -> None:
    same(PLAIN[:place] + data + PLAIN[place + cut :])

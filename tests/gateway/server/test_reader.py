"""Requests out of bytes: the same however they are cut, bounded, and never read in two ways."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.snapshot import Limits
from pointsman.gateway.server import reader as module
from pointsman.gateway.server.message import Head, Incoming
from pointsman.gateway.server.reader import HEAD_LIMIT, KEPT, LET_GO, RequestReader, Room

SMALL = Limits(body_bytes=100)
POST = b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nX-Two:  b c \r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n"
CHUNKED = (
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nx-trailer: t\r\n\r\n"
)


def read(*pieces: bytes, limits: Limits = SMALL) -> tuple[list[Incoming], RequestReader]:
    room = Room(10**9)
    reader = RequestReader(lambda: limits, room)
    found = [received for piece in pieces for received in reader.feed(piece)]
    reader.close()
    assert room.left == 10**9 - sum(len(one.body) for one in found), "all but the bodies is given back"
    return found, reader


def shown(found: list[Incoming]) -> list[tuple[object, ...]]:
    """All that was read."""
    return [
        (one.head.method, one.head.path, one.head.query, one.head.headers, one.head.last, one.head.chunks, one.body)
        for one in found
    ]


def problem(*pieces: bytes, limits: Limits = SMALL) -> tuple[int, str]:
    received, reader = read(*pieces, limits=limits)
    assert received == []
    assert reader.problem is not None
    return reader.problem.status, reader.problem.message


def test_a_request() -> None:
    [received], reader = read(POST)
    head = Head("POST", "/v1/chat/completions", "x=1", {b"host": b"a", b"x-two": b"b c"}, last=False, chunks=True)
    assert shown([received]) == shown([Incoming(head, b"hello")])
    assert (reader.problem, reader.begun, reader.in_body) == (None, False, False)


def test_its_repr_shows_neither_key_nor_words() -> None:
    [received], _ = read(POST.replace(b"X-Two:  b c ", b"Authorization: Bearer secret"))
    assert "secret" not in repr(received)
    assert "hello" not in repr(received)


@pytest.mark.parametrize("stream", [POST + GET + POST, CHUNKED + GET])
def test_cut_anywhere_it_is_the_same(stream: bytes) -> None:
    whole = shown(read(stream)[0])
    for cut in range(1, len(stream)):
        assert shown(read(stream[:cut], stream[cut:])[0]) == whole, cut
    assert shown(read(*[stream[place : place + 1] for place in range(len(stream))])[0]) == whole


def test_chunks_are_joined_and_trailers_passed_over() -> None:
    [received], _ = read(CHUNKED)
    assert received.body == b"hello"
    assert b"x-trailer" not in received.head.headers


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a%20b/%2e%2e/c?d", "/a b/../c"),
        (b"/%E4%BD%A0", "/你"),
        (b"http://host:8/v1/models?x", "/v1/models"),
        (b"http://host", "/"),
        (b"*", "*"),
    ],
)
def test_the_path_is_decoded(target: bytes, path: str) -> None:
    [received], _ = read(b"OPTIONS " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    assert received.head.path == path


@pytest.mark.parametrize(
    ("head", "last", "chunks"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", False, True),
        (b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", True, True),
        (b"GET / HTTP/1.0\r\n\r\n", True, False),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", True, False),
    ],
)
def test_whether_another_may_follow(head: bytes, last: bool, chunks: bool) -> None:
    received, reader = read(head + GET)
    assert (received[0].head.last, received[0].head.chunks) == (last, chunks)
    assert len(received) == (1 if last else 2)
    assert reader.problem is None


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED])
def test_an_offered_upgrade_is_passed_over_however_it_is_cut(request_: bytes) -> None:
    offer = b"\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n"
    stream = request_.replace(b"\r\n\r\n", offer, 1) + GET
    plain = [received.body for received in read(request_ + GET)[0]]
    for cut in range(1, len(stream)):
        received, reader = read(stream[:cut], stream[cut:])
        assert [one.body for one in received] == plain, cut
        assert (reader.problem, [one.head.last for one in received]) == (None, [False, False])


@pytest.mark.parametrize(
    ("head", "last", "chunks"),
    [
        (b"GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", True, False),
        (b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", True, True),
    ],
)
def test_a_declined_upgrade_changes_nothing_else(head: bytes, last: bool, chunks: bool) -> None:
    [received], _ = read(head)
    assert (received.head.last, received.head.chunks) == (last, chunks)


def test_many_offers_in_one_read_are_all_passed_over() -> None:
    received, reader = read(GET.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n") * 3000)
    assert (len(received), reader.problem) == (3000, None)


def test_a_tunnel_is_refused() -> None:
    assert problem(b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n")[0] == 400


SMUGGLED = {
    "a length and chunks": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "the same length twice": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
    "a list of lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc",
    "a signed length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
    "a length in hexadecimal": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\nabc",
    "chunked twice": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n",
    "an encoding after chunked": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 3\r\n\r\nabc",
    "a folded header": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n 3\r\n\r\nabc",
    "a bare CR in a header": b"GET / HTTP/1.1\r\nhost: a\r\nx: b\rc: d\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nhost: a\r\nx: b\x00c\r\n\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two keys": b"GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\nAuthorization: Bearer y\r\n\r\n",
    "another version": b"GET / HTTP/3.7\r\nhost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a chunk size that is none": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "a chunk longer than it says": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_what_could_be_read_in_two_ways_is_refused_however_it_is_cut(request_: bytes) -> None:
    assert problem(request_ + GET)[0] == 400
    assert problem(*[bytes([byte]) for byte in request_ + GET])[0] == 400


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\nhost: a\r\n\r\n", 400),
        (b"GET /\r\nhost: a\r\n\r\n", 400),
        *(
            (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: %b\r\n\r\n0\r\n\r\n" % coding, 501)
            for coding in (b"gzip, chunked", b"x, chunked", b"identity, chunked", b", chunked")
        ),
    ],
)
def test_what_is_not_spoken_here_is_refused_however_it_is_cut(request_: bytes, status: int) -> None:
    assert problem(request_ + GET)[0] == status
    assert problem(*[bytes([byte]) for byte in request_ + GET])[0] == status


def test_requests_before_a_bad_one_stand_and_nothing_is_read_after_it() -> None:
    reader = RequestReader(lambda: SMALL, Room(10**9))
    assert len(reader.feed(GET + b"nonsense\r\n\r\n")) == 1
    assert reader.problem is not None
    assert reader.feed(GET) == []


def test_a_body_of_just_the_limit_passes_and_one_byte_more_is_413() -> None:
    def post(size: int) -> bytes:
        return b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size

    [received], _ = read(post(100))
    assert len(received.body) == 100
    assert problem(post(101))[0] == 413


def test_a_body_beyond_all_bounds_is_413_before_it_arrives() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
    assert problem(head % (100 + LET_GO + 1))[0] == 413
    _, reader = read(head % (100 + LET_GO))
    assert reader.problem is None


@pytest.mark.interpreted
def test_chunks_beyond_all_bounds_are_413_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LET_GO", 1000)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    assert problem(head, *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 12)[0] == 413


def test_who_asks_before_sending_is_answered_at_once() -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n"
    reader = RequestReader(lambda: SMALL, Room(10**9))
    reader.feed(head % 100)
    assert (reader.expects, reader.problem) == (True, None)
    reader.feed(b"x")
    assert not reader.expects
    assert problem(head % 101)[0] == 413


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET / HTTP/1.1\r\nhost: a\r\n", *[b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(70)], b"\r\n"],
        [b"GET / HTTP/1.1\r\nhost: a\r\n", *[b"x-%d: y\r\n" % number for number in range(300)], b"\r\n"],
        [b"GET / HTTP/1.1\r\nhost: a\r\nx: ", *[b"y" * 1000] * 70],
        [b"GET /", *[b"y" * 1000] * 70],
        [b"GET /" + b"y" * HEAD_LIMIT + b" HTTP/1.1\r\nhost: a\r\n\r\n"],
        [b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;", *[b"y" * 1000] * 70],
        [b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", *[b"y" * 1000] * 70],
    ],
    ids=["long headers", "many headers", "endless header", "endless target", "long target", "extensions", "trailers"],
)
def test_what_is_no_body_is_bounded(pieces: list[bytes]) -> None:
    assert problem(*pieces)[0] == 431


def test_an_old_client_is_not_told_to_go_on() -> None:
    _, reader = read(b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    assert (reader.in_body, reader.expects) == (True, False)


def test_blank_lines_between_requests_are_no_request() -> None:
    assert not read(b"\r\n")[1].begun
    received, reader = read(b"\r\n\r\n" + GET + b"\r\n" + GET)
    assert len(received) == 2
    assert reader.problem is None


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_no_bytes_escape_as_anything_but_a_problem(pieces: list[bytes]) -> None:
    received, _ = read(*pieces)
    assert all(isinstance(one.body, bytes) for one in received)


@given(st.binary(max_size=400), st.integers(1, 400), st.integers(0, 30))
def test_any_body_comes_out_as_it_went_in(body: bytes, size: int, cut: int) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _pieces(body, size))
    stream = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    [received], _ = read(stream[:cut], stream[cut:], limits=Limits())
    assert received.body == body


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[place : place + size] for place in range(0, len(body), size)]


HEADS = [
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Length: %d\r\nX-Two: b\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n",
    b"POST /v1/messages?x=content-length:%%201 HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\nx: content-length: 3\r\n\r\n",
    b"\r\nPOST /b HTTP/1.1\r\nhost: a\r\nContent-Length:%d\r\n\r\n",
    b"POST /c HTTP/1.1\r\nhost: a\r\nContent-Length: 0%d\r\n\r\n",
    b"POST /d HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n",
    b"POST /e HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n",
    b"POST /f HTTP/1.1\r\nhost: a\r\nx-content-length: 7\r\ncontent-length: %d\r\n\r\n",
    b"POST /g HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\ncontent-length: 1\r\n\r\n",
    b"POST /i HTTP/1.1\r\nhost: a\r\ncontent-length:%d\r\n\r\n",
    b"POST /h HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n",
]
BODIES = st.binary(max_size=120) | st.sampled_from(
    [b"", b"\r\n{}", b"\r\n\r\n", b"\r\nABCDEF", b"x\r\nContent-Length: 3\r\n\r\n", b"\r\n{}\r\ncontent-length: 1\r\n\r\n"]
)
SENT = st.tuples(st.sampled_from(HEADS), BODIES, st.integers(-2, 3), st.sampled_from([b"", b"\r\n", b"\r\n" * 6]))


@given(st.lists(SENT, max_size=8), st.data())
def test_a_head_that_is_known_is_read_as_the_parser_reads_it(
    sent: list[tuple[bytes, bytes, int, bytes]], data: st.DataObject
) -> None:
    """Each request comes in one piece, which may be short or long of what its head says, or is followed by the next."""
    pieces = [
        head % max(len(body) + wrong * (wrong < 0 or wrong == 3), 0) + body + after for head, body, wrong, after in sent
    ]
    if len(pieces) > 1 and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(pieces) - 2))
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
    remembering, rooms = RequestReader(lambda: SMALL, Room(10**9)), Room(10**9)
    parsing = RequestReader(lambda: SMALL, rooms)
    for piece in pieces:
        found = remembering.feed(piece)
        apart = [received for part in (piece[:1], piece[1:]) for received in parsing.feed(part)]  # never a head in one piece
        assert shown(found) == shown(apart)
        assert (remembering.begun, remembering.in_body, remembering.expects) == (
            parsing.begun,
            parsing.in_body,
            parsing.expects,
        )
        first, second = remembering.problem, parsing.problem
        assert (first and (first.status, first.message)) == (second and (second.status, second.message))


@pytest.mark.interpreted
def test_a_head_is_parsed_once_for_requests_that_only_differ_in_their_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = RequestReader(lambda: SMALL, Room(10**9))
    parsed: list[bytes] = []
    heads: set[Head] = set()
    parse = RequestReader._parse

    def counted(self: RequestReader, piece: bytes) -> None:
        parsed.append(piece)
        parse(self, piece)

    monkeypatch.setattr(RequestReader, "_parse", counted)
    for body in (b"hello", b"", b"x" * 99, b"hello again"):
        [received] = reader.feed(HEADS[0] % len(body) + body)
        assert received.body == body
        heads.add(received.head)
        assert "Bearer" not in repr(received)
    assert (len(parsed), len(heads)) == (1, 1)


def test_a_known_head_does_not_lift_the_limits() -> None:
    room = Room(120)
    reader = RequestReader(lambda: SMALL, room)
    assert reader.feed(HEADS[0] % 100 + b"x" * 100)
    assert reader.feed(HEADS[0] % 30 + b"x" * 30) == []
    assert reader.problem is not None
    assert reader.problem.status == 503, "there is no room for it"
    reader = RequestReader(lambda: SMALL, Room(10**9))
    assert reader.feed(HEADS[0] % 1 + b"x")
    assert reader.feed(HEADS[0] % 101 + b"x" * 101) == []
    assert reader.problem is not None
    assert reader.problem.status == 413


def test_blank_lines_after_a_body_are_no_part_of_its_head() -> None:
    """The same bytes once more, longer by what then would be taken for the head's end."""
    reader = RequestReader(lambda: SMALL, Room(10**9))
    head = b"POST / HTTP/1.1\r\nhost: a\r\nContent-Length: %d\r\n\r\n"
    assert [one.body for one in reader.feed(head % 4 + b"\r\n{}" + b"\r\n")] == [b"\r\n{}"]
    assert [one.body for one in reader.feed(head % 8 + b"\r\nABCDEF" + b"GE")] == [b"\r\nABCDEF"]
    assert [one.head.path for one in reader.feed(b"T /healthz HTTP/1.1\r\nhost: a\r\n\r\n")] == ["/healthz"]


def test_a_request_that_was_given_out_is_not_kept() -> None:
    """Its place in the room is given back once it is answered; a connection may then be unused for a long time."""

    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, Incoming) for one in gc.get_objects())

    before, room = alive(), Room(10**9)
    readers = [RequestReader(lambda: SMALL, room) for _ in range(3)]
    for reader in readers:
        assert reader.feed(POST[:20]) == []
        assert len(reader.feed(POST[20:])) == 1
        assert len(reader.feed(POST + POST)) == 2
    assert alive() == before


def test_a_long_head_is_not_kept() -> None:
    reader = RequestReader(lambda: SMALL, Room(10**9))
    for size, same in ((KEPT // 2, True), (KEPT, False)):
        long = POST.replace(b"b c", b"x" * size)
        [first], [second] = reader.feed(long), reader.feed(long)
        assert (first.head is second.head) is same
        assert shown([first]) == shown([second])


@pytest.mark.interpreted
def test_a_closed_reader_holds_no_key_and_is_gone_at_once() -> None:
    reader = RequestReader(lambda: SMALL, Room(10**9))
    reader.feed(HEADS[0] % 1 + b"x")
    gone = weakref.ref(reader)
    reader.close()
    reader.close()
    assert "Bearer" not in str(vars(reader))
    gc.disable()
    try:
        del reader
        assert gone() is None
    finally:
        gc.enable()

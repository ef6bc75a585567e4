"""What C reads of plain JSON is what msgspec reads of it, whatever the bytes; where it gives up, msgspec is asked anyway."""

import json
import re
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text, Usage
from pointsman.core.errors import WireError
from pointsman.wire import edits, sse
from pointsman.wire.answer import Answer
from pointsman.wire.openai_chat import count, glimpse, request, shapes

native = pytest.importorskip("pointsman.wire._scan", reason="nothing is compiled here: `make compiled` tests it")
unescape = msgspec.json.Decoder(str).decode

WORDS = [
    "", "x", "user", "tool", "function", "assistant", 'say "hi"', "a\nb\t\\", "写 é", "🚂", "\u2028", "\ud83d", "model",
]  # fmt: skip
NUMBERS = [0, 1, -1, 7, 19.0, 1.5, 10**11, 10**12, 10**13, 2**63, 10**30, float("1e300")]
ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "type", "text"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SPACINGS = [(",", ":"), (", ", ": "), (" ,\n\t", " :\r\n ")]


def fields(usual: dict[str, st.SearchStrategy[Any]], odd: list[str], needed: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of the usual form, the first ``needed`` fields always, with other fields, and others' values, now and then."""
    given = list(usual.items())
    return st.builds(
        lambda plain, more, last: {**plain, **more} if last else {**more, **plain},
        st.fixed_dictionaries(dict(given[:needed]), optional=dict(given[needed:])),
        st.just({}) | st.just({}) | st.dictionaries(st.sampled_from([*usual, *odd, "temperature", "x"]), ANY, max_size=1),
        st.booleans(),
    )


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> bytes:
    """JSON, in one of many ways to write it, and sometimes broken in one place."""
    text = json.dumps(draw(values), separators=draw(st.sampled_from(SPACINGS)), ensure_ascii=draw(st.booleans()))
    data = draw(st.sampled_from(["", " ", "\n"])).encode() + text.encode(errors="surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at, size = draw(st.integers(0, len(data))), draw(st.integers(0, 2))
        new = draw(
            st.sampled_from([b"", b",", b'"', b"}", b"]", b"\\", b"\\u00e", b"\\ud800", b"\xff", b"\0", b"-", b"0", b"."])
        )
        data = data[:at] + new + data[at + size :]
    return data + draw(st.sampled_from([b"", b" ", b"\r\n", b"x"] if draw(st.booleans()) else [b""]))


COUNTS = st.integers(0, 10**6) | st.none()
USAGE = fields(
    {
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "prompt_tokens_details": fields({"cached_tokens": COUNTS, "cache_write_tokens": COUNTS}, []) | st.none(),
        "completion_tokens_details": fields({"reasoning_tokens": COUNTS}, []) | st.none(),
        "prompt_cache_hit_tokens": COUNTS,
    },
    ["total_tokens"],
)
WORD = st.sampled_from(WORDS)
TURN = fields({"role": WORD, "content": WORD}, [*shapes.WireMessage.__struct_fields__], 2)
REQUEST = fields(
    {
        "model": st.sampled_from(WORDS),
        "messages": st.lists(st.just({"role": "user", "content": "x"}) | TURN, min_size=1, max_size=2) | st.just([]),
        "stream": st.booleans() | st.none(),
        "stream_options": fields({"include_usage": st.booleans() | st.none()}, []) | st.none(),
        "max_tokens": COUNTS,
        "max_completion_tokens": COUNTS,
    },
    [*shapes.Seen.__struct_fields__],
    2,
)
ENDED = fields({"index": COUNTS, "message": ANY, "finish_reason": st.sampled_from(WORDS) | st.none()}, [])
REPLY = fields(
    {"choices": st.lists(ENDED, max_size=3), "usage": USAGE | st.none(), "service_tier": st.sampled_from(WORDS)}, ["id"]
)
DELTA = fields({"index": COUNTS, "delta": st.dictionaries(WORD, WORD, max_size=2), "finish_reason": st.none()}, [])
CHUNK = fields({"choices": st.lists(DELTA, max_size=2) | st.none(), "usage": st.none(), "error": st.none()}, ["id"])


@given(written(REQUEST))
def test_a_request_says_what_msgspec_reads_in_it(body: bytes) -> None:
    if native.request(body, unescape) is not None:
        assert request.glance(body) == request.glance_any(body)


@given(written(REPLY))
def test_a_reply_took_what_msgspec_reads_in_it(body: bytes) -> None:
    if native.reply(body, unescape) is not None:
        assert count.count(body) == count.count_any(body)


ESCAPED_NAME = re.compile(rb'\\[^"]*"\s*:')
LINES = st.sampled_from(
    [b"event: x\n", b"event: x\r\n", b": ping\n", b"data: [DONE]\n", b"\n", b"\r\n", b"id: 1\n", b"data"]
)


@given(st.lists(written(CHUNK).map(lambda data: b"data: %b\n\n" % data) | LINES, max_size=4).map(b"".join))
@example(b'data: {"usage":null,\rdata: "x":1}\n\n')
@example(b"\n\ndata: {}\n\n\ndata: {}\n\n")
def test_frames_of_content_are_those_that_msgspec_takes(chunk: bytes) -> None:
    found, taken = native.plain(chunk), sse.plain(chunk, glimpse.takes)
    assert found == taken or (found < taken and ESCAPED_NAME.search(chunk))  # which would have to be decoded to be known


@given(
    written(REQUEST | ANY)
    | st.lists(st.sampled_from([b'"model"', b":", b'"', b"\\", b"\n", b" ", b"\v", b"\\u00", b"m"])).map(b"".join)
)
def test_a_model_stands_where_a_search_finds_it(body: bytes) -> None:
    assert native.model_span(body) == edits.searched(body)


def test_what_nearly_everybody_sends_is_plain() -> None:
    turns = [("system", 'Say "hi".\n'), ("user", "写 🚂"), ("assistant", ""), ("user", "x")]
    sent = [{"role": role, "content": text} for role, text in turns]
    more = {"temperature": 0.2, "stop": ["a", {"b": [None]}], "stream": True, "stream_options": {"include_usage": True}}
    for ascii_only in (True, False):
        body = json.dumps({"model": "m", "messages": sent, "max_tokens": 7, **more}, ensure_ascii=ascii_only).encode()
        assert native.request(body, unescape) == ("m", turns, True, True, 7)
    messages = tuple([Message(role, (Text(text),)) for role, text in turns])
    assert request.glance(body) == ChatRequest("m", messages, True, True, max_output_tokens=7)
    usage = {"prompt_tokens": 19, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    choice = {"index": 0, "message": {"content": "🚂"}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice], "usage": usage, "service_tier": "default"}).encode()
    assert native.reply(body, unescape) == ("stop", "default", (19, 3, 4, 0, 0))
    assert count.count(body) == Answer(finish="stop", usage=Usage(19, 3, 4), tier="default")
    frame = b'event: x\ndata: {"choices":[{"delta":{"content":"\\ud83d\\ude82"},"finish_reason":null}],"usage":null}\n\n'
    assert native.plain(frame * 3) == len(frame) * 3


@pytest.mark.parametrize("name", shapes.Seen.__struct_fields__)
def test_a_field_that_is_known_is_read_or_given_up(name: str) -> None:
    """A field that ``shapes`` comes to know has to be named in C, too: here it would be passed over."""
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"%b":[3]}' % name.encode()
    assert native.request(body, unescape) is None


@pytest.mark.parametrize("name", shapes.WireMessage.__struct_fields__)
def test_a_field_of_a_turn_that_is_known_is_read_or_given_up(name: str) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x","%b":[3]}]}' % name.encode()
    assert native.request(body, unescape) is None


@pytest.mark.parametrize("deep", [b"[", b'{"x":'])
def test_what_nests_deeply_is_given_up(deep: bytes) -> None:
    within, beyond = [
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"y":%b' % (deep * size) for size in (60, 10**6)
    ]
    for body in (beyond, b'{"choices":[],"y":%b' % (deep * 10**6)):
        assert native.request(body, unescape) is native.reply(body, unescape) is None
    assert native.plain(b"data: " + beyond + b"\n\n") == 0
    closing = {b"[": b"]", b'{"x":': b"1}"}[deep]
    shut = closing * 60 if deep == b"[" else b"1" + b"}" * 60
    assert native.request(within + shut + b"}", unescape) is not None
    with pytest.raises(WireError):
        request.glance(beyond)


@pytest.mark.parametrize(
    "arguments", [("text", unescape), (b"text",), (b"text", unescape, 1), (bytearray(b"text"), unescape), ()]
)
def test_what_c_cannot_use_is_refused(arguments: tuple[object, ...]) -> None:
    for function in (native.request, native.reply):
        with pytest.raises(TypeError):
            function(*arguments)
    for function in (native.plain, native.model_span):
        with pytest.raises(TypeError):
            function("text")


def test_nothing_is_kept() -> None:
    bodies = [
        b'{"model":"m","messages":[{"role":"user","content":"\\n%d"}],"max_tokens":7}' % number for number in range(300)
    ]
    bodies += [body[:-1] for body in bodies]
    replies = [
        b'{"choices":[{"finish_reason":"s%d\\n"}],"usage":{"prompt_tokens":%d}}' % (number, number + 300)
        for number in range(300)
    ]
    replies += [body + b"x" for body in replies]

    def every() -> None:
        for body in bodies:
            native.request(body, unescape)
            native.model_span(body)
        for body in replies:
            native.reply(body, unescape)

    every()
    before = sys.getallocatedblocks()
    every()
    assert sys.getallocatedblocks() - before < 100

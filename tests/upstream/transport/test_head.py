"""URLs and headers become the bytes of a request, or are refused before anything is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import UpstreamError
from pointsman.upstream.interfaces import Request
from pointsman.upstream.transport.head import OURS, head_of, target_of

URL = "https://api.example.com/v1/x"


def request_bytes(request: Request) -> bytes:
    return head_of(request.method, request.url, request.headers, bool(request.body)).before(request.body)


@pytest.mark.parametrize(
    ("url", "origin", "port", "line"),
    [
        ("https://api.example.com/v1", "https://api.example.com", 443, b" /v1 HTTP/1.1\r\nhost: api.example.com\r\n"),
        ("https://api.example.com:443", "https://api.example.com", 443, b" / HTTP/1.1\r\nhost: api.example.com\r\n"),
        (
            "http://127.0.0.1:8000/a?b=c%20d",
            "http://127.0.0.1:8000",
            8000,
            b" /a?b=c%20d HTTP/1.1\r\nhost: 127.0.0.1:8000\r\n",
        ),
        ("http://[::1]:80/", "http://[::1]", 80, b" / HTTP/1.1\r\nhost: [::1]\r\n"),
        ("https://API.Example.com/V1#part", "https://api.example.com", 443, b" /V1 HTTP/1.1\r\nhost: api.example.com\r\n"),
    ],
)
def test_where_a_url_leads(url: str, origin: str, port: int, line: bytes) -> None:
    target = target_of(url)
    assert (target.origin, target.port, target.line) == (origin, port, line)
    assert target.tls == url.startswith("https")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/secret", "must begin with http"),
        ("example.com/secret", "must begin with http"),
        ("http://me:secret@example.com/", "user name or password"),
        ("http:///secret", "no usable host"),
        ("http://exa mple.com/secret", "no usable host"),
        ("http://bücher.example/secret", "no usable host"),
        ("http://example.com:99999/secret", "cannot be read"),
        ("http://[::1/secret", "cannot be read"),
        ("http://example.com/a b secret", "blank"),
        ("http://example.com/é?secret", "percent-encoded"),
        ("http://example.com/\x7fsecret", "percent-encoded"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(UpstreamError, match=words) as caught:
        target_of(url)
    assert (caught.value.kind, caught.value.sent) == ("protocol", False)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(OURS))
def test_framing_headers_belong_to_the_transport(name: bytes) -> None:
    with pytest.raises(UpstreamError, match=f"header '{name.decode()}' is set by the transport"):
        request_bytes(Request("POST", URL, ((b"a", b"b"), (name, b"secret")), b""))


@pytest.mark.parametrize("name", [b"", b"Content-Type", b"a b", b"a:b", b"a\r\nb", b"a\0", "é".encode()])
def test_header_names_must_be_lower_case_tokens(name: bytes) -> None:
    with pytest.raises(UpstreamError, match="header name"):
        request_bytes(Request("POST", URL, ((name, b"secret"),), b""))


@pytest.mark.parametrize("method", ["", "post", "GET /", "GET\r\n"])
def test_methods_must_be_words(method: str) -> None:
    with pytest.raises(UpstreamError, match="method"):
        request_bytes(Request(method, URL, (), b""))


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\r\nb: c", b"a\0b", b"\r", b"\n"])
def test_header_values_that_are_refused(value: bytes) -> None:
    with pytest.raises(UpstreamError, match="header value") as caught:
        request_bytes(Request("POST", URL, ((b"x", value),), b""))
    assert not caught.value.sent


@given(
    headers=st.lists(st.tuples(st.from_regex(rb"x-[a-z]{1,5}", fullmatch=True), st.binary(max_size=12)), max_size=5),
    body=st.binary(max_size=20),
)
def test_no_header_value_can_add_a_line(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Either refused, or exactly the headers given and ours, then the body: nothing else can be read from the bytes."""
    request = Request("POST", URL, tuple(headers), body)
    if any(bad in value for _, value in headers for bad in (b"\r", b"\n", b"\0")):
        with pytest.raises(UpstreamError, match="header value") as caught:
            request_bytes(request)
        assert not caught.value.sent
        return
    head, _, rest = request_bytes(request).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:3] == [b"POST /v1/x HTTP/1.1", b"host: api.example.com", b"accept-encoding: identity"]
    assert lines[3:-1] == [name + b": " + value for name, value in headers]
    assert lines[-1] == b"content-length: %d" % len(body)
    assert rest == body


def test_percent_signs_are_ordinary_characters() -> None:
    request = Request("GET", "http://example.com/a%20b?c=%25d", ((b"x-%b-%%", b"%d %b %%"),), b"")
    assert request_bytes(request).split(b"\r\n")[:4] == [
        b"GET /a%20b?c=%25d HTTP/1.1",
        b"host: example.com",
        b"accept-encoding: identity",
        b"x-%b-%%: %d %b %%",
    ]

"""Signature Version 4 against AWS's published test suite (aws-sig-v4-test-suite, Apache-2.0), and the laws beside it.

The vectors are facts from that suite: request, canonical path or signature. All of them use these keys, region and time.
"""

import datetime as dt
import hashlib

import pytest

from pointsman.upstream.interfaces import Request
from pointsman.upstream.signing.sigv4 import (
    Keys,
    canonical_path,
    canonical_query,
    canonical_request,
    signed,
    string_to_sign,
)

KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC)
ORIGIN = "https://example.amazonaws.com"
FORM = (b"content-type", b"application/x-www-form-urlencoded")
TOKEN = "a-session-token"


def sign(request: Request, keys: Keys = KEYS) -> dict[bytes, bytes]:
    return dict(signed(request, keys, region="us-east-1", service="service", now=NOW).headers)


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        pytest.param(
            Request("GET", f"{ORIGIN}/", (), b""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", (), b""),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            id="get-unreserved",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}//example//", (), b""),
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            id="get-slashes",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/?Param2=value2&Param1=value1", (), b""),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/?Param1=value2&Param1=value1", (), b""),
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
            id="get-vanilla-query-order-value",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/?\u1234=bar", (), b""),
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            id="get-vanilla-utf8-query",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/", tuple((b"my-header1", b"value%d" % n) for n in (4, 1, 3, 2)), b""),
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            id="get-header-value-order",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/", tuple((b"my-header1", b"value%d" % n) for n in (2, 2, 1)), b""),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            id="get-header-key-duplicate",
        ),
        pytest.param(
            Request("GET", f"{ORIGIN}/", ((b"my-header1", b" value1"), (b"my-header2", b' "a   b   c"')), b""),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            id="get-header-value-trim",
        ),
        pytest.param(
            Request("POST", f"{ORIGIN}/", (FORM,), b"Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
    ],
)
def test_a_published_request_gets_its_published_signature(request_: Request, signature: str) -> None:
    value = sign(request_)[b"authorization"].decode()
    names = canonical_request(request_)[1] + ";x-amz-date"
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    assert value == f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}"


def test_a_published_canonical_request_and_string_to_sign() -> None:
    """The steps in between, of the suite's ``post-x-www-form-urlencoded``."""
    canonical, names = canonical_request(
        Request("POST", f"{ORIGIN}/", (FORM, (b"x-amz-date", b"20150830T123600Z")), b"Param1=value1")
    )
    assert canonical == (
        "POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:example.amazonaws.com\n"
        "x-amz-date:20150830T123600Z\n\ncontent-type;host;x-amz-date\n"
        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
    )
    assert names == "content-type;host;x-amz-date"
    scope = "20150830/us-east-1/service/aws4_request"
    assert string_to_sign(canonical, "20150830T123600Z", scope) == (
        f"AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n42a5e5bb34198acb3e84da4f085bb7927f2bc277ca766e6d19c73c2154021281"
    )


@pytest.mark.parametrize(
    ("token", "signature"),
    [
        (
            "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
    ],
)
def test_a_session_token_is_signed_and_sent(token: str, signature: str) -> None:
    headers = sign(Request("GET", f"{ORIGIN}/", (), b""), Keys(KEYS.access_key, KEYS.secret_key, token))
    assert headers[b"x-amz-security-token"] == token.encode()
    assert headers[b"authorization"].endswith(
        f"SignedHeaders=host;x-amz-date;x-amz-security-token, Signature={signature}".encode()
    )


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/example space/", "/example%20space/"),  # get-space
        ("/\u1234", "/%E1%88%B4"),  # get-utf8
        ("//example//", "/example/"),  # get-slashes
        ("//", "/"),  # get-slash
        ("/./", "/"),  # get-slash-dot-slash
        ("/./example", "/example"),  # get-slash-pointless-dot
        ("/example/..", "/"),  # get-relative
        ("/example1/example2/../..", "/"),  # get-relative-relative
        ("/model/us.amazon.nova-lite-v1%3A0/converse", "/model/us.amazon.nova-lite-v1%253A0/converse"),
        ("/model/arn%3Aaws%3Aa%2Fb/converse", "/model/arn%253Aaws%253Aa%252Fb/converse"),
    ],
)
def test_a_path_is_normalised_and_encoded_once_more(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("", ""),
        ("b&a=1", "a=1&b="),
        ("a=1=2", "a=1%3D2"),
        ("x=a.b&x=a%2Fb", "x=a%2Fb&x=a.b"),
        ("a=1&a=1", "a=1&a=1"),
        ("q=a%20b", "q=a%20b"),
    ],
)
def test_a_query_is_sorted_and_encoded_once(query: str, canonical: str) -> None:
    assert canonical_query(query) == canonical


def test_what_was_signed_before_is_replaced_and_what_may_change_is_not_signed() -> None:
    before = ((b"authorization", b"Bearer client"), (b"x-amz-date", b"old"), (b"user-agent", b"pointsman"))
    found = signed(Request("GET", f"{ORIGIN}:8443/", before, b""), KEYS, region="us-east-1", service="service", now=NOW)
    assert [name for name, _ in found.headers] == [b"user-agent", b"x-amz-date", b"authorization"]
    assert canonical_request(found)[0].split("\n")[3:5] == ["host:example.amazonaws.com:8443", "x-amz-date:20150830T123600Z"]


def test_the_body_is_part_of_it() -> None:
    assert canonical_request(Request("POST", ORIGIN, (), b"a"))[0].endswith(hashlib.sha256(b"a").hexdigest())


def test_a_time_elsewhere_is_the_same_time() -> None:
    there = NOW.astimezone(dt.timezone(dt.timedelta(hours=9)))
    request = Request("GET", f"{ORIGIN}/", (), b"")
    assert signed(request, KEYS, region="r", service="s", now=there) == signed(
        request, KEYS, region="r", service="s", now=NOW
    )


def test_no_repr_shows_a_key() -> None:
    shown = f"{Keys('AKIDEXAMPLE', 'secret', TOKEN)!r}"
    assert "secret" not in shown
    assert TOKEN not in shown
    assert "EXAMPLE" not in shown

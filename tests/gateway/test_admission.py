"""Who may come in: everybody where no key is configured, else whoever presents one, and no error tells a key."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key
from pointsman.gateway.admission import Keyring
from pointsman.gateway.server.message import Head

KEY = Key("app", hashlib.sha256(b"sk-right").hexdigest(), "support")
KEYS = (KEY, Key("other", "0" * 64))


def asking(headers: dict[bytes, bytes], query: str = "") -> Head:
    return Head("POST", "/v1/chat/completions", query, headers)


def admit(keys: tuple[Key, ...], head: Head) -> Key | None:
    ring = Keyring()
    ring.configure(keys)
    return ring.admit(head)


def refused(headers: dict[bytes, bytes], keys: tuple[Key, ...] = KEYS) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        admit(keys, asking(headers))
    return raised.value


@pytest.mark.parametrize("headers", [{}, {b"authorization": b"Bearer any"}, {b"authorization": b"nonsense"}])
def test_without_keys_everybody_may_come_in(headers: dict[bytes, bytes]) -> None:
    assert admit((), asking(headers)) is None


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"http://127.0.0.1.evil.example", b"http://localhost.evil", b""]
)
def test_a_web_page_from_elsewhere_may_not_spend_the_owners_money(origin: bytes) -> None:
    assert refused({b"origin": origin}, ()).status == 403
    assert admit(KEYS, asking({b"origin": origin, b"authorization": b"Bearer sk-right"})) is KEY


@pytest.mark.parametrize(
    "origin", [b"http://localhost:3000", b"https://127.0.0.1", b"http://[::1]:8080", b"app://localhost"]
)
def test_a_page_of_this_machine_may(origin: bytes) -> None:
    assert admit((), asking({b"origin": origin})) is None


@pytest.mark.parametrize("value", [b"Bearer sk-right", b"bearer sk-right", b"BEARER  sk-right ", b"Bearer sk-right\t"])
def test_the_right_key_comes_in(value: bytes) -> None:
    assert admit(KEYS, asking({b"authorization": value})) is KEY


@pytest.mark.parametrize("value", [None, b"", b"Bearer", b"sk-right", b"Basic sk-right", b"Bearersk-right"])
def test_without_a_key_it_says_how_to_send_one(value: bytes | None) -> None:
    error = refused({} if value is None else {b"authorization": value})
    assert (error.status, error.code) == (401, "missing_api_key")
    assert "Authorization: Bearer KEY" in error.message


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"sk-wrong",
        b"sk-righ",
        b"sk-right x",
        b"SK-RIGHT",
        b"sk-right\x00",
        KEY.sha256.encode(),
        b"0" * 64,
        b"\xff",
    ],
)
def test_any_other_key_is_refused_a_digest_too(value: bytes) -> None:
    error = refused({b"authorization": b"Bearer " + value})
    assert (error.status, error.code) == (401, "invalid_api_key")


@given(st.binary(min_size=8, max_size=60))
def test_no_error_shows_what_was_presented(secret: bytes) -> None:
    for value in (secret, b"Bearer " + secret):
        shown = refused({b"authorization": value}).message
        assert secret.decode("latin-1") not in shown
        assert hashlib.sha256(secret).hexdigest() not in shown


def test_digests_may_be_written_in_capitals() -> None:
    capitals = Key("app", KEY.sha256.upper())
    assert admit((capitals,), asking({b"authorization": b"Bearer sk-right"})) is capitals


@pytest.mark.parametrize(
    ("headers", "query"),
    [({b"x-api-key": b"sk-right"}, ""), ({b"x-goog-api-key": b"sk-right "}, ""), ({}, "alt=sse&key=sk-right")],
)
def test_a_key_comes_where_the_clients_dialect_puts_it(headers: dict[bytes, bytes], query: str) -> None:
    assert admit(KEYS, asking(headers, query)) is KEY
    with pytest.raises(GatewayError):
        admit(KEYS, asking(dict.fromkeys(headers, b"sk-wrong"), query.replace("right", "wrong")))

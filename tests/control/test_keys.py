"""Acts on keys: what is made, what ends, which one is meant."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.control import keys as acts
from pointsman.core.errors import StoreError
from pointsman.core.keys import Earlier, Key, Scope, digest_of
from pointsman.gateway.admission import opens

NOW = 1_750_000_000_000


def test_a_key_has_256_random_bits_and_keeps_none_of_them() -> None:
    key, whole = acts.made(Key("shop", "", customer="acme"), now_ms=NOW)
    other, another = acts.made(Key("shop", ""), now_ms=NOW)
    assert re.fullmatch(r"pm-[0-9a-f]{10}-[0-9a-f]{64}", whole)
    assert whole.split("-")[1] == key.id
    secret = whole.split("-")[2]
    kept = msgspec.msgpack.encode(key) + repr(key).encode()
    assert secret.encode() not in kept
    assert bytes.fromhex(secret) not in kept
    assert (key.name, key.customer, key.made_ms, len(key.salt)) == ("shop", "acme", NOW, 32)
    assert key.sha256 == digest_of(key.salt, whole.encode())
    assert len({key.id, other.id, key.salt, other.salt, whole, another}) == 6


def test_a_rotated_key_takes_both_secrets_until_the_overlap_is_over() -> None:
    key, first = acts.made(Key("shop", ""), now_ms=NOW)
    second, digest = acts.new_secret(key)
    turned = acts.rotated(key, digest, now_ms=NOW, overlap_ms=1000)
    assert second.split("-")[:2] == first.split("-")[:2]
    assert [opens(turned, one.encode(), NOW + 999) for one in (first, second)] == [True, True]
    assert [opens(turned, one.encode(), NOW + 1000) for one in (first, second)] == [False, True]
    at_once = acts.rotated(key, digest, now_ms=NOW, overlap_ms=0)
    assert [opens(at_once, one.encode(), NOW) for one in (first, second)] == [False, True]
    third, digest = acts.new_secret(turned)
    again = acts.rotated(turned, digest, now_ms=NOW + 500, overlap_ms=1000)
    assert [opens(again, one.encode(), NOW + 600) for one in (first, second, third)] == [True, True, True]
    assert [opens(again, one.encode(), NOW + 1200) for one in (first, second, third)] == [False, True, True]
    assert acts.rotated(again, "00", now_ms=NOW + 9000, overlap_ms=1).before == (Earlier(again.sha256, NOW + 9001),)


def test_a_revoked_key_holds_nothing_that_could_open_anything() -> None:
    key, whole = acts.made(Key("shop", ""), now_ms=NOW)
    turned = acts.rotated(key, acts.new_secret(key)[1], now_ms=NOW, overlap_ms=1000)
    gone = acts.revoked(turned, now_ms=NOW + 1)
    assert (gone.sha256, gone.before, gone.revoked_ms) == ("", (), NOW + 1)
    assert not opens(gone, whole.encode(), NOW + 1)
    assert acts.revoked(gone, now_ms=NOW + 9) is gone
    with pytest.raises(StoreError, match="was revoked: make another"):
        acts.rotated(gone, "00", now_ms=NOW, overlap_ms=1)


KEYS = (
    Key("shop", "", id="0a11"), Key("ci", "", id="0b22"), Key("old", "", id="0c33", revoked_ms=1),
    Key("ci", "", id="0d44", revoked_ms=1), Key("0b", "", id="0e55"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("named", "found"),
    [("0a", "0a11"), ("0a11", "0a11"), ("pm-0c", "0c33"), ("shop", "0a11"), ("ci", "0b22"), ("old", "0c33"), ("0b", "0e55")],
)
def test_a_key_is_found_by_name_or_by_the_beginning_of_its_id(named: str, found: str) -> None:
    assert acts.find(KEYS, named).id == found


def test_what_is_not_there_says_what_is() -> None:
    with pytest.raises(StoreError, match=r"'0' may be 0a11 \(shop\), .*write more of the id"):
        acts.find(KEYS, "0")
    with pytest.raises(StoreError, match=r"there is no key 'nobody': there are 0a11 \(shop\), 0b22 \(ci\)"):
        acts.find(KEYS, "nobody")
    with pytest.raises(StoreError, match="none yet; make one with `pointsman key create NAME`"):
        acts.find((), "x")
    with pytest.raises(StoreError) as caught:
        acts.find(KEYS, "pm-" + "9" * 10 + "-" + "f" * 64)
    assert "f" * 8 not in str(caught.value)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope(), ""),
        (Scope(routes=("auto",), deployments=("openai/*", "house/x")), ""),
        (Scope(routes=("aut",)), "there is no route 'aut': there are auto"),
        (Scope(deployments=("opnai/*",)), "'opnai/*' is no deployment here"),
        (Scope(deployments=("gpt-4.1",)), "write PROVIDER/MODEL"),
        (Scope(deployments=("openai/",)), "write PROVIDER/MODEL"),
    ],
)
def test_a_bound_that_names_nothing_is_said(scope: Scope, said: str) -> None:
    found = acts.unknown(scope, ["auto"], ["openai", "house"])
    assert said in found
    assert bool(said) == bool(found)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_key_opens_by_its_own_bytes_only(secret: bytes, presented: bytes) -> None:
    key = replace(KEYS[0], salt="00ff", sha256=digest_of("00ff", secret))
    assert opens(key, presented, NOW) is (presented == secret)

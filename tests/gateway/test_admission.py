"""Who may come in: everybody where no key is configured, else whoever presents one, and no error tells a key."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.control import keys as acts
from pointsman.core.errors import GatewayError, StoreError
from pointsman.core.keys import Key, Scope, digest_of
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


@pytest.mark.parametrize(
    ("host", "let_in"),
    [
        (b"localhost:8080", True), (b"127.0.0.1", True), (b"[::1]:8080", True), (b"gateway", True), (b"10.0.0.7:80", True),
        (b"host.docker.internal:8080", True), (b"box.local", True),
        (b"evil.example", False), (b"evil.example:8080", False), (b"127.0.0.1.evil.example", False), (b"1.evil", False),
        (b"local.evil.example", False), (b"", False),
    ],
)  # fmt: skip
def test_without_keys_a_name_that_somebody_elsewhere_lets_point_here_is_refused(host: bytes, let_in: bool) -> None:
    head = Head("GET", "/metrics", "", {b"host": host})  # a page of the same name sends no origin with it (DNS rebinding)
    if let_in:
        assert admit((), head) is None
    else:
        with pytest.raises(GatewayError) as raised:
            admit((), head)
        assert (raised.value.status, raised.value.code) == (403, "foreign_host")
    assert admit(KEYS, asking({b"host": host, b"authorization": b"Bearer sk-right"})) is KEY


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


# Keys of the store.

NOW = 1_750_000_000_000


class Kept:
    """A store's keys, in memory. ``failing``: it cannot be read."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.changes = len(keys)
        self.failing = False

    def version(self) -> int:
        if self.failing:
            raise StoreError("locked")
        return self.changes

    def all(self) -> list[Key]:
        return list(self.keys)

    def put(self, *keys: Key) -> None:
        self.keys, self.changes = list(keys), self.changes + 1


def bearer(whole: str) -> Head:
    return asking({b"authorization": b"Bearer " + whole.encode()})


def status(ring: Keyring, whole: str, address: str = "127.0.0.1") -> tuple[int, str]:
    with pytest.raises(GatewayError) as raised:
        ring.admit(bearer(whole), address)
    return raised.value.status, raised.value.code


def test_a_key_of_the_store_comes_in_and_a_changed_letter_does_not() -> None:
    key, whole = acts.made(Key("shop", ""), now_ms=NOW)
    ring = Keyring(Kept(key))
    ring.refresh()
    assert ring.admit(bearer(whole)) == key
    for wrong in (whole[:-1], whole + "0", whole[:-1] + ("0" if whole[-1] != "0" else "1"), f"pm-{key.id}-", f"pm-{key.id}"):
        assert status(ring, wrong) == (401, "invalid_api_key")
    assert status(ring, "pm-" + "0" * 10 + whole[13:]) == (401, "invalid_api_key")
    assert status(ring, key.sha256) == (401, "invalid_api_key")


def test_keys_of_file_and_store_come_in_side_by_side() -> None:
    key, whole = acts.made(Key("shop", ""), now_ms=NOW)
    declared = "pm-abc-declared"  # a key in the file may look like one that was made
    ring = Keyring(Kept(key))
    ring.configure((KEY, Key("file", digest_of("", declared.encode()))))
    ring.refresh()
    found = [ring.admit(bearer(one)) for one in (whole, "sk-right", declared)]
    assert [one.name for one in found if one is not None] == ["shop", "app", "file"]


def test_what_changes_in_the_store_is_taken_up_and_counted() -> None:
    key, whole = acts.made(Key("shop", ""), now_ms=NOW)
    kept = Kept(key)
    ring = Keyring(kept)
    ring.refresh()
    before = ring.epoch
    ring.refresh()
    assert ring.epoch == before
    kept.put(acts.revoked(key, now_ms=NOW))
    assert ring.admit(bearer(whole)) == key
    ring.refresh()
    assert ring.epoch > before
    assert status(ring, whole) == (401, "invalid_api_key")
    with pytest.raises(GatewayError):  # the last key ended: nobody may come in, and not everybody
        ring.admit(asking({}))


def test_time_ends_keys_and_secrets_by_itself() -> None:
    now = [NOW]
    key, first = acts.made(Key("shop", "", expires_ms=NOW + 2000), now_ms=NOW)
    second, digest = acts.new_secret(key)
    ring = Keyring(Kept(acts.rotated(key, digest, now_ms=NOW, overlap_ms=1000)), now_ms=lambda: now[0])
    ring.refresh()
    assert ring.admit(bearer(first)) == ring.admit(bearer(second))
    began = ring.epoch
    now[0] += 1000
    assert status(ring, first) == (401, "invalid_api_key")
    ring.refresh()
    assert ring.epoch == began + 1  # who was admitted by it is asked again
    assert ring.admit(bearer(second)) is not None
    now[0] += 1000
    assert status(ring, second) == (401, "invalid_api_key")
    ring.refresh()
    ring.refresh()
    assert ring.epoch == began + 2


def test_time_ends_keys_also_while_the_store_cannot_be_read() -> None:
    now = [NOW]
    key, whole = acts.made(Key("shop", "", expires_ms=NOW + 2000), now_ms=NOW)
    kept = Kept(key)
    ring = Keyring(kept, now_ms=lambda: now[0])
    ring.refresh()
    assert ring.admit(bearer(whole)) == key
    began, kept.failing = ring.epoch, True
    now[0] += 2000
    with pytest.raises(StoreError):
        ring.refresh()
    assert ring.epoch == began + 1  # whoever is connected is asked for the key again


def test_a_key_that_a_clock_set_back_brought_to_life_ends_a_second_time() -> None:
    now = [NOW + 5000]
    key, whole = acts.made(Key("shop", "", expires_ms=NOW + 2000), now_ms=NOW)
    ring = Keyring(Kept(key), now_ms=lambda: now[0])
    ring.refresh()
    now[0] = NOW
    ring.refresh()
    assert ring.admit(bearer(whole)) == key
    began, now[0] = ring.epoch, NOW + 2000
    ring.refresh()
    assert ring.epoch == began + 1


@pytest.mark.parametrize(
    ("networks", "address", "let_in"),
    [
        ((), "", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", True),
        (("::1/128",), "127.0.0.1", False),
        (("10.0.0.0/8",), "10.1.2.3.evil", False),
    ],
)
def test_a_key_is_good_from_its_networks(networks: tuple[str, ...], address: str, let_in: bool) -> None:
    key, whole = acts.made(Key("shop", "", scope=Scope(networks=networks)), now_ms=NOW)
    ring = Keyring(Kept(key))
    ring.refresh()
    if let_in:
        assert ring.admit(bearer(whole), address) == key
    else:
        assert status(ring, whole, address) == (403, "key_scope")


def test_clients_keys_and_administrators_open_different_doors() -> None:
    shop, client = acts.made(Key("shop", ""), now_ms=NOW)
    ops, admin = acts.made(Key("ops", "", admin=True), now_ms=NOW)
    kept = Kept(shop, ops)
    gateway, control = Keyring(kept), Keyring(kept, admin=True)
    for ring in (gateway, control):
        ring.refresh()
    assert (gateway.admit(bearer(client)), control.admit(bearer(admin))) == (shop, ops)
    assert (status(gateway, admin), status(control, client)) == ((403, "wrong_key"), (403, "wrong_key"))


def test_an_admin_key_alone_leaves_the_gateway_open_on_loopback_and_the_control_api_is_never_open() -> None:
    kept = Kept(acts.made(Key("ops", "", admin=True), now_ms=NOW)[0])
    gateway, control = Keyring(kept), Keyring(Kept(), admin=True)
    for ring in (gateway, control):
        ring.refresh()
    assert gateway.admit(asking({})) is None
    with pytest.raises(GatewayError) as raised:
        control.admit(asking({}))
    assert raised.value.status == 401


def test_where_others_can_reach_it_nobody_comes_in_without_a_key() -> None:
    ring = Keyring(Kept(), exposed=True)
    ring.refresh()
    with pytest.raises(GatewayError, match="pointsman key create NAME"):
        ring.admit(asking({}))


def test_keys_that_cannot_be_read_let_nobody_in_and_those_read_stay() -> None:
    key, whole = acts.made(Key("shop", ""), now_ms=NOW)
    kept = Kept(key)
    kept.failing = True
    ring = Keyring(kept)
    with pytest.raises(StoreError):
        ring.refresh()
    with pytest.raises(GatewayError) as raised:
        ring.admit(asking({}))
    assert raised.value.status == 503
    kept.failing = False
    ring.refresh()
    kept.failing = True
    with pytest.raises(StoreError):
        ring.refresh()
    assert ring.admit(bearer(whole)) == key

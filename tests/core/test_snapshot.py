"""The laws of a snapshot's bytes: whole or refused, one content one hash, order kept, no secret."""

import hashlib
import random
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.core.errors import SnapshotError
from pointsman.core.keys import Key
from pointsman.core.price import Price, Rates
from pointsman.core.routing import Deployment, Grader, Objective, Plan, Provider, Route, Trial
from pointsman.core.snapshot import MAGIC, Limits, Snapshot, decode, encode, snapshot_hash

DEAR = Rates(Decimal(5), Decimal(20))
RATES = Rates(Decimal("2.50"), Decimal(10), Decimal("1.25"), Decimal("3.125"))
PRICE = Price(RATES, Decimal("0.001"), "2026-01-01", "config", 200_000, DEAR)
SMALL = Deployment("house/small", "house", "small", "small", context_tokens=8192, tools=False, media=())
PLAN = Plan(
    "*",
    mode="canary",
    reference="house/big",
    candidates=("house/small",),
    accepted=("house/small",),
    acting_share=0.1,
    value_nano=7_000_000,
    one_model="house/small",
    trial=Trial("t", ("house/small",), 0.2, 5_000_000_000),
    grader=Grader("json_fields", "a,b"),
    since_ms=12,
)
FULL = Snapshot(
    providers={"house": Provider("house", "http://127.0.0.1:1/v1", "env:HOUSE_KEY", quirks=("no_usage",))},
    deployments={"house/big": Deployment("house/big", "house", "big", "big", PRICE), "house/small": SMALL},
    routes={"auto": Route("auto", "house/big", ("house/small",), Objective(), 0.05, {"*": PLAN})},
    policies={"auto": bytes(range(256))},
    keys=(Key("app", hashlib.sha256(b"secret").hexdigest(), "support"),),
    limits=Limits(fallbacks=1),
    store_prompts=True,
    store_vectors=False,
    made_by="a test",
)
DATA = encode(FULL)


def sealed(payload: bytes) -> bytes:
    """A payload under its true digest: what another version, not damage, would leave behind."""
    return MAGIC + hashlib.sha256(payload).digest() + payload


@pytest.mark.parametrize("snapshot", [FULL, Snapshot()], ids=["full", "empty"])
def test_it_comes_back_as_it_went_in(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot)) == snapshot


def test_prices_keep_every_digit() -> None:
    price = decode(DATA).deployments["house/big"].price
    assert price is not None
    assert str(price.rates.input) == "2.50"
    assert all(isinstance(rate, Decimal) for rate in (*msgspec.structs.astuple(price.rates), price.per_request))


def test_cut_at_any_byte_it_is_refused() -> None:
    for length in range(len(DATA)):
        with pytest.raises(SnapshotError):
            decode(DATA[:length])


def test_with_any_bit_flipped_it_is_refused() -> None:
    places = range(8 * len(DATA))
    for place in sorted({*places[: 8 * (len(MAGIC) + 40)], *random.Random(1).sample(places, 3000)}):
        damaged = bytearray(DATA)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(SnapshotError):
            decode(bytes(damaged))


@given(st.binary(min_size=1, max_size=40))
def test_with_anything_after_it_it_is_refused(more: bytes) -> None:
    with pytest.raises(SnapshotError, match="damaged or cut short"):
        decode(DATA + more)


@given(
    st.binary(max_size=60) | st.recursive(st.none() | st.integers(0, 9) | st.text(), st.lists).map(msgspec.msgpack.encode)
)
def test_whole_bytes_of_another_version_are_refused_in_words(payload: bytes) -> None:
    try:
        decode(sealed(payload))
    except SnapshotError as error:
        assert "incompatible version" in str(error)  # noqa: PT017 - some payloads, such as an empty map, are snapshots


@pytest.mark.parametrize("payload", [b"\x81\xa7made_by\xa2\xff\xfe", b"\x91" * 5000, b"\x81\xa9providers\xc0", b"\xc1"])
def test_payloads_that_once_escaped_as_other_errors(payload: bytes) -> None:
    with pytest.raises(SnapshotError, match="incompatible version"):
        decode(sealed(payload))


def test_the_same_content_has_the_same_hash_and_any_change_another() -> None:
    assert encode(decode(DATA)) == DATA
    assert snapshot_hash(DATA) == hashlib.sha256(DATA[len(MAGIC) + 32 :]).hexdigest()[:12]
    changes: list[dict[str, object]] = [
        {"made_by": "another"}, {"store_prompts": False}, {"policies": {"auto": b""}}, {"limits": Limits()}, {"keys": ()},
        {"routes": {}}, {"deployments": {"house/small": SMALL}},
    ]  # fmt: skip
    hashes = {snapshot_hash(encode(replace(FULL, **change))) for change in changes}
    assert len(hashes | {snapshot_hash(DATA)}) == len(changes) + 1


@given(st.permutations(["openai/m", "azure/m", "groq/m", "together/m"]))
def test_the_owners_order_of_deployments_is_kept(names: list[str]) -> None:
    deployments = {name: Deployment(name, name.split("/")[0], "m", "m") for name in names}
    assert list(decode(encode(Snapshot(deployments=deployments))).deployments) == names


def test_it_holds_no_secret() -> None:
    """A credential is a source, a key its digest: neither value of which they speak is in the bytes."""
    assert b"env:HOUSE_KEY" in DATA
    assert b"secret" not in DATA
    secrets = {"api_key", "secret", "password", "token"}
    assert not secrets & {name for kind in (Provider, Key, Deployment) for name in kind.__struct_fields__}

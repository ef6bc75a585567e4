"""What the head of a request says of who asks, and for what."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest
from pointsman.core.keys import Key
from pointsman.gateway.caller import Caller
from pointsman.gateway.entries import Entry


def caller(headers: dict[bytes, bytes], key: Key | None = None) -> Caller:
    return Caller(1, Entry("openai_chat"), key, headers)


def request(**metadata: str) -> ChatRequest:
    return ChatRequest("auto", (), metadata=metadata)


@pytest.mark.parametrize(
    ("headers", "metadata", "key", "feature"),
    [
        ({b"x-pointsman-feature": b" support "}, {"feature": "m"}, "k", "support"),
        ({}, {"feature": "m"}, "k", "m"),
        ({}, {"other": "m"}, "k", "k"),
        ({}, {"feature": ""}, "k", "k"),
        ({}, {}, None, "default"),
        ({b"x-pointsman-feature": b""}, {"feature": "m"}, "k", "m"),
        ({b"x-pointsman-feature": b"  "}, {}, "k", "k"),
        ({b"x-pointsman-feature": b"a" * 500}, {}, None, "a" * 128),
        ({}, {"feature": "b" * 500}, None, "b" * 128),
    ],
)
def test_the_feature_comes_from_header_metadata_or_key(
    headers: dict[bytes, bytes], metadata: dict[str, str], key: str | None, feature: str
) -> None:
    assert caller(headers, Key("n", "s", key)).feature_of(request(**metadata)) == feature


def test_without_a_key_the_feature_is_the_default() -> None:
    assert caller({}).feature_of(request()) == "default"


def test_the_conversation_comes_from_header_metadata_harness_or_body() -> None:
    named, harness = {b"x-pointsman-conversation": b" c1 "}, {b"session_id": b"s1"}
    keyed = ChatRequest("auto", (), cache_key="k1")
    assert caller(named | harness).conversation_of(request(conversation="c2")) == "c1"
    assert caller(harness).conversation_of(request(conversation="c2" * 100)) == ("c2" * 100)[:128]
    assert caller(harness).conversation_of(keyed) == "s1"
    assert caller({}).conversation_of(keyed) == "k1"
    assert caller({}).conversation_of(request()) == ""


@pytest.mark.parametrize(
    ("headers", "metadata", "tags"),
    [
        ({}, {}, ()),
        ({b"x-pointsman-task": b" sums "}, {"task": "m"}, ("task:sums",)),
        ({b"x-pointsman-customer": b"Z%C3%BCrich"}, {"task": "m"}, ("task:m", "customer:Zürich")),
        ({b"x-pointsman-task": b""}, {"customer": "c" * 500}, ("customer:" + "c" * 128,)),
    ],
)
def test_tags_come_from_headers_or_metadata(
    headers: dict[bytes, bytes], metadata: dict[str, str], tags: tuple[str, ...]
) -> None:
    assert caller(headers).tags_of(request(**metadata)) == tags


def test_the_customer_is_the_keys_whatever_the_client_says() -> None:
    header, body = {b"x-pointsman-customer": b"acme"}, {"customer": "globex"}
    assert caller({}).customer_of(request()) == ""
    assert caller({}).customer_of(request(**body)) == "globex"
    assert caller(header).customer_of(request(**body)) == "acme"
    theirs = caller(header, Key("n", "s", customer="initech"))
    assert theirs.customer_of(request(**body)) == "initech"
    assert theirs.tags_of(request(**body)) == ("customer:initech",)


def test_one_head_tells_requests_apart_by_their_bodies() -> None:
    one = caller({})
    assert [one.feature_of(request(feature=name)) for name in ("a", "b", "")] == ["a", "b", "default"]
    assert [one.conversation_of(request(conversation=name)) for name in ("a", "b", "")] == ["a", "b", ""]


def test_each_provider_sees_what_its_dialect_knows() -> None:
    one = caller({b"openai-beta": b"b", b"idempotency-key": b"i", b"authorization": b"Bearer secret"})
    for _ in range(2):
        assert one.to_provider("openai_chat") == ((b"openai-beta", b"b"), (b"idempotency-key", b"i"))
        assert one.to_provider("gemini") == ((b"idempotency-key", b"i"),)


@given(st.text(max_size=60))
def test_an_expected_answer_in_any_language_is_read_back(text: str) -> None:
    assert caller({b"x-pointsman-expected": quote(text).encode()}).expected() == text


def test_an_empty_expected_answer_is_one_and_a_missing_one_is_none() -> None:
    assert caller({b"x-pointsman-expected": b""}).expected() == ""
    assert caller({}).expected() is None
    assert caller({b"x-pointsman-expected": b"50%"}).expected() == "50%"
    assert caller({b"x-pointsman-expected": b"%ff"}).expected() == "\ufffd"


@pytest.mark.parametrize("value", ["抽取".encode(), b"%E6%8A%BD%E5%8F%96", b" %E6%8A%BD%E5%8F%96 "])
def test_a_feature_may_be_named_in_any_script(value: bytes) -> None:
    assert caller({b"x-pointsman-feature": value}).feature_of(request()) == "抽取"
    assert caller({b"x-pointsman-conversation": value}).conversation_of(request()) == "抽取"

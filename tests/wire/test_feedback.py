"""What may be said of answers, and how what cannot be read is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import WireError
from pointsman.core.feedback import Feedback
from pointsman.wire.feedback import ITEMS, SKEW_MS, Sender, parsed, read, read_all, weight

NOW = 1_790_000_000_000
SENDER = Sender("client", NOW)
KEYED = Sender("app", NOW, "app")


def body(**fields: Any) -> bytes:
    return json.dumps({"exchange": "x", **fields}).encode()


def decode(body: bytes, sender: Sender) -> list[Feedback]:
    return read_all(parsed(body), sender)


@pytest.mark.parametrize(
    ("said", "kind", "score"),
    [
        ({"score": 0.25}, "score", 0.25),
        ({"score": 1}, "score", 1.0),
        ({"thumb": "up"}, "thumb", 1.0),
        ({"thumb": "down"}, "thumb", 0.0),
        ({"test": "passed"}, "test", 1.0),
        ({"test": "failed"}, "test", 0.0),
        ({"edit": {"from": "one two three four", "to": "one two five four"}}, "edit", 0.75),
        ({"event": "purchase"}, "event", 1.0),
        ({"event": "refund", "value_usd": -3}, "event", 0.0),
    ],
)
def test_everything_that_may_be_said_has_a_score(said: dict[str, Any], kind: str, score: float) -> None:
    (one,) = decode(body(**said), SENDER)
    assert (one.kind, one.score, one.about, one.subject, one.at_ms, one.source) == (
        kind,
        score,
        "exchange",
        "x",
        NOW,
        "client",
    )


def test_no_word_of_an_edit_stays() -> None:
    (one,) = decode(body(edit={"from": "the secret is 42", "to": "the secret is 43"}), SENDER)
    assert "secret" not in repr(one)


@pytest.mark.parametrize(
    ("written", "nano"), [(12.5, 12_500_000_000), ("0.1", 100_000_000), (-1, -1_000_000_000), (1e-9, 1)]
)
def test_money_is_exact(written: object, nano: int) -> None:
    assert decode(body(event="sale", value_usd=written), SENDER)[0].value_nano == nano


def test_subjects_are_our_id_the_clients_own_or_a_conversation() -> None:
    for about in ("exchange", "client_id", "conversation"):
        (one,) = decode(json.dumps({about: " n-1 ", "thumb": "up"}).encode(), SENDER)
        assert (one.about, one.subject) == (about, "n-1")


def test_who_has_a_key_speaks_for_its_own_sources_only() -> None:
    assert decode(body(thumb="up"), KEYED)[0].source == "app"
    (one,) = decode(body(thumb="up", source="users"), KEYED)
    assert (one.source, one.client_key, one.grader) == ("app/users", "app", "feedback:app/users:thumb")
    assert decode(body(event="sale", source="shop"), SENDER)[0].grader == "feedback:shop:event:sale"


def test_what_has_no_id_has_one_of_its_content_so_that_a_file_may_be_read_twice() -> None:
    said = body(thumb="up", at="2026-09-01T00:00:00Z")
    assert decode(said, SENDER)[0].id == decode(said, Sender("client", NOW + 5))[0].id
    assert decode(said, SENDER)[0].id != decode(body(thumb="down", at="2026-09-01T00:00:00Z"), SENDER)[0].id
    assert decode(body(thumb="up", id="mine"), SENDER)[0].id == "mine"


@pytest.mark.parametrize(
    ("said", "words", "param"),
    [
        ({}, "one of score, thumb", None),
        ({"thumb": "up", "score": 1}, "not score and thumb at once", "score"),
        ({"thumb": "up", "conversation": "c"}, "not exchange and conversation at once", "exchange"),
        ({"thumb": "up", "exchange": "  "}, "exchange is empty", "exchange"),
        ({"thumb": "up", "exchange": "x" * 129}, "more than 128", "exchange"),
        ({"thumb": "up", "id": "x" * 129}, "more than 128", "id"),
        ({"thumb": "sideways"}, "sideways", "thumb"),
        ({"thumb": "up", "mood": 1}, "unknown field `mood`", None),
        ({"score": 1.01}, "from 0 to 1", "score"),
        ({"score": -0.01}, "from 0 to 1", "score"),
        ({"score": "1"}, "Expected `float`", "score"),
        ({"score": True}, "Expected `float`", "score"),
        ({"score": None}, "Expected `float`", "score"),
        ({"thumb": "up", "source": "a b"}, "source is no name", "source"),
        ({"thumb": "up", "source": "a:b"}, "source is no name", "source"),
        ({"event": ""}, "event is no name", "event"),
        ({"event": "sale", "value_usd": "NaN"}, "no amount", "value_usd"),
        ({"event": "sale", "value_usd": 1e12}, "no amount", "value_usd"),
        ({"event": "sale", "value_usd": -1e7}, "less than 10,000,000 US dollars", "value_usd"),
        ({"thumb": "up", "value_usd": 1}, "of an event only", "value_usd"),
        ({"edit": {"from": "a"}}, "`to`", "edit"),
        ({"edit": {"from": "a " * 10_001, "to": ""}}, "more than 10,000 words; send a score", "edit"),
        ({"thumb": "up", "at": "yesterday"}, "at is no time", "at"),
        ({"thumb": "up", "at": "nan"}, "at is no time", "at"),
        ({"thumb": "up", "at": 12}, "after the year 2000", "at"),
        ({"thumb": "up", "at": (NOW + SKEW_MS + 1000) / 1000}, "301 s in the future", "at"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_field(said: dict[str, Any], words: str, param: str | None) -> None:
    with pytest.raises(WireError, match=words) as raised:
        decode(body(**said), SENDER)
    assert raised.value.param == param


def test_a_date_alone_is_the_end_of_its_day_and_never_later_than_now() -> None:
    today = datetime.fromtimestamp(NOW / 1000, UTC).date()
    midnight = NOW - NOW % 86_400_000
    assert decode(body(thumb="up", at=f"{today}"), SENDER)[0].at_ms == NOW
    assert decode(body(thumb="up", at=f"{today - timedelta(1)}"), SENDER)[0].at_ms == midnight - 1
    with pytest.raises(WireError, match="in the future"):
        decode(body(thumb="up", at=f"{today + timedelta(1)}"), SENDER)


def test_a_clock_that_is_a_little_ahead_is_no_mistake() -> None:
    assert decode(body(thumb="up", at=(NOW + SKEW_MS) / 1000), SENDER)[0].at_ms == NOW + SKEW_MS


@pytest.mark.parametrize(
    "written", [b"", b"{", b'{"exchange":"x","score":NaN}', b'{"exchange":"\\ud800"}', b"[" * 5000, b"\xff"]
)
def test_what_is_no_json_is_refused(written: bytes) -> None:
    with pytest.raises(WireError, match="not JSON"):
        decode(written, SENDER)


def test_every_mistake_of_a_list_is_told_with_its_place() -> None:
    items = [{"exchange": "x", "thumb": "up"}, {"exchange": "x", "score": 2}, 3, {"thumb": "up"}]
    with pytest.raises(
        WireError, match=r"(?s)item 1: score .*; item 2: an item is .*; item 3: say what it is about"
    ) as raised:
        decode(json.dumps(items).encode(), SENDER)
    assert raised.value.param == "1.score"
    with pytest.raises(WireError, match=r"and 20 more\. Nothing of this body was taken"):
        decode(json.dumps([1] * 30).encode(), SENDER)


def test_more_than_fit_are_refused_with_what_to_do() -> None:
    assert len(decode(json.dumps([{"exchange": "x", "thumb": "up"}] * ITEMS).encode(), SENDER)) == ITEMS
    with pytest.raises(WireError, match=r"10,000 items are too many.*feedback import"):
        decode(json.dumps([{"exchange": "x", "thumb": "up"}] * 10_000).encode(), SENDER)


@pytest.mark.parametrize(
    ("said", "items"),
    [
        ({"exchange": "x", "thumb": "up"}, 1),
        ([{"exchange": "x", "thumb": "up"}] * 1000, 1000),
        ({"exchange": "x", "edit": {"from": "." * 10_000, "to": "." * 10_000}}, 401),
        ([{"exchange": "x", "edit": {"from": "a" * 99, "to": 5}}, 3, {"edit": 4}], 4),
        ({"exchange": "x", "thumb": "up", "no": "x" * 20_000}, 100),
        ([], 1),
        (None, 1),
    ],
)
def test_a_body_counts_by_its_items_and_an_edit_by_its_size(said: Any, items: int) -> None:
    sent = json.dumps(said).encode()
    assert weight(len(sent), parsed(sent)) == items


def test_text_may_stand_for_numbers_where_it_is_said_so() -> None:
    assert read({"exchange": "x", "score": "0.5"}, SENDER, strict=False).score == 0.5
    with pytest.raises(WireError, match="from 0 to 1, not nan"):
        read({"exchange": "x", "score": "nan"}, SENDER, strict=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["exchange", "score", "at", "edit"]), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(written: bytes) -> None:
    try:
        found = decode(written, SENDER)
    except WireError:
        return
    assert all(0 <= one.score <= 1 and one.subject and one.id for one in found)

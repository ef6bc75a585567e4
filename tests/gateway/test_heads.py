"""Which headers pass, and what ours say."""

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.routing import Decision, Prediction
from pointsman.gateway import heads
from pointsman.gateway.server.message import Headers, line

SECRETS = {
    b"authorization": b"Bearer sk", b"cookie": b"c", b"x-api-key": b"k", b"proxy-authorization": b"p", b"host": b"h",
    b"x-pointsman-expected": b"42", b"x-pointsman-feature": b"f", b"x-forwarded-for": b"1.2.3.4", b"x-stainless-os": b"s",
    b"connection": b"close", b"transfer-encoding": b"chunked", b"content-length": b"3", b"accept-encoding": b"br",
}  # fmt: skip
NAMES = st.sampled_from(
    [*SECRETS, b"openai-beta", b"idempotency-key", b"openai-organization", b"retry-after", b"set-cookie"]
)
PREDICTIONS = (Prediction("p/a", 0.91234, 0.1, 1_234_567), Prediction("p/b", None, None, 7))
DECISION = Decision(
    "p/a", ("p/b",), ("p/a", "p/b"), (0.9, 0.1), "auto", "policy", "why", PREDICTIONS, snapshot="0123456789ab"
)


def fields(lines: Headers) -> dict[bytes, bytes]:
    """The headers in lines of a head, each of which must be whole."""
    whole = b"".join(lines)
    assert whole.endswith(b"\r\n")
    return dict(each.split(b": ", 1) for each in whole[:-2].split(b"\r\n"))


@given(st.dictionaries(NAMES | st.binary(max_size=20), st.binary(max_size=10)))
def test_nothing_reaches_a_provider_but_what_is_on_the_list(headers: dict[bytes, bytes]) -> None:
    passed = heads.to_provider({**headers, **SECRETS}, "openai_chat", "openai_chat")
    assert {name for name, _ in passed} <= {b"openai-beta", b"idempotency-key"}
    assert all(headers[name] == value for name, value in passed)


def test_what_is_on_the_list_reaches_the_provider() -> None:
    wanted = {b"openai-beta": b"assistants=v2", b"idempotency-key": b"i"}
    assert dict(heads.to_provider({**SECRETS, **wanted}, "openai_chat", "openai_chat")) == wanted
    assert heads.to_provider({}, "openai_chat", "openai_chat") == ()


def test_an_idempotency_key_is_each_keys_own() -> None:
    asked = {b"idempotency-key": b"i", b"openai-beta": b"y"}
    found = {whose: dict(heads.to_provider(asked, "openai_chat", "openai_chat", whose)) for whose in ("", "a", "b")}
    sent = {whose: one.pop(b"idempotency-key") for whose, one in found.items()}
    assert len({*sent.values()}) == 3
    assert sent[""] == b"i"
    assert sent["a"] == dict(heads.to_provider(asked, "openai_chat", "anthropic", "a"))[b"idempotency-key"]  # tried again
    assert all(one == {b"openai-beta": b"y"} for one in found.values())


def test_headers_of_a_dialect_reach_only_a_provider_that_speaks_it() -> None:
    asked = {b"anthropic-version": b"2024-01-01", b"anthropic-beta": b"x", b"openai-beta": b"y", b"idempotency-key": b"i"}
    same = dict(heads.to_provider(asked, "anthropic", "anthropic"))
    assert same == {b"anthropic-version": b"2024-01-01", b"anthropic-beta": b"x", b"idempotency-key": b"i"}
    other = dict(heads.to_provider(asked, "openai_chat", "anthropic"))
    assert other == {b"anthropic-version": b"2023-06-01", b"idempotency-key": b"i"}
    assert dict(heads.to_provider(asked, "anthropic", "gemini")) == {b"idempotency-key": b"i"}


def test_a_providers_connection_and_cookies_do_not_reach_the_client() -> None:
    passing = [(b"content-type", b"text/event-stream"), (b"x-ratelimit-remaining-tokens", b"5"), (b"openai-version", b"1"),
               (b"retry-after", b"3"), (b"x-request-id", b"r"), (b"content-encoding", b"gzip")]  # fmt: skip
    staying = [(b"set-cookie", b"s"), (b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"server", b"x"),
               (b"content-length", b"9"), (b"date", b"d"), (b"x-pointsman-mode", b"auto"), (b"alt-svc", b"h3")]  # fmt: skip
    assert heads.to_client((*staying, *passing)) == [line(name, value) for name, value in passing]


def test_a_body_written_here_has_one_content_type_and_no_encoding() -> None:
    theirs = ((b"content-type", b"text/html"), (b"content-encoding", b"br"), (b"retry-after", b"3"))
    assert heads.written_here(theirs, b"application/json") == [heads.JSON, line(b"retry-after", b"3")]


def test_our_headers_say_what_was_decided_of_what_served() -> None:
    said = fields(heads.ours("id1", "support", DECISION, "p/a"))
    assert said == {
        b"x-pointsman-exchange": b"id1",
        b"x-pointsman-mode": b"auto",
        b"x-pointsman-arm": b"policy",
        b"x-pointsman-deployment": b"p/a",
        b"x-pointsman-feature": b"support",
        b"x-pointsman-snapshot": b"0123456789ab",
        b"x-pointsman-quality": b"0.912",
        b"x-pointsman-cost": b"0.001234567",
    }


def test_a_fallback_is_told_with_its_own_prediction_and_what_is_unknown_is_left_out() -> None:
    said = fields(heads.ours("id1", "f", DECISION, "p/b"))
    assert said[b"x-pointsman-deployment"] == b"p/b"
    assert said[b"x-pointsman-cost"] == b"0.000000007"
    assert b"x-pointsman-quality" not in said
    assert {b"x-pointsman-quality", b"x-pointsman-cost"}.isdisjoint(fields(heads.ours("id1", "f", DECISION, "p/c")))


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_value_of_ours_can_end_its_header(feature: str, served: str) -> None:
    said = fields(heads.ours("id", feature, DECISION, served))
    assert len(said) >= 6, "no value makes a line more or less"
    assert all(0x20 <= byte <= 0x7E for value in said.values() for byte in value)


@given(st.text(max_size=60))
def test_a_text_can_be_read_back_from_its_header(text: str) -> None:
    value = heads.printable(text)
    plain = text.isascii() and text.isprintable()
    assert value == text.encode() if plain else unquote_to_bytes(value).decode() == text


def test_a_feature_in_any_script_is_shown() -> None:
    assert fields(heads.ours("id", "抽取", DECISION, "p/a"))[b"x-pointsman-feature"] == b"%E6%8A%BD%E5%8F%96"

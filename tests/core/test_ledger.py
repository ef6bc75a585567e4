"""Lines of a ledger: what a record's attempts become, and how lines are bound to one another."""

import pytest
from msgspec.structs import replace
from tests.store.records import START_MS, USAGE, attempt, record

from pointsman.core.chat import Usage
from pointsman.core.ledger import EMPTY, GENESIS, Head, Line, chained, decode, encode, lines_of, read_head
from pointsman.core.record import Attempt


def test_each_attempt_has_a_line_with_who_why_and_what() -> None:
    failed = Attempt(
        "azure/big-1", "first", START_MS, status=503, basis="unknown", bounds=(0, 9_000), most_input=40, most_output=50
    )
    one = record(
        1,
        attempts=(failed, replace(attempt(), cause="fallback", basis="reported", terms="input=1")),
        client_key="app",
        customer="acme",
    )
    first, second = lines_of(one)
    assert (first.exchange, first.attempt, first.why, first.vendor, first.served) == (one.id, 0, "first", "azure", False)
    assert (first.settled, first.nano, first.least, first.most, first.most_input, first.most_output) == (
        False, None, 0, 9_000, 40, 50,
    )  # fmt: skip
    assert (second.attempt, second.why, second.deployment, second.served) == (1, "fallback", "openai/big-1", True)
    assert (second.feature, second.route, second.key, second.customer) == ("support", "auto", "app", "acme")
    assert second.terms == "input=1"
    assert (second.fresh, second.cached, second.cache_written, second.output, second.reasoning) == (750, 200, 50, 100, 20)
    assert (second.settled, second.nano, second.least, second.most) == (True, 1_250_001, None, None)


@pytest.mark.parametrize("basis", ["refused", "unsent"])
def test_what_owes_nothing_is_settled_at_nothing(basis: str) -> None:
    (line,) = lines_of(record(1, attempts=(Attempt("p/m", "first", 1, basis=basis),)))  # type: ignore[arg-type]
    assert (line.settled, line.nano) == (True, 0)


def test_an_evaluations_call_says_so() -> None:
    assert [line.why for line in lines_of(record(1, feature="eval"))] == ["evaluation"]


def test_what_was_imported_has_no_lines() -> None:
    assert lines_of(record(1, source="import:log.jsonl")) == []


def test_counts_below_zero_are_none() -> None:
    usage = Usage(input=10, output=-3, cached=-5, cache_written=4)
    (line,) = lines_of(record(1, attempts=(replace(attempt(), usage=usage),)))
    assert (line.fresh, line.cached, line.cache_written, line.output) == (6, 0, 4, 0)


def test_a_line_is_what_its_text_says() -> None:
    (line,) = lines_of(record(1, attempts=(replace(attempt(), usage=replace(USAGE, tier="flex")),)))
    assert decode(encode(line)) == line
    with pytest.raises(ValueError, match="no line of a ledger"):
        decode(b'{"at_ms": "soon"}')


def test_a_hash_covers_the_line_and_the_one_before() -> None:
    first, second = (encode(Line("x", 1, "first", nano=n)) for n in (1, 2))
    hashes = {chained(GENESIS, first), chained(GENESIS, second), chained(chained(GENESIS, first), second)}
    assert len(hashes) == 3
    # RFC 6234's SHA-256 over 32 bytes of zero and the text, by anybody's tool:
    assert chained(GENESIS, b"").hex() == "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(12, chained(GENESIS, b"x"))
    assert read_head(f" {head.text}\n") == head
    assert read_head(EMPTY.text) == EMPTY
    for wrong in ("", "12", "12:00", "x:" + "00" * 32, "-1:" + "00" * 32, "1:" + "zz" * 32):
        with pytest.raises(ValueError, match=r"."):
            read_head(wrong)

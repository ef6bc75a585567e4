"""What is taken out of texts, what stays, and how long that takes."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.snapshot import Keeping
from pointsman.policy.redaction import KINDS, luhn, mod97, redaction

ALL = redaction(Keeping(redacted=tuple(KINDS)))
assert ALL is not None


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Write to anna.b+x@mail.example.co.uk, please", "Write to [email], please"),
        ("<a@b.de>", "<[email]>"),
        ("call +49 30 123456-78 or (030) 12345678 or 0171/1234567.", "call [phone] or [phone] or [phone]."),
        ("card 4111 1111 1111 1111!", "card [card]!"),
        ("5500-0000-0000-0004", "[card]"),
        ("IBAN DE89 3704 0044 0532 0130 00 and more words", "IBAN [iban] and more words"),
        ("GB82WEST12345698765432, then", "[iban], then"),
        ("fr14 2004 1010 0505 0001 3m02 606", "[iban]"),
        ("from 192.168.17.4:8080 and fe80::1ff:fe23:4567:890a.", "from [ip]:8080 and [ip]."),
        ("at ::1 or ::ffff:10.0.0.1", "at [ip] or [ip]"),
        ("OPENAI_API_KEY=sk-proj-abcdefghijklmnop1234", "OPENAI_API_KEY=[key]"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n", "bearer [key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----", "[key]"),
        ("two: a@b.de, c@d.fr", "two: [email], [email]"),
        ("日本 a@b.de です", "日本 [email] です"),
    ],
)
def test_what_tells_who_somebody_is_is_taken_out(text: str, stored: str) -> None:
    assert ALL is not None
    assert ALL(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "order 4111 1111 1111 1112 of 2026-11-28, 14:05:33",
        "version 1.2.3 and 10.4, 3.14159265358979",
        "the ratio 16:9, std::vector, a::b and 12:30",
        "1234567 items at 99.95",
        "user@localhost and @mention and #1234567890",
        "GB82WEST12345698765431",
        "0000 0000 0000 0000",
        "",
        "sk-short",
        "300.1.2.3",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert ALL is not None
    assert ALL(text) == text


def test_only_what_the_owner_names_is_taken_out() -> None:
    only = redaction(Keeping(redacted=("email",), patterns=(("case", r"CASE-\d+"),)))
    assert only is not None
    assert only("a@b.de of CASE-12 from 10.0.0.1") == "[email] of [case] from 10.0.0.1"
    assert redaction(Keeping()) is None


@given(st.text(alphabet="0123456789", min_size=12, max_size=18))
def test_one_check_digit_of_ten_passes_and_no_single_error_does(digits: str) -> None:
    right = [digits + last for last in "0123456789" if luhn(digits + last)]
    assert len(right) == 1
    (number,) = right
    for place, letter in enumerate(number):
        other = str((int(letter) + 1) % 10)
        assert not luhn(number[:place] + other + number[place + 1 :])


@given(st.from_regex(r"[A-Z]{2}", fullmatch=True), st.from_regex(r"[A-Z0-9]{11,30}", fullmatch=True))
def test_the_check_digits_of_an_account_are_its_own(country: str, rest: str) -> None:
    passing = [check for check in range(2, 99) if mod97(f"{country}{check:02}{rest}")]
    assert len(passing) == 1


@given(st.text(max_size=300))
def test_what_was_redacted_has_nothing_left_to_find(text: str) -> None:
    assert ALL is not None
    once = ALL(text)
    assert ALL(once) == once


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_makes_a_shipped_pattern_slow(kind: str) -> None:
    """Ten times the text takes about ten times as long, on texts made to be almost what is looked for."""
    one = redaction(Keeping(redacted=(kind,)))
    assert one is not None
    unlucky = [
        *(
            "a" * 20,
            "-----BEGIN ",
            "1",
            "1 ",
            "a.",
            "a@",
            "a@a.",
            "+1-",
            "0",
            "DE00 ",
            "DE00AAAA ",
            ":",
            "1:",
            "::1 ",
            "1.",
            "sk-",
        ),
        *("eyJ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----a"),
    ]
    for piece in unlucky:
        took = []
        for length in (3_000, 30_000):
            text = (piece * length)[:length]
            began = time.process_time()
            one(text)
            took.append(time.process_time() - began)
        assert took[1] < max(40 * took[0], 0.2), (piece, took)


def test_every_pattern_can_be_compiled() -> None:
    for pattern, _ in KINDS.values():
        assert re.compile(pattern).search("") is None

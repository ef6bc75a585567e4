"""What robustness is measured with changes a prompt as it says, and nothing that is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from choosing.transformations import SIX, SUFFIXES, casing, reordering, whitespace

ASKED = "Which one is it?\nA. iron\nB. wood\nC. glass\nSay the letter."


def test_options_change_places_under_their_letters() -> None:
    assert reordering(ASKED) == "Which one is it?\nA. glass\nB. wood\nC. iron\nSay the letter."


@given(st.text())
def test_what_has_no_options_stays(text: str) -> None:
    plain = text.replace("-", "").replace("*", "").replace("•", "").replace(".", "").replace(")", "").replace(":", "")
    assert reordering(plain) == plain


@given(st.text())
def test_reordering_twice_is_nothing(text: str) -> None:
    assert reordering(reordering(ASKED + "\n" + text)).split("\n")[:5] == ASKED.split("\n")


@given(st.text(st.characters(codec="ascii")))
def test_blanks_and_case_leave_the_words(text: str) -> None:
    assert whitespace(text).split() == text.split()
    assert casing(text).lower() == text.lower()


@pytest.mark.parametrize("name", SIX)
def test_each_of_the_six_does_something(name: str) -> None:
    assert SIX[name](ASKED) != ASKED


def test_suffixes_differ() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES)

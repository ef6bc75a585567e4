"""What a reviewer does not see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.control.review.scene import snapshot

from pointsman.control.review.veil import HIDDEN, brands, printable, veiled

NAMES = brands(snapshot())


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("I am ChatGPT, made by OpenAI.", f"I am {HIDDEN}, made by {HIDDEN}."),
        ("As GPT-4o I would say", f"As {HIDDEN} I would say"),
        ("As Claude 3.5 Sonnet, I", f"As {HIDDEN} {HIDDEN}, I"),
        ("I'm gemini-2.5-pro.", f"I'm {HIDDEN}."),
        ("Ich bin DeepSeek-V3", f"Ich bin {HIDDEN}"),
        ("as small-2 I think; z/big-1 too", f"as {HIDDEN} I think; {HIDDEN} too"),
        ("我是Qwen2.5，很高兴", f"我是{HIDDEN}，很高兴"),
        ("Claudette and graniteware stay", "Claudette and graniteware stay"),
        ("12 grokked items", "12 grokked items"),
    ],
)
def test_models_are_not_named(answer: str, shown: str) -> None:
    assert veiled(answer, "Who are you?", NAMES) == shown


def test_what_the_request_speaks_of_stays() -> None:
    asked = "Compare OpenAI and Mistral in a sentence."
    assert (
        veiled("OpenAI is larger than Mistral, says Claude.", asked, NAMES)
        == f"OpenAI is larger than Mistral, says {HIDDEN}."
    )


def test_words_that_may_be_any_are_not_hidden() -> None:
    assert "z" not in NAMES
    assert all(not name.islower() or not name.isalpha() for name in NAMES)


def test_without_names_nothing_changes() -> None:
    assert veiled("I am ChatGPT", "", ()) == "I am ChatGPT"


def test_a_terminal_obeys_nothing() -> None:
    assert printable("a\x1b[2J\x1b]0;title\x07b\r\nc\td\x9b31m") == "a�[2J�]0;title�b\nc\td�31m"
    assert printable("safe \u202egnp.exe") == "safe �gnp.exe"
    assert printable("नमस्ते 👩‍👩‍👧 نص") == "नमस्ते 👩‍👩‍👧 نص"


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert not any((ord(letter) < 32 and letter not in "\n\t") or 127 <= ord(letter) < 160 for letter in shown)

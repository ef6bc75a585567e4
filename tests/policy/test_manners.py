"""What is said around a request is taken off; what is asked never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import features
from pointsman.policy.manners import bare

ASKED = "A train leaves Paris at noon doing 80 km/h. When is it in Lyon?\nA. 3 pm\nB. 5 pm\nAnswer:"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hey, can you give me a hand? ", "\nThanks so much, you are great!"),
        ("Dear assistant,\nplease have a look at what follows.\n\n", ""),
        ("Sorry to bother you, but I need some help here. ", "\n\nKind regards"),
        ("", "\nIt is a really difficult task, be careful."),
        ("Attention! This is tough. ", ""),
        ("Beantworte bitte die folgende Frage.\n", ""),
        ("Por favor, responda a pergunta abaixo.\n", ""),
        ("请仔细回答这个问题。", "\n谢谢！"),
    ],
)
def test_what_is_said_around_a_request_is_taken_off(before: str, after: str) -> None:
    assert bare(before + ASKED + after).strip() == ASKED
    assert bare((before + ASKED + after).upper()).strip() == ASKED.upper()


@pytest.mark.parametrize(
    "text",
    [
        ASKED,
        "Please write a poem about the sea.",
        "Please answer with the letter of the correct answer.\n\n" + ASKED,
        "What is hard water?",
        "Translate into French: hello, how are you?",
        "Please help me.",
        "Hello!",
        "",
        "\n\n",
    ],
)
def test_what_is_asked_is_kept(text: str) -> None:
    assert bare(text) == text


@given(st.text(alphabet="ab .!?\nplease thank", max_size=400))
def test_what_is_left_is_a_part_and_never_nothing(text: str) -> None:
    left = bare(text)
    assert left in text
    assert bool(left.strip()) == bool(text.strip())


def test_features_do_not_see_it() -> None:
    def vector(text: str) -> bytes:
        return features.vector(ChatRequest("auto", (Message("user", (Text(text),)),)))

    assert vector("Hello! Could you help me with this, please?\n" + ASKED + "\nThanks!") == vector(ASKED)
    assert vector("Name three rivers.\n" + ASKED) != vector(ASKED)

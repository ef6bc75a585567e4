"""What is said around a request is taken off; what is asked never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import features, manners
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


SAID = st.sampled_from(
    [*sorted(manners._ORDINARY)[::7], *sorted(manners._SIGNS)[::3], "please", "THANKS", "train", "zebra", "x1", "é", "请"]
)
BETWEEN = st.sampled_from([" "] * 6 + [".", "! ", "?", ": ", "\n", "\r\n", "\x1c", "\t", ", ", "...", "7", "", " " * 300])


@given(st.lists(st.tuples(BETWEEN, SAID, BETWEEN), max_size=60).map(lambda parts: "".join(map("".join, parts))))
def test_a_wheel_takes_off_what_the_patterns_take_off(text: str) -> None:
    assert bare(text) == manners._by_patterns(text)
    assert bare(text.upper()) == manners._by_patterns(text.upper())


@given(st.text(st.characters(max_codepoint=127) | st.sampled_from(" .!?:\n\tplease"), max_size=600))
def test_a_wheel_reads_any_ascii_as_the_patterns_do(text: str) -> None:
    assert bare(text) == manners._by_patterns(text)


@pytest.mark.parametrize(
    "changed",
    [
        {0: b"text"},
        {0: "é"},
        {0: "写"},
        {1: b""},
        {1: "kinds"},
        {2: {"word"}},
        {3: ["word"]},
        {4: "0.9"},
        {5: -1},
        {5: 1 << 80},
        {6: None},
    ],
)
def test_what_c_cannot_use_is_refused(changed: dict[int, object]) -> None:
    native = pytest.importorskip("pointsman.policy._text", reason="nothing is compiled here: `make compiled` tests it")
    arguments = [ASKED, manners._KINDS, manners._ORDINARY, manners._SIGNS, 0.9, 240, 3]
    assert native.bare(*arguments) == ASKED
    for place, argument in changed.items():
        arguments[place] = argument
    with pytest.raises((TypeError, ValueError, OverflowError)):
        native.bare(*arguments)
    with pytest.raises(TypeError):
        native.bare(ASKED)


def test_features_do_not_see_it() -> None:
    def vector(text: str) -> bytes:
        return features.vector(ChatRequest("auto", (Message("user", (Text(text),)),)))

    assert vector("Hello! Could you help me with this, please?\n" + ASKED + "\nThanks!") == vector(ASKED)
    assert vector("Name three rivers.\n" + ASKED) != vector(ASKED)

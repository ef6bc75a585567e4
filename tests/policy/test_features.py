"""The feature vector: a pure, constant, bounded description of a request, whatever its text."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Media, Message, Output, Text, Tool, ToolCall
from pointsman.policy import features

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)  # lone surrogates too
LATIN = st.text("abcdefghijklmnopqrstuvwxyz 0123456789.,?", max_size=200)


def asked(user: str, system: str = "", **more: object) -> ChatRequest:
    messages = [Message("user", (Text(user),))]
    if system:
        messages.insert(0, Message("system", (Text(system),)))
    return ChatRequest("auto", tuple(messages), **more)  # type: ignore[arg-type]


def dense(request: ChatRequest) -> np.ndarray:
    found: np.ndarray = features.dense(np.frombuffer(features.vector(request), dtype=np.uint8)[None])[0]
    return found


def similarity(one: str, other: str) -> float:
    a, b = (dense(asked(text))[features.FLAGS :] for text in (one, other))
    return float(a @ b)


@given(ANY_TEXT, ANY_TEXT)
def test_any_text_gives_one_readable_vector_of_constant_length(user: str, system: str) -> None:
    found = features.vector(asked(user, system))
    assert len(found) == features.LENGTH <= 512
    assert found[0] == features.VERSION
    assert features.readable(found)
    assert found == features.vector(asked(user, system))


@given(ANY_TEXT, ANY_TEXT)
def test_sketches_have_norm_one_or_nothing_and_flags_are_shares(user: str, system: str) -> None:
    numbers = dense(asked(user, system))
    flags, mine, theirs = np.split(numbers, (features.FLAGS, features.FLAGS + features.USER_DIMS))
    assert ((flags >= 0) & (flags <= 1)).all()
    for sketch in (mine, theirs):
        assert np.linalg.norm(sketch) == pytest.approx(1, abs=1e-5) or not sketch.any()


def test_the_bytes_are_the_same_in_every_process() -> None:
    code = (
        "from pointsman.core.chat import *; from pointsman.policy import features; "
        "print(features.vector(ChatRequest('a', (Message('user', (Text('Add 17 and 4, 写 please'),)),))).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert done.stdout.strip() == features.vector(asked("Add 17 and 4, 写 please")).hex()


@given(LATIN)
def test_the_words_are_the_same_in_capitals_and_with_other_digits(text: str) -> None:
    other = text.upper().translate(str.maketrans("0123456789", "9876543210"))
    np.testing.assert_array_equal(dense(asked(text))[features.FLAGS :], dense(asked(other))[features.FLAGS :])


def test_a_text_that_is_shouted_is_taken_as_if_it_were_spoken() -> None:
    spoken = "which river flows through Paris, and how long is it?"
    np.testing.assert_array_equal(dense(asked(spoken.upper())), dense(asked(spoken.lower())))
    assert features.vector(asked(spoken)) != features.vector(asked(spoken.lower()))


@given(LATIN)
def test_blanks_between_words_do_not_change_the_words(text: str) -> None:
    other = "\n " + text.replace(" ", " \t\n ") + "  "
    np.testing.assert_array_equal(dense(asked(text))[features.FLAGS :], dense(asked(other))[features.FLAGS :])


def test_texts_that_share_words_are_nearer_than_those_that_do_not() -> None:
    near = similarity("please add the numbers four and five", "please add the numbers six and seven")
    far = similarity("please add the numbers four and five", "write a letter about snow on tuesday morning")
    assert near > far + 0.3
    assert similarity("写一封关于火车的信", "写一封关于茶的信") > similarity("写一封关于火车的信", "请计算十七加四") + 0.2


def test_the_order_of_words_shows_in_their_pairs() -> None:
    assert 0.5 < similarity("the dog bites the man today", "the man bites the dog today") < 0.999


def test_words_are_the_same_beside_other_scripts() -> None:
    """ASCII by itself is split in another way than text of all scripts: the words must not show it."""
    said = "please add the numbers four and five, then multiply by 17 and tell me what x_1 is"
    for other in ("写", "é", "“", "\N{NO-BREAK SPACE}"):
        assert similarity(f"{said} {other}", said) > 0.95
    assert similarity("手机iPhone坏了", "iphone") > 0.2


def test_user_and_system_are_kept_apart() -> None:
    cut = features.FLAGS + features.USER_DIMS
    assert not dense(asked("only the user speaks"))[cut:].any()
    assert dense(asked("hello", "be brief"))[cut:].any()
    np.testing.assert_array_equal(
        dense(asked("hello"))[features.FLAGS : cut], dense(asked("hello", "be brief"))[features.FLAGS : cut]
    )


def test_only_head_and_tail_of_a_huge_text_are_read_but_its_length_is_known() -> None:
    head, tail = "alpha " * 2000, " omega" * 2000
    short, long = asked(head + "x " * 5_000 + tail), asked(head + "y z " * 500_000 + tail)
    np.testing.assert_array_equal(dense(short)[features.FLAGS :], dense(long)[features.FLAGS :])
    assert dense(short)[0] < dense(long)[0]


@pytest.mark.parametrize(
    "changed",
    [
        asked("same", tools=(Tool("f"),) * 2),
        asked("same", output=Output("json_schema")),
        asked("same", max_output_tokens=100),
        ChatRequest("auto", (Message("user", (Text("same"), Media("image"))),)),
        ChatRequest("auto", (Message("user", (Text("same"),)), Message("assistant"))),
    ],
)
def test_what_a_request_asks_for_shows(changed: ChatRequest) -> None:
    assert features.vector(changed) != features.vector(asked("same"))


def test_the_model_name_does_not_show() -> None:
    request = asked("hello")
    assert features.vector(ChatRequest("other", request.messages)) == features.vector(request)


@given(st.binary(max_size=600))
def test_only_vectors_of_this_version_are_read(data: bytes) -> None:
    assert features.readable(data) == (len(data) == features.LENGTH and data[0] == features.VERSION)
    assert not features.readable(bytes((features.VERSION + 1,)) + features.vector(asked("x"))[1:])


def test_input_tokens_count_bytes_frames_tools_and_media() -> None:
    assert features.input_tokens(asked("a" * 400)) == 104
    assert features.input_tokens(asked("写" * 4)) == 7
    assert features.input_tokens(asked("a" * 400, tools=(Tool("f"),) * 2)) == 104 + 128
    seen = ChatRequest("", (Message("user", (Text("abcd"), Media("image"), ToolCall("f", "12345678"))),))
    assert features.input_tokens(seen) == 3 + 4 + 512


@given(st.text(max_size=60))
def test_texts_are_one_group_when_they_differ_in_case_and_blanks_only(text: str) -> None:
    group = features.text_group(text)
    assert len(group) == 16
    assert features.text_group(f"\t{text.replace(' ', '   ')}\n") == group
    assert features.text_group(text + " x") != group


def test_case_and_lone_surrogates_do_not_stop_a_group() -> None:
    assert features.text_group("Hello  World") == features.text_group(" hello world ")
    assert features.text_group("\ud800") == features.text_group("\ud800 ")


@given(st.lists(st.tuples(ANY_TEXT | LATIN, ANY_TEXT), max_size=40))
def test_many_vectors_at_once_are_the_vectors_of_each(texts: list[tuple[str, str]]) -> None:
    requests = [asked(user, system, max_output_tokens=len(user)) for user, system in texts]
    assert features.vectors(requests) == [features.vector(request) for request in requests]
    if requests:  # by arrays, which a wheel has no need of
        assert features._together([features._read(request) for request in requests]) == features.vectors(requests)


def test_many_long_vectors_at_once_are_the_vectors_of_each() -> None:
    """Counts beyond what an entry holds, texts that are cut, and none at all, side by side."""
    texts = ["word " * 3000, "", "7 " * 200 + "你好 " * 200, "a", "?!" * 6000, "one two three four"]
    requests = [asked(text, other) for text in texts for other in texts]
    found = [features.vector(request) for request in requests]
    assert features.vectors(requests) == found
    assert [vector for request in requests for vector in features._together([features._read(request)])] == found


def test_the_bytes_are_those_that_this_version_always_had() -> None:
    """Vectors that were recorded, and policies that learned from them, are read: new bytes are a new ``VERSION``."""
    texts = [
        "Add 17 and 4, 写 please",
        "The quick brown fox, the lazy dog: don't",
        "",
        "İstanbul Straße \ud800 x_1",
        "word " * 500,
    ]
    requests = [
        ChatRequest(
            "a",
            (Message("system", (Text(text[::-1]),)), Message("user", (Text(text),)), Message("assistant")),
            max_output_tokens=len(text),
        )
        for text in texts
    ]
    for found in (features.vectors(requests), [features.vector(request) for request in requests]):
        assert (
            hashlib.sha256(b"".join(found)).hexdigest() == "fdddf32e7bc5446aafa4be1e956d8c84642f84084086e09078a91dfa8047aa47"
        )


def test_batches_of_any_size_and_length_are_cut_where_nobody_sees_it() -> None:
    requests = [asked(f"number {number} " * (1 + number % 7 * 90), "be brief" * (number % 3)) for number in range(300)]
    assert features.vectors(requests) == [features.vector(request) for request in requests]


@given(st.lists(st.floats(min_value=0, allow_nan=False)).map(tuple))
def test_levels_are_rounded_as_python_rounds(numbers: tuple[float, ...]) -> None:
    assert features._levels(numbers) == bytes(round(255 * min(number, 1.0)) for number in numbers)


@pytest.mark.parametrize("numbers", [(-0.1,), (float("nan"),), ("1",), [1.0], None])
def test_what_has_no_level_is_refused(numbers: object) -> None:
    native = pytest.importorskip("pointsman.policy._text", reason="nothing is compiled here: `make compiled` tests it")
    with pytest.raises((TypeError, ValueError)):
        native.levels(numbers)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("text", 4, features._CLASS_OF, 33, 1, 3, 32),
        (b"text", 0, features._CLASS_OF, 33, 1, 3, 32),
        (b"text", 4, b"", 33, 1, 3, 32),
        (b"text", 4, features._CLASS_OF, 65, 1, 3, 32),
        (b"text", 4, features._CLASS_OF, 33, 32, 3, 32),
        (b"text", 4, features._CLASS_OF, 33, 1, 33, 32),
        (b"text", 4, features._CLASS_OF, 33, 1, 3, -1),
        (b"text", 4, features._CLASS_OF, 33, 1, 3, None),
    ],
)
def test_classes_that_are_none_are_refused(arguments: tuple[object, ...]) -> None:
    native = pytest.importorskip("pointsman.policy._text", reason="nothing is compiled here: `make compiled` tests it")
    assert native.shares(b"a\n\n", 3, features._CLASS_OF, 33, 1, 3, 32)[1:] == (2, 0)
    with pytest.raises((TypeError, ValueError)):
        native.shares(*arguments)

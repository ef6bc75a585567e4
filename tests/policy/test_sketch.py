"""Sketches of many texts at once, word by word, and by C in a wheel, are the same bytes: recorded vectors depend on it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.policy import sketch

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)  # lone surrogates too
WORDS = st.lists(st.text("abzAZ09é写_ ", max_size=90), max_size=12).map(" ".join)


@given(st.lists(ANY_TEXT | WORDS, max_size=20), st.sampled_from([128, 704]))
def test_many_sketches_are_the_sketches_of_each(texts: list[str], width: int) -> None:
    found = sketch.sketches(texts, width)
    assert found.shape == (len(texts), width // 2)
    assert [row.tobytes() for row in found] == [sketch.sketch(text, width) for text in texts]
    assert [row.tobytes() for row in found] == [sketch._by_words(sketch._spaced(text).split(), width) for text in texts]


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_bytes_that_are_no_text_are_read_as_the_words_in_them(data: bytes) -> None:
    """What C is given is always UTF-8; it reads anything else within its bounds all the same, as the pattern does."""
    native = pytest.importorskip("pointsman.policy._text", reason="nothing is compiled here: `make compiled` tests it")
    words = sketch._WORD.findall(data.translate(sketch._WORD_BYTES))
    assert native.sketch(data, 128, sketch._WORD_BYTES, sketch._ENTRY_BYTES) == sketch._by_words(words, 128)


@pytest.mark.parametrize(
    "arguments",
    [
        ("text", 704, sketch._WORD_BYTES, sketch._ENTRY_BYTES),
        (b"text", 0, sketch._WORD_BYTES, sketch._ENTRY_BYTES),
        (b"text", 129, sketch._WORD_BYTES, sketch._ENTRY_BYTES),
        (b"text", 1 << 40, sketch._WORD_BYTES, sketch._ENTRY_BYTES),
        (b"text", "704", sketch._WORD_BYTES, sketch._ENTRY_BYTES),
        (b"text", 704, b"", sketch._ENTRY_BYTES),
        (b"text", 704, sketch._WORD_BYTES, b""),
        (b"text", 704),
    ],
)
def test_what_c_cannot_use_is_refused(arguments: tuple[object, ...]) -> None:
    native = pytest.importorskip("pointsman.policy._text", reason="nothing is compiled here: `make compiled` tests it")
    with pytest.raises((TypeError, ValueError)):
        native.sketch(*arguments)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 66, 1000])
def test_a_word_of_any_length_is_hashed_alike(length: int) -> None:
    texts = ["x" * length, "before " + "y0" * (length // 2) + "z after", "é" * length]
    assert [row.tobytes() for row in sketch.sketches(texts, 128)] == [sketch.sketch(text, 128) for text in texts]


def test_capitals_are_the_letters_that_python_makes_small() -> None:
    """Of whole words: the last sigma of one has a form of its own, which what a wheel compiles would not know by itself."""
    assert sketch.sketch("ΑΣ ΟΔΟΣ, ΣΑΣ", 704) == sketch.sketch("ας οδος, σας", 704) != sketch.sketch("ασ οδοσ, σασ", 704)
    assert sketch.sketches(["ΟΔΟΣ"], 128)[0].tobytes() == sketch.sketch("οδος", 128)


@pytest.mark.parametrize("texts", [["", "a", ""], ["a", "", ""], ["", "", "a b"], ["?!", "a", " . "], ["", "?"], []])
def test_texts_without_words_have_empty_sketches_wherever_they_stand(texts: list[str]) -> None:
    rows = [row.tobytes() for row in sketch.sketches(texts, 128)]
    assert rows == [sketch.sketch(text, 128) for text in texts]
    for text, row in zip(texts, rows, strict=True):
        assert (row == bytes((sketch.EMPTY,)) * 64) == (not any(map(str.isalpha, text)))


def test_counts_beyond_what_an_entry_tells_apart() -> None:
    texts = ["word " * 1000 + "seldom", "word " * 70, "a b " * 300]
    assert [row.tobytes() for row in sketch.sketches(texts, 704)] == [sketch.sketch(text, 704) for text in texts]


def test_the_bytes_are_those_of_every_earlier_version() -> None:
    """Vectors that were recorded, and policies that learned from them, are read by this one: these bytes never change."""
    texts = [
        "Add 17 and 4, 写 please",
        "The quick brown fox, the lazy dog: don't",
        "",
        "İstanbul Straße \ud800 x_1",
        "word " * 500,
    ]
    data = b"".join([sketch.sketch(text, 704) + sketch.sketch(text, 128) for text in texts])
    assert hashlib.sha256(data).hexdigest() == "96227dd61b81e69c2cf5592788ba768dd5f21e3905eff1584076d0fbfbdc08ec"

"""Encodings: bounded, versioned, marked; inner products are kept as well as eight bits and a fold can."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.policy import encoding, features


def numbers(count: int, width: int, seed: int = 0) -> encoding.Matrix:
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def cosines(rows: encoding.Matrix) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


@given(st.integers(1, 2000), st.integers(0, 99), st.floats(1e-6, 1e6))
def test_an_encoding_has_its_length_version_and_mark_whatever_the_encoder_gives(width: int, seed: int, size: float) -> None:
    found = encoding.packed("e", numbers(2, width, seed) * np.float32(size))
    assert found.shape == (2, encoding.LENGTH)
    assert set(found[:, 0]) == {encoding.VERSION}
    assert all(row[1 : 1 + encoding.MARK].tobytes() == encoding.mark("e") for row in found)
    np.testing.assert_allclose(np.linalg.norm(encoding.dense(found), axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("width", [3, 100, 384])
def test_what_fits_keeps_its_cosines(width: int) -> None:
    rows = numbers(40, width)
    np.testing.assert_allclose(cosines(encoding.dense(encoding.packed("e", rows))), cosines(rows), atol=0.02)


@pytest.mark.parametrize("width", [768, 1536, 3072])
def test_what_is_folded_keeps_its_cosines_on_average(width: int) -> None:
    """A count-sketch of 384 places: unbiased, with a variance of about one in 384 for each pair."""
    base = numbers(1, width, 1)
    rows = base + numbers(200, width, 2) * np.float32(0.7)
    off = cosines(encoding.dense(encoding.packed("e", rows))) - cosines(rows)
    apart = off[~np.eye(len(off), dtype=bool)]
    assert abs(apart.mean()) < 0.04
    assert apart.std() < 1.5 / np.sqrt(encoding.WIDTH)


def test_two_encoders_have_two_marks() -> None:
    one, two = (encoding.packed(name, numbers(1, 384)) for name in ("one", "two"))
    assert (one != two).any()
    np.testing.assert_array_equal(encoding.dense(one), encoding.dense(two))


def test_nothing_is_an_encoding_of_nothing() -> None:
    np.testing.assert_array_equal(encoding.dense(encoding.packed("e", np.zeros((1, 384), dtype=np.float32))), 0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_number_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="none"):
        encoding.packed("e", np.full((1, 4), wrong, dtype=np.float32))


def asked(*texts: tuple[str, str]) -> ChatRequest:
    return ChatRequest("m", tuple(Message(role, (Text(text),)) for role, text in texts))


def test_the_users_text_is_encoded_and_the_systems_is_not() -> None:
    assert encoding.text_of(asked(("system", "be brief"), ("user", "one"), ("assistant", "two"))) == "one\ntwo"


def test_of_a_long_text_head_and_tail_are_encoded() -> None:
    text = encoding.text_of(asked(("user", "a" * 3000 + "b" * 50_000 + "c" * 1000)))
    assert text == "a" * 3000 + "\n" + "c" * 1000


def test_a_vector_with_an_encoding_behind_it_is_readable_and_reads_as_both() -> None:
    plain = features.vector(asked(("user", "What is 17 * 23?")))
    behind = encoding.packed("e", numbers(1, 384))
    wide = plain + behind.tobytes()
    assert features.readable(plain)
    assert features.readable(wide)
    assert (features.is_wide(plain), features.is_wide(wide)) == (False, True)
    assert not features.readable(plain + b"\x07" * encoding.LENGTH)
    rows = np.frombuffer(wide, dtype=np.uint8)[None, :]
    dense = features.dense(rows)
    np.testing.assert_array_equal(dense[:, features.DIMS :], encoding.dense(behind))
    np.testing.assert_array_equal(dense[:, : features.DIMS], features.dense(features.plain(rows)))

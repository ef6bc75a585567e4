"""Texts of tables: each encoded once, kept at once, and taken up again where an encoder failed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pointsman.control.encodings import BATCH, encoded
from pointsman.core.errors import TableError, UpstreamError
from pointsman.policy import encoding
from pointsman.store.encodings import KeptEncodings


class Lengths:
    """An encoder that makes of a text its length, and fails after so many texts."""

    name = "lengths"

    def __init__(self, fails_after: int = 10**9) -> None:
        self.left = fails_after
        self.seen: list[str] = []

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.left < len(texts):
            raise UpstreamError("protocol", "the encoder is tired", sent=True)
        self.left -= len(texts)
        self.seen += texts
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


TEXTS = [f"{'x' * (n % 50)}{n}" for n in range(100)]


async def test_each_text_is_encoded_once_and_the_order_is_that_of_the_texts(tmp_path: Path) -> None:
    kept, told = KeptEncodings(tmp_path), list[int]()
    encoder = Lengths()
    twice = [*TEXTS, *TEXTS]
    found = await encoded(twice, encoder, kept, told.append)
    assert sorted(encoder.seen) == sorted(TEXTS)
    np.testing.assert_array_equal(found[:100], found[100:])
    alone = [encoding.packed("lengths", np.array([[len(text), 1]], dtype=np.float32))[0] for text in TEXTS]
    np.testing.assert_array_equal(found[:100], alone)
    assert sum(told) == len(TEXTS)
    again = Lengths(0)
    np.testing.assert_array_equal(await encoded(twice, again, kept), found)
    kept.close()


async def test_who_was_interrupted_goes_on(tmp_path: Path) -> None:
    kept = KeptEncodings(tmp_path)
    with pytest.raises(TableError, match=r"the encoder is tired\. What was encoded is kept: run this again"):
        await encoded(TEXTS, Lengths(3 * BATCH), kept)
    rest = Lengths()
    found = await encoded(TEXTS, rest, kept)
    assert len(rest.seen) == len(TEXTS) - 3 * BATCH
    assert len(found) == len(TEXTS)
    kept.close()


async def test_another_encoder_s_work_is_not_taken(tmp_path: Path) -> None:
    kept, other = KeptEncodings(tmp_path), Lengths()
    await encoded(TEXTS[:5], Lengths(), kept)
    other.name = "others"
    found = await encoded(TEXTS[:5], other, kept)
    assert len(other.seen) == 5
    assert found[0, 1 : 1 + encoding.MARK].tobytes() == encoding.mark("others")
    kept.close()


async def test_nothing_is_kept_where_nobody_asked_for_it_and_nothing_is_made_of_nothing() -> None:
    assert (await encoded([], Lengths())).shape == (0, encoding.LENGTH)
    assert (await encoded(["a"], Lengths())).shape == (1, encoding.LENGTH)

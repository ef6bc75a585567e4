import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.kept import MOST_WORDS, share_kept

words = st.lists(st.sampled_from("abcd"), max_size=12)


def longest(old: list[str], new: list[str]) -> int:
    """The length of the longest common subsequence, by the book."""
    table = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, a in enumerate(old):
        for j, b in enumerate(new):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(words, words)
def test_it_is_what_the_book_says(old: list[str], new: list[str]) -> None:
    expected = 2 * longest(old, new) / (len(old) + len(new)) if old or new else 1.0
    assert share_kept(" ".join(old), " ".join(new)) == pytest.approx(expected)
    assert share_kept(" ".join(new), " ".join(old)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("", "", 1.0),
        ("word", "", 0.0),
        ("Paris is the capital.", "Paris is the capital.", 1.0),
        ("Paris is the capital.", "Paris  is\nthe capital .", 1.0),
        ("one two", "two one", 0.5),
        ("我喜欢你", "我不喜欢你", 8 / 9),
        ("naïve café", "naive café", 0.5),
    ],
)
def test_words_are_what_people_take_for_words(before: str, after: str, share: float) -> None:
    assert share_kept(before, after) == pytest.approx(share)


def test_the_longest_is_compared_and_no_longer_one() -> None:
    assert share_kept("a " * MOST_WORDS, "a " * MOST_WORDS) == 1.0
    with pytest.raises(ValueError, match="10,000 words"):
        share_kept("a", "a " * (MOST_WORDS + 1))

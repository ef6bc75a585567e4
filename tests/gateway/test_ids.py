"""Names of exchanges: of one shape, sorted by time, never twice."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.gateway.ids import Ids

START = 1_750_000_000_000


def test_they_are_24_hexadecimal_digits_that_begin_with_the_time() -> None:
    name = Ids().next(START)
    assert len(name) == 24
    assert set(name) <= set("0123456789abcdef")
    assert int(name[:12], 16) == START


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=50), st.integers(0, 2**47))
def test_they_sort_as_they_were_made_while_time_goes_on(times: list[int], seed: int) -> None:
    ids = Ids(seed)
    names = [ids.next(at_ms) for at_ms in sorted(times)]
    assert names == sorted(names)
    assert len(set(names)) == len(names)


def test_within_one_millisecond_none_comes_twice_past_the_end_of_the_count_neither() -> None:
    ids = Ids(2**48 - 3)
    names = [ids.next(START) for _ in range(5000)]
    assert len(set(names)) == 5000
    assert {len(name) for name in names} == {24}


def test_workers_begin_at_random() -> None:
    assert len({Ids().next(START) for _ in range(50)}) == 50
    assert Ids(7).next(START) == Ids(7).next(START)

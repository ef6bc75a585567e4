"""What all counters do."""

import pytest

from pointsman.store.interfaces import Store


def test_counters_begin_at_zero_and_are_apart(store: Store) -> None:
    assert store.counters.get("a") == 0
    assert store.counters.add("a", 5) == 5
    assert store.counters.add("a", -7) == -2
    assert store.counters.add("b", 1) == 1
    assert (store.counters.get("a"), store.counters.get("b"), store.counters.get("c")) == (-2, 1, 0)


def test_a_limit_may_be_reached_and_not_passed(store: Store) -> None:
    assert store.counters.add("a", 11, limit=10) is None
    assert store.counters.get("a") == 0
    assert store.counters.add("a", 10, limit=10) == 10
    assert store.counters.add("a", 1, limit=10) is None
    assert store.counters.add("a", 0, limit=10) == 10
    assert store.counters.add("a", 1, limit=11) == 11
    assert store.counters.add("a", -1) == 10


def test_money_beyond_what_floats_hold_is_exact(store: Store) -> None:
    store.counters.add("a", 2**60)
    assert store.counters.add("a", 1) == 2**60 + 1


def test_a_number_that_does_not_fit_changes_nothing(store: Store) -> None:
    store.counters.add("a", 2**62)
    with pytest.raises(ValueError, match="cannot be stored"):
        store.counters.add("a", 2**62)
    assert store.counters.get("a") == 2**62

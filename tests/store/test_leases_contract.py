"""What every store does with leases: the limit is never passed, and what a dead worker had not used goes back."""

import gc
from pathlib import Path

import pytest
from tests.store.records import opened

from pointsman.core.budget import Budget, Window, account
from pointsman.core.errors import StoreError
from pointsman.store import tally
from pointsman.store.interfaces import Store
from pointsman.store.leases import Ask, Holder
from pointsman.store.tally import FileTally

NOW = 1_790_000_000_000
ACCOUNT = account(Budget("b", "usd", 1000, "day"), "", NOW)
OTHER = account(Budget("b", "usd", 1000, "day", "customer"), "acme", NOW)


def died(holder: Holder) -> None:
    """Leave a holder as a killed process leaves it: its file is there, its lock is not."""
    mine = holder.tally
    assert isinstance(mine, FileTally)
    path, name = mine._path, mine.name
    kept = path.with_name("." + name + ".kept")
    path.rename(kept)
    mine.close()
    kept.rename(path)


def ask(holder: Holder, least: int, wanted: int = 0, *, lease: int = 0) -> tuple[int, int]:
    (found,) = holder.renew([Ask(ACCOUNT, 1000, lease, 0, least, wanted)], NOW)
    return found.number, found.granted


def test_leases_never_pass_the_limit_together(store: Store) -> None:
    one, two = store.leases.hold(), store.leases.hold()
    first, granted = ask(one, 100, 1000)
    assert granted == 250, "a quarter of what is left, at most"
    second, granted = ask(two, 600, 1000)
    assert granted == 600, "what one call needs is granted whole"
    assert two.renew([Ask(ACCOUNT, 1000, second, 0, 200, 200)], NOW)[0].short
    assert ask(one, 150, 200, lease=first) == (first, 400)
    assert ask(one, 1, 200, lease=first) == (first, 400)
    (standing,) = store.leases.standing(NOW)
    assert (standing.used, standing.leased) == (0, 1000)
    one.close()
    two.close()


def test_what_is_given_back_is_there_for_others_and_they_hear_who_needs_it(store: Store) -> None:
    one, two = store.leases.hold(), store.leases.hold()
    first, _ = ask(one, 900)
    second, granted = ask(two, 200)
    assert granted == 0
    assert one.wanted_back(NOW) == [first]
    assert one.wanted_back(NOW + 1) == []
    assert one.wanted_back(NOW - 3_600_000) == [], "the clock was set back by an hour"
    (lease,) = one.renew([Ask(ACCOUNT, 1000, first, 300, keep=300)], NOW)
    assert lease.granted == 300
    (lease,) = two.renew([Ask(ACCOUNT, 1000, second, 0, 200, 0)], NOW)
    assert (lease.granted, lease.used, lease.short, lease.idle) == (200, 300, False, 0)
    one.close()
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(0, 200)], (
        "its tally says that nothing was used"
    )
    two.close()


def test_who_comes_up_short_keeps_what_it_says_and_no_more(store: Store) -> None:
    one, two = store.leases.hold(), store.leases.hold()
    first, _ = ask(one, 500)
    ask(two, 400)
    (lease,) = one.renew([Ask(ACCOUNT, 1000, first, 100, 600, 600, keep=100)], NOW)
    assert (lease.short, lease.granted, lease.idle) == (True, 100, 400)
    assert ask(two, 500)[1] == 500
    one.close()
    two.close()


def test_a_call_that_became_larger_than_thought_counts_whole(store: Store) -> None:
    holder = store.leases.hold()
    number, _ = ask(holder, 100)
    (lease,) = holder.renew([Ask(ACCOUNT, 1000, number, 950, 60, 60)], NOW)
    assert lease.short
    (lease,) = holder.renew([Ask(ACCOUNT, 1000, number, 950, 50, 50)], NOW)
    assert lease.granted == 1000
    (lease,) = holder.renew([Ask(ACCOUNT, 1000, number, 950, end=True)], NOW)
    assert (lease.number, lease.used) == (0, 950)
    holder.close()
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(950, 0)]


def test_a_dead_workers_lease_counts_until_it_is_reconciled_and_then_by_its_tally(store: Store) -> None:
    alive, dead = store.leases.hold(), store.leases.hold()
    kept, _ = ask(alive, 100)
    number, _ = ask(dead, 500)
    dead.tally.leases[7], dead.tally.used[7] = number, 123
    died(dead)
    assert ask(alive, 500, lease=kept)[1] == 100, "nobody knows yet that it is dead"
    assert store.leases.reconcile(NOW) == 1
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(123, 100)]
    assert store.leases.reconcile(NOW) == 0
    alive.close()


def test_a_lease_that_was_written_and_never_reached_its_worker_goes_back_whole(store: Store) -> None:
    dead = store.leases.hold()
    ask(dead, 500)
    died(dead)
    store.leases.reconcile(NOW)
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(0, 0)]


@pytest.mark.parametrize("how", ["gone", "cut", "another boot", "no boot"])
def test_what_no_tally_proves_unused_counts_as_used(
    store: Store, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = store.leases.hold()
    number, _ = ask(dead, 500)
    dead.tally.leases[0], dead.tally.used[0] = number, 1
    died(dead)
    (file,) = (tmp_path / "leases").iterdir()
    if how == "gone":
        file.unlink()
    elif how == "cut":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        monkeypatch.setattr(tally, "boot", lambda: b"another" if how == "another boot" else b"")
    assert store.leases.reconcile(NOW) == 1
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(500, 0)]
    assert list((tmp_path / "leases").iterdir()) == []


def test_accounts_are_apart_and_forgotten_long_after_their_window(store: Store) -> None:
    holder = store.leases.hold()
    asks = [Ask(ACCOUNT, 1000, 0, 0, 1000), Ask(OTHER, 1000, 0, 0, 1000)]
    assert [one.granted for one in holder.renew(asks, NOW)] == [1000, 1000]
    assert store.leases.standing(ACCOUNT.ends_ms) == []
    store.leases.reconcile(NOW + 10 * 86_400_000)
    assert len(store.leases.standing(NOW)) == 2, "somebody still holds leases of them"
    holder.close()
    store.leases.reconcile(NOW + 10 * 86_400_000)
    assert store.leases.standing(NOW) == []


def test_a_day_and_a_month_that_begin_together_are_two_accounts(store: Store) -> None:
    first = 1_793_491_200_000  # the first of a month
    windows: tuple[Window, Window] = ("day", "month")
    day, month = (account(Budget("b", "usd", 5, window), "", first) for window in windows)
    assert day.began_ms == month.began_ms
    holder = store.leases.hold()
    assert [one.granted for one in holder.renew([Ask(day, 5, 0, 0, 5), Ask(month, 5, 0, 0, 5)], first)] == [5, 5]
    holder.close()


def test_after_its_end_a_worker_holds_nothing_any_more(store: Store, tmp_path: Path) -> None:
    holder = store.leases.hold()
    number, _ = ask(holder, 10)
    holder.tally.leases[0], holder.tally.used[0] = number, 4
    holder.close()
    holder.close()
    assert [(one.used, one.leased) for one in store.leases.standing(NOW)] == [(4, 0)]
    with pytest.raises(StoreError, match="given back"):
        ask(holder, 1)
    assert list((tmp_path / "leases").iterdir()) == []


def test_two_stores_see_who_lives(kind: str, tmp_path: Path) -> None:
    here, there = opened(kind, tmp_path), opened(kind, tmp_path)
    holder = here.leases.hold()
    ask(holder, 10)
    assert there.leases.reconcile(NOW) == 0
    died(holder)
    gc.collect()
    assert there.leases.reconcile(NOW) == 1
    here.close()
    there.close()

"""What bench/budgets.py finds of keys that were lost, half made, or come back, where commands were killed."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from pointsman.control import keys as acts
from pointsman.core.audit import Act
from pointsman.core.keys import Key
from spending.keys import CREATE, REVOKE, ROTATE, Held, Told, faults, logged


def made(name: str) -> tuple[Key, Held]:
    key, secret = acts.made(Key(name, ""), now_ms=1)
    return key, Held(key.id, name, {secret})


def found(told: Told, keys: list[Key], *done: tuple[str, Key]) -> list[str]:
    lines = [Act(n, 1, "cli:me", act, f"key {key.id}", key.name) for n, (act, key) in enumerate(done, 1)]
    return list(faults(told, keys, logged(lines)))


def test_a_store_that_has_what_was_told_has_no_fault() -> None:
    (key, held), (cut, _), (other, ended) = made("a"), made("b"), made("c")
    held.rotated("new", overlaps=True)
    ended.revoked()
    told = Told([held, ended], ["b", "never written"])
    keys = [key, cut, acts.revoked(other, now_ms=2)]
    assert found(told, keys, *((CREATE, one) for one in keys), (ROTATE, key), (REVOKE, other)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: [], "a was shown and is not there"),
        (lambda key: [key, replace(key, id="0" * 10, name="b")], "b is there, and nobody made it"),
        (lambda key: [acts.revoked(key, now_ms=2)], "a is revoked, and the log says otherwise"),
        (lambda key: [key, replace(key, id="0" * 10, name="cut", sha256="")], "cut is there, and half"),
    ],
)
def test_what_was_lost_or_is_half_there_is_told(change: Callable[[Key], list[Key]], words: str) -> None:
    key, held = made("a")
    assert words in found(Told([held], ["cut"]), change(key), (CREATE, key))


def test_an_act_that_was_told_and_is_not_in_the_log_is_a_fault_and_one_that_was_cut_off_is_none() -> None:
    key, held = made("a")
    held.cut = ROTATE
    assert found(Told([held]), [key], (CREATE, key)) == found(Told([held]), [key], (CREATE, key), (ROTATE, key)) == []
    held.cut = ""
    assert found(Told([held]), [key], (CREATE, key), (ROTATE, key)) == ["a: key rotate told 0 times, and 1 times in the log"]
    held.revoked()
    assert "a: key revoke told 1 times, and 0 times in the log" in found(Told([held]), [key], (CREATE, key))


def test_secrets_open_until_they_were_rotated_out_or_the_key_was_revoked() -> None:
    _, held = made("a")
    first = held.last
    held.rotated("second", overlaps=True)
    held.rotated("third", overlaps=False)
    assert (held.opening, held.ended) == ({first, "third"}, {"second"})  # the first one has its day
    held.revoked()
    assert (held.opening, held.ended) == (set(), {first, "second", "third"})


@pytest.mark.parametrize(
    ("cut", "overlaps", "written", "opens"),
    [(ROTATE, False, True, False), (ROTATE, True, True, True), (ROTATE, False, False, True), (REVOKE, False, True, False)],
)
def test_the_log_says_what_an_act_did_that_was_cut_off(cut: str, overlaps: bool, written: bool, opens: bool) -> None:
    _, held = made("a")
    held.cut, held.overlaps = cut, overlaps
    held.settle(held.told + type(held.told)({cut: written}))
    assert bool(held.opening) is opens

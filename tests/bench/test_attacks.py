"""The attacks on framing, as the reader sees them: what must be refused is, and nothing hidden is ever a request."""

import pytest

from attacking.smuggling import Attack, attacks
from pointsman.core.snapshot import Limits
from pointsman.gateway.server.message import Incoming
from pointsman.gateway.server.reader import RequestReader, Room

ALL = {attack.name: attack for attack in attacks()}
SHORT = [attack for attack in ALL.values() if len(attack.data) < 20_000]
LONG = [attack for attack in ALL.values() if len(attack.data) >= 20_000]
WELL_FORMED = ("a request as a body", "line b'POST *", "line b'POST http:", "line b'POST file:")
"""What is refused for its content or its path, not for its framing."""


def read(data: bytes, size: int) -> tuple[list[Incoming], RequestReader]:
    reader = RequestReader(Limits, Room(10**9))
    found = [one for place in range(0, len(data), size) for one in reader.feed(data[place : place + size])]
    return found, reader


@pytest.mark.parametrize("attack", SHORT, ids=lambda one: one.name)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_no_attack_gets_through_however_it_is_cut(attack: Attack, size: int) -> None:
    found, reader = read(attack.data, size)
    assert len(found) <= attack.replies
    assert not any(one.head.path == "/smuggled" for one in found)
    if attack.must == "served":
        assert len(found) == attack.replies
        assert reader.problem is None
    if attack.must == "refused" and not attack.name.startswith(WELL_FORMED):
        assert found == []


@pytest.mark.parametrize("attack", LONG, ids=lambda one: one.name)
def test_what_has_no_end_is_refused_or_counts_once(attack: Attack) -> None:
    found, reader = read(attack.data, 65_536)
    assert len(found) <= attack.replies
    if attack.must == "refused":
        assert reader.problem is not None or not found


def test_there_are_many() -> None:
    assert len(ALL) > 200

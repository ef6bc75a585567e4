"""What one address may hold: whatever comes and goes, no more than its part, and what was held is free again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import GatewayError
from pointsman.core.snapshot import Limits
from pointsman.gateway.server.addresses import Address, Addresses, whose
from pointsman.gateway.server.listener import CONNECTIONS
from pointsman.gateway.server.reader import Room


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no:address", "no:address"),
    ],
)
def test_what_counts_as_one_address(peer: str, name: str) -> None:
    assert whose(peer) == name


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=60))
def test_nobody_holds_more_than_its_part_and_all_is_given_back(steps: list[tuple[bool, str]]) -> None:
    addresses, limits = Addresses(5, Room(100)), Limits(connections_per_address=3)
    held: list[Address] = []
    for comes, peer in steps:
        mine = [one for one in held if one.name == peer]
        if comes and (len(held) == 5 or len(mine) == 3):
            with pytest.raises(GatewayError, match="open$" if len(held) == 5 else "from this address: 3, and limits"):
                addresses.join(peer, limits)
        elif comes:
            held.append(addresses.join(peer, limits))
        elif mine:
            held.remove(mine[0])
            addresses.leave(mine[0])
    for one in held:
        addresses.leave(one)
    assert (addresses._held, addresses._found) == (0, {})


def test_a_part_of_the_room_holds_a_body_of_the_longest() -> None:
    everybody = Room(100)
    addresses = Addresses(5, everybody)
    one, two = addresses.join("a", Limits(body_bytes=10)).room, addresses.join("b", Limits(body_bytes=90)).room
    assert (one.take(75), one.take(1), everybody.left) == (True, False, 25)
    assert (two.take(26), two.left, everybody.left) == (False, 90, 25)
    one.give(75)
    assert (two.take(90), everybody.left) == (True, 10)


def test_by_default_who_holds_all_that_it_may_leaves_room_and_can_use_every_place_of_a_request() -> None:
    limits = Limits()
    assert limits.concurrent < limits.connections_per_address < CONNECTIONS

"""A drill reads a replay without the vendor: what depended on it, who takes over, and what nobody serves."""

from msgspec.structs import replace

from pointsman.control.drill import Dearer, Exposure, Taker, drill, vendors
from pointsman.control.replay.answer import Answer, Move, Replay, Unserved, Who
from pointsman.core.routing import Deployment, Provider
from pointsman.core.snapshot import Snapshot


def an_answer(feature: str, who: tuple[Who, ...], moves: tuple[Move, ...], unserved: tuple[Unserved, ...] = ()) -> Answer:
    then = sum(one.nano_then for one in who)
    requests = sum(one.requests_then for one in who)
    return Answer(feature, requests, 0.0, then, 0, 0, 0, 0.0, who, moves, unserved)


LOST = Unserved("v/big", "what is left does not take tools", 3, 30)
SUPPORT = an_answer(
    "support",
    (Who("v/big", 10, 100, 0.0, 0, 0), Who("w/big", 5, 60, 11.0, 150, 90)),
    (Move("v/big", "w/big", 6.0, 90, 90), Move("v/small", "w/big", 1.0, 2, 2), Move("w/big", "w/big", 5.0, 60, 0)),
    (LOST,),
)
CODING = an_answer("coding", (Who("w/big", 7, 70, 7.0, 70, 0),), (Move("w/big", "w/big", 7.0, 70, 0),))
WHOLE = an_answer("", (Who("v/big", 10, 100, 0.0, 0, 0), Who("w/big", 12, 130, 18.0, 220, 90)), (), (LOST,))


def test_only_what_depended_on_the_vendor_is_told() -> None:
    found = drill("v", ("v/big", "v/small", "v/never"), Replay(1, "x", WHOLE, (CODING, SUPPORT)))
    assert found.deployments == ("v/big",)
    assert (found.requests, found.of, found.nano_then, found.nano, found.lost) == (10, 22, 100, 92, 3)
    assert found.exposures == (Exposure("support", 10, 15, 100, (Taker("w/big", 7.0, 92, 92),), (LOST,), None),)
    assert found.exposures[0].share == 10 / 15


def test_a_vendor_that_answered_nothing_exposes_nothing() -> None:
    found = drill("u", ("u/big",), Replay(1, "x", WHOLE, (CODING, SUPPORT)))
    assert (found.requests, found.exposures, found.lost) == (0, (), 0)


def test_what_a_dearer_vendor_costs_is_of_all_exchanges() -> None:
    dear = an_answer("", (Who("v/big", 10, 100, 9.0, 180, 0), Who("w/big", 12, 130, 13.0, 140, 10)), ())
    dear = replace(dear, exact_nano=310, expected_nano=10, moved=1.0)
    found = drill("v", ("v/big",), Replay(1, "x", WHOLE, (SUPPORT,)), Replay(1, "x", dear, ()))
    assert found.dearer == Dearer(2, 230, 320, 1.0)
    assert drill("v", ("v/big",), Replay(1, "x", WHOLE, (SUPPORT,))).dearer is None


def test_vendors_are_providers_that_have_something_to_lose() -> None:
    providers = {name: Provider(name, "http://x") for name in ("v", "idle", "w")}
    deployments = {name: Deployment(name, name[0], "m", name) for name in ("w/a", "v/a")}
    assert vendors(Snapshot(providers, deployments)) == ("v", "w")

"""The table of what is known of busy deployments, row by row; the clock is the test's."""

import random

import pytest

from pointsman.core.routing import Deployment, Pool
from pointsman.gateway.attempt import Call
from pointsman.gateway.health import LONGEST_RETRY_AFTER_S
from pointsman.gateway.loads import HALF_LIFE_S, REGROWS, Loads
from pointsman.policy.balance import Load, drawn, shares

UNIX = 1_800_000_000.0
SECONDS, SETTLED = 120, 20


def left(remaining: int, reset: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-ratelimit-limit-requests", b"100"),
        (b"x-ratelimit-remaining-requests", str(remaining).encode()),
        (b"x-ratelimit-reset-requests", reset.encode()),
    )


def test_of_what_was_never_asked_nothing_is_known() -> None:
    assert Loads().now(5.0) == {}


def test_calls_under_way_are_counted() -> None:
    loads = Loads()
    loads.began("a")
    loads.began("a")
    assert loads.now(0.0)["a"].under_way == 2
    loads.ended("a")
    assert loads.now(0.0) == {"a": Load(under_way=1)}


def test_a_quota_fills_up_again_until_its_reset() -> None:
    loads = Loads()
    loads.replied("a", 100.0, 0.2, left(20, "8s"), UNIX)
    assert [loads.now(now)["a"].quota for now in (100.0, 104.0, 108.0, 200.0)] == pytest.approx([0.2, 0.6, 1.0, 1.0])
    loads.replied("a", 101.0, 0.2, (), UNIX)
    assert loads.now(101.0)["a"].quota == pytest.approx(0.3), "a reply that says nothing takes nothing back"


def test_latency_forgets() -> None:
    loads = Loads()
    loads.replied("a", 0.0, 0.1, (), UNIX)
    assert loads.now(0.0)["a"].latency_ms == pytest.approx(100)
    loads.replied("a", HALF_LIFE_S, 0.3, (), UNIX)
    assert loads.now(0.0)["a"].latency_ms == pytest.approx(200)
    loads.replied("a", 100 * HALF_LIFE_S, 0.0, (), UNIX)
    assert loads.now(0.0)["a"].latency_ms == pytest.approx(1)


def test_a_refusal_halves_and_it_grows_back() -> None:
    loads = Loads()
    loads.refused("a", 10.0, None, (), UNIX)
    assert loads.now(10.0)["a"].allowance == pytest.approx(0.5)
    loads.refused("a", 10.5, None, (), UNIX)
    assert loads.now(10.5)["a"].allowance == pytest.approx(0.5), "calls that were on their way are not counted again"
    loads.refused("a", 11.5, None, (), UNIX)
    assert loads.now(11.5)["a"].allowance == pytest.approx((0.5 + REGROWS) / 2)
    assert loads.now(60.0)["a"].allowance == 1.0


def test_until_retry_after_it_is_given_nothing_and_then_begins_small() -> None:
    loads = Loads()
    loads.refused("a", 10.0, 30.0, (), UNIX)
    assert loads.now(39.9)["a"].allowance == 0.0
    assert loads.now(40.0)["a"].allowance == pytest.approx(0.5)
    loads.refused("a", 12.0, None, (), UNIX)
    assert loads.now(39.9)["a"].allowance == 0.0
    assert loads.now(40.0)["a"].allowance == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("status", "known"),
    [
        (200, Load(quota=0.5, latency_ms=1500)),
        (429, Load(quota=0.5, allowance=0.0)),
        (500, Load()),
        (400, Load()),
    ],
)
def test_what_is_learned_of_a_reply(status: int, known: Load) -> None:
    call = Call(Deployment("a", "p", "m", "m"), "first", 10.0, 0)
    call.replied, call.status = 11.5, status
    loads = Loads()
    loads.began("a")
    loads.answered(call, (*left(50, "60s"), (b"retry-after", b"30")), UNIX)
    loads.ended("a")
    assert loads.now(11.5)["a"] == known


@pytest.mark.parametrize(("rate", "capacity"), [(100, 40), (100, 90), (100, 10), (20, 10)])
def test_what_a_deployment_takes_is_found_by_its_refusals_alone(rate: int, capacity: int) -> None:
    """``capacity`` of ``rate`` requests a second are taken and the rest refused, and no reply names a quota."""
    rng, loads, pool = random.Random(rate), Loads(), Pool((("a",), ("b",)))
    taken = refused = 0
    for second in range(SECONDS):
        room = capacity
        for place in range(rate):
            now = second + place / rate
            if drawn(shares(pool, ("a", "b"), loads.now(now)), rng.random()) == "b":
                continue
            room -= 1
            settled = second >= SETTLED
            if room >= 0:
                taken += settled
                loads.replied("a", now, 0.1, (), UNIX)
            else:
                refused += settled
                loads.refused("a", now, None, (), UNIX)
    assert taken >= 0.7 * capacity * (SECONDS - SETTLED), "it is used"
    assert refused <= 0.03 * rate * (SECONDS - SETTLED), "and hardly ever asked in vain"


@pytest.mark.parametrize("asked", [float("inf"), 1e12, -5.0])
def test_nobody_is_left_alone_for_longer_than_the_longest_wait(asked: float) -> None:
    loads = Loads()
    loads.refused("a", 10.0, asked, (), UNIX)
    assert loads.now(10.0 + LONGEST_RETRY_AFTER_S + 60.0)["a"].allowance > 0.5

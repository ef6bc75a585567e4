"""What the loss of a vendor would mean: a replay without it, told by what depends on it.

Strategy: the journal is decided again by today's snapshot with all of the vendor's deployments down (``control/replay``),
and what the vendor serves today is set against who would take it, for how much, on what evidence, and what nobody could
serve.

Laws: a fallback that was never graded on a feature's requests is named as such; nothing is called safe.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from pointsman.control.replay.answer import Answer, Quality, Replay, Unserved
from pointsman.core.snapshot import Snapshot

TIMES: Final = 2
"""How many times as dear a vendor is imagined."""


class Taker(Struct, frozen=True):
    """Who would take the vendor's requests of a feature: how many (expected), for how many nano-dollars (some expected)."""

    deployment: str
    requests: float
    nano: int
    expected_nano: int


class Exposure(Struct, frozen=True):
    """One feature's dependence on a vendor.

    ``requests`` of all ``of`` were the vendor's, for ``nano_then``; ``takers`` would serve them, and ``unserved`` nobody.
    ``quality`` is what is known of the whole feature's quality without the vendor.
    """

    feature: str
    requests: int
    of: int
    nano_then: int
    takers: tuple[Taker, ...]
    unserved: tuple[Unserved, ...]
    quality: Quality | None

    @property
    def share(self) -> float:
        """The part of the feature's requests that the vendor answered."""
        return self.requests / self.of if self.of else 0.0

    @property
    def nano(self) -> int:
        """What the requests that somebody takes would cost."""
        return sum(taker.nano for taker in self.takers)


class Dearer(Struct, frozen=True):
    """The same period at a multiple of the vendor's prices: money of all exchanges, and requests that go elsewhere."""

    times: int
    nano_then: int
    nano: int
    moved: float


class Drill(Struct, frozen=True):
    """The loss of one ``vendor``: exposures by feature, the most requests first.

    ``deployments`` are those of the vendor that answered anything. ``nano_then`` is what their requests cost, ``nano`` what
    those would that somebody takes; ``lost`` nobody takes. ``dearer`` is None where no price of the vendor's is known.
    """

    vendor: str
    deployments: tuple[str, ...]
    requests: int
    of: int
    nano_then: int
    nano: int
    lost: int
    exposures: tuple[Exposure, ...]
    dearer: Dearer | None = None


def drill(vendor: str, deployments: Iterable[str], found: Replay, dear: Replay | None = None) -> Drill:
    """Return the drill of a vendor, whose ``deployments`` were down in a replay, and ``TIMES`` as dear in another one."""
    gone = frozenset(deployments)
    exposures = [each for each in (_exposure(answer, gone) for answer in found.features) if each.requests]
    return Drill(
        vendor=vendor,
        deployments=tuple(
            sorted({who.deployment for who in found.total.who if who.deployment in gone and who.requests_then})
        ),
        requests=sum(each.requests for each in exposures),
        of=found.total.requests,
        nano_then=sum(each.nano_then for each in exposures),
        nano=sum(each.nano for each in exposures),
        lost=sum(each.requests for each in found.total.unserved if each.deployment in gone),
        exposures=tuple(sorted(exposures, key=lambda each: -each.requests)),
        dearer=None if dear is None else Dearer(TIMES, dear.total.nano_then, dear.total.nano, dear.total.moved),
    )


def vendors(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the providers whose loss can be asked about: those that have a deployment."""
    used = {one.provider for one in snapshot.deployments.values()}
    return tuple(name for name in snapshot.providers if name in used)


def _exposure(answer: Answer, gone: frozenset[str]) -> Exposure:
    was = [who for who in answer.who if who.deployment in gone]
    takers: dict[str, Taker] = {}
    for each in answer.moves:
        if each.then in gone:
            had = takers.get(each.now, Taker(each.now, 0.0, 0, 0))
            nano, expected = had.nano + each.nano, had.expected_nano + each.expected_nano
            takers[each.now] = Taker(each.now, had.requests + each.requests, nano, expected)
    return Exposure(
        feature=answer.feature,
        requests=sum(who.requests_then for who in was),
        of=answer.requests,
        nano_then=sum(who.nano_then for who in was),
        takers=tuple(sorted(takers.values(), key=lambda taker: -taker.requests)),
        unserved=tuple(each for each in answer.unserved if each.deployment in gone),
        quality=answer.quality,
    )

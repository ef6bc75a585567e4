"""What the holder of many keys was told of them, and what is to be true of each whatever was killed meanwhile.

A command tells once it has written. One that was killed before it told anything has written all or nothing: the log of acts,
which is written in the same transaction, says which.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pointsman.core.audit import Act
from pointsman.core.keys import Key

CREATE, ROTATE, REVOKE = ACTS = ("key create", "key rotate", "key revoke")


@dataclass
class Held:
    """A key that was shown: secrets that are to open the gateway, those that no longer are, and acts that were told.

    ``cut`` is an act whose process was killed before it told anything. ``overlaps``: if it rotated, the secret before stays.
    """

    id: str
    name: str
    opening: set[str]
    ended: set[str] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)
    cut: str = ""
    overlaps: bool = False

    def rotated(self, secret: str, *, overlaps: bool) -> None:
        """Hold another secret; those before are taken for a day more, or have ended."""
        self.told[ROTATE] += 1
        if not overlaps:  # only the last one: secrets that were to be taken for a day are
            self._end_last()
        self.opening.add(secret)
        self.last = secret

    def revoked(self) -> None:
        """Hold a key that opens nothing more."""
        self.told[REVOKE] += 1
        self._end_all()

    def settle(self, logged: Counter[str]) -> None:
        """Find out from the log of acts whether the one that was cut off was written."""
        if self.cut == REVOKE and logged[REVOKE] > self.told[REVOKE]:
            self._end_all()
        elif self.cut == ROTATE and logged[ROTATE] > self.told[ROTATE] and not self.overlaps:
            self._end_last()

    def __post_init__(self) -> None:
        (self.last,) = self.opening
        self.told[CREATE] += 1

    def _end_last(self) -> None:
        self.opening.discard(self.last)
        self.ended.add(self.last)

    def _end_all(self) -> None:
        self.ended |= self.opening
        self.opening = set()


@dataclass
class Told:
    """All that a holder was told. ``cut`` are the names of keys whose making was killed before it showed anything.

    ``killed`` counts commands by act that were, ``silent`` those of them that had told nothing; ``failed`` is what commands
    said that nobody killed and that went wrong.
    """

    held: list[Held] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def told(self, act: str) -> int:
        """Return how many acts of a kind were acknowledged."""
        return sum(one.told[act] for one in self.held)


def logged(acts: Iterable[Act]) -> dict[str, Counter[str]]:
    """Return how often each act is in the log, by the key's id."""
    found: dict[str, Counter[str]] = {}
    for act in acts:
        if act.act in ACTS:
            found.setdefault(act.object.removeprefix("key "), Counter())[act.act] += 1
    return found


def faults(told: Told, keys: Iterable[Key], log: dict[str, Counter[str]]) -> Iterator[str]:
    """Say what of the store and its log of acts contradicts what was told, key by key."""
    there = {key.id: key for key in keys}
    for one in told.held:
        key, noted = there.get(one.id), log.get(one.id, Counter())
        if key is None or key.name != one.name:
            yield f"{one.name} was shown and is not there"
            continue
        for act in ACTS:
            if noted[act] - one.told[act] not in ((0, 1) if one.cut == act else (0,)):
                yield f"{one.name}: {act} told {one.told[act]} times, and {noted[act]} times in the log"
        if (key.revoked_ms is not None) != bool(noted[REVOKE]):
            yield f"{one.name} is {'' if key.revoked_ms else 'not '}revoked, and the log says otherwise"
    shown, cut = {one.id for one in told.held}, set(told.cut)
    for key in there.values():
        if key.id not in shown and not (key.name in cut and _whole(key)):
            yield f"{key.name} is there, and {'half' if key.name in cut else 'nobody made it'}"
        if log.get(key.id, Counter())[CREATE] != 1:
            yield f"{key.name} is there, and the log has it made {log.get(key.id, Counter())[CREATE]} times"
    yield from (f"the log has key {name}, which is not there" for name in log.keys() - there.keys())


def _whole(key: Key) -> bool:
    return (len(key.sha256), len(key.salt), len(key.id)) == (64, 32, 10) and key.made_ms > 0

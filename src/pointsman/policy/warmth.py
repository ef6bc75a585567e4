"""How much of a conversation's prompt a provider still has in its cache.

Strategy: a provider keeps the beginning of a prompt for a while after it was last read, five minutes unless told otherwise.
That is where we begin; what it really does is learned from what it bills: by how long ago a prompt was sent, which share of
it was read from the cache (beta-binomial in each of a few ages, a share counting as part of a success). So a provider that
caches nothing, or only what is marked, or for longer, is known by its bills.

    warm tokens       of the last prompt of this conversation here x share that is still read at its age
    kept              share that is read again when it follows at once; who will read it writes it first

Laws: pure, ``now`` is passed in; shares lie in [0, 1]; what was seen of one deployment says nothing of another.
(https://docs.claude.com/en/docs/build-with-claude/prompt-caching: 5 minutes, refreshed each time it is read;
https://platform.openai.com/docs/guides/prompt-caching: 5 to 10 minutes of inactivity, up to an hour.)
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

AGES: Final[tuple[float, ...]] = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds: where one age ends and the next begins."""

AT_ONCE: Final = 5.0
_PRIOR: Final = 6.0  # observations that the stated lifetime counts as
_WARM, _COLD = 0.95, 0.02
_REMEMBERED: Final = 200.0  # observations of one age; then what was seen counts half
_NONE: Final[tuple[float, ...]] = (0.0,) * (len(AGES) + 1)


class Prefix(Struct, frozen=True):
    """The prompt that a deployment was sent last in a conversation: about how many ``tokens``, ``at`` which second."""

    tokens: float
    at: float


class Seen(Struct, frozen=True):
    """What a deployment's bills said, for each age: ``asked`` prompts that began like one before, and what was ``read``."""

    read: tuple[float, ...] = _NONE
    asked: tuple[float, ...] = _NONE


_NOTHING: Final = Seen()


def share(seen: Seen | None, lifetime_s: float, age_s: float) -> float:
    """Return the expected share, in [0, 1], of a prompt sent ``age_s`` ago that is read from the cache."""
    place = bisect_left(AGES, age_s)
    prior = (_WARM if age_s <= lifetime_s else _COLD) if lifetime_s > 0 else 0.0
    found = seen or _NOTHING
    return (_PRIOR * prior + found.read[place]) / (_PRIOR + found.asked[place])


def noted(seen: Seen | None, age_s: float, read: float) -> Seen:
    """Return what is known after one more bill: of a prompt sent ``age_s`` before, the share ``read`` was cached."""
    place, found = bisect_left(AGES, age_s), seen or _NOTHING
    keep = 0.5 if found.asked[place] >= _REMEMBERED else 1.0
    reads, asked = list(found.read), list(found.asked)
    reads[place] = keep * reads[place] + min(max(read, 0.0), 1.0)
    asked[place] = keep * asked[place] + 1.0
    return Seen(tuple(reads), tuple(asked))


def warm(
    prefixes: Mapping[str, Prefix], seen: Mapping[str, Seen], lifetimes_s: Mapping[str, float], now: float
) -> dict[str, float]:
    """Return about how many tokens of a conversation each deployment has cached, where it has been sent any.

    What has no lifetime stated is taken to keep nothing.
    """
    return {
        name: prefix.tokens * share(seen.get(name), lifetimes_s.get(name, 0.0), now - prefix.at)
        for name, prefix in prefixes.items()
    }

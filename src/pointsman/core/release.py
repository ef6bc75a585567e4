"""Models that arrive, and models that change without a word."""

from msgspec import Struct


class Release(Struct, frozen=True):
    """A model's arrival, as the owner announced it: ``deployment`` on ``route``, at Unix milliseconds.

    ``features`` are where it is tried. ``auto``: where it passes its trial it serves without the owner being asked.
    ``replaced`` maps a feature that it serves, or served, to what served there before; ``ended`` one where it is over to
    the reason.
    """

    deployment: str
    route: str
    at_ms: int
    features: tuple[str, ...]
    auto: bool = False
    replaced: dict[str, str] = {}
    ended: dict[str, str] = {}


class Change(Struct, frozen=True):
    """A deployment that was found at ``found_ms`` to answer otherwise than before, from about ``since_ms`` on.

    What was judged of it before that is not used. ``barred``: it may not act until its answers were tested anew.
    """

    since_ms: int
    found_ms: int
    why: str
    barred: bool = True

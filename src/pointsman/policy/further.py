"""Which call follows one that brought no answer: the next deployment, or the same again after a while.

    what failed                            the same at once     another one     the same after a wait
    no connection, or closed unanswered    once                 yes             yes
    5xx, 408, 409, 424; nonsense           -                    yes             yes
    429, or any that named its wait        -                    yes             only once the wait is over, if it is short
    time-out, credential, 401, 402, 403    -                    yes             -
    the request's own fault                -                    -               -

Strategy: another deployment first, for it has no part in the fault and need not be waited for; then, round by round, those
that may be asked again, the one that rests longest first. Waits grow exponentially and are drawn from all of [0, longest)
("full jitter", Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015), so that callers who failed together
do not come back together.

Laws: never more than ``most`` calls in all; a repeat at once never takes the place of a fallback; no deployment is asked
before the wait that it named is over; what was not asked yet and cools is left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 4.0


class Made(Struct, frozen=True):
    """A call that failed. ``at_once``: the same may be asked again now; ``later``: after a wait, of ``wait_s`` at least."""

    deployment: str
    at_once: bool
    later: bool
    wait_s: float = 0.0


class Next(Struct, frozen=True):
    """The call to make. ``least_s`` is to be waited at least; ``waits`` says how many came before this one, -1: none now."""

    deployment: str
    cause: Literal["retry", "fallback"]
    least_s: float = 0.0
    waits: int = -1

    def wait_s(self, u: float) -> float:
        """Return how long to wait before it, in seconds; ``u`` is uniform in [0, 1)."""
        return 0.0 if self.waits < 0 else max(backoff_s(self.waits, u), self.least_s)


def next_call(
    names: Sequence[str], made: Sequence[Made], most: int, cooling: Mapping[str, float], *, retries: bool
) -> Next | None:
    """Return the call that follows ``made`` (the last failed by no fault of the request), None where there is none.

    ``names`` are those that may serve the request, the first choice first; ``most`` bounds the calls. ``cooling`` maps who
    should not be asked now to the seconds that this lasts. Without ``retries`` nobody is asked a second time.
    """
    last, left = made[-1], most - len(made)
    if left <= 0:
        return None
    asked = {call.deployment: call for call in made}
    fresh = [name for name in names if name not in asked and name not in cooling]
    alone = sum(call.deployment == last.deployment for call in made) == 1
    if retries and last.at_once and alone and left > len(fresh):
        return Next(last.deployment, "retry")
    if fresh:
        return Next(fresh[0], "fallback")
    if not retries:
        return None
    for name in reversed(dict.fromkeys(call.deployment for call in reversed(made))):
        wait = max(asked[name].wait_s, cooling.get(name, 0.0))
        if asked[name].later and wait <= LONGEST_WAIT_S:
            return Next(name, "retry", wait, len(made) - len(asked))
    return None


def backoff_s(waits: int, u: float) -> float:
    """Return a wait in [0, min(longest, first * 2^waits)) seconds; ``u`` is uniform in [0, 1)."""
    return u * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(waits, 30))

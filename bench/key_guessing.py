"""Guessing keys: does the time of a refusal tell a key that exists from one that does not?

    python -m bench.key_guessing [--tries 100000]

A keyring holds 1,000 keys. In turn, in an order drawn anew, it refuses keys of four kinds: the id of a key with a wrong
secret; an id that nobody has; a key of that id whose secret begins as the right one does; text that is no key of ours. Times
of one refusal are taken around ``Keyring.admit``, with the garbage collector off; what an interruption stretched (above the
99th percentile of all together) is left out on every side alike.

The floor: the 95 % interval of the mean difference to the first kind lies within ±1 µs for each other kind, and none of the
keys tried comes in. Text that is no key of ours says nothing of what exists and is shown only.
"""

import gc
import random
import sys
import time
from collections.abc import Sequence

import click
import numpy as np

from pointsman.control import keys as acts
from pointsman.core.errors import GatewayError
from pointsman.core.keys import Key
from pointsman.gateway.admission import Keyring
from pointsman.gateway.server.message import Head

SEED = 20261128
NOW_MS = 1_800_000_000_000
FLOOR_US = 1.0
KINDS = ("known id", "unknown id", "right beginning", "foreign text")


class Kept:
    """Keys in memory, in a store's place."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self.keys = list(keys)

    def version(self) -> int:
        """Return the one version."""
        return 1

    def all(self) -> list[Key]:
        """Return every key."""
        return self.keys


def guesses(made: Sequence[tuple[Key, str]], draw: random.Random) -> dict[str, str]:
    """Return one guess of each kind."""
    key, whole = draw.choice(made)
    secret = whole.split("-")[2]
    wrong = f"{draw.getrandbits(256):064x}"
    begun = secret[:60] + (wrong[60:] if wrong[60:] != secret[60:] else "0000")
    return {
        "known id": f"pm-{key.id}-{wrong}",
        "unknown id": f"pm-{draw.getrandbits(40):010x}-{wrong}",
        "right beginning": f"pm-{key.id}-{begun}",
        "foreign text": f"sk-{draw.getrandbits(40):010x}-{wrong}",
    }


def refused(ring: Keyring, head: Head) -> int:
    """Return the nanoseconds that a refusal takes; exits where the key comes in."""
    began = time.perf_counter_ns()
    try:
        ring.admit(head, "192.0.2.1")
    except GatewayError:
        return time.perf_counter_ns() - began
    sys.exit("a guessed key came in")


def measured(tries: int) -> dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]:
    """Return the microseconds of ``tries`` refusals of each kind."""
    draw = random.Random(SEED)
    made = [acts.made(Key(f"k{number}", ""), now_ms=NOW_MS) for number in range(1000)]
    ring = Keyring(Kept([key for key, _ in made]), now_ms=lambda: NOW_MS)
    ring.refresh()
    times: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for _ in range(tries):
        asked = list(guesses(made, draw).items())
        draw.shuffle(asked)
        for kind, whole in asked:
            head = Head("POST", "/v1/chat/completions", "", {b"authorization": b"Bearer " + whole.encode()})
            times[kind].append(refused(ring, head))
    return {kind: np.array(taken, dtype=np.float64) / 1e3 for kind, taken in times.items()}


@click.command()
@click.option("--tries", default=100_000, show_default=True, type=click.IntRange(100), help="Of each kind.")
def main(tries: int) -> None:
    """Print the intervals; the status is 1 where a floor is missed."""
    gc.disable()
    found = measured(tries)
    limit = np.percentile(np.concatenate(list(found.values())), 99)
    kept = {kind: taken[taken <= limit] for kind, taken in found.items()}
    base, missed = kept[KINDS[0]], False
    print(f"{tries:,} refusals of each kind (seed {SEED}); a known id takes {base.mean():.3f} µs on average")
    for kind in KINDS[1:]:
        taken = kept[kind]
        difference = taken.mean() - base.mean()
        half = 1.96 * float(np.sqrt(taken.var(ddof=1) / len(taken) + base.var(ddof=1) / len(base)))
        wide = bool(max(abs(difference - half), abs(difference + half)) > FLOOR_US)
        missed |= wide and kind != "foreign text"
        interval = f"[{difference - half:+.3f}, {difference + half:+.3f}]"
        print(f"  {kind:16} {difference:+.3f} µs {interval}{' MISSED' if wide else ''}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

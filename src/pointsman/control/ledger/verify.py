"""Whether a ledger is whole: the chain, each line's own arithmetic, and a head that was put aside earlier.

Laws: the first line that is at fault is told, with what is wrong; lines behind it are not believed, because each hash
covers the one before. What was cut off the end, or written anew from some line on, shows only against a head that was kept
elsewhere: the chain alone cannot tell (Schneier and Kelsey 1999, "Secure audit logs to support computer forensics", ACM
TISSEC 2(2)).
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.ledger import EMPTY, Entry, Head, Line, chained, decode
from pointsman.core.price import Price, read_terms
from pointsman.policy import cost

terms_of = lru_cache(1024)(read_terms)  # a ledger repeats a few


class Verified(Struct, frozen=True):
    """What verifying came to: the head of what is good, and what is wrong behind it (empty: nothing).

    ``lines`` were read and are good, the opening among them; ``settled_nano`` is their settled sum; ``unsettled`` of them
    are not settled; ``since_ms`` is when the ledger begins (None: it is empty).
    """

    head: Head
    fault: str = ""
    settled_nano: int = 0
    unsettled: int = 0
    since_ms: int | None = None

    @property
    def lines(self) -> int:
        """How many lines are good."""
        return self.head.count


def verify(entries: Iterable[Entry], put_aside: Head | None = None) -> Verified:
    """Read a ledger from its first line on. ``put_aside`` is an earlier head."""
    head, nano, unsettled, since = EMPTY, 0, 0, None
    for entry in entries:
        fault = _fault(head, entry, put_aside)
        if fault:
            return Verified(head, f"line {head.count + 1}: {fault}", nano, unsettled, since)
        head = Head(entry.n, entry.hash)
        line = decode(entry.text)
        if entry.n == 1:
            since = line.at_ms
        elif line.settled:
            nano += line.nano or 0
        else:
            unsettled += 1
    fault = ""
    if put_aside is not None and put_aside.count > head.count:
        missing = put_aside.count - head.count
        fault = (
            f"{missing:,} lines are missing behind line {head.count:,}: the head was put aside at line {put_aside.count:,}"
        )
    return Verified(head, fault, nano, unsettled, since)


def _fault(before: Head, entry: Entry, put_aside: Head | None) -> str:
    """Say what is wrong with a line, nothing where it is good."""
    if entry.n != before.count + 1:
        return f"it is not there, the next one is line {entry.n}: lines were taken out"
    if chained(before.hash, entry.text) != entry.hash:
        return "its hash does not follow from it and the line before: it was changed, put in, or its neighbour taken out"
    if put_aside is not None and entry.n == put_aside.count and entry.hash != put_aside.hash:
        return "it is not the line that the head was put aside of: this line, or one before it, was written anew"
    try:
        line = decode(entry.text)
        return _unsound(line, first=entry.n == 1)
    except ValueError as error:
        return str(error)


def _unsound(line: Line, *, first: bool) -> str:
    """Say how a line contradicts itself."""
    if (line.why == "opening") != first:
        return "a ledger begins with its opening" if first else "a second opening: somebody began anew here"
    least, nano, most = line.least, line.nano, line.most
    if nano is not None and least is not None and most is not None and not least <= nano <= most:
        return f"its amount, {line.nano} nano-dollars, is not within its bounds, {line.least} to {line.most}"
    if line.basis in ("reported", "estimated", "partial") and line.terms and line.nano is not None:
        owed = owes(line)
        if owed != line.nano:
            return f"its amount is {line.nano} nano-dollars, and its units at its rates come to {owed}"
    return ""


def owes(line: Line) -> int:
    """Return what a line's units come to at its rates, in nano-dollars. Raises ValueError where its terms are none."""
    terms = terms_of(line.terms)
    return cost.amount(used(line), Price(terms.rates, terms.per_request))


def used(line: Line) -> Usage:
    """Return a line's units as a usage."""
    taken = line.fresh + line.cached + line.cache_written
    return Usage(taken, line.output, line.cached, line.cache_written, line.reasoning)

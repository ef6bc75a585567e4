"""The ledger's lines: what every call to a provider took, what it cost, who wanted it and why.

Strategy: a line is one JSON object, and its text is what is kept, hashed and exported: nothing has to be made canonical
again. Each line's SHA-256 covers the hash of the line before, so that a line that was changed, taken out, put in or moved
shows at that line; a ``Head`` that was put aside earlier shows a ledger that was cut short or written anew.

Laws: one line for each call that was made; an amount is what ``policy/cost`` made of the usage, or 0 where nothing is owed,
or None where no price is known; a line is settled, or it has bounds (where a price is known). The sum of the lines of an
exchange is the cost in its record. What was recorded elsewhere (imports) is no call of ours and has no lines.
"""

import hashlib
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.record import SETTLED, Attempt, Basis, Cause, ExchangeRecord

Why = Cause | Literal["trial", "judge", "canary", "onboard", "evaluation", "opening"]
"""What a call was for: the cause of a client's attempt, or what Pointsman itself wanted to know."""

EVALUATIONS: Final = "eval"
"""The feature that evaluations ask under (``control/cases``)."""

GENESIS: Final = bytes(32)
"""What stands for the hash before the first line."""


class Line(Struct, frozen=True, omit_defaults=True):
    """One call, or (``why`` is ``opening``) the moment from which the ledger counts.

    ``attempt`` is the call's place in its exchange, from 0; ``served``: its answer reached the client. ``fresh`` input
    tokens were neither read from a cache nor written to one; ``output`` counts reasoning too; ``tool_calls`` are those that
    the provider ran itself, which no price here covers. Amounts are nano-dollars; ``least`` and ``most`` are None where the
    line is settled. ``terms`` are the rates (``core.price.Terms``). ``note`` is for people.
    """

    exchange: str
    at_ms: int
    why: Why
    deployment: str = ""
    attempt: int = 0
    served: bool = False
    customer: str = ""
    feature: str = ""
    route: str = ""
    key: str = ""
    status: int = 0
    basis: Basis = "reported"
    nano: int | None = None
    least: int | None = None
    most: int | None = None
    fresh: int = 0
    cached: int = 0
    cache_written: int = 0
    output: int = 0
    reasoning: int = 0
    tool_calls: int = 0
    most_input: int = 0
    most_output: int = 0
    tier: str = ""
    terms: str = ""
    note: str = ""

    @property
    def vendor(self) -> str:
        """The provider that was called."""
        return self.deployment.partition("/")[0]

    @property
    def settled(self) -> bool:
        """Whether the amount rests on what the provider said, or nothing is owed."""
        return self.basis in SETTLED


class Occasion(Struct, frozen=True):
    """What Pointsman itself calls a deployment for: why, and about which exchange and feature."""

    why: Why
    feature: str = ""
    exchange: str = ""
    route: str = ""


class Head(Struct, frozen=True):
    """The end of a ledger: how many lines it has, and the hash of the last one."""

    count: int
    hash: bytes

    @property
    def text(self) -> str:
        """The head as people write it down: ``COUNT:HASH``."""
        return f"{self.count}:{self.hash.hex()}"


EMPTY: Final = Head(0, GENESIS)


class Entry(Struct, frozen=True):
    """One line as it is kept: its number from 1, its text and its hash."""

    n: int
    text: bytes
    hash: bytes


_NOTHING: Final = Usage()
_SETTLED: Final = (None, None)
_OWING_NOTHING: Final = ("refused", "unsent")
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Line)


def lines_of(record: ExchangeRecord) -> list[Line]:
    """Return the lines of an exchange, one for each attempt; none where it came from elsewhere."""
    if record.source != "gateway":
        return []
    served, lines = record.served_by, []
    for place, attempt in enumerate(record.attempts):  # a comprehension would be one more function call
        lines.append(_line(record, place, attempt, attempt is served))
    return lines


def _line(record: ExchangeRecord, place: int, attempt: Attempt, served: bool) -> Line:
    """Return the line of an attempt. In the order of the fields: with their names, making one takes twice as long."""
    usage, basis, nano = attempt.usage or _NOTHING, attempt.basis, attempt.cost_nano
    if basis == "":
        basis = "unknown" if nano is None else "reported"
    elif basis in _OWING_NOTHING:
        nano = 0
    least, most = attempt.bounds or _SETTLED
    fresh, cached, written, output = billed(usage)
    return Line(
        record.id, attempt.started_ms, "evaluation" if record.feature == EVALUATIONS else attempt.cause, attempt.deployment,
        place, served, record.customer, record.feature, record.route, record.client_key, attempt.status, basis, nano, least,
        most, fresh, cached, written, output, usage.reasoning, usage.tool_calls, attempt.most_input, attempt.most_output,
        usage.tier, attempt.terms,
    )  # fmt: skip


def billed(usage: Usage) -> tuple[int, int, int, int]:
    """Return tokens as they are billed: fresh, cached, cache-written, output; a count below zero is none."""
    cached, written, output = usage.cached, usage.cache_written, usage.output
    if cached < 0 or written < 0 or output < 0:
        cached, written, output = max(cached, 0), max(written, 0), max(output, 0)
    fresh = usage.input - cached - written
    return max(fresh, 0), cached, written, output


def encode(line: Line) -> bytes:
    """Return a line as it is kept: UTF-8 JSON without what says nothing."""
    return _encode(line)


def decode(text: bytes) -> Line:
    """Return the line that a text holds. Raises ValueError where it is none."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is no line of a ledger: {error}") from error


def chained(previous: bytes, text: bytes) -> bytes:
    """Return the hash of a line: SHA-256 of the hash of the line before it (32 bytes) and of its text."""
    return hashlib.sha256(previous + text).digest()


def read_head(text: str) -> Head:
    """Return the head that a text of ``Head.text`` states. Raises ValueError."""
    count, _, digest = text.strip().partition(":")
    head = Head(int(count), bytes.fromhex(digest))
    if head.count < 0 or len(head.hash) != len(GENESIS):
        raise ValueError(f"{text!r} is no head of a ledger")
    return head

"""Ways in which a provider fails, on demand.

As text (the request header ``x-sim-fault``), with parts separated by semicolons:

=========================== ===========================================================================================
``status=429;retry-after=2`` an error of that status in OpenAI's envelope, with Retry-After where one is given
``reset``                    the connection is reset before a status line is sent
``cut=3``                    a stream breaks off after that many content chunks (a whole reply: in the middle of its body)
``slow=0.5``                 the first byte comes that many real seconds late
``garbage``                  status 200 and bytes that are not of the dialect
``nonsense``                 a well-formed reply with words that answer nothing
=========================== ===========================================================================================
"""

from typing import Literal, get_args

from msgspec import Struct

FaultKind = Literal["status", "reset", "cut", "slow", "garbage", "nonsense"]


class Fault(Struct, frozen=True):
    """One way to fail. ``amount`` is the status, the number of chunks or the seconds; ``retry_after`` in seconds."""

    kind: FaultKind
    amount: float = 0.0
    retry_after: float | None = None


def parse(text: str) -> Fault:
    """Return the fault that a header describes. Raises ValueError with the reason when it describes none."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    kind, amount = next(iter(parts.items()))
    known = get_args(FaultKind)
    if kind not in known:
        raise ValueError(f"x-sim-fault: {kind!r} is none of {', '.join(known)}")
    try:
        wait = parts.get("retry-after")
        fault = Fault(kind, float(amount or 0), float(wait) if wait is not None else None)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(f"x-sim-fault: {text!r} holds something that is not a number") from None
    if kind == "status" and not 400 <= fault.amount < 600:
        raise ValueError(f"x-sim-fault: {text!r} names no error status (400 to 599)")
    return fault

"""What the gateway kept of every call against what the upstream did for it.

Settled is a call whose answer came whole with its usage: its tokens must be the upstream's own count. Of every other call
the upstream may have generated something that nobody reported.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from faults.behaviours import Line
from pointsman.core.record import Attempt, ExchangeRecord


@dataclass
class Account:
    """``settled`` calls that agree, ``differing`` ones in words; of the others how many, and tokens generated for them."""

    records: int = 0
    attempts: int = 0
    settled: int = 0
    differing: list[str] = field(default_factory=list)
    unsettled: int = 0
    generated: int = 0


def settled(attempt: Attempt) -> bool:
    """Whether a call's usage arrived, with the end of its answer."""
    return attempt.usage is not None and not attempt.estimated and attempt.finish is not None and not attempt.error


def compared(records: Iterable[ExchangeRecord], calls: dict[str, list[Line]]) -> Account:
    """Compare every record with the upstream's calls of the same number and deployment."""
    account = Account()
    for record in records:
        account.records += 1
        left = list(calls.get(record.client_id, ()))
        for attempt in record.attempts:
            account.attempts += 1
            if not settled(attempt):
                account.unsettled += 1
                continue
            output = attempt.usage.output if attempt.usage is not None else -1
            found = next(
                (one for one in left if one.asked.deployment == attempt.deployment and one.reported == output), None
            )
            if found is None:
                seen = [(one.behaviour, one.asked.deployment, one.reported) for one in left]
                account.differing.append(f"{record.id}: {attempt.deployment} {output} tokens, upstream {seen}")
            else:
                left.remove(found)
                account.settled += 1
        account.generated += sum(one.generated for one in left)
    return account

"""What the ledger says of every call against what the upstream did for it.

A settled line's output tokens must be the upstream's own count of a call of the same request to the same deployment, or none
where it refused. Every other line has bounds: what the upstream generated for the request beyond its settled calls must lie
within the sum of these. A refusal (4xx) and a connection that never was owe nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from faults.behaviours import Line as Call
from pointsman.core.ledger import Line


@dataclass
class Account:
    """``settled`` lines that agree, ``unsettled`` ones whose bounds hold, and in words whatever does not."""

    lines: int = 0
    settled: int = 0
    unsettled: int = 0
    differing: list[str] = field(default_factory=list)
    generated: int = 0
    most: int = 0


def compared(lines: Iterable[Line], calls: dict[str, list[Call]], nonces: dict[str, str]) -> Account:
    """Compare the ledger with the upstream's calls; ``nonces`` maps an exchange to the number in its prompt."""
    account = Account()
    found = sorted((line for line in lines if line.deployment), key=lambda line: line.exchange)
    for exchange, group in groupby(found, key=lambda line: line.exchange):
        _compare(account, exchange, list(group), list(calls.get(nonces.get(exchange, ""), ())))
    return account


def _compare(account: Account, exchange: str, lines: list[Line], left: list[Call]) -> None:
    """Take the calls of one exchange apart: those that lines settle, and what was generated for the others."""
    account.lines += len(lines)
    for line in lines:
        if line.basis != "reported":
            continue
        same = (one for one in left if one.asked.deployment == line.deployment and one.reported == line.output)
        call = next(same, None)
        if call is None:
            seen = [(one.behaviour, one.asked.deployment, one.reported) for one in left]
            account.differing.append(f"{exchange}: {line.deployment} settled with {line.output}, upstream {seen}")
        else:
            left.remove(call)
            account.settled += 1
    account.settled += sum(line.basis in ("refused", "unsent") for line in lines)
    unsettled = [line for line in lines if not line.settled]
    generated = sum(one.generated for one in left)
    least = sum(line.output for line in unsettled if line.basis == "partial")
    most = sum(line.most_output for line in unsettled)
    account.unsettled += len(unsettled)
    account.generated += generated
    account.most += most
    if any(line.least is None or line.most is None for line in unsettled):
        account.differing.append(f"{exchange}: an unsettled line without bounds")
    if not least <= generated <= most:
        seen = [(one.behaviour, one.asked.deployment, one.generated) for one in left]
        account.differing.append(f"{exchange}: {generated} tokens are not within [{least}, {most}], upstream {seen}")

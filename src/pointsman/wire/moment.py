"""A moment as others write it: ISO 8601, or a Unix time in seconds, milli-, micro- or nanoseconds."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

_YEAR_2000: Final = 946_684_800
# A number of this size or more counts milli-, micro- or nanoseconds: as seconds it would lie after the year 5000.
_SECONDS_BELOW: Final = 100_000_000_000


def milliseconds(value: Any) -> int:
    """Return Unix milliseconds from ISO 8601 text (no zone: UTC) or a Unix time, as text or number.

    ValueError says what it is instead, as in ``is no time``.
    """
    if isinstance(value, str):
        value = _seconds(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("is missing" if value is None else "is no time")
    seconds = Decimal(value)
    while seconds >= _SECONDS_BELOW:
        seconds /= 1000
    if seconds < _YEAR_2000:
        raise ValueError(f"is no time after the year 2000: {value}")
    return round(seconds * 1000)


def _seconds(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(written.strip())
    except ValueError:
        raise ValueError(f"is no time: {written[:40]!r}") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()

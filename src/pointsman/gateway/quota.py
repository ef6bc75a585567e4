"""What a provider's reply says of the quota that is left.

    x-ratelimit-limit-KIND, -remaining-KIND, -reset-KIND            OpenAI and most that speak its dialect; KIND is requests,
                                                                    tokens, tokens-minute ..., or missing
    anthropic-ratelimit-KIND-limit, -remaining, -reset              Anthropic
    azure-openai-deployment-utilization                             Azure's provisioned throughput, in percent

A reset is a duration (``6m0s``, ``547ms``), seconds, Unix seconds or milliseconds, or a time (RFC 3339).
(https://platform.openai.com/docs/guides/rate-limits, https://platform.claude.com/docs/en/api/rate-limits,
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/provisioned-get-started)

Law: what cannot be read says nothing; pure.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

UNSAID_S: Final = 60.0
"""Seconds until a quota is whole again where its provider does not say: limits are per minute."""

_LONGEST_S: Final = 86_400.0
_NAMES: Final = re.compile(
    rb"x-ratelimit-(?P<what>limit|remaining|reset)(?:-(?P<kind>.+))?"
    rb"|anthropic-ratelimit-(?P<kind_>.+)-(?P<what_>limit|remaining|reset)"
)
_UTILIZATION: Final = b"azure-openai-deployment-utilization"
_DURATION: Final = re.compile(r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d*)?)s)?(?:(\d+(?:\.\d*)?)ms)?")
_UNITS: Final = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_UNIX_S: Final = 1e9  # from here on a number is a time: no quota needs thirty years
_UNIX_MS: Final = 1e11


class Quota(Struct, frozen=True):
    """The part that is left of the quota that is nearest its end, in [0, 1], and in how many seconds it is whole again."""

    left: float
    whole_in_s: float


def quota(headers: Iterable[tuple[bytes, bytes]], unix_s: float) -> Quota | None:
    """Return what the headers of a reply say; None: nothing. ``unix_s`` is the time now. Names are in lower case."""
    said: dict[bytes, dict[bytes, str]] = {}
    found: list[Quota] = []
    for name, value in headers:
        match = _NAMES.fullmatch(name)
        if match is not None:
            kind, what = match["kind"] or match["kind_"] or b"", match["what"] or match["what_"]
            said.setdefault(kind, {})[what] = value.decode("latin-1").strip()
        elif name == _UTILIZATION:
            used = _number(value.decode("latin-1").strip().removesuffix("%"))
            if used is not None:
                found.append(Quota(_part(1.0 - used / 100.0), UNSAID_S))
    for fields in said.values():
        limit, remaining = _number(fields.get(b"limit", "")), _number(fields.get(b"remaining", ""))
        if remaining is not None and (remaining <= 0.0 or (limit is not None and limit > 0.0)):
            left = 0.0 if remaining <= 0.0 else _part(remaining / (limit or remaining))
            found.append(Quota(left, _seconds(fields.get(b"reset", ""), unix_s)))
    return min(found, key=lambda one: one.left, default=None)


def _part(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None  # NaN is not


def _seconds(text: str, unix_s: float) -> float:
    """Return how long it is until a reset."""
    number = _number(text)
    if number is not None:
        wait = number / 1000.0 - unix_s if number >= _UNIX_MS else number - unix_s if number >= _UNIX_S else number
    elif (match := _DURATION.fullmatch(text)) is not None:
        wait = sum(float(count) * unit for count, unit in zip(match.groups("0"), _UNITS, strict=True))
    else:
        wait = _until(text, unix_s)
    return min(max(wait, 0.0), _LONGEST_S)


def _until(text: str, unix_s: float) -> float:
    try:
        time = dt.datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp() - unix_s
    except (ValueError, OverflowError):
        return UNSAID_S

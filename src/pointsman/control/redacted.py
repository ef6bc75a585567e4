"""The owner's rules of redaction, applied with a limit of time: see ``policy/redaction`` for what they find.

Law: a text that was not redacted in time is not kept: ``WITHHELD`` stands in its place.
"""

from functools import lru_cache
from typing import Final

from pointsman.control.bounded import TooLongError, at_most
from pointsman.core.snapshot import Keeping
from pointsman.policy.redaction import Redaction, redaction

WITHHELD: Final = "[not kept: it could not be redacted]"
TEXT_S: Final = 1.0


def redacted(keeping: Keeping, text: str) -> str:
    """Return a text as it may be stored. Bounded in a process's main thread only (see ``bounded``)."""
    rules = _rules(keeping)
    if rules is None or not text:
        return text
    try:
        with at_most(TEXT_S):
            return rules(text)
    except TooLongError:
        return WITHHELD


@lru_cache(1)
def _rules(keeping: Keeping) -> Redaction | None:
    return redaction(keeping)

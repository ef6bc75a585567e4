"""What is stored of requests, for how long, and what is taken out before: the tables ``journal`` and ``redaction``."""

import re
from typing import Final

from pointsman.control.config.reading import Table
from pointsman.control.config.rules import MOST_DAYS
from pointsman.core.snapshot import Keeping
from pointsman.policy.redaction import KINDS

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_MOST: Final = 64
_LONGEST: Final = 1000


def read_keeping(document: Table) -> tuple[bool, bool, Keeping]:
    """Return whether prompts and vectors are stored where nothing else is said, and the rest."""
    redacted, patterns = _redaction(document)
    table = document.table("journal")
    if table is None:
        return False, True, Keeping(redacted=redacted, patterns=patterns)
    prompts, vectors = table.flag("prompts", False), table.flag("vectors", True)
    days, prompt_days = table.whole("keep_days", 0, MOST_DAYS) or 0, table.whole("prompt_days", 0, MOST_DAYS) or 0
    if days and prompt_days > days:
        table.wrong("prompt_days", "is more than keep_days", "remove it: a prompt goes with its record")
    table.finish()
    return prompts, vectors, Keeping(days, prompt_days, redacted, patterns)


def _redaction(document: Table) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    table = document.table("redaction")
    if table is None:
        return (), ()
    found = table.texts("kinds") or ()
    for kind in found:
        if kind not in KINDS:
            table.wrong("kinds", f"knows no {kind!r}", f"write some of {', '.join(KINDS)}")
    patterns = []
    for name, pattern in table.pairs("patterns"):
        what = _fault(name, pattern)
        if what:
            table.report.add((*table.path, "patterns", name), f"the pattern {name!r} {what[0]}", what[1])
        else:
            patterns.append((name, pattern))
    if len(patterns) > _MOST:
        table.wrong("patterns", f"has more than {_MOST} patterns", "join some with |")
    table.finish()
    return tuple(kind for kind in found if kind in KINDS), tuple(patterns)


def _fault(name: str, pattern: str) -> tuple[str, str] | None:
    if not _NAME.fullmatch(name):
        return "has another name than small letters, digits, - and _", "rename it: it stands in texts as [name]"
    if len(pattern) > _LONGEST:
        return f"is longer than {_LONGEST} characters", "write several"
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}", "correct it; see Python's re"
    return ("matches nothing at all", "write what is to be taken out") if compiled.fullmatch("") else None

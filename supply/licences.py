"""``docs/licences.md``: the licence of everything that runs with Pointsman, and whether it may be used as we use it.

    python -m supply.licences            # writes the page

A licence is what the distribution's own metadata says (License-Expression, else its field or classifier). What is not
installed on this platform stands in ``ELSEWHERE``.
"""

import importlib.metadata
import re
from collections.abc import Iterator
from typing import Final

from supply.lock import LOCK, ROOT, Locked, locked

PAGE: Final = ROOT / "docs" / "licences.md"
ALLOWED: Final = frozenset((
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib",
))  # fmt: skip
"""SPDX identifiers of licences without conditions on what is built with them, beyond naming and disclaiming."""

ELSEWHERE: Final = {"httpx2-jsfetch": "BSD-3-Clause"}
_CLASSIFIERS: Final = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_FIELDS: Final = {"MIT License": "MIT", "MIT OR Apache-2.0": "MIT OR Apache-2.0"}
_HEAD: Final = """# Licences

Pointsman is under Apache-2.0. This is what runs with it, as pinned in `requirements/run.lock` (`make licences` writes this
page, and a test keeps both in step). None of these licences asks anything of what is built with it but to be named.

| distribution | version | licence | where |
|---|---|---|---|
"""


def licence(name: str) -> str:
    """Return the SPDX expression of an installed distribution, or of one that is not for this platform. Raises KeyError."""
    try:
        said = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ELSEWHERE[name]
    if "License-Expression" in said:
        return str(said["License-Expression"])
    field = str(said["License"]).strip() if "License" in said else ""
    if _names(field) <= ALLOWED and field:
        return field
    if field in _FIELDS:
        return _FIELDS[field]
    found = [one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or () if one.startswith("License")]
    return " OR ".join(sorted(_CLASSIFIERS[one] for one in found))


def _names(expression: str) -> set[str]:
    return {word for word in re.split(r"[\s()]+", expression) if word not in ("", "OR", "AND", "WITH")}


def allowed(expression: str) -> bool:
    """Say whether one of the alternatives of an SPDX expression has allowed licences only."""
    return any(_names(one) and _names(one) <= ALLOWED for one in re.split(r"\bOR\b", expression))


def rows(found: Iterator[Locked]) -> Iterator[str]:
    """Yield the page's lines."""
    for one in found:
        yield f"| {one.name} | {one.version} | {licence(one.name)} | {f'`{one.marker}`' if one.marker else 'everywhere'} |"


def page() -> str:
    """Return the page."""
    return _HEAD + "\n".join(rows(locked(LOCK.read_text("utf-8")))) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

"""Reading ``requirements/run.lock``, as uv writes it: names, versions, markers, hashes, and who asks for each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements" / "run.lock"
OURSELVES = "pointsman"

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+?))?(?: \\)?$")
_HASH = re.compile(r"^ +--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """One pinned distribution. ``asked_by`` are the names that need it; ``pointsman`` stands for ourselves."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    asked_by: tuple[str, ...]


def locked(text: str) -> Iterator[Locked]:
    """Yield what a lock file pins, in its order. Raises ValueError where something is pinned without a hash."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    for block in blocks:
        lines = block.splitlines()
        head = _PINNED.match(lines[0])
        if head is None:
            raise ValueError(f"this is no pinned distribution: {lines[0]}")
        hashes = tuple(found[1] for line in lines if (found := _HASH.match(line)))
        if not hashes:
            raise ValueError(f"{head[1]} is pinned without a hash")
        words = [line.strip().removeprefix("#").strip().removeprefix("via").strip() for line in lines if "#" in line]
        names = sorted({word.split()[0] for word in words if word and not word.startswith("-c ")})
        yield Locked(head[1], head[2], head[3] or "", hashes, tuple(names))

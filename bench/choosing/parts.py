"""What ``bench/routing.py`` measures beside ways of choosing: one module a part, each with a section and floors of its own.

A part is a module of this package, named in ``PARTS``, with ``NAME`` and ``measure(tables, cache, tell)``. What it found is
kept in the cache, named by a digest of the tables and of all code of ours that the part imports, so that changed code is
measured again. A part that takes minutes keeps single measurements in the cache as well, so that it can be interrupted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

import msgspec

from choosing.floors import Floor
from choosing.kept import digest, sources

PARTS: Final[tuple[str, ...]] = ("budget", "robustness", "twice", "agents", "onboard")
"""Modules of this package, in the order in which they stand in the document."""


@dataclass(frozen=True)
class Found:
    """What a part found: a section of the document (Markdown that begins with ``## ``), and its floors.

    ``skipped`` is the reason why nothing, or not all of it, was measured.
    """

    section: str
    floors: tuple[Floor, ...] = ()
    skipped: str = ""


class Part(Protocol):
    """A module that measures something of its own."""

    NAME: str

    def measure(self, tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:
        """Measure it on a directory of tables. ``cache`` may hold what costs minutes; ``tell`` hears how far it is."""
        ...


def measured(names: Sequence[str], tables: Path, cache: Path, tell: Callable[[str], None]) -> list[Found]:
    """Return what the named parts found, measuring those whose findings are not kept."""
    cache.mkdir(parents=True, exist_ok=True)
    stamp = digest(sorted(tables.glob("*.parquet")))
    return [_found(cast("Part", import_module(f"choosing.{name}")), name, tables, cache, stamp, tell) for name in names]


def _found(part: Part, name: str, tables: Path, cache: Path, stamp: str, tell: Callable[[str], None]) -> Found:
    path = cache / f"part.{name}.{stamp}{digest(sources(f'choosing.{name}'))}.json"
    if not path.exists():
        tell(part.NAME)
        draft = path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(part.measure(tables, cache, tell)))
        draft.replace(path)
    tell(f"{part.NAME}, measured")
    return msgspec.json.decode(path.read_bytes(), type=Found)

"""The guide's pages as something that can be run: their commands in order, with the lines that they are said to print.

A block ``console`` holds commands after ``$``, each followed by lines of its output, in which ``…`` stands for anything. A
block ``console terminal`` holds one command that goes on running; it has started once its last line was printed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GUIDE: Final = Path(__file__).parents[2] / "docs" / "guide"
_BLOCK: Final = re.compile(r"^```console( terminal)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEAR: Final = 200
"""Characters that ``…`` stands for at most: a line, and what a narrow terminal makes of it."""
_LINK: Final = re.compile(r"^\d+\. \[[^\]]+\]\(([^)]+\.md)\)", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """A command of a page. ``shown`` are lines that it prints, in this order, others between them."""

    page: str
    text: str
    shown: tuple[str, ...]
    stays: bool

    def missing(self, printed: str) -> str | None:
        """Return the first line that was not printed, None where all were. Neither blanks nor where lines end count."""
        text, start = " ".join(printed.split()), 0
        for wanted in self.shown:
            pattern = f".{{0,{_NEAR}}}?".join(re.escape(" ".join(part.split())) for part in wanted.split("…"))
            found = re.compile(pattern).search(text, start)
            if found is None:
                return wanted
            start = found.end()
        return None


def pages() -> list[Path]:
    """Return the pages in the order in which the guide lists them."""
    return [GUIDE / name for name in _LINK.findall((GUIDE / "README.md").read_text("utf-8"))]


def commands(page: Path) -> Iterator[Command]:
    """Yield a page's commands."""
    for stays, block in _BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, *shown = part.rstrip("\n").split("\n")
            yield Command(page.name, text, tuple(line for line in shown if line.strip()), bool(stays))

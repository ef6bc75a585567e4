"""Names of what was lost on the way: kept up to a bound, because whoever sends the fields chooses how many there are."""

from collections.abc import Iterable
from typing import Final

_MOST: Final = 100
_LENGTH: Final = 100


class Names(set[str]):
    """A set of names that keeps the first hundred, each cut to a hundred characters."""

    def add(self, name: str) -> None:
        """Keep a name, where there is room."""
        if len(self) < _MOST:
            super().add(name[:_LENGTH])

    def update(self, *names: Iterable[str]) -> None:
        """Keep several names, where there is room."""
        for each in names:
            for name in each:
                self.add(name)

"""Lists of names on a command line."""

import argparse
from collections.abc import Callable


def some_of(*known: str) -> Callable[[str], list[str]]:
    """Return a reader of names separated by commas, in the order in which they are known; also of ``all`` and ``none``."""

    def read(text: str) -> list[str]:
        if text in ("all", "none"):
            return list(known) if text == "all" else []
        asked = text.split(",")
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(known)}")
        return [name for name in known if name in asked]

    return read

"""When is learned again from what was judged: the table ``learning``."""

import re
from typing import Final

from pointsman.control.config.reading import Table

LEAST_S: Final = 60.0
_TIME: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_learning(document: Table) -> float | None:
    """Return after how many seconds is learned again; None where that is not said: only by ``pointsman learn`` then."""
    table = document.table("learning")
    if table is None:
        return None
    said = table.text("every")
    table.finish()
    if said is None:
        if "every" not in table:
            table.report.add(table.path, "learning has no time", 'add every = "1h", or remove [learning]')
        return None
    found = _TIME.fullmatch(said.replace(" ", ""))
    seconds = float(int(found[1]) * _SECONDS[found[2]]) if found is not None else 0.0
    if seconds < LEAST_S:
        what = f"{said!r} is no time of a minute or more"
        table.wrong("every", what, 'write a number and s, m, h or d: "30m", "1h", "1d"')
        return None
    return seconds

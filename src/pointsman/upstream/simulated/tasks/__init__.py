"""Families of tasks with checkable answers, in English and Chinese: written from a seed, and solved from their text alone.

task         Task, Solution, and what every family can do
wording      sentences with slots, by which a task is both written and read
arithmetic · units · sorting · dates · strings · logic · tracing (with its interpreter) · extraction
"""

from functools import lru_cache
from random import Random
from typing import Any, Final

from pointsman.upstream.simulated.tasks.arithmetic import Arithmetic
from pointsman.upstream.simulated.tasks.dates import Dates
from pointsman.upstream.simulated.tasks.extraction import Extraction
from pointsman.upstream.simulated.tasks.logic import Logic
from pointsman.upstream.simulated.tasks.sorting import Sorting
from pointsman.upstream.simulated.tasks.strings import Strings
from pointsman.upstream.simulated.tasks.task import LANGUAGES, Family, Kind, Language, Solution, Task
from pointsman.upstream.simulated.tasks.tracing import Tracing
from pointsman.upstream.simulated.tasks.units import Units

FAMILIES: Final[dict[str, Family[Any]]] = {
    family.name: family
    for family in (Arithmetic(), Units(), Sorting(), Dates(), Strings(), Logic(), Tracing(), Extraction())
}
READABLE: Final = 20_000  # characters: a longer text holds no task of ours, and is not searched for one
_REMEMBERED: Final = 2048  # texts: a trial asks every model and the judge about the same one, some twenty times in all


def generate(family: str, language: Language, difficulty: float, rng: Random) -> Task:
    """Return a new task of a family. Raises KeyError for a family that does not exist."""
    return FAMILIES[family].generate(difficulty, language, rng)


@lru_cache(_REMEMBERED)
def solve(text: str) -> Solution | None:
    """Return the solution of the task that a text states, None where no family recognises it."""
    if len(text) > READABLE:
        return None
    for family in FAMILIES.values():
        solution = family.solve(text)
        if solution is not None:
            return solution
    return None


__all__ = ["FAMILIES", "LANGUAGES", "READABLE", "Family", "Kind", "Language", "Solution", "Task", "generate", "solve"]

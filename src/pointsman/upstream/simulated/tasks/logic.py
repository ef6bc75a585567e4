"""Small logic puzzles: who stands at a given place, from clues about pairs. Harder with more people and twisted clues.

The solver sorts the people topologically (Kahn 1962) and reads a puzzle only when its clues leave a single order.
"""

from itertools import pairwise
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language
from pointsman.upstream.simulated.tasks.wording import Wordings

_PEOPLE: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Ana", "Bilal", "Chiara", "Dmitri", "Esi", "Farid", "Greta", "Hugo", "Ines", "Jonas"),
    "zh": ("王芳", "李强", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄丽", "周涛", "吴霞"),
}
_PLAIN: Final = Wordings(en=("{a} is served before {b}.",), zh=("{a}排在{b}前面。",))
_TWISTED: Final = Wordings(en=("{b} is served later than {a}.",), zh=("{b}排在{a}后面。",))
_CLUES: Final = Wordings(
    en=("{a} is served before {b}.", "{b} is served later than {a}."), zh=("{a}排在{b}前面。", "{b}排在{a}后面。")
)
_FRAME: Final = Wordings(
    en=(
        "Callers are waiting, one after the other:\n{clues*}\nWho is number {place} in the queue?",
        "Help me with the order of appointments.\n{clues*}\nWho takes place number {place}, counted from the front?",
    ),
    zh=("客户依次排队：\n{clues*}\n排在第{place}位的是谁？", "请理清预约顺序。\n{clues*}\n从前往后数第{place}位是谁？"),
)


class Queue(Struct, frozen=True):
    """Clues (earlier, later, whether said the other way round) and the place asked for, counted from one."""

    clues: tuple[tuple[str, str, bool], ...]
    place: int


class Logic(Family[Queue]):
    """Orders of people from clues."""

    name = "logic"
    kind: Kind = "exact"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Queue:
        count = min(9, max(3, 3 + round(difficulty * 6)))
        people = rng.sample(_PEOPLE[language], count)
        clues = [(a, b, rng.random() < difficulty) for a, b in pairwise(people)]
        if count > 4:
            left, right = sorted(rng.sample(range(count), 2))
            if right > left + 1:
                clues.append((people[left], people[right], False))
        rng.shuffle(clues)
        return Queue(tuple(clues), rng.randint(1, count))

    def _write(self, problem: Queue, language: Language, rng: Random) -> str:
        clues = [(_TWISTED if twisted else _PLAIN).write(language, rng, a=a, b=b) for a, b, twisted in problem.clues]
        return _FRAME.write(language, rng, clues="\n".join(clues), place=problem.place)

    def _read(self, text: str) -> tuple[Queue, Language] | None:
        found = _FRAME.read(text)
        if found is None or not found[1]["place"].isdecimal():
            return None
        language, slots = found
        lines = slots["clues"].strip().splitlines()
        rows = _CLUES.lines(slots["clues"])
        if not rows:
            return None
        clues = tuple((row["a"], row["b"], line.startswith(row["b"])) for row, line in zip(rows, lines, strict=True))
        problem = Queue(clues, int(slots["place"]))
        order = _order(problem)
        return (problem, language) if order and 1 <= problem.place <= len(order) else None

    def _answer(self, problem: Queue) -> str:
        return _order(problem)[problem.place - 1]

    def _difficulty(self, problem: Queue) -> float:
        count = len({person for a, b, _ in problem.clues for person in (a, b)})
        twisted = sum(twisted for _, _, twisted in problem.clues) / len(problem.clues)
        return min(1.0, 0.8 * (count - 3) / 6 + 0.2 * twisted)

    def _slips(self, problem: Queue) -> list[str]:
        """The neighbours, the one at that place from the other end, the first one named."""
        order, at = _order(problem), problem.place - 1
        return [*order[max(0, at - 1) : at], *order[at + 1 : at + 2], order[-problem.place], problem.clues[0][0]]


def _order(problem: Queue) -> list[str]:
    """Return the people from first to last; empty where the clues contradict each other or leave more than one order."""
    later: dict[str, set[str]] = {}
    for a, b, _ in problem.clues:
        later.setdefault(a, set()).add(b)
        later.setdefault(b, set())
    order: list[str] = []
    while later:
        first = [person for person in later if not any(person in others for others in later.values())]
        if len(first) != 1:
            return []
        order.append(first[0])
        del later[first[0]]
    return order

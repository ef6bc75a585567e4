"""Sorting: put rows in order of a number and list their codes. Harder with more rows, and descending."""

from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language
from pointsman.upstream.simulated.tasks.wording import Wordings

_ROW: Final = Wordings(
    en=("* {code}: {value} hours", "* {code} ({value} units)"), zh=("* {code}：{value} 小时", "* {code}（{value} 件）")
)
_RISING: Final = Wordings(
    en=(
        (
            "These are open, with what is left of each:\n{rows*}\nList the codes from the smallest number to the largest, "
            "separated by commas."
        ),
        "Please order the queue below, lowest figure first.\n{rows*}\nGive only the codes, separated by commas.",
    ),
    zh=(
        "以下是待处理的编号：\n{rows*}\n请按数字从小到大列出编号，用逗号分隔。",
        "请整理下面的队列：\n{rows*}\n数字小的在前，只写编号，用逗号分隔。",
    ),
)
_FALLING: Final = Wordings(
    en=(
        (
            "These are waiting, with their figures:\n{rows*}\nList the codes from the largest number to the smallest, "
            "separated by commas."
        ),
        "Please order the queue below, highest figure first.\n{rows*}\nGive only the codes, separated by commas.",
    ),
    zh=(
        "以下是待处理的编号：\n{rows*}\n请按数字从大到小列出编号，用逗号分隔。",
        "请整理下面的队列：\n{rows*}\n数字大的在前，只写编号，用逗号分隔。",
    ),
)


class Rows(Struct, frozen=True):
    """Codes with numbers, all different, and whether the largest comes first."""

    rows: tuple[tuple[str, int], ...]
    falling: bool


class Sorting(Family[Rows]):
    """Codes in the order of their numbers."""

    name = "sorting"
    kind: Kind = "exact"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Rows:  # noqa: ARG002 - codes have no language
        falling = rng.random() < difficulty
        count = min(14, max(3, 3 + round((difficulty - 0.15 * falling) / 0.85 * 11)))
        codes = [rng.choice("ABCDEFGHKLMNPRSTUVWXYZ") + str(number) for number in rng.sample(range(10, 100), count)]
        values = rng.sample(range(2, 1000), count)
        return Rows(tuple(zip(codes, values, strict=True)), falling)

    def _write(self, problem: Rows, language: Language, rng: Random) -> str:
        style = Random(rng.random())
        state = style.getstate()
        rows = []
        for code, value in problem.rows:
            style.setstate(state)
            rows.append(_ROW.write(language, style, code=code, value=value))
        return (_FALLING if problem.falling else _RISING).write(language, rng, rows="\n".join(rows))

    def _read(self, text: str) -> tuple[Rows, Language] | None:
        for wordings, falling in ((_RISING, False), (_FALLING, True)):
            found = wordings.read(text)
            rows = _ROW.lines(found[1]["rows"]) if found else None
            if found and rows:
                return Rows(tuple((row["code"], int(row["value"])) for row in rows), falling), found[0]
        return None

    def _answer(self, problem: Rows) -> str:
        rows = sorted(problem.rows, key=lambda row: row[1], reverse=problem.falling)
        return ", ".join(code for code, _ in rows)

    def _difficulty(self, problem: Rows) -> float:
        return min(1.0, 0.85 * (len(problem.rows) - 3) / 11 + 0.15 * problem.falling)

    def _slips(self, problem: Rows) -> list[str]:
        """Two neighbours exchanged, the wrong way round, one left out."""
        codes = self._answer(problem).split(", ")
        exchanged = [[*codes[:at], codes[at + 1], codes[at], *codes[at + 2 :]] for at in range(len(codes) - 1)]
        return [", ".join(each) for each in (*exchanged, codes[::-1], codes[:-1])]

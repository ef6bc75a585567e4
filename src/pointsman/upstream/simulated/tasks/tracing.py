"""Code tracing: what a short program prints. Harder with more statements and more steps taken."""

import math
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.interpreter import NotTraceableError, Run
from pointsman.upstream.simulated.tasks.task import Family, Kind, Language, off_numbers
from pointsman.upstream.simulated.tasks.wording import Wordings

_FRAME: Final = Wordings(
    en=(
        "What does this Python snippet print?\n```python\n{code*}\n```",
        "I am reviewing a pull request. Trace this code and tell me its output:\n```python\n{code*}\n```",
        "A test fails here and I do not see why. Which number is printed?\n```python\n{code*}\n```",
    ),
    zh=(
        "下面这段 Python 代码输出什么？\n```python\n{code*}\n```",
        "正在做代码评审，请逐步执行并给出打印结果：\n```python\n{code*}\n```",
    ),
)
_NAMES: Final = ("total", "count", "acc", "result", "points", "stock")


class Program(Struct, frozen=True):
    """A program that prints one number, what it prints, and how many statements that takes."""

    code: str
    printed: int
    steps: int


class Tracing(Family[Program]):
    """Small programs run in the head."""

    name = "tracing"
    kind: Kind = "exact"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Program:  # noqa: ARG002 - code is code
        while True:
            name = rng.choice(_NAMES)
            lines = [f"{name} = {rng.randint(0, 20)}"]
            for _ in range(1 + int(difficulty * 3 + rng.random() * 0.5)):
                lines += _part(name, difficulty, rng)
            program = _run("\n".join([*lines, f"print({name})"]))
            if program is not None:
                return program

    def _write(self, problem: Program, language: Language, rng: Random) -> str:
        return _FRAME.write(language, rng, code=problem.code)

    def _read(self, text: str) -> tuple[Program, Language] | None:
        found = _FRAME.read(text)
        program = _run(found[1]["code"]) if found else None
        return (program, found[0]) if found and program else None

    def _answer(self, problem: Program) -> str:
        return str(problem.printed)

    def _difficulty(self, problem: Program) -> float:
        steps = math.log2(max(1, problem.steps / 6)) / 4
        return min(1.0, 0.5 * min(1.0, steps) + 0.5 * min(1.0, max(0, problem.code.count("\n") - 3) / 14))

    def _slips(self, problem: Program) -> list[str]:
        """The last line before the output forgotten, a digit wrong, off by one, the sign lost."""
        lines = problem.code.splitlines()
        without = _run("\n".join([*lines[:-2], lines[-1]])) if len(lines) > 2 else None
        forgotten = [str(without.printed)] if without else []
        return [*forgotten, *off_numbers(self._answer(problem)), str(-problem.printed)]


def _run(code: str) -> Program | None:
    try:
        run = Run(code)
    except NotTraceableError:
        return None
    return Program(code, run.printed[0], run.steps) if len(run.printed) == 1 else None


def _part(name: str, difficulty: float, rng: Random) -> list[str]:
    """Return a few lines that change ``name``, with loops as long as the difficulty asks for."""
    turns = 2 + round(difficulty * 6) + rng.randrange(2)
    start, factor = rng.randint(1, 4), rng.randint(2, 5)
    kind = rng.choice(("plain", "loop") if difficulty < 0.25 else ("loop", "branch", "list", "nested"))
    if kind == "plain":
        return [f"step = {rng.randint(2, 9)}", f"{name} += step * {factor}", f"{name} -= {rng.randint(1, 9)}"]
    if kind == "loop":
        return [f"for i in range({start}, {start + turns}):", f"    {name} += i * {factor}"]
    if kind == "branch":
        return [
            f"for i in range({start}, {start + turns}):", f"    if i % {rng.choice((2, 3))} == {rng.randrange(2)}:",
            f"        {name} += i * {factor}", "    else:", f"        {name} -= {rng.randint(1, 6)}",
        ]  # fmt: skip
    if kind == "list":
        values = [rng.randint(1, 30) for _ in range(turns)]
        return [
            f"values = {values}", "kept = []", "for value in values:", f"    if value > {rng.randint(5, 20)}:",
            f"        kept.append(value - {factor})", f"{name} += len(kept) * {factor}",
        ]  # fmt: skip
    return [
        f"for i in range({max(2, turns // 2)}):", f"    for j in range(i, {2 + turns // 2}):",
        f"        {name} += i * j", f"    {name} -= {factor}",
    ]  # fmt: skip

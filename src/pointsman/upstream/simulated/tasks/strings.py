"""String manipulation: steps applied to a reference code, one after the other. Harder with more steps and a longer code."""

from collections.abc import Callable
from random import Random
from typing import Final

from msgspec import Struct

from pointsman.upstream.simulated.tasks.task import Family, Kind, Language
from pointsman.upstream.simulated.tasks.wording import Wordings

_FRAME: Final = Wordings(
    en=(
        "Rewrite the reference {code} for the old system. Steps in order: {steps}. What is the new reference?",
        "Customer code {code} has to be migrated as follows: {steps}. State the resulting code.",
    ),
    zh=(
        "请把编号 {code} 改写为旧系统格式，依次：{steps}。新编号是什么？",
        "客户代码 {code} 需要迁移，步骤如下：{steps}。请给出结果。",
    ),
)


class Step(Struct, frozen=True):
    """One kind of step: how it is said, and what it does with the text and its arguments ``a`` and ``b``."""

    wordings: Wordings
    apply: Callable[[str, str, str], str]


_STEPS: Final[dict[str, Step]] = {
    "reverse": Step(Wordings(en=("reverse it",), zh=("整体倒序",)), lambda text, _a, _b: text[::-1]),
    "digits": Step(
        Wordings(en=("remove all digits",), zh=("删去所有数字",)),
        lambda text, _a, _b: "".join(character for character in text if not character.isdigit()),
    ),
    "rotate": Step(
        Wordings(en=("move the first {a} characters to the end",), zh=("把前 {a} 个字符移到末尾",)),
        lambda text, a, _b: text[int(a) :] + text[: int(a)],
    ),
    "replace": Step(
        Wordings(en=("replace every {a} by {b}",), zh=("把每个 {a} 换成 {b}",)),
        lambda text, a, b: text.replace(a, b),
    ),
    "swap": Step(
        Wordings(en=("exchange the first and the last character",), zh=("交换首尾两个字符",)),
        lambda text, _a, _b: text[-1:] + text[1:-1] + text[:1] if len(text) > 1 else text,
    ),
    "append": Step(Wordings(en=("append {a}",), zh=("在末尾加上 {a}",)), lambda text, a, _b: text + a),
    "second": Step(
        Wordings(en=("drop every second character",), zh=("每两个字符删去后一个",)),
        lambda text, _a, _b: text[::2],
    ),
}


class Rewriting(Struct, frozen=True):
    """A code and the steps to apply: (kind, a, b), unused arguments empty."""

    code: str
    steps: tuple[tuple[str, str, str], ...]


class Strings(Family[Rewriting]):
    """Codes rewritten step by step."""

    name = "strings"
    kind: Kind = "exact"

    def _draw(self, difficulty: float, language: Language, rng: Random) -> Rewriting:  # noqa: ARG002 - codes have no language
        count = min(6, max(1, 1 + round(difficulty * 5)))
        length = 6 + round(difficulty * 10)
        while True:
            code = "".join(
                rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ" if rng.random() < 0.6 else "23456789") for _ in range(length)
            )
            steps: list[tuple[str, str, str]] = []
            for _ in range(count):
                kind = rng.choice([kind for kind in _STEPS if not steps or kind != steps[-1][0]])
                steps.append((kind, *_arguments(kind, code, rng)))
            problem = Rewriting(code, tuple(steps))
            if self._answer(problem) not in ("", code):
                return problem

    def _write(self, problem: Rewriting, language: Language, rng: Random) -> str:
        steps = [_STEPS[kind].wordings.write(language, rng, a=a, b=b) for kind, a, b in problem.steps]
        return _FRAME.write(language, rng, code=problem.code, steps=("；" if language == "zh" else "; ").join(steps))

    def _read(self, text: str) -> tuple[Rewriting, Language] | None:
        found = _FRAME.read(text)
        if found is None:
            return None
        language, slots = found
        steps = [_step(said) for said in slots["steps"].replace("；", ";").split(";")]
        known = tuple(step for step in steps if step is not None)
        return (Rewriting(slots["code"], known), language) if len(known) == len(steps) else None

    def _answer(self, problem: Rewriting) -> str:
        text = problem.code
        for kind, a, b in problem.steps:
            text = _STEPS[kind].apply(text, a, b)
        return text

    def _difficulty(self, problem: Rewriting) -> float:
        return min(1.0, 0.75 * (len(problem.steps) - 1) / 5 + 0.25 * min(10, max(0, len(problem.code) - 6)) / 10)

    def _slips(self, problem: Rewriting) -> list[str]:
        """A step left out, the last two in the wrong order, two characters exchanged."""
        steps, right = problem.steps, self._answer(problem)
        shorter = [Rewriting(problem.code, steps[:at] + steps[at + 1 :]) for at in range(len(steps))]
        exchanged = Rewriting(problem.code, (*steps[:-2], *steps[:-3:-1]))
        typed = [right[:at] + right[at + 1] + right[at] + right[at + 2 :] for at in range(len(right) - 1)]
        return [*(self._answer(each) for each in (*shorter, exchanged)), *typed, right + right[-1:]]


def _arguments(kind: str, code: str, rng: Random) -> tuple[str, str]:
    if kind == "rotate":
        return str(rng.randint(1, 3)), ""
    if kind == "replace":
        return rng.choice(code), rng.choice("XYZ789")
    return (rng.choice("KLMN45"), "") if kind == "append" else ("", "")


def _step(said: str) -> tuple[str, str, str] | None:
    for kind, step in _STEPS.items():
        slots = step.wordings.read_whole(said)
        if slots is not None:
            return kind, slots.get("a", ""), slots.get("b", "")
    return None

"""From an answer to a grade: checks, code that really runs, and a judge in both orders."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pointsman.control import sandbox
from pointsman.control.cases.asking import Asking, UnansweredError
from pointsman.control.cases.case import Case, Check
from pointsman.control.cases.checking import Checking, code_of, must_isolate
from pointsman.control.cases.kept import Said
from pointsman.control.grade import Grade
from pointsman.core.errors import ConfigError

ASKED = {"messages": [{"role": "user", "content": "Add two numbers in Python: add(a, b)"}]}
TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"
RIGHT = "Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nFor example:\n```python\nadd(1, 2)\n```\n"


class Models:
    """What deployments answer, by name; ``asked`` is who was asked what."""

    def __init__(self, answers: dict[str, Callable[[str], str | None]]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str]] = []

    def prepare(self, name: str, fields: dict[str, Any]) -> Any:
        return SimpleNamespace(name=name, text=fields["messages"][-1]["content"])

    async def ask(self, asked: Any) -> Said:
        self.asked.append((asked.name, asked.text))
        return Said(self._answers[asked.name](asked.text), cost_nano=7, note="busy")


def grade(case: Case, answer: Said | str, models: Models | None = None, name: str = "p/b") -> Grade:
    said = Said(answer) if isinstance(answer, str) else answer
    checking = Checking(cast("Asking", models or Models({})), reference="p/a")
    return asyncio.run(checking.grade(case, name, said))


def a_case(kind: Any, spec: str = "", expected: str | None = None) -> Case:
    return Case("1", ASKED, Check(kind, spec), expected, "g")


@pytest.fixture
def _isolated() -> None:
    reason = asyncio.run(sandbox.why_not())
    if reason:
        pytest.skip(f"programs cannot be isolated on this machine: {reason}")


@pytest.mark.parametrize(
    ("kind", "spec", "expected", "answer", "score"),
    [
        ("exact", "", "5", " 5 ", 1.0),
        ("numeric", "0.1", "5", "about 5.05", 1.0),
        ("regex", "^5$", None, "55", 0.0),
        ("json", "", '{"a": [1, true]}', 'It is {"a": [1.0, true]}', 1.0),
        ("json", "", '{"a": [1, true]}', '{"a": [1, 1]}', 0.0),
        ("json", "", '{"a": 1}', '{"a": 1, "b": 2}', 0.0),
        ("json", "", '{"a": 1}', "nothing", 0.0),
        ("json_fields", "", '{"a": 1, "b": 2}', '{"a": 1, "b": 3}', 0.5),
        ("json_schema", '{"required": ["a"]}', None, '{"b": 1}', 0.0),
    ],
)
def test_checks(kind: str, spec: str, expected: str | None, answer: str, score: float) -> None:
    assert grade(a_case(kind, spec, expected), answer).score == score


def test_a_function_of_the_owner_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_check.py").write_text("def half(request, answer, expected):\n    return 0.5 if expected is None else 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert grade(a_case("python", "own_check:half"), "x").score == 0.5
    assert grade(a_case("python", "own_check:half", "y"), "x").score == 1.0
    sys.modules.pop("own_check")


def test_without_an_answer_the_model_failed_or_nothing_is_known() -> None:
    assert grade(a_case("exact", "", "5"), Said(None, failed=True, note="refused")) == Grade(0.0, "refused")
    assert grade(a_case("exact", "", "5"), Said(None, note="cut")) == Grade(None, "cut")


@pytest.mark.usefixtures("_isolated")
@pytest.mark.parametrize(
    ("answer", "score", "note"),
    [
        (RIGHT, 1.0, ""),
        ("def add(a, b): return a + b", 1.0, ""),
        ("```\ndef add(a, b):\n    return a - b\n```", 0.0, "the code ended with AssertionError"),
        ("```python\ndef plus(a, b): return a + b\n```", 0.0, "the code ended with NameError"),
        ("I cannot do that.", 0.0, "the code ended with SyntaxError"),
        ("def add(a, b): return a + b\nimport sys\nsys.exit(0)", 0.0, "the code ended before its tests did"),
        ("import os\nos._exit(0)", 0.0, "the code ended before its tests did"),
        ("def add(a, b):\n    while True: print('x' * 1000)", 0.0, "the code wrote more than 64 KB"),
        ("def add(a, b): return bytearray(10**10)", 0.0, "the code ended with MemoryError"),
        ("import os\ndef add(a, b): os.kill(os.getpid(), 9)", 0.0, "the code ended with status 137"),
        ("print('said')\ndef add(a, b):\n    print(a)\n    return a + b", 1.0, ""),
    ],
)
def test_code_is_right_where_its_tests_pass(answer: str, score: float, note: str) -> None:
    assert grade(a_case("code", TESTS), answer) == Grade(score, note)


@pytest.mark.usefixtures("_isolated")
def test_code_without_tests_prints_what_is_expected() -> None:
    case = a_case("code", "", "1\n2")
    assert grade(case, "```\nfor n in (1, 2): print(n)\n```").score == 1.0
    assert grade(case, "print(1)").score == 0.0
    assert grade(case, "print(1); print(2); raise SystemExit(1)").score == 0.0


@pytest.mark.usefixtures("_isolated")
def test_code_that_takes_for_ever_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointsman.control.cases.checking._BOUNDS", sandbox.Bounds(seconds=1.0))
    found = grade(a_case("code", TESTS), "def add(a, b):\n    while True: pass")
    assert found == Grade(0.0, "the code took longer than 1 s")


def test_code_that_cannot_be_isolated_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def why_not() -> str:
        return "no namespaces"

    monkeypatch.setattr(sandbox, "why_not", why_not)
    with pytest.raises(ConfigError, match=r"\(no namespaces\), so none is run.*--without-isolation"):
        asyncio.run(must_isolate())


def test_the_longest_block_is_the_program() -> None:
    assert code_of(RIGHT) == "def add(a, b):\n    return a + b\n"
    assert code_of("x = 1") == "x = 1"
    assert code_of("```c++\nint main() {}\n```") == "int main() {}\n"


def prefers(text: str) -> Callable[[str], str]:
    """A judge that prefers the answer that holds a text."""

    def ruling(asked: str) -> str:
        first = asked.split("<answer_a>")[1].split("</answer_a>", maxsplit=1)[0]
        second = asked.split("<answer_b>")[1].split("</answer_b>", maxsplit=1)[0]
        said = "TIE" if (text in first) == (text in second) else "A" if text in first else "B"
        return f"VERDICT: {said}"

    return ruling


def test_a_judge_compares_with_what_is_expected() -> None:
    models = Models({"p/judge": prefers("good")})
    case = a_case("judge", "p/judge", "bad")
    assert grade(case, "good", models) == Grade(1.0, "", 14)
    assert grade(case, "also bad", models).score == 0.5
    assert grade(a_case("judge", "p/judge", "good"), "bad", models).score == 0.0
    assert {name for name, _ in models.asked} == {"p/judge"}


def test_a_judge_compares_with_the_reference_where_nothing_is_expected() -> None:
    models = Models({"p/judge": prefers("good"), "p/a": lambda _: "bad"})
    assert grade(a_case("judge", "p/judge"), "good", models).score == 1.0
    assert [name for name, _ in models.asked] == ["p/a", "p/judge", "p/judge"]
    assert grade(a_case("judge", "p/judge"), "anything", Models({}), name="p/a") == Grade(0.5)


def test_a_judge_that_always_takes_the_first_says_nothing() -> None:
    models = Models({"p/judge": lambda _: "VERDICT: A"})
    assert grade(a_case("judge", "p/judge", "x"), "y", models).score == 0.5


def test_without_a_verdict_there_is_no_grade() -> None:
    models = Models({"p/judge": lambda _: "Both are fine."})
    found = grade(a_case("judge", "p/judge", "x"), "y", models)
    assert (found.score, found.nano) == (None, 14)
    with pytest.raises(UnansweredError, match="judge: busy"):
        grade(a_case("judge", "p/judge", "x"), "y", Models({"p/judge": lambda _: None}))
    silent = Models({"p/a": lambda _: None})
    assert grade(a_case("judge", "p/judge"), "y", silent).score is None

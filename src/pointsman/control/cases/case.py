"""One case: what is asked, what is right, and how an answer is graded."""

from typing import Any, Final, Literal, get_args

from msgspec import Struct

from pointsman.control.grade import EXPECTING, Grade, check, grade
from pointsman.core.errors import ConfigError
from pointsman.core.routing import Grader, GraderKind

CheckKind = Literal[GraderKind, "code"]
KINDS: Final[tuple[CheckKind, ...]] = (*get_args(GraderKind), "code")


class Check(Struct, frozen=True):
    """How an answer is graded: a grader's ``kind`` and ``spec`` (``control/grade``), or ``code``.

    For ``code``, ``spec`` is Python that tests what the answer defines, and the answer is right where nothing is raised; or
    it is empty, and the answer is right where its program prints what is expected.
    """

    kind: CheckKind
    spec: str = ""

    @property
    def expects(self) -> bool:
        """Whether nothing can be graded without an expected answer."""
        return self.kind in EXPECTING or (self.kind == "code" and not self.spec)

    def verify(self) -> None:
        """Raise ConfigError, with what to write, where ``spec`` cannot be used."""
        if self.kind == "code":
            _compiles(self.spec)
        elif self.kind == "regex" and not self.spec:
            raise ConfigError('check "regex": spec is a regular expression, and there is none')
        else:
            check(Grader(self.kind, self.spec))

    def grade(self, request: dict[str, Any], answer: str, expected: str | None) -> Grade:
        """Grade one answer by a check that needs neither a model nor a sandbox. Raises ConfigError for those that do."""
        if self.kind == "code":
            raise ConfigError("code is graded in a sandbox")
        return grade(Grader(self.kind, self.spec), request, answer, expected)


class Case(Struct, frozen=True):
    """One case. ``fields`` is the request as it goes out, messages and all, but for the model's name.

    ``expected`` is the right answer, None where none is needed. ``labels`` says more of the prompt, by the names of an
    outcome table's columns (task, dataset, feature, customer); ``group`` is that of prompts with the same text.
    """

    id: str
    fields: dict[str, Any]
    check: Check
    expected: str | None
    group: str
    labels: dict[str, str] = {}


def _compiles(tests: str) -> None:
    try:
        compile(tests, "spec", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f'check "code": spec is not Python ({error})') from error

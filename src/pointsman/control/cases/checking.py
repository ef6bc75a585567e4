"""From an answer to a grade: a check, code in a sandbox, or a blind judge.

What a failure means is as in a trial: who refuses or takes too long is wrong, what was cut or could not be graded is
ungraded. A judge compares with the case's expected answer, or else with the reference's, whose own grade is one half.

Laws: nothing of an answer is in a note; code runs in a sandbox only, a few programs at a time; whether a program's tests
were reached at all is told by a word that only they write, so that an early exit is no success. (A program that sets out to
find that word can: it may cheat its grade, and reach nothing else.)
"""

import asyncio
import os
import re
import secrets
from typing import Final

import msgspec

from pointsman.control import judge, sandbox
from pointsman.control.cases.asking import Asking, UnansweredError
from pointsman.control.cases.case import Case
from pointsman.control.cases.kept import Said
from pointsman.control.grade import Grade
from pointsman.core.errors import ConfigError
from pointsman.wire.openai_chat import request as requests

_FENCE: Final = re.compile(r"```[\w+-]*[^\S\n]*\n(.*?)```", re.DOTALL)
_RAISED: Final = re.compile(r"^([A-Za-z_][\w.]{0,80}(?:Error|Exception|Exit|Interrupt|Iteration))\b", re.MULTILINE)
_BOUNDS: Final = sandbox.Bounds()


async def must_isolate() -> None:
    """Raise ConfigError, with the remedy, where code cannot be isolated on this machine."""
    reason = await sandbox.why_not()
    if reason:
        raise ConfigError(
            f"code that models wrote cannot be isolated here ({reason}), so none is run: use a Linux that allows user "
            "namespaces, or run this as root; or pass --without-isolation, which keeps limits of time and memory, and "
            "lets the code see your files and your network"
        )


class Checking:
    """Grades answers. ``reference`` is whose answer a judge compares with where a case expects none."""

    def __init__(self, asking: Asking, *, reference: str, isolated: bool = True) -> None:
        self._asking = asking
        self._reference = reference
        self._isolated = isolated
        self._places = asyncio.Semaphore(max(1, min(os.cpu_count() or 1, 4)))

    async def grade(self, case: Case, name: str, said: Said) -> Grade:
        """Grade what a deployment answered. Raises UnansweredError where a judge did not, CapReachedError."""
        if said.text is None:
            return Grade(0.0 if said.failed else None, said.note)
        match case.check.kind:
            case "code":
                return await self._run(case, said.text)
            case "judge":
                return await self._judge(case, name, said.text)
        return case.check.grade(case.fields, said.text, case.expected)

    async def _run(self, case: Case, answer: str) -> Grade:
        """Run a program with its tests, or compare what it prints with what is expected."""
        source = code_of(answer)
        word = secrets.token_hex(16)
        if case.check.spec:
            source = f"{source}\n\n{case.check.spec}\n\n{_said_at_the_end(word)}\n"
        async with self._places:
            ended = await sandbox.run(source, _BOUNDS, isolated=self._isolated)
        if ended.stopped == "time":
            return Grade(0.0, f"the code took longer than {_BOUNDS.seconds:g} s")
        if ended.stopped == "output":
            return Grade(0.0, f"the code wrote more than {_BOUNDS.output_bytes // 1024} KB")
        if ended.status != 0:
            raised = _RAISED.findall(ended.output)
            return Grade(0.0, f"the code ended with {raised[-1] if raised else f'status {ended.status}'}")
        if case.check.spec:
            return Grade(1.0) if word in ended.output else Grade(0.0, "the code ended before its tests did")
        return Grade(float(_lines(ended.output) == _lines(case.expected or "")))

    async def _judge(self, case: Case, name: str, answer: str) -> Grade:
        """Ask the judge in both orders."""
        other = case.expected
        if other is None and name == self._reference:
            return Grade(0.5)
        if other is None:
            other = (await self._asking.ask(self._asking.prepare(self._reference, case.fields))).text
        if other is None:
            return Grade(None, "there is no answer of the reference's to compare with")
        request = requests.decode(msgspec.json.encode({"model": "", **case.fields}))
        rulings: list[judge.Ruling | None] = []
        spent = 0
        for first, second in ((answer, other), (other, answer)):
            question = msgspec.json.decode(judge.question(request, first, second, model=""))
            asked = self._asking.prepare(case.check.spec, {"messages": question["messages"]})
            reply = await self._asking.ask(asked)
            spent += reply.cost_nano or 0
            if reply.text is None:
                raise UnansweredError(f"judge: {reply.note}")
            rulings.append(judge.ruling(reply.text))
        said = judge.ballot(rulings[0], rulings[1])
        return Grade(said.share, said.note, spent)


def code_of(answer: str) -> str:
    """Return the program in an answer: the longest block of code, else the whole text."""
    return max(_FENCE.findall(answer), key=len, default=answer)


def _said_at_the_end(word: str) -> str:
    return f'__import__("sys").stdout.flush(); __import__("os").write(1, b"\\n{word}\\n")'


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]

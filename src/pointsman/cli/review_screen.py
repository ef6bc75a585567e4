"""What a reviewer sees and presses: one question a screen, one key a choice.

Keys: ``a`` and ``b`` say which answer is better, ``t`` neither, ``g`` good and ``x`` bad where one answer stands alone,
``c`` cannot tell, ``s`` skip, ``u`` undo, ``q`` quit. Where standard input is no terminal, keys are read from it one by one.
"""

import sys
from collections.abc import Callable
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from pointsman.control.review.docket import Card, Docket
from pointsman.control.review.people import AWAY_S
from pointsman.control.review.sheets import meaning
from pointsman.control.review.veil import printable, veiled

PAIR: Final = {"a": "a", "b": "b", "t": "tie", "c": "cannot tell", "s": "skip"}
ALONE: Final = {"g": "good", "x": "bad", "c": "cannot tell", "s": "skip"}
_END: Final = ("q", "")
_UNDO: Final = ("u", "\x7f", "\b")
_HELP_PAIR: Final = "[a] A is better   [b] B is better   [t] tie   [c] cannot tell   [s] skip   [u] undo   [q] quit"
_HELP_ALONE: Final = "[g] good   [x] bad   [c] cannot tell   [s] skip   [u] undo   [q] quit"


class Screen:
    """Where questions are shown. ``names`` are hidden in answers; ``clock`` returns seconds."""

    def __init__(self, console: Console, names: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._console = console
        self._names = names
        self._clock = clock

    def ask(self, card: Card, told: str) -> tuple[str, float]:
        """Show a card and return the choice (``undo`` and ``quit`` too) and the seconds that it took."""
        keys = PAIR if card.question.paired else ALONE
        self._show(card, told)
        start = self._clock()
        while True:
            key = read_key().lower()
            seconds = self._clock() - start
            if key in _END:
                return "quit", seconds
            if key in _UNDO:
                return "undo", seconds
            if key in keys:
                return keys[key], seconds

    def tell(self, sentence: str) -> None:
        """Print a sentence."""
        self._console.print(sentence)

    def _show(self, card: Card, told: str) -> None:
        console, material = self._console, card.material
        if console.is_terminal:
            console.clear()
        console.rule(told, style="dim")
        self._section("The request", material.request, veil=False)
        if card.question.paired:
            sides = (material.answer, material.other) if card.first == "candidate" else (material.other, material.answer)
            for name, text in zip(("Answer A", "Answer B"), sides, strict=True):
                self._section(name, text, request=material.request)
        else:
            self._section("The answer", material.answer, request=material.request)
        console.rule(style="dim")
        console.print(_HELP_PAIR if card.question.paired else _HELP_ALONE)

    def _section(self, title: str, text: str, *, veil: bool = True, request: str = "") -> None:
        shown = veiled(text, request, self._names) if veil else text
        self._console.print(Text(title, style="bold"))
        self._console.print(Text(printable(shown).strip() or "(empty)"))
        self._console.print()


def review(docket: Docket, screen: Screen, count: int | None) -> None:
    """Ask until nothing is left, ``count`` were answered, or the reviewer quits. Every choice is written at once."""
    done, spent = 0, 0.0
    card = docket.next()
    while card is not None and (count is None or done < count):
        goal = docket.left if count is None else min(docket.left, count - done)
        told = f" {done} done, {goal} to go{f', {spent / max(done, 1):.0f} s each' if done else ''} "
        choice, seconds = screen.ask(card, told)
        if choice == "quit":
            break
        if choice == "undo":
            before = docket.undo()
            if before is None:
                screen.tell("There is nothing to undo.")
            else:
                card, done = before, max(0, done - 1)
            continue
        docket.say(card, meaning(choice, card.first), min(seconds, AWAY_S))
        done, spent = done + 1, spent + min(seconds, AWAY_S)
        card = docket.next()
    rest = f"{docket.left} are left; go on with `pointsman review`" if docket.left else "nothing is left"
    screen.tell(f"\n{done} judged in {spent / 60:.1f} minutes; {rest}. See what they say: pointsman review report")


def read_key() -> str:
    """Return one key; empty at the end of a pipe, and for Ctrl-C and Ctrl-D."""
    if not sys.stdin.isatty():
        return sys.stdin.read(1)
    try:
        return click.getchar()
    except (KeyboardInterrupt, EOFError):
        return ""

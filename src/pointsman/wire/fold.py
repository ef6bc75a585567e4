"""What a sequence of events adds up to: the answer of its first choice, for those who count and grade.

Law: whole or streamed, in whatever pieces, the same reply adds up to the same answer.
"""

from collections.abc import Iterable

from pointsman.core.chat import (
    Finish,
    RefusalDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    Used,
)
from pointsman.wire.answer import Answer


class Fold:
    """Adds events up. Beyond ``limit`` characters texts are no longer kept, and ``overflowed`` says so."""

    __slots__ = ("_calls", "_finish", "_id", "_limit", "_size", "_tier", "_usage", "_words", "ended", "overflowed")

    def __init__(self, limit: int = 1024 * 1024) -> None:
        self._limit = limit
        self._size = 0
        self._words: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._finish: str | None = None
        self._usage: Usage | None = None
        self._id = self._tier = ""
        self.overflowed = False
        self.ended: set[int] = set()

    def add(self, event: StreamEvent) -> None:
        """Take one event."""
        match event:
            case TextDelta(choice=0) | RefusalDelta(choice=0):
                if self._fits(event.text):
                    self._words.append(event.text)
            case ToolCallDelta(choice=0):
                call = self._calls.setdefault(event.part, ["", ""])
                call[0] = event.id or call[0]
                call[1] = event.name or call[1]
                if event.arguments and self._fits(event.arguments):
                    call.append(event.arguments)
            case Finish():
                self.ended.add(event.choice)
                if event.choice == 0:
                    self._finish = event.word or event.reason
            case Used():
                self._usage = event.usage
            case Start():
                self._id, self._tier = event.id or self._id, event.service_tier or self._tier
            case _:
                pass

    def answer(self) -> Answer:
        """Return what was added so far."""
        calls = tuple(ToolCall(name, "".join(parts), id_) for id_, name, *parts in self._calls.values())
        return Answer("".join(self._words), calls, self._finish, self._usage, self._id, self._tier)

    def _fits(self, text: str) -> bool:
        self._size += len(text)
        self.overflowed = self.overflowed or self._size > self._limit
        return not self.overflowed


def fold(events: Iterable[StreamEvent]) -> Answer:
    """Return the answer that events add up to."""
    folded = Fold()
    for event in events:
        folded.add(event)
    return folded.answer()

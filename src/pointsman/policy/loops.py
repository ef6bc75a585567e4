"""An agent's loop as its requests show it: whether one is under way, whether it is stuck, and how long they are.

Strategy: a *step* is the calls that a model asked for together, with what they returned. A request is read from its end, no
further than to the last step that went well; nothing is read twice.

    under way   the last turn brings results of tools: the next word is the model's, not the user's
    stuck       the same calls failed in the same way in ``REPEATED`` steps in a row, or any calls in ``FAILED`` steps
    failed      the result says so where its dialect has a word for it (Anthropic's ``is_error``), or as its text begins

Laws: pure, and bounded by ``FAILED`` steps; a call that is repeated with success (polling) is no failure. What a client
writes there is only believed where it costs little: a conversation escalates among the deployments that were accepted.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from pointsman.core.chat import ChatRequest, Message, ToolCall, ToolResult

REPEATED: Final = 3
FAILED: Final = 4
_READ: Final = 400  # characters of a result
_BEGINS: Final = re.compile(
    r"\W*(?:traceback|fatal|failed|failure|[\w.]*(?:error|exception))\b(?!\W*(?:null|none|false)\b)", re.IGNORECASE
)
_EXIT: Final = re.compile(r"exit(?:ed)?(?: with)?(?: code| status):? [1-9]")
_SAYS: Final = ("command not found", "no such file or directory", "permission denied")


class Length(Struct, frozen=True):
    """How long conversations of one kind of call are, which tools are offered in.

    ``started`` conversations had ``begun`` turns of the user with ``calls``; ``added`` of these grew by ``tokens``. It
    begins with a guess at agents at large, which weighs as little as one conversation.
    """

    started: float = 1.0
    begun: float = 3.0
    calls: float = 18.0
    added: float = 4.0
    tokens: float = 3200.0

    def ahead(self, done: int) -> int:
        """Return the calls to expect from a turn's beginning on, after so many: those of the turn at the least."""
        return max(round(self.calls / self.started) - done, round(self.calls / self.begun), 1)

    @property
    def growth(self) -> float:
        """The tokens by which each call's prompt is longer than the one's before."""
        return self.tokens / self.added


_REMEMBERED: Final = 4096.0  # calls; then what was seen counts half


def lengthened(length: Length, *, starts: bool, begins: bool, growth: float | None) -> Length:
    """Return what is known after one more call, which ``starts`` a conversation, or ``begins`` a turn.

    ``growth`` in tokens, None where nothing came before.
    """
    keep = 0.5 if length.calls >= _REMEMBERED else 1.0
    grown = growth is not None and growth >= 0
    return Length(
        keep * length.started + starts,
        keep * length.begun + begins,
        keep * length.calls + 1,
        keep * length.added + grown,
        keep * length.tokens + (growth if growth is not None and grown else 0.0),
    )


def under_way(request: ChatRequest) -> bool:
    """Say whether the last turn brings results of tools."""
    for message in reversed(request.messages):
        if not message.instructs:
            return message.role == "tool" or any(isinstance(part, ToolResult) for part in message.parts)
    return False


def stuck(messages: Sequence[Message], since: int = 0) -> str:
    """Say how the loop at the end of messages is stuck, in a few words; empty where it is not.

    Only the messages from place ``since`` on count: before, somebody else was at work.
    """
    first: tuple[object, ...] = ()
    same = True
    for failures, (calls, results) in enumerate(_steps(messages, since), 1):
        if not all(map(_failed, results)):
            break
        step = (*((call.name, call.arguments) for call in calls), *(_text(result) for result in results))
        first = first or step
        same = same and step == first
        if same and failures == REPEATED:
            return f"the same call failed {REPEATED} times"
        if failures == FAILED:
            return f"{FAILED} calls in a row failed"
    return ""


def _steps(messages: Sequence[Message], since: int) -> Iterator[tuple[list[ToolCall], list[ToolResult]]]:
    """Yield the steps of the loop at the end, the newest first."""
    calls: list[ToolCall] = []
    results: list[ToolResult] = []
    for place in range(len(messages) - 1, max(since, 0) - 1, -1):
        message = messages[place]
        returned = [part for part in message.parts if isinstance(part, ToolResult)]
        if returned and calls:
            yield calls, results
            calls, results = [], []
        results += returned
        calls += message.tool_calls
        if message.role == "user" and not returned:
            break
    if calls and results:
        yield calls, results


def _failed(result: ToolResult) -> bool:
    if result.error:
        return True
    text = _text(result)[:_READ]
    if _BEGINS.match(text) is not None:
        return True
    said = text.lower()
    return any(word in said for word in _SAYS) or ("exit" in said and _EXIT.search(said) is not None)


def _text(result: ToolResult) -> str:
    return Message("tool", result.parts).text

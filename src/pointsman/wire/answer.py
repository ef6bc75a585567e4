"""What a reply came to, for those who count it or grade it: the same for every dialect, whole or streamed."""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.chat import ToolCall, Usage
from pointsman.core.price import tier_of


class Answer(Struct, frozen=True):
    """What a reply said and what it took. ``usage`` is None where the provider reported none; ``id`` is the reply's own.

    ``tier`` is the service tier that served it, in the provider's own word; empty where it does not say.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str | None = None
    usage: Usage | None = None
    id: str = ""
    tier: str = ""

    def billed(self, asked: str = "") -> Usage | None:
        """Return the usage with the service tier that it was billed on: the reply's own, else the one ``asked`` for."""
        tier = tier_of(self.tier or asked)
        return replace(self.usage, tier=tier) if tier and self.usage is not None else self.usage

    @property
    def bare(self) -> "Answer":
        """The answer without what was said."""
        return replace(self, text="", tool_calls=())

    @property
    def graded(self) -> str:
        """The answer as one text for graders: what was said, then the tool calls as a JSON array, where there are any."""
        if not self.tool_calls:
            return self.text
        calls = msgspec.json.encode([{"name": call.name, "arguments": call.arguments} for call in self.tool_calls]).decode()
        return f"{self.text}\n{calls}" if self.text else calls


class Seen(Struct, frozen=True):
    """What one frame of a streamed reply means to who passes it on. A frame may carry several of these at once.

    ``content`` is true when the frame carries anything a user would see (text, a refusal, a tool call, audio): from then
    on no fallback is possible. ``text`` is the visible text and ``tool_text`` the fragment of tool call JSON, for grading.
    ``usage_only``: the frame is there only because usage was asked for.
    """

    content: bool = False
    text: str = ""
    tool_text: str = ""
    finish: str | None = None
    usage: Usage | None = None
    error: str | None = None
    done: bool = False
    usage_only: bool = False

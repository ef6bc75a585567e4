"""Input items -> messages.

Strategy: what the model did in a row (reasoning, messages, calls, what hosted tools did) is one assistant message, its parts
in order; every other item is a message of its own. Fields around the content of an assistant's message item (``id``,
``status``, ``phase``) stay with the first part of it, under ``message.``; that is also where ``items`` starts a new item.

Laws: ``items.written`` makes the same items again, in the same order; an item of an unknown kind is kept whole.
"""

from msgspec import Raw

from pointsman.core.chat import Message, Opaque, Own, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from pointsman.core.errors import WireError
from pointsman.wire.openai_responses.content import pieces
from pointsman.wire.openai_responses.fields import Fields, listed, spoken

AROUND = "message."
"""What names in ``own`` begin with that belong to the message item around a text, and not to the text."""

_SPEAKERS = frozenset(("system", "developer", "user"))
# Items that the application sends; all others are the model's, or made on its behalf.
_SENT = frozenset((
    "computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output",
    "mcp_approval_response", "additional_tools", "compaction_trigger", "configuration_update",
))  # fmt: skip


def messages(source: Raw | None) -> tuple[Message, ...]:
    """Return the messages that ``input`` holds. Raises WireError."""
    if source is None:
        return ()
    said = spoken(source, "input")
    if said is not None:
        return (Message("user", (Text(said),)),)
    turns = _Turns()
    for item, where in listed(source, "input"):
        _read(item, where, turns)
    return turns.end()


class SystemItem(Message, frozen=True):
    """A system message that stood at the head of ``input``: written there again, while others become ``instructions``."""


class _Turns:
    """Messages so far, and the parts of the assistant's turn that is still open."""

    __slots__ = ("_done", "_parts")

    def __init__(self) -> None:
        self._done: list[Message] = []
        self._parts: list[Part] = []

    def add(self, message: Message) -> None:
        """Add a message that stands for itself."""
        self.end()
        self._done.append(message)

    def act(self, part: Part) -> None:
        """Add to the assistant's turn."""
        self._parts.append(part)

    def say(self, parts: tuple[Part, ...]) -> None:
        """Add the parts of one message item to the assistant's turn, so that they stay apart from those of the last one."""
        named = any(name.startswith(AROUND) for name in _own(parts[0]))
        if not named and self._parts and isinstance(self._parts[-1], (Text, Refusal)):
            self.end()
        self._parts += parts

    def end(self) -> tuple[Message, ...]:
        """Close the assistant's turn, and return all messages."""
        if self._parts:
            self._done.append(Message("assistant", tuple(self._parts)))
            self._parts = []
        return tuple(self._done)


def _read(item: Raw, where: str, turns: _Turns) -> None:
    fields = Fields(item, where)
    kind = fields.text("type") or ("message" if "role" in fields.left else "item_reference" if "id" in fields.left else "")
    match kind:
        case "message":
            _message(item, fields, turns)
        case "reasoning":
            turns.act(_thinking(fields))
        case "function_call" | "custom_tool_call":
            turns.act(call(fields, kind))
        case "function_call_output" | "custom_tool_call_output":
            turns.add(Message("tool", (_result(fields, kind),)))
        case "":
            raise WireError(f"'{where}.type' is missing", param=f"{where}.type", code="missing_required_parameter")
        case _ if kind in _SENT:
            turns.add(Message("tool", (Opaque(kind, item),)))
        case _:
            turns.act(Opaque(kind, item))


def _message(item: Raw, fields: Fields, turns: _Turns) -> None:
    role = fields.text("role")
    parts = pieces(fields.take("content"), fields.at("content"))
    if role in _SPEAKERS:
        turns.add(Message(role, parts, own=fields.left))
    elif role != "assistant" or not all(isinstance(part, (Text, Refusal)) for part in parts):
        turns.act(Opaque("message", item))
    elif not parts:
        turns.add(Message(role, own=fields.left))
    else:
        around = {AROUND + name: value for name, value in fields.left.items()}
        turns.say((_with(parts[0], around), *parts[1:]))


def _with(part: Part, around: Own) -> Part:
    if isinstance(part, Text):
        return Text(part.text, citations=part.citations, own={**around, **part.own})
    return Refusal(part.text, own={**around, **part.own}) if isinstance(part, Refusal) else part


def _own(part: Part) -> Own:
    return part.own if isinstance(part, (Text, Refusal)) else {}


def _thinking(fields: Fields) -> Thinking:
    """Return a reasoning item. Pieces that say more than a text, or several of reasoning text, also stay as they were."""
    summed, written = fields.left.get("summary"), fields.left.get("content")
    summary, more = _texts(fields.list("summary"))
    if more and summed is not None:
        fields.left["summary"] = summed
    texts, more = _texts(fields.list("content"))
    if written is not None and (more or len(texts) > 1):
        fields.left["content"] = written
    encrypted, id_ = fields.text("encrypted_content"), fields.text("id")
    return Thinking("".join(texts), encrypted=encrypted, summary=summary, id=id_, own=fields.left)


def _texts(pieces: list[tuple[Raw, str]]) -> tuple[tuple[str, ...], bool]:
    """Return the texts of pieces, and whether one of them says more than that."""
    read = [Fields(item, where) for item, where in pieces]
    return tuple([piece.text("text") for piece in read]), any(piece.left.keys() - {"type"} for piece in read)


def call(fields: Fields, kind: str) -> ToolCall:
    """Return a call of a tool of the application's. Raises WireError."""
    custom = kind == "custom_tool_call"
    return ToolCall(
        fields.text("name"),
        fields.text("input" if custom else "arguments"),
        fields.text("call_id"),
        "custom" if custom else "function",
        own=fields.left,
    )


def _result(fields: Fields, kind: str) -> ToolResult:
    output = fields.take("output")
    where = fields.at("output")
    if output is not None and bytes(output)[:1] not in (b'"', b"["):
        raise WireError(f"'{where}' is neither a string nor a list", param=where, code="invalid_type")
    found = pieces(output, where)
    kept = tuple([Text(part.text) if isinstance(part, Refusal) else part for part in found])
    return ToolResult(
        fields.text("call_id"),
        kept,
        name=fields.text("name"),
        kind="custom" if kind == "custom_tool_call_output" else "function",
        own=fields.left,
    )

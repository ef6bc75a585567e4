"""Parts of a turn, read: text, thoughts, media, calls and their results, and what only this dialect knows.

Strategy: the key of a part says what it is. A ``thoughtSignature`` stands beside any of them and stays on its part.

Laws: a kind that is not known here is kept whole (``Opaque``), a field that is not known in ``own``; signatures and the
arguments of calls stay the characters that came. Calls need no id in this dialect, yet in every other: those without one get
one that no client can have made (``UNNAMED`` and their place), their results the same, and ``contents`` leaves it out again.
"""

import msgspec
from msgspec import Raw

from pointsman.core.chat import Media, Opaque, Own, Part, Text, Thinking, ToolCall, ToolResult
from pointsman.wire.gemini import media
from pointsman.wire.gemini.fields import Fields

UNNAMED = "pointsman-call-"
BESIDE = frozenset(("thought", "thoughtSignature", "partMetadata", "mediaResolution", "videoMetadata"))
"""Names of what stands beside the thing that a part is."""
_object = msgspec.json.Decoder(dict[str, Raw])
_strings = msgspec.json.Decoder(dict[str, str])


class Calls:
    """The calls that were read and not answered yet, in their order."""

    __slots__ = ("_open", "_unnamed")

    def __init__(self) -> None:
        self._open: list[tuple[str, str]] = []
        self._unnamed = 0

    def called(self, id_: str, name: str) -> str:
        """Take note of a call; return its id, or one that is made here."""
        id_ = id_ or self._made()
        self._open.append((id_, name))
        return id_

    def answered(self, id_: str, name: str) -> str:
        """Return the id of the call that a result belongs to: its own, or that of the first open call of this tool."""
        for call in self._open:
            if call[0] == id_ if id_ else call[1] == name:
                self._open.remove(call)
                return call[0]
        return id_ or self._made()

    def _made(self) -> str:
        self._unnamed += 1
        return f"{UNNAMED}{self._unnamed}"


def part(raw: Raw, where: str, calls: Calls) -> Part:
    """Return one part. Raises WireError."""
    fields = Fields(raw, where)
    left = fields.left
    if "text" in left or (left and left.keys() <= {"thought", "thoughtSignature"}):
        thought = bytes(left.get("thought", b"")) == b"true" and fields.flag("thought")
        text, signature = fields.text("text") or "", fields.text("thoughtSignature") or ""
        return Thinking(text, signature, own=left) if thought else Text(text, signature=signature, own=left)
    if "functionCall" in left:
        return _call(fields, calls)
    if "functionResponse" in left:
        return _result(fields, calls)
    if "inlineData" in left or "fileData" in left:
        return _media(fields) or Opaque("", raw)
    return Opaque(next((name for name in left if name not in BESIDE), ""), raw)


def response(raw: Raw | None) -> tuple[str | None, bool]:
    """Return the text of a tool's result, None where it has none, and whether it is an error.

    ``{"result": TEXT}`` and ``{"error": TEXT}`` are texts, any other object is one as it was written. Raises nothing.
    """
    if raw is None:
        return None, False
    written = bytes(raw)
    try:
        members = _object.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return str(written, "utf-8", "replace"), False
    if not members:
        return None, False
    error = "error" in members
    if len(members) == 1 and (error or "result" in members):
        try:
            (text,) = _strings.decode(written).values()
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return text, error
    return str(written, "utf-8", "replace"), error


def _call(fields: Fields, calls: Calls) -> ToolCall:
    call = Fields(fields.left.pop("functionCall"), fields.at("functionCall"))
    name, id_, arguments = call.text("name") or "", call.text("id") or "", call.take("args")
    signature = fields.text("thoughtSignature") or ""
    own: Own = fields.left
    call.keep(own, "functionCall")
    text = "{}" if arguments is None else str(bytes(arguments), "utf-8", "replace")
    return ToolCall(name, text, calls.called(id_, name), signature=signature, own=own)


def _result(fields: Fields, calls: Calls) -> ToolResult:
    result = Fields(fields.left.pop("functionResponse"), fields.at("functionResponse"))
    name, id_ = result.text("name") or "", result.text("id") or ""
    text, error = response(result.take("response"))
    parts: list[Text | Media | Opaque] = [] if text is None else [Text(text)]
    for raw, where in result.list("parts"):
        inner = Fields(raw, where)
        parts.append(_media(inner) or Opaque(next(iter(inner.left), ""), raw))
    own: Own = fields.left
    result.keep(own, "functionResponse")
    return ToolResult(calls.answered(id_, name), tuple(parts), error=error, name=name, own=own)


def _media(fields: Fields) -> Media | None:
    own: Own = fields.left
    data = fields.take("inlineData")
    if data is not None:
        return media.inline(data, fields.at("inlineData"), own)
    file = fields.take("fileData")
    return None if file is None else media.stored(file, fields.at("fileData"), own)

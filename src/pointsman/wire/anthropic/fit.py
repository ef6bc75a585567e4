"""What a request may hold that Messages would answer wrongly without.

(Everything else that it has no word for is written without it, and named: ``compose``.)
"""

import re
from collections.abc import Iterator
from typing import Final

from pointsman.core.chat import ChatRequest, Media, Opaque, ToolResult
from pointsman.wire.anthropic.fields import NAME
from pointsman.wire.anthropic.media import unreadable

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")


def unfit(request: ChatRequest) -> str | None:
    """Say why a request would be answered wrongly in this dialect, None where losses are harmless.

    A clause that follows a deployment's name: "cannot give several choices".
    """
    if request.dialect == NAME:
        return None
    if request.choices > 1:
        return "cannot give several choices"
    if request.logprobs is not None:
        return "cannot give the probabilities of tokens"
    if request.previous:
        return "does not hold the reply that this one continues"
    if request.output is not None and request.output.kind == "json":
        return "cannot promise JSON without a schema"
    return _unfit_tool(request) or _unfit_media(request)


def _unfit_tool(request: ChatRequest) -> str | None:
    for tool in request.tools:
        if isinstance(tool, Opaque):
            return f"has no hosted tool {tool.kind}"
        if tool.kind != "function":
            return "cannot call tools with free text"
        if not _TOOL_NAME.match(tool.name):
            return f"cannot call a tool of the name {tool.name[:80]!r}"
    return None


def _unfit_media(request: ChatRequest) -> str | None:
    for media in _media(request):
        if media.file_id:
            return "does not hold the uploaded file"
        if what := unreadable(media):
            return f"cannot read {what}"
    return None


def _media(request: ChatRequest) -> Iterator[Media]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Media):
                yield part
            elif isinstance(part, ToolResult):
                yield from (inner for inner in part.parts if isinstance(inner, Media))

"""Tool calls as Messages has them: ids of a fixed alphabet, each used once, and inputs that are JSON objects."""

import re
from collections import deque
from typing import Final

import msgspec
from msgspec import Raw

from pointsman.core.chat import ToolCall, ToolResult
from pointsman.wire.shapes import encode, objects

_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


class Ids:
    """The ids of a conversation's calls: made to fit, made up where there are none, found again by results."""

    __slots__ = ("_by_id", "_by_name", "_used")

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._by_name: dict[str, deque[str]] = {}
        self._used: set[str] = set()

    def call(self, call: ToolCall) -> str:
        """Return the id that a call is written with."""
        wanted = _NOT_IN_IDS.sub("_", call.id) or f"call_{len(self._used) + 1}"
        made, again = wanted, 1
        while made in self._used:
            again += 1
            made = f"{wanted}_{again}"
        self._used.add(made)
        if call.id:
            self._by_id[call.id] = made
        else:
            self._by_name.setdefault(call.name, deque()).append(made)
        return made

    def result(self, result: ToolResult) -> str:
        """Return the id of the call that a result answers: the latest with its id, or the first of its name left over."""
        if result.id:
            return self._by_id.get(result.id) or _NOT_IN_IDS.sub("_", result.id)
        waiting = self._by_name.get(result.name)
        return waiting.popleft() if waiting else f"call_{len(self._used) + 1}"


def input_of(arguments: str) -> tuple[Raw, bool]:
    """Return arguments as an ``input``, and whether they are what the model wrote: no arguments are an empty object."""
    if not arguments or arguments.isspace():
        return Raw(b"{}"), True
    data = arguments.encode(errors="replace")
    try:
        objects.decode(data)
    except msgspec.ValidationError:
        return Raw(b'{"arguments":' + data + b"}"), False
    except (msgspec.DecodeError, RecursionError):
        return Raw(encode({"arguments": data.decode()})), False
    return Raw(data), True

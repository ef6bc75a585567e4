"""What is wrong with a file of JSON Lines, by its line: Arrow, which reads tables, counts rows within its own blocks."""

from pathlib import Path
from typing import Final

import msgspec

KINDS: Final[dict[type, str]] = {
    str: "text", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object",
}  # fmt: skip


def fault(path: Path) -> str:
    """Say which line is at fault and why, empty where none is found."""
    kinds: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return ""
    for number, line in enumerate(lines, start=1):
        try:
            value = msgspec.json.decode(line) if line.strip() else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"line {number} is not JSON"
        if not isinstance(value, dict):
            return f"line {number} is no JSON object, and each line must be one"
        for column, cell in value.items():
            kind = KINDS.get(type(cell), "")
            before = kinds.setdefault(column, kind) if kind else ""
            if kind != before:
                return f"line {number}, column {column} holds {kind}, and {before} before"
    return ""

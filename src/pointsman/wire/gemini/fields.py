"""One JSON object of the API, its fields taken one by one (``wire/fields``), as proto3 writes them.

Laws: a name is found in camelCase and in snake_case, numbers also as strings, and one object stands for a list of one; what
is put away in ``own`` has its path as its name.
"""

import re

import msgspec
from msgspec import Raw

from pointsman.core.chat import Own
from pointsman.core.errors import WireError
from pointsman.wire import fields
from pointsman.wire.fields import NULL, listed, read

__all__ = ["NAME", "NULL", "Fields", "read", "restore"]

NAME = "gemini"
"""This dialect."""

_SNAKE = re.compile(r"_+([a-zA-Z0-9])")
_NAMES: "msgspec.json.Decoder[list[str]]" = msgspec.json.Decoder(list[str])


class Fields(fields.Fields):
    """The fields of one object that were not taken yet (``left``), under their names in camelCase."""

    __slots__ = ()

    whole_numbers = msgspec.json.Decoder(int, strict=False)
    numbers = msgspec.json.Decoder(float, strict=False)
    flags = msgspec.json.Decoder(bool, strict=False)

    def __init__(self, raw: Raw | bytes, where: str = "") -> None:
        super().__init__(raw, where)
        found = self.left
        if NULL in found.values():
            found = {name: value for name, value in found.items() if value != NULL}
        for name in found:
            if "_" in name or "." in name:
                found = {self._camel(each): value for each, value in found.items()}
                break
        self.left = found

    def names(self, name: str) -> tuple[str, ...] | None:
        """Return a list of strings."""
        raw = self.take(name)
        if raw is None:
            return None
        found = read(_NAMES, raw, self.at(name))
        return tuple(found)

    def inner(self, name: str) -> "Fields | None":
        """Return an object's fields."""
        raw = self.take(name)
        return None if raw is None else Fields(raw, self.at(name))

    def list(self, name: str) -> list[tuple[Raw, str]]:
        """Return the items of a list, each with its place. One object stands for a list of one."""
        raw = self.take(name)
        if raw is None:
            return []
        place = self.at(name)
        return [(raw, f"{place}[0]")] if bytes(memoryview(raw)[:1]) == b"{" else listed(raw, place)

    def keep(self, own: Own, under: str) -> None:
        """Put what is left into ``own``, under dotted names."""
        for name, raw in self.left.items():
            own[f"{under}.{name}"] = raw

    def _camel(self, name: str) -> str:
        if "." in name:  # names in ``own`` are paths
            raise WireError(f"unknown name '{name}'", param=self.at(name))
        return _SNAKE.sub(lambda found: found.group(1).upper(), name) if "_" in name else name


def restore(target: dict[str, object], own: Own) -> None:
    """Write back what ``keep`` put away: the object gets its own fields again, each at the level where it stood."""
    for name, raw in own.items():
        *path, last = name.split(".")
        inner = target
        for step in path:
            found = inner.setdefault(step, {})
            if not isinstance(found, dict):
                break
            inner = found
        else:
            inner[last] = raw

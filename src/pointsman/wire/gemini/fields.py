"""One JSON object of the API, its fields taken out one by one; what is left at the end is what nobody understood.

Strategy: an object is decoded one level deep, its values stay the bytes that came (``Raw``) until someone asks for them. So
every level is scanned once, and what passes through is neither parsed nor copied.

Laws: a value of the wrong type, or bytes that are no JSON, raise WireError with the place as ``param``
(``contents[3].parts[0].text``); null is absent, as in proto3 JSON; a name is found in camelCase and in snake_case.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import Raw

from pointsman.core.chat import Own
from pointsman.core.errors import WireError

T = TypeVar("T")

NAME = "gemini"
"""This dialect."""

NULL = Raw(b"null")
_LONE_SURROGATE = re.compile(
    rb"(?i)\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}"
)
_SNAKE = re.compile(r"_+([a-zA-Z0-9])")
_TEXT = msgspec.json.Decoder(str)
_INT = msgspec.json.Decoder(int, strict=False)
_FLOAT = msgspec.json.Decoder(float, strict=False)
_BOOL = msgspec.json.Decoder(bool, strict=False)
_NAMES: "msgspec.json.Decoder[list[str]]" = msgspec.json.Decoder(list[str])
_RAWS = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


def read(decoder: "msgspec.json.Decoder[T]", raw: Raw | bytes, where: str) -> T:
    """Return a decoded value. Raises WireError that says where, and what is wrong with it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        named = f"'{where}' is of the wrong type" if where else "the body is of the wrong type"
        raise WireError(f"{named}: {error}", param=where or None) from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply", param=where or None) from error
    except UnicodeDecodeError as error:
        raise WireError("the body is not UTF-8", param=where or None) from error
    except msgspec.DecodeError as error:
        # Half a surrogate pair, as some clients write a cut emoji, is JSON that only Unicode forbids: read on without it.
        written = bytes(raw)
        mended = _LONE_SURROGATE.sub(rb"\\ufffd", written)
        if mended != written:
            return read(decoder, mended, where)
        raise WireError(f"the body is not valid JSON: {error}", param=where or None) from error


class Fields:
    """The fields of one object that were not taken yet (``left``), under their names in camelCase."""

    __slots__ = ("_where", "left")

    def __init__(self, raw: Raw | bytes, where: str = "") -> None:
        self._where = where
        found = read(_OBJECT, raw, where)
        if NULL in found.values():
            found = {name: value for name, value in found.items() if value != NULL}
        for name in found:
            if "_" in name or "." in name:
                found = {self._camel(each): value for each, value in found.items()}
                break
        self.left = found

    def at(self, name: str) -> str:
        """Return a field's full place."""
        return f"{self._where}.{name}" if self._where else name

    def take(self, name: str) -> Raw | None:
        """Return a value as it came, None where there is none."""
        return self.left.pop(name, None)

    def text(self, name: str) -> str | None:
        """Return a string."""
        raw = self.take(name)
        return None if raw is None else read(_TEXT, raw, self.at(name))

    def whole(self, name: str) -> int | None:
        """Return an integer, however it was written (7, 7.0, "7")."""
        raw = self.take(name)
        return None if raw is None else read(_INT, raw, self.at(name))

    def number(self, name: str) -> float | None:
        """Return a number."""
        raw = self.take(name)
        return None if raw is None else read(_FLOAT, raw, self.at(name))

    def flag(self, name: str) -> bool | None:
        """Return a truth value."""
        raw = self.take(name)
        return None if raw is None else read(_BOOL, raw, self.at(name))

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
        items = [raw] if bytes(memoryview(raw)[:1]) == b"{" else read(_RAWS, raw, place)
        return [(item, f"{place}[{index}]") for index, item in enumerate(items)]

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

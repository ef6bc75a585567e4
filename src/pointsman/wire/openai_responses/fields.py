"""One JSON object, its fields taken out one by one; what is left at the end is what nobody understood.

Strategy: an object is decoded one level deep and its values stay bytes (``Raw``) until someone asks for them, so that what
only passes through is neither parsed nor copied, and every number is written back as it was.

Laws: a value of the wrong type, or bytes that are no JSON, raise WireError with the place as ``param``
(``input[3].content[0].text``); a null is as good as a field that is absent.
"""

import re
from typing import TypeVar

import msgspec
from msgspec import Raw

from pointsman.core.chat import Own
from pointsman.core.errors import WireError

T = TypeVar("T")

NAME = "openai_responses"
"""This dialect."""

_LONE_SURROGATE = re.compile(
    rb"(?i)\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}"
)
_TEXT = msgspec.json.Decoder(str)
_INT = msgspec.json.Decoder(int)
_FLOAT = msgspec.json.Decoder(float)
_BOOL = msgspec.json.Decoder(bool)
_RAWS = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def read(decoder: "msgspec.json.Decoder[T]", raw: Raw | bytes, where: str) -> T:
    """Return a decoded value. Raises WireError that says where, and what is wrong with it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        if not where:
            raise WireError(f"the body is of the wrong type: {error}") from error
        raise WireError(f"'{where}' is of the wrong type: {error}", param=where, code="invalid_type") from error
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


def raw(value: object) -> Raw:
    """Return a value as JSON."""
    return Raw(_encode(value))


class Fields:
    """The fields of one object that were not taken yet (``left``), and its place in the body (``where``)."""

    __slots__ = ("left", "where")

    def __init__(self, source: Raw | bytes, where: str = "") -> None:
        self.where = where
        self.left: Own = read(_OBJECT, source, where)

    def at(self, name: str) -> str:
        """Return a field's full place."""
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str) -> Raw | None:
        """Return a value as it came, None where there is none."""
        found = self.left.pop(name, None)
        return None if found is None or bytes(found) == b"null" else found

    def peek(self, name: str) -> bytes:
        """Return a value's bytes and leave it there; nothing where there is none."""
        return bytes(self.left.get(name, b""))

    def maybe(self, name: str) -> str | None:
        """Return a string, None where there is none."""
        found = self.take(name)
        return None if found is None else read(_TEXT, found, self.at(name))

    def text(self, name: str) -> str:
        """Return a string, empty where there is none."""
        return self.maybe(name) or ""

    def whole(self, name: str) -> int | None:
        """Return an integer."""
        found = self.take(name)
        return None if found is None else read(_INT, found, self.at(name))

    def number(self, name: str) -> float | None:
        """Return a number."""
        found = self.take(name)
        return None if found is None else read(_FLOAT, found, self.at(name))

    def flag(self, name: str) -> bool | None:
        """Return a truth value."""
        found = self.take(name)
        return None if found is None else read(_BOOL, found, self.at(name))

    def inner(self, name: str) -> "Fields | None":
        """Return an object's fields."""
        found = self.take(name)
        return None if found is None else Fields(found, self.at(name))

    def list(self, name: str) -> list[tuple[Raw, str]]:
        """Return the items of a list, each with its place; empty where there is none."""
        found = self.take(name)
        return [] if found is None else listed(found, self.at(name))


def listed(source: Raw, where: str) -> list[tuple[Raw, str]]:
    """Return the items of a list, each with its place."""
    found: list[Raw] = read(_RAWS, source, where)
    return [(item, f"{where}[{index}]") for index, item in enumerate(found)]


def spoken(source: Raw, where: str) -> str | None:
    """Return a value that may be a string, None where it is something else."""
    return read(_TEXT, source, where) if bytes(source)[:1] == b'"' else None

"""One JSON object, its fields taken one by one (``wire/fields``): strings are empty where there are none."""

import msgspec
from msgspec import Raw

from pointsman.wire import fields
from pointsman.wire.fields import listed, read

__all__ = ["NAME", "Fields", "listed", "raw", "read", "spoken"]

NAME = "openai_responses"
"""This dialect."""

_TEXT = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def raw(value: object) -> Raw:
    """Return a value as JSON."""
    return Raw(_encode(value))


class Fields(fields.Fields):
    """The fields of one object that were not taken yet (``left``), and its place in the body (``where``)."""

    __slots__ = ()

    def peek(self, name: str) -> bytes:
        """Return a value's bytes and leave it there; nothing where there is none."""
        return bytes(self.left.get(name, b""))

    def maybe(self, name: str) -> str | None:
        """Return a string, None where there is none."""
        return super().text(name)

    def text(self, name: str) -> str:
        """Return a string, empty where there is none."""
        return super().text(name) or ""

    def inner(self, name: str) -> "Fields | None":
        """Return an object's fields."""
        found = self.take(name)
        return None if found is None else Fields(found, self.at(name))

    def list(self, name: str) -> list[tuple[Raw, str]]:
        """Return the items of a list, each with its place; empty where there is none."""
        found = self.take(name)
        return [] if found is None else listed(found, self.at(name))


def spoken(source: Raw, where: str) -> str | None:
    """Return a value that may be a string, None where it is something else."""
    return read(_TEXT, source, where) if bytes(source)[:1] == b'"' else None

"""Reading JSON objects of which only some fields are known.

Strategy: an object is first read by a decoder that knows its fields and refuses all others: that is the common case, and one
pass. Only where it refuses, the object is taken apart, and what it does not know is kept beside it as the bytes that came.

Laws: nothing is dropped; a known field of the wrong type is named with its place; no error but ``Misread`` escapes.
"""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Own
from pointsman.core.errors import WireError

T = TypeVar("T", bound=Struct)

objects = msgspec.json.Decoder(dict[str, Raw])
encode = msgspec.json.Encoder().encode

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


class Misread(Exception):  # noqa: N818 - it never leaves the dialect: callers get WireError
    """A value that does not follow the dialect: ``where`` is its place, which every level above completes.

    ``code`` is OpenAI's for it.
    """

    def __init__(self, reason: str, where: str = "", code: str = "invalid_request") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        self.code = code

    def under(self, place: str) -> "Misread":
        """Return the same at a place further out: ``content[0]`` under ``messages[1]``."""
        joint = "." if self.where and not self.where.startswith("[") else ""
        return Misread(self.reason, f"{place}{joint}{self.where}", self.code)

    def public(self) -> WireError:
        """Return it as the error that callers get, with the field as ``param``."""
        if not self.where:
            return WireError(f"the body: {self.reason}")
        return WireError(f"'{self.where}' {self.reason}", param=self.where, code=self.code)


def misread(error: msgspec.ValidationError) -> Misread:
    """Return what a decoder complained of, with the field at fault named as OpenAI and Anthropic do."""
    message = str(error)
    missing, place = _MISSING.search(message), _PLACE.search(message)
    where = place.group(1) if place else ""
    if missing:
        name = f"{where}.{missing.group(1)}" if where else missing.group(1)
        return Misread("is missing", name, "missing_required_parameter")
    return Misread(f"is of the wrong type: {message[: place.start()] if place else message}", where, "invalid_type")


def kind_of(raw: Raw | bytes) -> str:
    """Return the ``type`` of an object, empty where it has none. Raises Misread."""
    try:
        return _kind.decode(raw).type
    except msgspec.ValidationError as error:
        raise misread(error) from error


class _Kind(Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind)


class Shape(Generic[T]):
    """A kind of object, read with the fields that it does not know. ``known`` are their names as they stand in JSON."""

    __slots__ = ("_decoder", "_known")

    def __init__(self, type_: type[T]) -> None:
        """``type_`` is a Struct that forbids unknown fields."""
        self._decoder = msgspec.json.Decoder(type_)
        self._known = frozenset((*type_.__struct_encode_fields__, type_.__struct_config__.tag_field))

    def read(self, raw: Raw | bytes) -> tuple[T, Own]:
        """Return the object and its unknown fields. Raises Misread."""
        try:
            return self._decoder.decode(raw), {}
        except msgspec.ValidationError as error:
            fields = fields_of(raw)
            if fields.keys() <= self._known:
                raise misread(error) from error
        own = {name: value for name, value in fields.items() if name not in self._known}
        known = {name: value for name, value in fields.items() if name in self._known}
        try:
            return self._decoder.decode(encode(known)), own
        except msgspec.ValidationError as error:
            raise misread(error) from error


def fields_of(raw: Raw | bytes) -> dict[str, Raw]:
    """Return the fields of an object. Raises Misread."""
    try:
        return objects.decode(raw)
    except msgspec.ValidationError as error:
        raise misread(error) from error


def said(own: Mapping[str, Raw]) -> Own:
    """Return the fields that say something: null is the same as nothing."""
    return {name: value for name, value in own.items() if bytes(value) != b"null"}

"""One JSON object, its fields taken out one by one; what is left at the end is what nobody understood. And JSON that is odd.

Strategy: an object is decoded one level deep and its values stay the bytes that came (``Raw``) until someone asks for them.
So every level is scanned once, what passes through is neither parsed nor copied, and every number is written back as it was.

Laws: a value of the wrong type, or bytes that are no JSON, raise WireError with the place as ``param``
(``contents[3].parts[0].text``); a null is as good as a field that is absent; half a surrogate pair, as some write a cut
emoji, is JSON that only Unicode forbids: it is read on without it.
"""

import re
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from pointsman.core.chat import Own
from pointsman.core.errors import WireError

T = TypeVar("T")

NULL: Final = Raw(b"null")
BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON raises where it is none."""
_LONE_SURROGATE: Final = re.compile(
    rb"(?i)\\ud[89ab][0-9a-f]{2}(?!\\ud[c-f][0-9a-f]{2})|(?<!\\ud[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}"
)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_RAWS: Final = msgspec.json.Decoder(list[Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_INT: Final = msgspec.json.Decoder(int)
_FLOAT: Final = msgspec.json.Decoder(float)
_BOOL: Final = msgspec.json.Decoder(bool)


def mended(data: bytes) -> bytes:
    """Return JSON without half surrogate pairs."""
    return _LONE_SURROGATE.sub(rb"\\ufffd", data) if b"\\u" in data else data


def is_text(data: bytes) -> bool:
    """Say whether bytes are UTF-8: what is kept as it came is not looked at again, and must not break what it goes into."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def checked(data: bytes, what: str = "the body") -> bytes:
    """Return bytes that are UTF-8. Raises WireError where they are not."""
    if not is_text(data):
        raise WireError(f"{what} is not UTF-8")
    return data


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
        written = bytes(raw)
        whole = mended(written)
        if whole != written:
            return read(decoder, whole, where)
        raise WireError(f"the body is not valid JSON: {error}", param=where or None) from error


class Fields:
    """The fields of one object that were not taken yet (``left``), and its place in the body (``where``)."""

    __slots__ = ("left", "where")

    whole_numbers: "msgspec.json.Decoder[int]" = _INT
    numbers: "msgspec.json.Decoder[float]" = _FLOAT
    flags: "msgspec.json.Decoder[bool]" = _BOOL

    def __init__(self, raw: Raw | bytes, where: str = "") -> None:
        self.where = where
        self.left: Own = read(_OBJECT, raw, where)

    def at(self, name: str) -> str:
        """Return a field's full place."""
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str) -> Raw | None:
        """Return a value as it came, None where there is none."""
        found = self.left.pop(name, None)
        return None if found is None or found == NULL else found

    def text(self, name: str) -> str | None:
        """Return a string, None where there is none."""
        raw = self.take(name)
        return None if raw is None else read(_TEXT, raw, self.at(name))

    def whole(self, name: str) -> int | None:
        """Return an integer."""
        raw = self.take(name)
        return None if raw is None else read(self.whole_numbers, raw, self.at(name))

    def number(self, name: str) -> float | None:
        """Return a number."""
        raw = self.take(name)
        return None if raw is None else read(self.numbers, raw, self.at(name))

    def flag(self, name: str) -> bool | None:
        """Return a truth value."""
        raw = self.take(name)
        return None if raw is None else read(self.flags, raw, self.at(name))


def listed(raw: Raw, where: str) -> list[tuple[Raw, str]]:
    """Return the items of a list, each with its place."""
    found: list[Raw] = read(_RAWS, raw, where)
    return [(item, f"{where}[{index}]") for index, item in enumerate(found)]

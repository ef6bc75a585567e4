"""Reading JSON of which only some fields are known, and writing what stayed beside them.

Strategy: what every request holds is decoded at one go into typed structs that pass over unknown fields (``Known``); where
everything is wanted, ``fill`` takes the same bytes apart once more and puts what the structs did not take beside them.
Objects that are rare are read one by one by a ``Shape``, which keeps what it does not know.

Laws: null is the same as absent; a name in ``own`` whose value is null only marks a form (``null`` says nothing, so it is
nothing that could be lost); no error but WireError escapes.
"""

from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import Own
from pointsman.core.errors import WireError
from pointsman.wire.fields import BROKEN, mended
from pointsman.wire.shapes import misread

T = TypeVar("T")
S = TypeVar("S", bound=Struct)
Wire = dict[str, Any]

NAME: Final = "openai_chat"
"""This dialect."""

NULL: Final = Raw(b"null")
ABSENT: Final = Raw()
"""What stands for a field that was not there, and is that very object."""

encode: Final = msgspec.json.Encoder().encode
objects: Final = msgspec.json.Decoder(dict[str, Raw])
lists: Final = msgspec.json.Decoder(list[Raw])
anything: Final = msgspec.json.Decoder()

_TEXT: Final = (str,)
_NUMBER: Final = (int, float)
_PROPER: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("name", "tool_call_id", "refusal", "reasoning_content", "reasoning"), _TEXT),
    **dict.fromkeys(("reasoning_effort", "verbosity", "service_tier", "prompt_cache_key"), _TEXT),
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), _NUMBER),
    **dict.fromkeys(("top_k", "seed", "top_logprobs"), (int,)),
    **dict.fromkeys(("parallel_tool_calls", "store", "logprobs"), (bool,)),
}


class Known(Struct, dict=True):
    """An object of which some fields are known. After ``fill``: ``own`` is the others, ``raw`` the whole of it."""

    own: ClassVar[Own] = {}
    raw: ClassVar[Raw] = ABSENT


def fill(wire: Known, raw: bytes | Raw) -> None:
    """Put beside an object, and beside those in it, the fields that it did not take. ``raw`` is what it was decoded from."""
    fields = wire.__struct_fields__
    own: Own = {}
    for name, value in objects.decode(raw).items():
        child = getattr(wire, name) if name in fields else None
        if name not in fields or (name in _PROPER and type(child) not in (*_PROPER[name], Raw, NoneType)):
            own[name] = value
        elif isinstance(child, Known):
            fill(child, value)
        elif isinstance(child, list) and child and isinstance(child[0], Known):
            for each, inner in zip(child, lists.decode(value), strict=True):
                fill(each, inner)
    wire.__dict__["own"] = said(own)
    wire.__dict__["raw"] = Raw(raw)


def proper(name: str, value: Any) -> Any:
    """Return the value of a field where it is of the type that belongs there, else None."""
    return value if type(value) in _PROPER[name] else None


def read(step: Callable[[bytes], T], body: bytes) -> T:
    """Return what a step makes of a body. Raises WireError, with the field at fault as ``param`` where it is known."""
    try:
        return step(body)
    except msgspec.ValidationError as error:
        raise misread(error).public() from error
    except RecursionError as error:
        raise WireError("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise WireError("the body is not UTF-8") from error
    except msgspec.DecodeError as error:
        whole = mended(body)
        if whole != body:
            return read(step, whole)
        raise WireError(f"the body is not valid JSON: {error}") from error


class Shape(Generic[S]):
    """A kind of object, read one at a time. Its struct forbids unknown fields, so that the common case is one pass."""

    __slots__ = ("_decoder", "_fields")

    def __init__(self, kind: type[S]) -> None:
        self._decoder: msgspec.json.Decoder[S] = msgspec.json.Decoder(kind)
        self._fields = kind.__struct_encode_fields__

    def read(self, raw: Raw | bytes) -> tuple[S, Own] | None:
        """Return the object and the fields that it does not know; None where it is something else."""
        try:
            return self._decoder.decode(raw), {}
        except msgspec.ValidationError:
            pass
        except BROKEN:
            return None
        try:
            found = said(objects.decode(raw))
            known = {name: value for name, value in found.items() if name in self._fields}
            own = {name: value for name, value in found.items() if name not in self._fields}
            return self._decoder.decode(encode(known)), own
        except BROKEN:
            return None


def given(raw: Raw) -> bool:
    """Say whether a field is there, and not null."""
    return raw is not ABSENT and bytes(raw) not in (b"", b"null")


def said(own: Own) -> Own:
    """Return the fields that say something."""
    return {name: value for name, value in own.items() if value != NULL}


def words(value: Any) -> str:
    """Return a value where it is a text, else nothing."""
    return value if isinstance(value, str) else ""


def raw_of(value: Any) -> Raw:
    """Return a value as JSON."""
    return Raw(encode(value))


def put(wire: Wire, own: Own, *, but: Iterable[str] = ()) -> None:
    """Write fields back; what stood inside an object goes into it. Nulls, and the names in ``but``, are not written."""
    for name, raw in own.items():
        if name in but or raw == NULL:
            continue
        inside = wire.get(name)
        wire[name] = {**inside, **objects.decode(raw)} if isinstance(inside, dict) else raw

"""The loosely typed fields of logs, read strictly: the right type, or a LineError that names the field.

Strategy: a log says the same thing under several names and in several types (a time as ISO text or as seconds, an object as
JSON text); each function takes every form that a documented log uses, and nothing else.
"""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from pointsman.control.imports.call import LineError
from pointsman.core.chat import ChatRequest, Usage
from pointsman.core.errors import WireError
from pointsman.core.price import tier_of
from pointsman.wire.moment import milliseconds
from pointsman.wire.openai_chat import request as openai_request

_LARGEST: Final = 2**53
_NOTHING: Final[Mapping[str, Any]] = {}


def at(value: Mapping[str, Any], *names: str) -> Any:
    """Return the first of the named fields that is there and neither null nor empty text; None where none is."""
    return next((found for name in names if (found := value.get(name)) is not None and found != ""), None)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return an object, also from its JSON text; an empty one for everything else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return _NOTHING
    return value if isinstance(value, Mapping) else _NOTHING


def listing(value: Any) -> list[Any]:
    """Return a list, also from its JSON text; an empty one for everything else."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return []
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return text as it is, and an empty one for everything else."""
    return value if isinstance(value, str) else ""


def count(value: Any, name: str) -> int:
    """Return a number of tokens; nothing counts as zero. Raises LineError."""
    if value is None:
        return 0
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise LineError(f"{name} is no number of tokens")
    return value


def moment(value: Any, name: str) -> int:
    """Return Unix milliseconds from ISO 8601 text (no zone: UTC) or a Unix time in s, ms, µs or ns. Raises LineError."""
    try:
        return milliseconds(value)
    except ValueError as error:
        raise LineError(f"{name} {error}") from error


def number(value: Any, name: str) -> float | None:
    """Return a number that is not negative, None for nothing. Raises LineError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        raise LineError(f"{name} is no number")
    return float(value)


def nano(value: Any, name: str) -> int | None:
    """Return US dollars as integer nano-dollars, rounded half-even; None for nothing. Raises LineError."""
    if value is None or value == "":
        return None
    try:
        dollars = Decimal(str(value))
    except InvalidOperation:
        raise LineError(f"{name} is no amount of US dollars") from None
    if isinstance(value, bool) or not dollars.is_finite() or not 0 <= dollars < 1_000_000_000:
        raise LineError(f"{name} is no amount of US dollars")
    return int(dollars.scaleb(9).to_integral_value(rounding=ROUND_HALF_EVEN))


def usage(value: Mapping[str, Any], tier: str = "") -> Usage | None:
    """Return OpenAI's ``usage`` object, of Chat Completions or of Responses, None for nothing. Raises LineError.

    ``tier`` is the service tier in OpenAI's word.
    """
    if not value:
        return None
    inputs = mapping(at(value, "prompt_tokens_details", "input_tokens_details"))
    outputs = mapping(at(value, "completion_tokens_details", "output_tokens_details"))
    read = at(inputs, "cached_tokens")
    return whole(
        Usage(
            input=count(at(value, "prompt_tokens", "input_tokens"), "usage.prompt_tokens"),
            output=count(at(value, "completion_tokens", "output_tokens"), "usage.completion_tokens"),
            cached=count(read if read is not None else at(value, "cache_read_input_tokens"), "cached tokens"),
            cache_written=count(
                at(inputs, "cache_write_tokens", "cache_creation_tokens") or at(value, "cache_creation_input_tokens"),
                "cache-written tokens",
            ),
            reasoning=count(at(outputs, "reasoning_tokens"), "reasoning tokens"),
            tier=tier_of(tier),
        )
    )


def whole(found: Usage) -> Usage:
    """Return counts whose input includes what was read from and written to a cache, as our Usage means it."""
    if found.cached + found.cache_written <= found.input:
        return found
    return msgspec.structs.replace(found, input=found.input + found.cached + found.cache_written)


def chat(model: str, messages: Any, **body: Any) -> ChatRequest | None:
    """Return a request in OpenAI's form as our view of it, None where it has no messages or they are none."""
    if not isinstance(messages, list) or not messages:
        return None
    try:
        return openai_request.decode(msgspec.json.encode({"model": model, "messages": messages, **body}))
    except (WireError, TypeError, ValueError):
        return None


def labels(*sources: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts (and numbers, as text) at the top of objects; earlier objects win."""
    found: dict[str, str] = {}
    for source in sources:
        for name, value in source.items():
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                found.setdefault(str(name), str(value))
    return found


def tags(values: Any) -> dict[str, str]:
    """Return tags of the form ``name:value`` or ``name=value`` as labels."""
    found: dict[str, str] = {}
    listed: Iterable[Any] = values if isinstance(values, list) else ()
    for tag in listed:
        for sign in (":", "="):
            name, there, value = tag.partition(sign) if isinstance(tag, str) else ("", "", "")
            if there and name and value:
                found.setdefault(name.strip(), value.strip())
                break
    return found

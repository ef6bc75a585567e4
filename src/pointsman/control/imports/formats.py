"""The formats by name, and which of them a value is in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pointsman.control.imports import langfuse, litellm, openai, otel, own
from pointsman.control.imports.call import Call, LineError


class Format(NamedTuple):
    """How a format's values are known, and read."""

    recognises: Callable[[Mapping[str, Any]], bool]
    calls: Callable[[Mapping[str, Any]], Iterator[Call | LineError]]


# In the order in which they are tried: the ones with the most peculiar fields first.
FORMATS: Final[Mapping[str, Format]] = {
    "otel": Format(otel.recognises, otel.calls),
    "litellm": Format(litellm.recognises, litellm.calls),
    "langfuse": Format(langfuse.recognises, langfuse.calls),
    "openai": Format(openai.recognises, openai.calls),
    "pointsman": Format(own.recognises, own.calls),
}


def format_of(value: Any) -> str:
    """Return the name of the format that a value is in. Raises LineError."""
    if not isinstance(value, Mapping):
        raise LineError("is no JSON object")
    found = next((name for name, one in FORMATS.items() if one.recognises(value)), None)
    if found is None:
        raise LineError(f"is in none of the known formats ({', '.join(FORMATS)}); its fields begin with {_begin(value)}")
    return found


def _begin(value: Mapping[str, Any]) -> str:
    return ", ".join(name[:40] for name in list(value)[:4]) or "nothing"

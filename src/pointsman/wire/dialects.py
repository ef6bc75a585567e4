"""Every dialect by name, each as one value."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from pointsman.wire.dialect import Counts, Errors, Replies, Requests, Streams, Watches


@dataclass(frozen=True)
class Dialect:
    """A wire format: its six modules under one name."""

    name: str
    request: Requests
    reply: Replies
    stream: Streams
    count: Counts
    watch: Watches
    errors: Errors


def _dialect(name: str) -> Dialect:
    modules: dict[str, Any] = {
        part: import_module(f"pointsman.wire.{name}.{part}")
        for part in ("request", "reply", "stream", "count", "watch", "errors")
    }
    return Dialect(name, **modules)


_NAMES: Final = ("openai_chat", "openai_responses", "anthropic", "gemini")
DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({name: _dialect(name) for name in _NAMES})

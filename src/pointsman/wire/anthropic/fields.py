"""What both ways of this dialect have in common: its name, and cache marks."""

import msgspec
from msgspec import Raw, Struct

from pointsman.core.chat import CacheMark, Own

NAME = "anthropic"
"""This dialect."""


def mark_of(raw: Raw, own: Own) -> CacheMark | None:
    """Return a ``cache_control`` as a mark; what is no plain ephemeral one stays in ``own`` as it is."""
    data = bytes(raw)
    if not data or data == b"null":
        return None
    try:
        control = _control.decode(data)
    except msgspec.ValidationError:
        own["cache_control"] = raw
        return None
    return CacheMark(control.ttl)


def control_of(mark: CacheMark) -> dict[str, str]:
    """Return a mark as a ``cache_control``."""
    return {"type": "ephemeral", "ttl": mark.ttl} if mark.ttl else {"type": "ephemeral"}


class _Control(Struct, tag="ephemeral", tag_field="type", forbid_unknown_fields=True):
    ttl: str = ""


_control = msgspec.json.Decoder(_Control)

"""Canonical events that remember more: for a reply that comes back in the dialect that it was made in.

A response repeats its request, and every item has an id of its own. Other dialects have no use for either, so neither is a
loss there, and neither is in ``own``; but a response that goes on to a client of this dialect shall have its own again.
"""

from msgspec import field

from pointsman.core.chat import Finish, Own, RefusalDelta, Start, TextDelta, ThinkingDelta, ToolCallDelta


class Begun(Start, frozen=True):
    """A response has begun. ``echo``: what it repeats of its request, with the values that its maker filled in."""

    echo: Own = field(default_factory=dict)


class Ended(Finish, frozen=True):
    """A response is complete. ``echo``: what has changed of that of its beginning."""

    echo: Own = field(default_factory=dict)


class ItemText(TextDelta, frozen=True):
    """The first text of a message item. ``frame``: the item's ``id``."""

    frame: Own = field(default_factory=dict)


class ItemRefusal(RefusalDelta, frozen=True):
    """The first refusal of a message item, as ``ItemText``."""

    frame: Own = field(default_factory=dict)


class ItemThinking(ThinkingDelta, frozen=True):
    """The first of a reasoning item. ``frame``: its ``status``."""

    frame: Own = field(default_factory=dict)


class ItemCall(ToolCallDelta, frozen=True):
    """The first of a call. ``frame``: the item's ``id``, which is not that of the call."""

    frame: Own = field(default_factory=dict)

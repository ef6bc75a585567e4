"""What an event of a stream is read into by who only looks at it (``watch``): as little as will do.

Law: ``plain`` leaves whatever may mean more, once content has begun, than content.
"""

from functools import partial
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from pointsman.wire import sse


class Item(Struct):
    """An item of a reply."""

    type: str | None = None


class Frame(Struct):
    """An event."""

    type: str | None = None
    item: Item | None = None
    response: Raw = Raw()


class _Plain(Struct, gc=False):
    type: Literal[
        "response.output_text.delta", "response.reasoning_summary_text.delta", "response.reasoning_text.delta",
        "response.function_call_arguments.delta", "response.custom_tool_call_input.delta", "response.refusal.delta",
    ]  # fmt: skip


frame: Final = msgspec.json.Decoder(Frame)
plain: Final = partial(sse.plain, takes=msgspec.json.Decoder(_Plain).decode)

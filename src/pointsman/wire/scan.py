"""What is plain, and read in one pass by C (``_scan.c``): nearly every request, reply and chunk of Chat Completions.

Strategy: each function says None where a body is anything but plain, and so does all of it from the sources, where nothing
is compiled: then who asks reads the body with msgspec, which takes three times as long and knows every form and error.

Law: what is said of a plain body is what msgspec says of it.
"""

from typing import Final

import msgspec

try:
    from pointsman.wire import _scan

    COMPILED = True
except ImportError:  # from the sources
    COMPILED = False

Asked = tuple[str, list[tuple[str, str]], bool, bool, int | None]
Told = tuple[str | None, str | None, tuple[int, int, int, int, int] | None]
_unescape: Final = msgspec.json.Decoder(str).decode


def request(body: bytes) -> Asked | None:
    """Return what a Chat request of texts alone asks for.

    That is the model, the turns as (role, text), whether it wants a stream, and usage in it, and the most tokens.
    """
    return _scan.request(body, _unescape) if COMPILED else None


def reply(body: bytes) -> Told | None:
    """Return how a whole Chat reply ended, its service tier, and what it took (None where it does not say).

    That is tokens of the input, of the output, read from and written to a cache, and of reasoning; none is negative.
    """
    return _scan.reply(body, _unescape) if COMPILED else None


def model_span(body: bytes) -> tuple[int, int] | None:
    """Return where the model's value stands: see ``edits.model_span``, and ask only where this is compiled."""
    return _scan.model_span(body)


def plain(chunk: bytes) -> int:
    """Return the length of the frames at the start of a chunk of a Chat stream that mean no more than content.

    Ask only where this is compiled; see ``sse.plain``, to which it is the same with ``openai_chat/glimpse.plain``.
    """
    return _scan.plain(chunk)

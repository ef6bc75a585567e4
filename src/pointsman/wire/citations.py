"""Citations of one dialect for another: what most of them have in common is a place on the web.

A citation of Anthropic's covers a text part as a whole, an annotation of OpenAI's has a span: then it spans all of the text.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_NESTED: Final = "url_citation"
_SAID: Final = frozenset(("type", "url", "title", "start_index", "end_index", _NESTED))


class Web(Struct, frozen=True):
    """A place on the web, the span of the text that rests on it (characters), and the names of what else was said."""

    url: str
    title: str
    start: int
    end: int
    lost: tuple[str, ...] = ()


def web(source: Raw, length: int) -> Web | None:
    """Return a citation that has a URL: Chat Completions' (nested), Responses', Anthropic's web results; None for others.

    ``length`` is that of the text, which the span ends with where none is said.
    """
    try:
        citation = _decoder.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    nested = citation.get(_NESTED)
    found = {**citation, **nested} if isinstance(nested, dict) else citation
    url, title = found.get("url"), found.get("title")
    if not isinstance(url, str):
        return None
    start, end = found.get("start_index"), found.get("end_index")
    return Web(
        url,
        title if isinstance(title, str) else "",
        start if isinstance(start, int) else 0,
        end if isinstance(end, int) else length,
        tuple([f"citations.{name}" for name, value in found.items() if name not in _SAID and value is not None]),
    )

"""Citations of other dialects as annotations of this one.

A citation there covers a text part as a whole; an annotation here has a span. So it spans the whole of that text.
"""

from typing import Any

import msgspec
from msgspec import Raw

_decoder = msgspec.json.Decoder(dict[str, Any])


def translated(source: Raw, text: str) -> dict[str, object] | None:
    """Return Chat Completions' ``url_citation``, or any citation with a URL (Anthropic's web results); None for others."""
    try:
        citation = _decoder.decode(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    nested = citation.get("url_citation")
    found = nested if isinstance(nested, dict) else citation
    url, title = found.get("url"), found.get("title")
    if not isinstance(url, str):
        return None
    start, end = found.get("start_index"), found.get("end_index")
    return {
        "type": "url_citation",
        "start_index": start if isinstance(start, int) else 0,
        "end_index": end if isinstance(end, int) else len(text),
        "title": title if isinstance(title, str) else "",
        "url": url,
    }

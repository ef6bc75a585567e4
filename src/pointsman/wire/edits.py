"""Edits of a JSON body in its own bytes: a value at the top level is replaced, everything else stays as it came.

Strategy: where the model's name stands once in the body, finding it is one search; otherwise a scan over strings and
brackets finds the top level.

Laws: bytes outside the edited values are untouched (unknown fields, order, blanks, numbers); a field that stands twice is
edited twice, because parsers disagree on which one counts; whatever the nesting, no recursion error escapes.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from pointsman.wire import scan

_PLAIN_MODEL: Final = re.compile(rb'"model"\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")')
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],]', re.DOTALL)
_BLANKS: Final = b" \t\r\n"
_BACKSLASH: Final = 0x5C  # looking for one byte is a tenth of looking for four, and most bodies hold none
_encode = msgspec.json.Encoder().encode


def with_model(body: bytes, model: str, *, sure: bool = True) -> bytes:
    """Return a JSON object with another value for ``model``.

    ``sure``: the object is known to have that field at its top level; otherwise it may be returned as it is.
    """
    plain = model_span(body) if sure else None
    name = _encode(model)
    if plain is not None:
        return body[: plain[0]] + name + body[plain[1] :]
    spans = top_spans(body, ("model",))["model"]
    return replaced(body, [(start, end, name) for start, end in spans])


def replaced(body: bytes, changes: Iterable[tuple[int, int, bytes]]) -> bytes:
    """Return bytes with every span (start, end) replaced; the spans are in order and do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for start, end, new in changes:
        pieces += (body[at:start], new)
        at = end
    pieces.append(body[at:])
    return b"".join(pieces)


def model_span(body: bytes) -> tuple[int, int] | None:
    """Find the model's value by one search, where it can only be the one at the top level; None where it takes a scan.

    Both quotes of ``"model"`` are real quotes (inside a string each would follow a backslash), so it is a key or a value of
    that name. A key may also be spelled with escapes, then of one of its own letters, so it holds ``\\u00``.
    """
    return scan.model_span(body) if scan.COMPILED else searched(body)


def searched(body: bytes) -> tuple[int, int] | None:
    """Return the same as ``model_span``, which is C's in a wheel."""
    at = body.find(b'"model"')
    if at < 0 or body.rfind(b'"model"') != at or (_BACKSLASH in body and b"\\u00" in body):
        return None
    found = _PLAIN_MODEL.match(body, at)
    return found.span(1) if found else None


def top_spans(body: bytes, names: tuple[str, ...]) -> dict[str, list[tuple[int, int]]]:
    """Scan for the values of fields at the top level: where each starts and ends."""
    spans: dict[str, list[tuple[int, int]]] = {name: [] for name in names}
    depth = 0
    name: str | None = None
    start = 0
    fresh = False  # true between a comma or the opening brace and the name that follows it
    for token in _TOKEN.finditer(body):
        sign = body[token.start()]
        if sign == 0x22:
            if depth == 1 and fresh:
                name, start, fresh = msgspec.json.decode(token.group(), type=str), body.index(b":", token.end()) + 1, False
        elif sign in b"{[":
            depth += 1
            fresh = fresh or depth == 1
        else:
            if depth == 1 and sign in b",}" and name in spans:
                value = body[start : token.start()]
                left = start + len(value) - len(value.lstrip(_BLANKS))
                spans[name].append((left, start + len(value.rstrip(_BLANKS))))
            fresh = depth == 1 and sign == 0x2C
            if fresh:
                name = None
            depth -= sign in b"}]"
    return spans

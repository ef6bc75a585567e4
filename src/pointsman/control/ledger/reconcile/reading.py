"""Which form a provider's export has: told by its content, never by its name.

A file holds one page of an API, a JSON array of pages, one page a line (JSON Lines), or a table.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from pointsman.control.ledger.reconcile import anthropic, openai, tabular
from pointsman.control.ledger.reconcile.billed import Billed, ExportError

_pages = msgspec.json.Decoder(type=dict[str, Any] | list[dict[str, Any]], float_hook=str)
OPENAI: Final = "openai"
ANTHROPIC: Final = "anthropic"


class Export(msgspec.Struct, frozen=True):
    """A file's rows, and whose export it is (empty: a table does not say)."""

    provider: str
    rows: tuple[Billed, ...]


def read(path: Path) -> Export:
    """Return what a file says. Raises ExportError, with the file's name."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if data.lstrip()[:1] not in (b"{", b"["):
            return Export("", tuple(tabular.billed(data.decode("utf-8-sig"))))
        return _of_pages(_decoded(data))
    except (ExportError, msgspec.DecodeError, UnicodeDecodeError, OverflowError, OSError) as error:
        raise ExportError(f"{path}: {error}") from error


def _decoded(data: bytes) -> list[dict[str, Any]]:
    try:
        found = _pages.decode(data)
    except msgspec.DecodeError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        found = [page for page in map(_pages.decode, lines) if isinstance(page, dict)]
    return found if isinstance(found, list) else [found]


def _of_pages(pages: list[dict[str, Any]]) -> Export:
    rows: list[Billed] = []
    of: set[str] = set()
    for page in pages:
        buckets = page.get("data")
        if not isinstance(buckets, list) or not all(isinstance(one, dict) for one in buckets):
            raise ExportError("this is no page of a usage or cost export: there is no list `data` in it")
        if any("starting_at" in bucket for bucket in buckets):
            of.add(ANTHROPIC)
            rows += anthropic.billed(msgspec.convert(page, anthropic.Page, strict=False))
        elif any("start_time" in bucket for bucket in buckets):
            of.add(OPENAI)
            rows += openai.billed(msgspec.convert(page, openai.Page, strict=False))
        elif buckets:
            raise ExportError("its buckets have neither start_time (OpenAI) nor starting_at (Anthropic)")
    if len(of) > 1:
        raise ExportError("it mixes pages of two providers: compare each alone")
    if pages and pages[-1].get("has_more"):
        raise ExportError("the last page says that there are more (has_more): export all of them")
    return Export(of.pop() if of else "", tuple(rows))

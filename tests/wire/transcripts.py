"""Recorded exchanges of real providers, for tests; and whether two JSON values say the same.

The recordings are third parties' texts: they stand in a folder of their own, which the environment names, and nothing of
them stands here. Where the folder is not named, a test that asks for them is skipped, and says why.
"""

import json
import os
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

VARIABLE = "POINTSMAN_TRANSCRIPTS"


@dataclass(frozen=True)
class Exchange:
    """One recorded call. ``request`` and ``reply`` are bodies as bytes, empty where there was none.

    ``operation`` is ``chat`` or what else was asked for; ``stream``: the reply is one, or was to be; ``row`` is all of it.
    """

    id: str
    operation: str
    provider: str
    model: str
    path: str
    status: int
    stream: bool
    request: bytes
    reply: bytes
    row: dict[str, Any]


def exchanges(dialect: str, operation: str | None = None) -> list[Exchange]:
    """Return the recorded exchanges of a dialect (of one ``operation``). Skips the test where there are no recordings."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"no recordings: {VARIABLE} does not name a folder of them")
    return [each for each in _read(Path(folder) / f"{dialect}.jsonl.zst") if operation in (None, each.operation)]


@cache
def _read(path: Path) -> list[Exchange]:
    with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "zstd") as stream:
        return [_exchange(json.loads(line)) for line in stream.read().split(b"\n") if line]


def _exchange(row: dict[str, Any]) -> Exchange:
    return Exchange(
        id=row["id"],
        operation=row["operation"],
        provider=row["provider"],
        model=row["model"] or "",
        path=row["path"],
        status=row["status"],
        stream=bool(row["stream"]),
        request=_body(row, "request"),
        reply=_body(row, "response"),
        row=row,
    )


def _body(row: dict[str, Any], side: str) -> bytes:
    """Return a body that was stored as JSON, as text, or as base64."""
    if row.get(f"{side}_json") is not None:
        return json.dumps(row[f"{side}_json"], ensure_ascii=False).encode()
    if row.get(f"{side}_text") is not None:
        return str(row[f"{side}_text"]).encode()
    if row.get(f"{side}_b64") is not None:
        return b64decode(row[f"{side}_b64"])
    return b""


def differences(before: Any, after: Any, place: str = "$") -> list[str]:
    """Say where two JSON values differ in what they mean: one line for each place, none where they say the same.

    Absent is null; a string as ``content`` is a list of one text; numbers count by value, whatever their form; the order of
    names does not matter; strings (so also the arguments of tools) are compared as text.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for name in sorted(before.keys() | after.keys()):
            one, other = before.get(name), after.get(name)
            if name in ("content", "parts") and isinstance(one, str) != isinstance(other, str):
                one, other = _parts(one), _parts(other)
            found += differences(one, other, f"{place}.{name}")
        return found
    if isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            return [f"{place}: {len(before)} items, {len(after)} items"]
        return [
            each
            for index, pair in enumerate(zip(before, after, strict=True))
            for each in differences(*pair, f"{place}[{index}]")
        ]
    same = before == after and isinstance(before, bool) == isinstance(after, bool)
    return [] if same else [f"{place}: {_shown(before)}, {_shown(after)}"]


def _parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}..."

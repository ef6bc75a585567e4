"""A file of cases: JSON Lines (``.jsonl``, ``.ndjson``) or CSV, one case a line.

The columns: ``docs/evaluations.md``.

Laws: every mistake is named, with its line, its reason and its remedy, before anything is paid for; a case that cannot be
graded is a mistake, and never an ungraded answer that was paid for; columns that nobody knows are left alone.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from pointsman.control.calls import CopyError, copy
from pointsman.control.cases.case import KINDS, Case, Check, CheckKind
from pointsman.control.tables import group_of
from pointsman.core.errors import ConfigError, TableError, WireError
from pointsman.wire.openai_chat import request as requests

LABELS: Final = ("task", "dataset", "feature", "customer")
_MOST_SHOWN: Final = 20
_OURS: Final = ("model", "messages", "stream", "stream_options", "n")
_ROLES: Final = ("system", "developer", "user", "assistant", "tool")
_LARGEST: Final = 1 << 30


class _Mistake(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong with one line, and what to do about it."""


def read_cases(path: Path, default: Check | None = None) -> list[Case]:
    """Read cases. ``default`` grades those that say no grader of their own. Raises TableError with every mistake."""
    mistakes: list[str] = []
    found: dict[str, Case] = {}
    lines: dict[str, int] = {}
    for number, row in _rows(path, mistakes):
        try:
            case = _case(row, default)
        except _Mistake as mistake:
            mistakes.append(f"{path}, line {number}: {mistake}")
            continue
        if case.id in found:
            taken = f'id "{case.id}" stands in line {lines[case.id]} already; give each case its own'
            mistakes.append(f"{path}, line {number}: {taken}")
            continue
        found[case.id], lines[case.id] = case, number
    if mistakes:
        more = f"\nand {len(mistakes) - _MOST_SHOWN:,} more" if len(mistakes) > _MOST_SHOWN else ""
        raise TableError("\n".join(mistakes[:_MOST_SHOWN]) + more)
    if not found:
        raise TableError(f"{path}: there is no case in it; write one case per line (docs/evaluations.md)")
    return list(found.values())


def _rows(path: Path, mistakes: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each row with its line's number; a line that is no row is a mistake."""
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".csv"):
        raise TableError(f"{path}: the name ends in none of .jsonl, .ndjson, .csv; convert it to one of these")
    try:
        if path.stat().st_size > _LARGEST:
            raise TableError(f"{path} is larger than 1 GB; split it")
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise TableError(f"{path}: there is no such file") from error
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    yield from _csv(path, text) if kind == ".csv" else _json_lines(path, text, mistakes)


def _json_lines(path: Path, text: str, mistakes: list[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            mistakes.append(f"{path}, line {number}: is not JSON ({error}); write one JSON object per line")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            mistakes.append(f"{path}, line {number}: is no JSON object; write one JSON object per line")


def _csv(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        first = 2
        for row in reader:
            if None in row:
                raise TableError(f"{path}, line {first}: has more cells than the first line; quote cells that hold commas")
            yield first, {name: cell for name, cell in row.items() if cell not in (None, "")}
            first = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: is not CSV ({error}); quote cells that hold quotes") from error


def _case(row: Mapping[str, Any], default: Check | None) -> Case:
    """Return one case. Raises _Mistake."""
    name = row.get("id", row.get("prompt_id"))
    if name in (None, "") or not isinstance(name, str | int):
        raise _Mistake("there is no id; give each case one, a text or a number")
    fields = {"messages": _messages(row), **_further(row)}
    try:
        request = requests.decode(msgspec.json.encode({"model": "", **fields}))
        copy(msgspec.json.encode({"model": "", **fields}))
    except (WireError, CopyError) as error:
        raise _Mistake(f"{error}; correct it or delete the line") from error
    check, expected = _check(row, default), _expected(row)
    if check.expects and expected is None:
        raise _Mistake(
            f'expected is blank, and "{check.kind}" compares with it; fill in the right answer or delete the line'
        )
    labels = {label: _text(row, label) for label in LABELS}
    return Case(
        id=str(name),
        fields=fields,
        check=check,
        expected=expected,
        group=_text(row, "dup_group") or group_of(request),
        labels={label: value for label, value in labels.items() if value},
    )


def _messages(row: Mapping[str, Any]) -> list[Any]:
    """Return what is asked, as messages of Chat Completions."""
    prompt, messages = row.get("prompt"), row.get("messages")
    if (prompt is None) == (messages is None):
        raise _Mistake("write either prompt (a text) or messages (a list), and not both")
    if prompt is not None:
        if not isinstance(prompt, str) or not prompt.strip():
            raise _Mistake("prompt is no text, or empty; write what is asked")
        messages = [{"role": "user", "content": prompt}]
    elif isinstance(messages, str):
        try:
            messages = msgspec.json.decode(messages)
        except msgspec.DecodeError as error:
            raise _Mistake(f"messages is not JSON ({error}); write a list, or its JSON text") from error
    if not isinstance(messages, list) or not messages:
        raise _Mistake('messages is no list of messages; write [{"role": "user", "content": "..."}]')
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _Mistake(f"a message has no role, or none of {', '.join(_ROLES)}; correct it")
    system = _text(row, "system")
    return [{"role": "system", "content": system}, *messages] if system else messages


def _further(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else the request holds, by the names of Chat Completions."""
    said = row.get("request")
    if said is None:
        return {}
    if isinstance(said, str):
        try:
            said = msgspec.json.decode(said)
        except msgspec.DecodeError as error:
            raise _Mistake(f"request is not JSON ({error}); write an object") from error
    if not isinstance(said, dict):
        raise _Mistake('request is no object; write for example {"temperature": 0, "max_tokens": 500}')
    ours = next((name for name in _OURS if name in said), None)
    if ours is not None:
        raise _Mistake(f"request holds {ours}, which is not a case's to say; remove it")
    return said


def _check(row: Mapping[str, Any], default: Check | None) -> Check:
    said: Any = row.get("grader")
    spec = row.get("spec")
    if isinstance(said, dict):
        said, spec = said.get("kind"), said.get("spec", spec)
    if said is None and default is not None:
        said, spec = default.kind, default.spec if spec is None else spec
    if said is None:
        raise _Mistake(f"there is no grader; add the column grader, or --grader, one of {', '.join(KINDS)}")
    if said not in KINDS:
        raise _Mistake(f"there is no grader {said!r}; write one of {', '.join(KINDS)}")
    text = "" if spec is None else spec if isinstance(spec, str) else msgspec.json.encode(spec).decode()
    check = Check(cast("CheckKind", said), text)
    try:
        check.verify()
    except ConfigError as error:
        raise _Mistake(f"{error}; correct spec") from error
    return check


def _expected(row: Mapping[str, Any]) -> str | None:
    value = row.get("expected")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value)

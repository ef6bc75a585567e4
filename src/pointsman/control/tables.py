"""Outcome tables: who answered which prompt how well, for how many tokens and dollars.

Strategy: files are read as columns (Parquet, CSV, JSON Lines), checked as columns, and turned into matrices with one line a
prompt and one column a model; a text becomes its feature vector and is forgotten. ``docs/outcome-tables.md`` documents the
columns.

Laws: a mistake names file, column, row and remedy; several grades of one model for one prompt are averaged; prompts without
any grade are left out; texts that differ only in case and blanks belong to one group, and groups are never split.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from pointsman.control import json_lines
from pointsman.control.encodings import Encode
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.errors import TableError, WireError
from pointsman.core.price import NANO_PER_USD
from pointsman.policy import encoding, features
from pointsman.policy.outcomes import Floats, Outcomes, Tagged
from pointsman.wire.openai_chat import request as requests

ANSWER: Final = "answer"
_NO_ANSWER: Final = -1
ASKED: Final = ("prompt_id", "prompt", "messages", "task", "dataset", "feature", "customer", "expected")
"""Columns that say something of a prompt, and nothing of an answer."""
NUMBERS: Final = ("score", "prompt_tokens", "completion_tokens", "cost_usd")
READERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".parquet": pa_parquet.read_table,
    ".csv": pa_csv.read_csv,
    ".jsonl": pa_json.read_json,
    ".ndjson": pa_json.read_json,
    ".json": pa_json.read_json,
}


@dataclass(frozen=True)
class Prompts:
    """n prompts: ``vectors`` (n, features.LENGTH) uint8, ``groups`` of equal texts, ``labels`` (tasks, or empty).

    With the name of an ``encoder``, vectors have what that made of the texts behind them (n, features.WIDE).
    """

    ids: tuple[str, ...]
    vectors: NDArray[np.uint8]
    groups: NDArray[np.str_]
    labels: tuple[str, ...]
    features: tuple[str, ...]
    customers: tuple[str, ...]
    input_tokens: Floats
    encoder: str = ""

    def __len__(self) -> int:
        return len(self.ids)


def read_outcomes(
    paths: Sequence[Path], *, advance: Callable[[int], None] = lambda _: None, encode: Encode | None = None
) -> Outcomes:
    """Read outcome tables into one. ``advance`` is told of each prompt whose features were computed.

    With ``encode``, the vectors have encodings. Raises TableError, and what ``encode`` raises.
    """
    found = join([_outcomes(path, advance, encode) for path in paths])
    if len(found.deployments) < 2:
        raise TableError(
            f'{paths[0]}: all rows are of one model ("{found.deployments[0]}"), so there is nothing to choose between; '
            "put the rows of all models into one table, or name the tables of the others beside it"
        )
    return found


def read_questions(paths: Sequence[Path], groups: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return, for each of some groups of equal prompts, what the first row that asks it says of it (``ASKED``).

    Raises TableError.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        table = _read(path)
        ids = np.unique(np.array(_texts(path, table, "prompt_id")))
        source, rows, places = _with_texts(path, table, ids)
        kept = rows.select([name for name in ASKED if name in rows.column_names]).to_pylist()
        for row, group in zip(kept, _groups(source, rows, places), strict=True):
            if group in groups:
                found.setdefault(group, row)
    return found


def read_prompts(path: Path, *, advance: Callable[[int], None] = lambda _: None, encode: Encode | None = None) -> Prompts:
    """Read prompts alone: ``prompt_id`` and ``prompt`` or ``messages``, perhaps ``prompt_tokens``.

    ``advance``, ``encode`` and errors as with ``read_outcomes``.
    """
    table = _read(path)
    _need(path, table, "prompt_id")
    if not table.num_rows:
        raise TableError(f"{path}: there is no row in it; write one row per prompt")
    return _prompts(path, table, advance, encode)


def join(tables: Sequence[Outcomes]) -> Outcomes:
    """Return one table of several: all prompts, all models, NaN where a model did not answer. Equal texts stay apart."""
    if len(tables) == 1:
        return tables[0]
    models = tuple(dict.fromkeys(name for table in tables for name in table.deployments))

    def spread(matrix: Callable[[Outcomes], Floats]) -> Floats:
        parts = []
        for table in tables:
            part = np.full((len(table), len(models)), np.nan)
            part[:, [models.index(name) for name in table.deployments]] = matrix(table)
            parts.append(part)
        return np.concatenate(parts)

    def answers(table: Outcomes) -> Floats:
        return np.full(table.score.shape, _NO_ANSWER) if table.said is None else table.said.astype(np.float64)

    said = np.nan_to_num(spread(answers), nan=_NO_ANSWER).astype(np.int64)
    tasks = [name for table in tables for name in _named(table.task, table.tasks)]
    used = [name for table in tables for name in _named(table.feature, table.features)]
    customers = [name for table in tables for name in _customers(table)]
    return Outcomes(
        deployments=models,
        groups=np.concatenate([table.groups for table in tables]),
        vectors=np.concatenate([table.vectors for table in tables]),
        score=spread(lambda table: table.score),
        cost_nano=spread(lambda table: table.cost_nano),
        input_tokens=np.concatenate([table.input_tokens for table in tables]),
        output_tokens=spread(lambda table: table.output_tokens),
        said=said if any(table.said is not None for table in tables) else None,
        encoder=tables[0].encoder,
        **_labelled(tasks, used, customers),
    )


def _customers(table: Outcomes) -> list[str]:
    return _named(table.tagged[0].place, table.tagged[0].names) if table.tagged else [""] * len(table)


def _named(places: NDArray[np.int64], names: Sequence[str]) -> list[str]:
    return [names[place] if place >= 0 else "" for place in places]


def _labelled(tasks: Sequence[str], used: Sequence[str], customers: Sequence[str]) -> dict[str, Any]:
    """Return labels as Outcomes holds them: indices of names, -1 for none. ``customers`` are tags, or empty."""
    task, feature, customer = _indexed(tasks), _indexed(used), _indexed(customers)
    return {
        "task": task.place,
        "tasks": task.names,
        "feature": feature.place,
        "features": feature.names,
        "tagged": (customer,) if customer.names else (),
    }


def _indexed(given: Sequence[str]) -> Tagged:
    place = {name: number for number, name in enumerate(sorted({name for name in given if name}))}
    return Tagged(tuple(place), np.array([place.get(name, -1) for name in given], dtype=np.int64))


def _outcomes(path: Path, advance: Callable[[int], None], encode: Encode | None) -> Outcomes:
    table = _read(path)
    for column in ("prompt_id", "model", "score"):
        _need(path, table, column)
    if not table.num_rows:
        raise TableError(f"{path}: there is no row in it; write one row per prompt and model")
    ids, models = _texts(path, table, "prompt_id"), _texts(path, table, "model")
    numbers = {name: _numbers(path, table, name) for name in NUMBERS}
    score = numbers["score"]
    outside = np.flatnonzero((score < 0) | (score > 1))
    if len(outside):
        row = int(outside[0])
        raise TableError(f"{path}: row {row + 1}, column score: {score[row]:g} is not in [0, 1]; scale the scores to [0, 1]")
    names, which = np.unique(np.array(models), return_inverse=True)
    keep, line = np.unique(np.array(ids), return_inverse=True)
    shape = (len(keep), len(names))
    prompts = _prompts_of(path, table, keep, advance, encode)
    stated = _mean((len(keep), 1), line, np.zeros_like(line), numbers["prompt_tokens"])[:, 0]
    graded = _mean(shape, line, which, score)
    if np.isnan(graded).all():
        raise TableError(f"{path}: no row has a score; grade the answers first, each in [0, 1]")
    outcomes = Outcomes(
        deployments=tuple(str(name) for name in names),
        groups=prompts.groups,
        vectors=prompts.vectors,
        score=graded,
        cost_nano=_mean(shape, line, which, numbers["cost_usd"] * NANO_PER_USD),
        input_tokens=np.where(np.isnan(stated), prompts.input_tokens, stated),
        output_tokens=_mean(shape, line, which, numbers["completion_tokens"]),
        said=_answers(shape, line, which, table),
        encoder=prompts.encoder,
        **_labelled(prompts.labels, prompts.features, prompts.customers),
    )
    return outcomes.rows(np.flatnonzero(np.isfinite(graded).any(axis=1)))


def _prompts_of(path: Path, table: Any, ids: NDArray[Any], advance: Callable[[int], None], encode: Encode | None) -> Prompts:
    """Return the prompts of a table in the order of ``ids``."""
    source, rows, places = _with_texts(path, table, ids)
    return _prompts(source, rows, advance, encode, places)


def _with_texts(path: Path, table: Any, ids: NDArray[Any]) -> tuple[Path, Any, list[int]]:
    """Return one row for each id, from the file that has the texts: the table's own, or the one beside it; and where."""
    source = path
    if not {"prompt", "messages"} & set(table.column_names):
        source = path.with_name(f"{path.stem}.prompts{path.suffix}")
        if not source.exists():
            raise TableError(
                f"{path}: has no column prompt or messages, and there is no {source.name} beside it; add one of them"
            )
        table = _read(source)
        _need(source, table, "prompt_id")
    known = _texts(source, table, "prompt_id")
    first = {name: place for place, name in reversed(list(enumerate(known)))}
    missing = [name for name in ids if name not in first]
    if missing:
        raise TableError(
            f'{source}: {len(missing):,} prompts of {path.name} are not in it, the first "{missing[0]}"; add them'
        )
    places = [first[name] for name in ids]
    return source, table.take(pa.array(places)), places


def _groups(path: Path, table: Any, places: Sequence[int]) -> list[str]:
    """Return the group of equal prompts that each row belongs to: as it says, else by its text."""
    if "dup_group" in table.column_names:
        return _texts(path, table, "dup_group", places)
    column, asked = _asked(path, table)
    wanted = [_request(path, place, column, value) for place, value in zip(places, asked, strict=True)]
    return [group_of(one) for one in wanted]


def group_of(request: ChatRequest) -> str:
    """Return the group of requests whose texts differ only in case and blanks."""
    return features.text_group(f"{request.system_text}\n{request.user_text}")


def _prompts(
    path: Path,
    table: Any,
    advance: Callable[[int], None],
    encode: Encode | None,
    places: Sequence[int] | None = None,
) -> Prompts:
    """Turn the texts of a table into feature vectors, groups and token counts. ``places`` are the rows' in the file."""
    count = table.num_rows
    places = places if places is not None else range(count)
    column, asked = _asked(path, table)
    wanted = [_request(path, place, column, value) for place, value in zip(places, asked, strict=True)]
    vectors = np.empty((count, features.LENGTH), dtype=np.uint8)
    tokens = np.empty(count)
    for row, request in enumerate(wanted):
        vectors[row] = np.frombuffer(features.vector(request), dtype=np.uint8)
        tokens[row] = features.input_tokens(request)
        advance(1)
    encoder = ""
    if encode is not None:
        encoder, encodings = encode([encoding.text_of(request) for request in wanted])
        vectors = np.hstack((vectors, encodings))
    columns = set(table.column_names)
    groups = _texts(path, table, "dup_group", places) if "dup_group" in columns else [group_of(one) for one in wanted]
    label = next((name for name in ("task", "dataset") if name in columns), None)
    stated = _numbers(path, table, "prompt_tokens")
    return Prompts(
        ids=tuple(_texts(path, table, "prompt_id")),
        vectors=vectors,
        groups=np.array(groups),
        labels=tuple(_texts(path, table, label, places)) if label else ("",) * count,
        features=tuple(_texts(path, table, "feature", places)) if "feature" in columns else ("",) * count,
        customers=_tags(table, "customer"),
        input_tokens=np.where(np.isnan(stated), tokens, stated),
        encoder=encoder,
    )


def _tags(table: Any, kind: str) -> tuple[str, ...]:
    """Return the tags of a kind as a decision has them, ``kind:NAME``; empty where none is said."""
    if kind not in table.column_names:
        return ("",) * int(table.num_rows)
    return tuple(["" if name in (None, "") else f"{kind}:{name}" for name in table.column(kind).to_pylist()])


def _asked(path: Path, table: Any) -> tuple[str, list[Any]]:
    """Return the name and the cells of the column that holds the texts."""
    name = next((name for name in ("messages", "prompt") if name in table.column_names), None)
    if name is None:
        raise TableError(f"{path}: there is no column prompt or messages; add one of them")
    column = table.column(name)
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        raise TableError(f"{path}: column {name} is not UTF-8 text; save the file as UTF-8")
    if pa.types.is_primitive(column.type):
        raise TableError(f"{path}: column {name} holds {column.type}, not text; convert it")
    values: list[Any] = column.to_pylist()
    return name, values


def _request(path: Path, place: int, column: str, value: Any) -> ChatRequest:
    """Return a prompt as the gateway would see it. ``messages`` may be a list, or JSON text of one."""
    if value is None:
        raise TableError(f"{path}: row {place + 1}: the prompt is missing; fill it in or leave the row out")
    if isinstance(value, str) and not value.lstrip().startswith("[{"):
        return ChatRequest("", (Message("user", (Text(value),)),))
    try:
        messages = json.loads(value) if isinstance(value, str) else value
        return requests.decode(msgspec.json.encode({"model": "", "messages": messages}))
    except (ValueError, WireError, TypeError) as error:
        if isinstance(value, str):
            return ChatRequest("", (Message("user", (Text(value),)),))
        raise TableError(f"{path}: row {place + 1}, column {column}: {error}; correct it or leave the row out") from error


def _read(path: Path) -> Any:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TableError(f"{path}: the name ends in none of {', '.join(READERS)}; convert it to one of these")
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise TableError(f"{path}: there is no such file") from error
    except (OSError, pa.ArrowException) as error:
        fault = json_lines.fault(path) if reader is pa_json.read_json else ""
        if fault:
            raise TableError(f"{path}: {fault}; correct it or leave it out") from error
        reason = str(error).splitlines()[0]
        raise TableError(
            f"{path}: cannot be read as {path.suffix[1:]} ({reason}); is it whole, and of that kind?"
        ) from error


def _need(path: Path, table: Any, column: str) -> None:
    if column not in table.column_names:
        raise TableError(f"{path}: there is no column {column} (it has {', '.join(table.column_names)}); add or rename one")


def _texts(path: Path, table: Any, column: str, places: Sequence[int] | None = None) -> list[str]:
    values = table.column(column).to_pylist()
    for place, value in zip(places if places is not None else range(len(values)), values, strict=True):
        if value is None or value == "":
            raise TableError(f"{path}: row {place + 1}, column {column} is empty; fill it in or leave the row out")
    return [str(value) for value in values]


def _numbers(path: Path, table: Any, column: str) -> Floats:
    """Return a column as floats, NaN where it is null or not there."""
    if column not in table.column_names:
        return np.full(table.num_rows, np.nan)
    values = table.column(column)
    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_boolean(values.type)
            or pa.types.is_null(values.type) or pa.types.is_decimal(values.type)):  # fmt: skip
        raise TableError(f"{path}: column {column} holds {values.type}, not numbers; convert it")
    numbers = np.array(values.cast(pa.float64()).to_numpy(), dtype=np.float64)
    wrong = np.flatnonzero(np.isinf(numbers) | (numbers < 0))
    if len(wrong) and column != "score":
        row = int(wrong[0])
        raise TableError(f"{path}: row {row + 1}, column {column}: {numbers[row]:g} cannot be; correct it or leave it empty")
    return numbers


def _answers(shape: tuple[int, int], line: NDArray[Any], column: NDArray[Any], table: Any) -> NDArray[np.int64] | None:
    """Return a number for each cell's answer, the first where it has several; None where the table has no answers."""
    if ANSWER not in table.column_names:
        return None
    found = np.full(shape, _NO_ANSWER, dtype=np.int64)
    numbers: dict[str, int] = {}
    for row, model, answer in zip(line.tolist(), column.tolist(), table.column(ANSWER).to_pylist(), strict=True):
        if answer is not None and found[row, model] == _NO_ANSWER:
            found[row, model] = numbers.setdefault(" ".join(str(answer).split()).casefold(), len(numbers))
    return found


def _mean(shape: tuple[int, int], line: NDArray[Any], column: NDArray[Any], values: Floats) -> Floats:
    """Return the mean of the values of each cell, NaN where it has none."""
    known = ~np.isnan(values)
    cell = line[known] * shape[1] + column[known]
    size = shape[0] * shape[1]
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=values[known], minlength=size)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(shape)

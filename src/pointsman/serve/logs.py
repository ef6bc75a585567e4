"""The log of every process of a gateway: sentences for people, or JSON, one entry a line, all on standard error.

Strategy: the first process says which by the configuration, its children by a variable of their environment. Exchanges have
lines of their own (``gateway/telemetry/lines``), which are written to the same place.

Law: a line of JSON is written whole (to a pipe up to ``WHOLE`` bytes at once, POSIX write(2)), so that those of several
processes do not mix.
"""

import logging
import os
import traceback
from datetime import UTC, datetime
from typing import Final

from pointsman.gateway.telemetry.lines import as_line

VARIABLE: Final = "POINTSMAN_LOG_FORMAT"
WHOLE: Final = 4096
_STANDARD_ERROR: Final = 2


class AsJson(logging.Formatter):
    """A log entry as one line of JSON, its stack trace in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        entry = _entry(record.levelname.lower(), record.name, record.getMessage(), record.created)
        if record.exc_info is not None:
            entry["error"] = "".join(traceback.format_exception(*record.exc_info))
        return as_line(entry).decode().removesuffix("\n")


def begin(*, as_json: bool) -> None:
    """Set this process's log up, and that of the processes that it starts."""
    os.environ[VARIABLE] = "json" if as_json else "text"
    begin_child()


def begin_child() -> None:
    """Set the log up as the process that started this one wants it."""
    handler = logging.StreamHandler()
    handler.setFormatter(AsJson() if _as_json() else logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def sentence(logger: str, said: str, now: float) -> str:
    """Return a sentence for the operator as the log shows it; ``now`` is Unix time."""
    if _as_json():
        return as_line(_entry("info", logger, said, now)).decode().removesuffix("\n")
    return f"{logger}: {said}"


def write_lines(lines: bytes) -> None:
    """Write whole lines to standard error. Waits while nobody reads. Raises OSError."""
    piece = b""
    for line in lines.splitlines(keepends=True):
        if piece and len(piece) + len(line) > WHOLE:
            _write(piece)
            piece = b""
        piece += line
    _write(piece)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(_STANDARD_ERROR, data) :]


def _as_json() -> bool:
    return os.environ.get(VARIABLE) == "json"


def _entry(level: str, logger: str, message: str, now: float) -> dict[str, str]:
    time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {"time": time, "level": level, "event": "log", "logger": logger, "message": message}

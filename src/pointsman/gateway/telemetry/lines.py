"""One line of JSON for each exchange.

Strategy: a thread takes what waits every ``LOOK_S`` and writes it. Whoever reads the log may be slow: then lines are dropped
and counted, and no request waits.

Laws: a line is ASCII and holds no control character, so that nothing that a client wrote (its own id, a feature, a model's
name) can end a line, begin one, or move a terminal's cursor; texts are cut at ``LONGEST``. Nothing of a prompt or an answer
is in it, and of a key its name only.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.core.record import Attempt
from pointsman.gateway.telemetry.told import Outbox, Told

LOOK_S: Final = 0.2
LONGEST: Final = 256
_AT_ONCE: Final = 500


class Lines:
    """Writes log lines until it is closed. ``write`` may wait, and may raise OSError."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.outbox = Outbox()
        self._write = write
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pointsman-log", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, unless nobody reads."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(LOOK_S)
            while told := self.outbox.take(_AT_ONCE):
                with contextlib.suppress(OSError, ValueError):  # nobody reads any more
                    self._write(b"".join([line(one) for one in told]))


def line(told: Told) -> bytes:
    """Return an exchange as one line of JSON, its end included."""
    return as_line(_shown(told))


def as_line(shown: dict[str, Any]) -> bytes:
    """Return a log entry as one line of ASCII."""
    # json escapes what is not ASCII and what is below the blank; DEL is ASCII and would reach a terminal.
    return json.dumps(shown, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _shown(told: Told) -> dict[str, Any]:
    record, decision, served = told.record, told.record.decision, told.record.served_by
    usage = served.usage if served is not None else None
    shown = {
        "time": datetime.fromtimestamp(record.at_ms / 1e3, UTC).isoformat(timespec="milliseconds"),
        "level": "info" if record.outcome == "ok" else "warning",
        "event": "exchange",
        "exchange": record.id,
        "id": record.client_id,
        "trace": told.trace.id,
        "key": record.client_key,
        "customer": record.customer,
        "route": record.route,
        "feature": record.feature,
        "asked": record.asked,
        "dialect": told.dialect,
        "streamed": record.streamed,
        "outcome": record.outcome,
        "status": record.status,
        "deployment": served.deployment if served is not None else "",
        "mode": decision.mode if decision is not None else "",
        "arm": decision.arm if decision is not None else "",
        "snapshot": decision.snapshot if decision is not None else "",
        "ms": round(record.latency_ms, 3),
        "first_content_ms": None if record.first_content_ms is None else round(record.first_content_ms, 3),
        "input_tokens": usage.input if usage is not None else None,
        "output_tokens": usage.output if usage is not None else None,
        "cost_nano": record.cost_nano,
        "attempts": [_attempt(attempt) for attempt in record.attempts],
    }
    return {key: value[:LONGEST] if isinstance(value, str) else value for key, value in shown.items()}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "deployment": attempt.deployment[:LONGEST],
        "cause": attempt.cause,
        "status": attempt.status,
        "error": attempt.error[:LONGEST],
        "ms": round(attempt.total_ms, 3),
        "cost_nano": attempt.cost_nano,
    }

"""Exchanges as a replay reads them: in bulk, and only what it takes to decide them again.

Laws: those of ``interfaces``; a stretch holds what was there when it was cut, and reading one holds nothing of another.
"""

from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.routing import Needs


class Span(Struct, frozen=True):
    """A stretch of the journal, by number of arrival, both ends included."""

    first: int
    last: int


class Paid(Struct, frozen=True, gc=False):
    """One call, as far as a replay looks at it (``core.record.Attempt``)."""

    deployment: str
    usage: Usage | None = None
    cost_nano: int | None = None
    unused: bool = False


class Drawn(Struct, frozen=True, gc=False):
    """One decision, as far as a replay looks at it (``core.routing.Decision``)."""

    chosen: str
    eligible: tuple[str, ...]
    probabilities: tuple[float, ...]
    mode: str
    arm: str
    tags: tuple[str, ...] = ()
    snapshot: str = ""
    course: str = ""
    needs: Needs | None = None


class Past(Struct, frozen=True, gc=False):
    """One exchange, as far as it takes to decide it again: read in bulk, without predictions, names and times.

    ``deployment`` answered, or failed last (empty: no call was made); ``cost_nano`` is the sum over all calls.
    """

    id: str
    feature: str
    route: str
    outcome: str
    deployment: str
    latency_ms: float
    cost_nano: int | None
    calls: tuple[Paid, ...]
    decision: Drawn | None
    vector: bytes = b""


class Grade(Struct, frozen=True, gc=False):
    """One graded answer, as far as a replay looks at it (``core.record.Judgement``)."""

    exchange: str
    deployment: str
    arm: str
    grader: str
    trial: str
    score: float


class GradeCount(Struct, frozen=True):
    """How many exchanges of a feature one grader graded, and the latest grade's time."""

    feature: str
    grader: str
    exchanges: int
    last_ms: int

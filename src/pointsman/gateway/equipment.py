"""What every exchange of one worker works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import random
from time import monotonic, time_ns

from pointsman.core.record import Sample
from pointsman.gateway.allowance import Allowance
from pointsman.gateway.budgets import Budgets
from pointsman.gateway.conversations import Conversations
from pointsman.gateway.courses import Courses
from pointsman.gateway.delays import Delays
from pointsman.gateway.feedback import Intake
from pointsman.gateway.health import Breakers
from pointsman.gateway.ids import Ids
from pointsman.gateway.journal import JournalWriter
from pointsman.gateway.loads import Loads
from pointsman.gateway.pacing import Paces
from pointsman.gateway.retries import Bucket
from pointsman.gateway.shedding import Shedding
from pointsman.gateway.speeds import Speeds
from pointsman.gateway.telemetry.tally import Tally
from pointsman.gateway.telemetry.telling import Telling
from pointsman.upstream.interfaces import Transport


def now_ms() -> int:
    """Return Unix milliseconds."""
    return time_ns() // 1_000_000


@dataclass(frozen=True)
class Equipment:
    """The parts.

    ``offer`` takes a sample for a running trial and returns at once. ``clock`` gives monotonic seconds, ``now_ms`` Unix
    milliseconds, ``draw`` a uniform number in [0, 1).
    """

    transport: Transport
    journal: JournalWriter
    offer: Callable[[Sample], bool]
    breakers: Breakers
    ids: Ids
    conversations: Conversations
    feedback: Intake
    loads: Loads = field(default_factory=Loads)
    paces: Paces = field(default_factory=Paces)
    speeds: Speeds = field(default_factory=Speeds)
    courses: Courses = field(default_factory=Courses)
    allowance: Allowance = field(default_factory=Allowance)
    retries: Bucket = field(default_factory=Bucket)
    hedges: Bucket = field(default_factory=partial(Bucket, 0.0))
    delays: Delays = field(default_factory=Delays)
    budgets: Budgets = field(default_factory=lambda: Budgets(None, monotonic, now_ms))
    shedding: Shedding = field(default_factory=Shedding)
    tally: Tally = field(default_factory=Tally)
    telling: Telling = field(default_factory=Telling)
    clock: Callable[[], float] = monotonic
    now_ms: Callable[[], int] = now_ms
    draw: Callable[[], float] = random

"""What a store must do. SQLite is the default; one contract suite (``tests/store``) holds for every implementation.

Laws: an append is all or nothing; a reader never blocks the writer; what an append returned from is on disk; every method
may be called from any process that opened the same store. Raises StoreError, whose text says what to do, when the store
fails; ValueError when a value can never be stored (a number beyond 64 bits), so that a writer knows which to try again.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from pointsman.core.feedback import Feedback, FeedbackKind, Taken, grader_of
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.review import Material, Opinion, Question
from pointsman.store.keys import Audit, Keys
from pointsman.store.leases import Leases
from pointsman.store.ledger import Ledger
from pointsman.store.past import Grade, GradeCount, Past, Span

Grouping = Literal["feature", "deployment", "mode", "arm"]
GROUPINGS: Final[tuple[Grouping, ...]] = ("feature", "deployment", "mode", "arm")


class Filter(Struct, frozen=True):
    """Which exchanges or judgements are wanted. Times are Unix milliseconds, ``until_ms`` exclusive; None: no bound.

    ``exchange`` is an exchange's id. ``route``, ``source`` and ``input_above`` (more input tokens than this) say something
    of exchanges only, ``trial`` of judgements only; elsewhere they are a mistake (ValueError).
    """

    since_ms: int | None = None
    until_ms: int | None = None
    feature: str | None = None
    deployment: str | None = None
    route: str | None = None
    source: str | None = None
    trial: str | None = None
    input_above: int | None = None
    exchange: str | None = None


class Spend(Struct, frozen=True):
    """One line of the spend report: sums over the exchanges of one feature, served deployment, mode and arm.

    What was not grouped by is empty, and so is ``deployment`` where no attempt was made. ``errors`` counts the outcomes
    ``error`` and ``cut``. Latencies are milliseconds (nearest rank), of answered exchanges whose latency is known, 0 where
    there are none. ``unpriced`` counts exchanges without a known cost: they are in the counts and the tokens, not in the
    money; ``missing`` counts those of them that must have cost something: all but failures without any tokens. The sums of
    squares serve intervals.
    """

    feature: str
    deployment: str
    mode: str
    arm: str
    requests: int
    errors: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_nano: int
    cost_nano_squared: float
    unpriced: int
    latency_p50_ms: float
    latency_p95_ms: float
    first_ms: int
    last_ms: int
    cache_written_tokens: int = 0
    missing: int = 0


class CourseSpend(Struct, frozen=True):
    """What the courses of one arm cost: conversations for which chance decided once, or requests that stand alone.

    ``cost_nano`` is the sum over courses of what is known of their costs, ``cost_nano_squared`` that of its squares, over
    ``priced`` courses of which anything is known.
    """

    arm: str
    courses: int
    priced: int
    cost_nano: int
    cost_nano_squared: float


class Published(Struct, frozen=True):
    """One published snapshot. ``number`` grows by one; ``data`` are the encoded bytes."""

    number: int
    hash: str
    at_ms: int
    made_by: str
    data: bytes


class Joined(Struct, frozen=True):
    """Feedback with the judgements that it becomes, and of how many exchanges it spoke (some may have had no answer)."""

    feedback: Feedback
    judgements: tuple[Judgement, ...]
    exchanges: int


class KeptFeedback(Struct, frozen=True):
    """Feedback as it is kept: where it stands, and how many exchanges it was joined to."""

    feedback: Feedback
    state: Literal["waiting", "joined", "replaced"]
    exchanges: int


class Signal(Struct, frozen=True):
    """Sums over what one source said in one kind (and event), of single answers or of conversations as a ``whole``.

    ``unknown`` are those of the waiting that waited too long.

    ``mean`` is the mean score of what is in force, None where nothing is; ``value_nano`` the sum of its values.
    """

    source: str
    kind: FeedbackKind
    event: str
    whole: bool
    count: int
    joined: int
    waiting: int
    unknown: int
    replaced: int
    mean: float | None
    value_nano: int
    first_ms: int
    last_ms: int

    @property
    def grader(self) -> str:
        """What the judgements that it became say of their grader."""
        return grader_of(self.source, self.kind, self.event, whole=self.whole)


class Journal(Protocol):
    """Exchanges are appended, never changed. Judgements too, but that a grader may judge again: the latest stands."""

    def append(self, records: Sequence[ExchangeRecord]) -> None:
        """Write a batch in one transaction. A record whose id is already there is left as it is (imports repeat)."""

    def exchanges(self, wanted: Filter, *, newest_first: bool = False, limit: int | None = None) -> Iterator[ExchangeRecord]:
        """Stream matching exchanges in order of time, with a bounded amount of memory.

        An exchange that is appended meanwhile may be among them or not; no other is missed or comes twice.
        """

    def arrived(self, wanted: Filter, *, after: int = 0) -> Iterator[tuple[int, ExchangeRecord]]:
        """Stream matching exchanges in order of arrival, each with its number, from the first above ``after``.

        So who remembers the last number reads what is new, however late it was written.
        """

    def named(self, ids: Collection[str]) -> dict[str, ExchangeRecord]:
        """Return those exchanges of some ids that there are, by id."""

    def spend(self, wanted: Filter, by: Collection[Grouping] = GROUPINGS) -> list[Spend]:
        """Sums by what ``by`` names, in the order of those names, computed by the database."""

    def courses(self, wanted: Filter) -> list[CourseSpend]:
        """Sums over courses by arm, in the order of its name, computed by the database. A course has one arm."""

    def judge(self, judgements: Sequence[Judgement]) -> None:
        """Write graded answers in one transaction.

        One with the exchange, trial, deployment, arm and grader of another takes its place where its ``at_ms`` is later, and
        is left out otherwise.
        """

    def judgements(self, wanted: Filter) -> Iterator[Judgement]:
        """Stream matching judgements in order of time. One that is superseded meanwhile may come in both versions."""

    def judged(self, wanted: Filter, *, after: int = 0) -> Iterator[tuple[int, Judgement]]:
        """Stream matching judgements in order of arrival, each with its number, from the first above ``after``.

        One that takes another's place arrives anew, with a number of its own. So who remembers the last number reads what is
        new, however long ago it was said.
        """

    def last_judged(self) -> int:
        """Return the number of the judgement that arrived last, 0 where there is none."""

    def by_exchange(self, wanted: Filter, *, after: int = 0) -> Iterator[list[Judgement]]:
        """Stream all judgements of the exchanges of which one matches and arrived above ``after``, each exchange's together.

        The order is that of the exchanges' ids (of their times). So nobody's word on an answer is left out because it was
        said at another time than the one that is wanted.
        """


CONVERSATION_ANSWERS: Final = 1_000
"""Of how many answers of one conversation feedback speaks at most."""


class FeedbackInbox(Protocol):
    """What was said of exchanges from outside: taken once, joined once."""

    def take(self, said: Sequence[Feedback]) -> list[Taken]:
        """Keep what is new, in one transaction, and say how each was taken, in their order."""

    def due(self, now_ms: int, limit: int) -> list[Feedback]:
        """Return what waits and should be looked for now, the longest overdue first."""

    def about(self, said: Feedback) -> list[ExchangeRecord]:
        """Return the exchanges that feedback is about, in order of time.

        By our id: that exchange, whatever came of it. By the client's own: of those that were answered the newest that came
        before it was said, up to a few minutes, else the newest. A conversation: those that were answered until it was said,
        of more than ``CONVERSATION_ANSWERS`` the newest.
        Only of its own client key, where it has one; by our id also of exchanges that came without a key.
        """

    def join(self, made: Sequence[Joined]) -> int:
        """Write the judgements of what still waits and mark it as joined, in one transaction; return how many did."""

    def postpone(self, said: Sequence[Feedback], look_ms: Sequence[int]) -> None:
        """Look for the exchanges of what waits again at these times."""

    def kept(
        self,
        *,
        source: str | None = None,
        waiting_since_ms: int | None = None,
        since_ms: int | None = None,
        limit: int = 100,
    ) -> Iterator[KeptFeedback]:
        """Return what was taken, newest first; ``waiting_since_ms``: only what waits and came before that moment."""

    def signals(self, *, unknown_before_ms: int) -> list[Signal]:
        """Return sums by signal, in the order of their names; what came before and still waits counts as unknown."""


class Pasts(Protocol):
    """Exchanges and their grades, a stretch at a time."""

    def spans(self, wanted: Filter, size: int) -> list[Span]:
        """Return stretches of at most ``size`` arrivals that hold all exchanges wanted of those there now, each once."""

    def exchanges(self, wanted: Filter, span: Span) -> list[Past]:
        """Return the wanted exchanges of a stretch, in order of arrival."""

    def beginnings(self, wanted: Filter, span: Span) -> list[Past]:
        """Return the exchanges, wherever they are, that began conversations which wanted ones of a stretch go on with."""

    def grades(self, wanted: Filter, span: Span) -> list[Grade]:
        """Return all grades with a score of the wanted exchanges of a stretch."""

    def grade_counts(self, wanted: Filter) -> list[GradeCount]:
        """Return who graded how many of the wanted exchanges, in the order of features and graders."""

    def requests(self, wanted: Filter) -> dict[str, int]:
        """Return the number of wanted exchanges of each feature."""


class Reviews(Protocol):
    """What people are asked about answers, what they read, and what they said."""

    def keep(self, asked: Sequence[tuple[Question, Material | None]], *, most: int) -> None:
        """Keep questions, in one transaction; one whose id is there stays as it is.

        ``most`` materials are kept in all, the oldest are forgotten. Without a key no material is kept, nor is a question
        that comes with one.
        """

    def questions(self, feature: str | None = None) -> list[Question]:
        """Return the questions in order of arrival. Those with ``gone_ms`` None and a worth can still be read."""

    def question(self, id_: str) -> Question | None:
        """Return one question, None where there is none of that id."""

    def material(self, question: Question) -> Material | None:
        """Return what is to be read to a question, None where it was forgotten."""

    def features(self) -> list[str]:
        """Return the features of which any material is kept."""

    def forget(self, feature: str, before_ms: int, *, now_ms: int) -> int:
        """Delete the materials of a feature's questions that came before a moment, for good; return how many."""

    def tidy(self) -> bool:
        """Overwrite what deletions left in the log; return False where a reader is in the way: try again later."""

    def say(self, opinions: Sequence[Opinion]) -> None:
        """Write opinions, in one transaction; what the same reviewer said to the same question gives way."""

    def take_back(self, question: str, reviewer: str) -> None:
        """Delete an opinion; nothing happens where there is none."""

    def opinions(self) -> list[Opinion]:
        """Return all opinions in order of time."""


class Snapshots(Protocol):
    """Published snapshots and which of them is current."""

    def publish(self, data: bytes, *, made_by: str, at_ms: int, replaces: int | None = None) -> Published:
        """Store encoded bytes and make them current, in one transaction.

        ``replaces`` is the number that the caller started from: when another was published since, StoreError is raised
        and nothing is changed, so that two acts at once never undo one another in silence.
        """

    def current(self) -> Published | None:
        """The current snapshot, None in a new store."""

    def current_number(self) -> int:
        """The number of the current snapshot, 0 in a new store. Cheap: called several times a second."""

    def history(self, limit: int = 50) -> list[Published]:
        """Newest first."""

    def numbered(self, number: int) -> Published | None:
        """The snapshot with a number, None where there is none."""

    def in_force(self, at_ms: int) -> Published | None:
        """The snapshot that was current at a time, None before the first."""


class Counters(Protocol):
    """Named integer counters, shared between processes (money in nano-dollars, counts)."""

    def add(self, name: str, amount: int, *, limit: int | None = None) -> int | None:
        """Add and return the new value; with ``limit``, None and no change when the new value would pass it."""

    def get(self, name: str) -> int:
        """The value, 0 where nothing was ever added."""


class Forgetting(Protocol):
    """What is older than its owner wants it. Nothing of it is left in any file once ``tidy`` was true."""

    def records(self, before_ms: int) -> int:
        """Delete exchanges, judgements, feedback and what people said from before a moment; return how many rows."""

    def prompts(self, before_ms: int) -> int:
        """Delete the texts of exchanges from before a moment, and leave the rest of them; return how many."""

    def tidy(self) -> bool:
        """Clear what deleted texts leave behind; False where that has to be tried again later."""


class Store(Protocol):
    """One opened store with its parts."""

    @property
    def journal(self) -> Journal:
        """Exchanges and judgements."""

    @property
    def ledger(self) -> Ledger:
        """What every call cost, chained by hashes."""

    @property
    def feedback(self) -> FeedbackInbox:
        """What was said of exchanges from outside."""

    @property
    def past(self) -> Pasts:
        """Exchanges in bulk, to be decided again."""

    @property
    def reviews(self) -> Reviews:
        """What people are asked and said."""

    @property
    def snapshots(self) -> Snapshots:
        """What was published."""

    @property
    def counters(self) -> Counters:
        """Money and counts."""

    @property
    def forgetting(self) -> Forgetting:
        """Retention."""

    @property
    def keys(self) -> Keys:
        """Who may come in."""

    @property
    def audit(self) -> Audit:
        """What was done, by whom."""

    @property
    def leases(self) -> Leases:
        """What workers hold of budgets."""

    def close(self) -> None:
        """Release files and connections. Idempotent."""

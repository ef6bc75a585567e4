"""What is kept of an exchange, and what is said of it later.

The ExchangeRecord goes up from the data plane, the Snapshot comes down: nothing else passes between them, except the
bounded, unstored samples of a running trial.
"""

from typing import Final, Literal

from msgspec import Struct

from pointsman.core.chat import Usage
from pointsman.core.demands import Demand
from pointsman.core.routing import Arm, Decision

Cause = Literal["first", "retry", "fallback", "asked", "hedge"]
"""``hedge``: beside one that was late. ``asked``: further, because the answers so far were not believed enough
(``policy/cascade``)."""


Basis = Literal["reported", "refused", "unsent", "estimated", "partial", "unknown", ""]
"""What an amount rests on.

Settled: ``reported`` (usage of a reply that came to its end), ``refused`` (a status 4xx: not billed), ``unsent`` (not a byte
of the request can have been processed). Unsettled: ``estimated`` (a whole reply without usage, counted here), ``partial``
(usage so far, of a reply that broke off), ``unknown``. Empty: recorded before there was a ledger.
"""
SETTLED: Final = ("reported", "refused", "unsent")


class Attempt(Struct, frozen=True, omit_defaults=True):
    """One call to one deployment. Times in milliseconds; ``status`` 0 means that no status line ever came.

    ``cost_nano`` is None where no price is known or no usage arrived; ``error`` is a short reason without request content.
    ``estimated``: the provider did not say what the call took, so it was counted here. ``lost`` names what its dialect had
    no word for, of the request or of the reply. ``unused``: another call's answer was given. ``terms`` are the rates of
    ``cost_nano`` (``core.price.Terms.text``). Where an amount is unsettled, the call took at most ``most_input`` and
    ``most_output`` tokens, and ``bounds`` are the least and the most nano-dollars that it can have cost (None: no price).
    """

    deployment: str
    cause: Cause
    started_ms: int
    status: int = 0
    error: str = ""
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    usage: Usage | None = None
    cost_nano: int | None = None
    finish: str | None = None
    estimated: bool = False
    lost: tuple[str, ...] = ()
    unused: bool = False
    basis: Basis = ""
    terms: str = ""
    bounds: tuple[int, int] | None = None
    most_input: int = 0
    most_output: int = 0


class ExchangeRecord(Struct, frozen=True):
    """One client request, whole. ``id`` sorts by time; ``at_ms`` is Unix time in milliseconds.

    ``asked`` is the model name that the client sent; ``route`` is empty when the client chose for itself. ``outcome`` is
    ``ok``, ``error`` (a provider's or our own), ``client_gone`` or ``cut`` (the stream broke after content). ``vector``
    is the plain feature vector: stores seal it with the installation's key. ``prompt`` is empty unless the owner asked for
    prompts to be stored. ``source`` is ``gateway`` or ``import:<file name>``. ``client_id`` is the client's own name for its
    request (empty: it gave none). ``customer`` is whom it was for: what the client's key says, else what the client does.
    """

    id: str
    at_ms: int
    asked: str
    feature: str
    outcome: Literal["ok", "error", "client_gone", "cut"]
    status: int
    decision: Decision | None = None
    attempts: tuple[Attempt, ...] = ()
    route: str = ""
    streamed: bool = False
    conversation: str = ""
    client_key: str = ""
    latency_ms: float = 0.0
    first_content_ms: float | None = None
    vector: bytes = b""
    prompt: str = ""
    source: str = "gateway"
    client_id: str = ""
    customer: str = ""

    @property
    def served_by(self) -> Attempt | None:
        """The attempt whose answer reached the client, None where none did."""
        if self.outcome not in ("ok", "cut"):
            return None
        if self.attempts and not self.attempts[-1].unused:
            return self.attempts[-1]  # as good as always
        return next((attempt for attempt in reversed(self.attempts) if not attempt.unused), None)

    @property
    def cost_nano(self) -> int | None:
        """The sum over attempts that have a cost; None where none has."""
        if len(self.attempts) == 1:
            return self.attempts[0].cost_nano
        known = [attempt.cost_nano for attempt in self.attempts if attempt.cost_nano is not None]
        return sum(known) if known else None


class Judgement(Struct, frozen=True):
    """One grade of one deployment's answer to one exchange: a row of an outcome table.

    ``score`` in [0, 1], None where the grader could not tell (a judge that answered nonsense). Rows of one exchange and one
    trial are paired: the reference's and each candidate's. For a pairwise judge the reference's score is .5 and the
    candidate's is its share of wins. ``arm`` says how the answer came about: ``reference`` or ``candidate`` (a trial), or,
    graded as served (no ``trial``), the decision's. ``cost_nano`` is what the answer cost, ``grading_nano`` the judge.
    ``grader`` is a check's kind, ``judge:DEPLOYMENT``, ``person:NAME`` or ``feedback:SIGNAL``; a later judgement of the
    same exchange, trial, deployment, arm and grader takes the place of the one before. ``weight`` in (0, 1] is the share of
    one grade that it stands for: 1/n where one outcome of a conversation speaks for its n answers.
    """

    exchange: str
    at_ms: int
    feature: str
    deployment: str
    arm: Arm | Literal["candidate"]
    score: float | None
    grader: str
    trial: str = ""
    usage: Usage | None = None
    cost_nano: int | None = None
    grading_nano: int = 0
    vector: bytes = b""
    note: str = ""
    weight: float = 1.0

    @property
    def by_check(self) -> bool:
        """Whether the feature's check or judge made it, and neither a person nor whoever uses the answers."""
        return not self.grader.startswith(("person:", "feedback:"))


class Sample(Struct, frozen=True):
    """A live request that a trial copies, after its reply. It passes from data plane to control plane in memory only.

    ``body`` is the request as the client sent it, in ``dialect``; ``answer`` the text that the client got (tool calls as
    JSON), and ``expected`` the right answer where the client knew it. ``demands`` say who may see it.
    """

    exchange: str
    feature: str
    route: str
    deployment: str
    arm: Literal["reference", "policy", "control", "explore"]
    body: bytes
    answer: str
    usage: Usage | None = None
    cost_nano: int | None = None
    expected: str | None = None
    vector: bytes = b""
    dialect: str = "openai_chat"
    demands: tuple[Demand, ...] = ()

"""Who can be called, what the owner wants, and what was decided.

Names: a deployment is ``provider/model``; a route is any model name that a client may ask for.
"""

from typing import Final, Literal

from msgspec import Struct

from pointsman.core.demands import Demand, Facts
from pointsman.core.price import Price

Mode = Literal["observe", "trial", "canary", "auto"]
ACTING: Final = ("canary", "auto")
"""The modes in which others than the reference may answer."""

Arm = Literal["policy", "control", "explore", "forced", "reference", "pinned", "observed"]
ObjectiveKind = Literal["best", "match", "budget", "worth"]
CACHE_S = 300.0
"""Anthropic's, and the shorter end of OpenAI's."""

Compared = Literal["exact", "numeric", "choice", "json"]
"""What of several answers is compared (``policy/answers``)."""

GraderKind = Literal["exact", "numeric", "regex", "json_schema", "json", "json_fields", "python", "judge"]


class Provider(Struct, frozen=True):
    """One row: where a provider is, how to sign in, what it speaks.

    ``credential`` names a source and never holds a secret: ``none``, ``env:NAME``, ``file:PATH``, ``aws``, ``aws:PROFILE``,
    ``adc``, ``adc:FILE``, ``entra`` (see ``upstream/credentials``). ``quirks`` are named departures from the dialect (see
    ``upstream/providers``). ``cache_s`` says for how many seconds it keeps a prompt cached
    that is not read again (0: never). ``facts`` are stated of all its models (``core/demands``).
    """

    name: str
    base_url: str
    credential: str = "none"
    dialect: str = "openai_chat"
    quirks: tuple[str, ...] = ()
    cache_s: float = CACHE_S
    facts: Facts = Facts()


class Variant(Struct, frozen=True):
    """What a deployment adds to every request: a system prompt of its own, and parameters; None or empty: the client's."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    effort: str = ""


class Deployment(Struct, frozen=True):
    """A callable model: ``name`` is ``provider/model``; ``model`` is the provider's own name for it.

    ``model_key`` says which deployments are the *same* model at different providers: they may stand in for one another.
    ``context_tokens`` and ``output_tokens``, the most of one answer, are None where they are not known; ``media`` lists what
    the model can read besides text; ``dialect`` is its provider's; ``facts`` what is stated of where it computes and what
    it keeps, its provider's where nothing else is.
    """

    name: str
    provider: str
    model: str
    model_key: str
    price: Price | None = None
    context_tokens: int | None = None
    tools: bool = True
    json_schema: bool = True
    media: tuple[str, ...] = ("image", "audio", "file", "video")
    dialect: str = "openai_chat"
    variant: Variant | None = None
    facts: Facts = Facts()
    output_tokens: int | None = None


class Pool(Struct, frozen=True):
    """Deployments of one model that share its requests: the tiers in order, each as far as it has room.

    ``keep_free`` is the part of its quota, in [0, 1], below which a deployment is left more and more alone.
    """

    tiers: tuple[tuple[str, ...], ...]
    keep_free: float = 0.1

    @property
    def deployments(self) -> tuple[str, ...]:
        """Every deployment of the pool, in the order of the tiers."""
        return tuple([name for tier in self.tiers for name in tier])


class Objective(Struct, frozen=True):
    """The owner's trade between quality and money.

    best    highest predicted quality
    match   cheapest within ``tolerance`` (quality, 0.01 is one point) of the reference, on average; with a ``confidence``
            (0.95) only what passed a test of that on judgements set apart, else what is estimated to be within it, with
            ``caution`` standard errors to spare
    budget  best quality at an average of ``usd_per_1000`` per 1,000 requests
    worth   a right answer is worth ``usd_per_answer``

    With the usual ``caution``, 1, one deployment serves all unless choosing per request is certainly better; with 0, an even
    bet, unless it is expected to be. Within a ``budget`` it does only where it is certainly no worse: the money was given.
    """

    kind: ObjectiveKind = "match"
    tolerance: float = 0.02
    usd_per_1000: float | None = None
    usd_per_answer: float | None = None
    confidence: float | None = None
    caution: float = 1.0


class Grader(Struct, frozen=True):
    """How an answer of a feature is graded, in [0, 1]. ``spec`` depends on the kind (see ``control/grade``).

    ``against`` says where the right answer comes from for exact, numeric, json and json_fields: ``expected`` (the request's
    ``x-pointsman-expected`` header) or ``reference`` (the reference's answer counts as right: agreement is measured).
    """

    kind: GraderKind
    spec: str = ""
    against: Literal["expected", "reference"] = "expected"


class Trial(Struct, frozen=True):
    """A running trial of one feature: which candidates, on what share of its requests, up to what sum of money."""

    id: str
    candidates: tuple[str, ...]
    share: float
    cap_nano: int


class Ceiling(Struct, frozen=True):
    """The most seconds that answers may be expected to take: until the first token of a stream, until the whole is there."""

    first_token_s: float | None = None
    answer_s: float | None = None


class BoundTest(Struct, frozen=True):
    """A bound that passed its test: on ``judged`` requests that nothing was learned or chosen on, at a ``confidence``.

    It says that quality is at most ``tolerance`` below the reference's, on average over requests like those.
    """

    judged: int
    tolerance: float
    confidence: float


class Explore(Struct, frozen=True):
    """What an owner allows to be tried on live requests: at most a ``share`` of them, for at most ``day_nano`` a day (UTC).

    ``purse`` names whose money it is: a route's, ``auto``, or a feature's own, ``auto/support``.
    """

    share: float
    day_nano: int
    purse: str


class Plan(Struct, frozen=True):
    """What the gateway does with one feature on one route. The feature ``*`` stands for all that have no plan of their own.

    ``candidates`` may be tried instead of the route's; ``accepted`` are the deployments that passed and may be chosen beside
    the reference. ``acting_share`` is the share of requests that the policy decides (canary: small; auto: one minus the
    control share); the rest stays on the reference.
    ``value_nano`` is what a right answer is worth to the objective, in nano-dollars, as resolved when the plan was
    published; None means that cost only breaks ties. ``one_model`` names the single deployment to use where choosing per
    request was not shown to beat it; ``policy`` the snapshot's policy that chooses otherwise (empty: the route's).
    ``tested`` is the bound that what is accepted was tested for, and that what replaces it must pass (None: it is estimated,
    or nothing is accepted); ``tests`` counts the tests of what was learned on the job, each stricter than the last.
    ``allow`` are the deployments that may answer at all, ``provider/model`` or ``provider/*`` (empty: all);
    ``ceiling`` leaves out who is too slow while somebody else is not. ``asks`` are the deployments that may be asked beside
    the reference before an answer is given (``Route.ask_twice``). ``review_days`` is for how many days requests and answers
    of trials are kept for people to review (0: not at all). ``store_prompts``: whether requests are stored (None: as the
    snapshot says).
    ``explore`` allows that others are tried (None: nobody is); ``explorable`` are those that may be, none of them shown to
    be worse than tolerated, each with its part of the share: together at most 1, more where it can change a decision.
    ``data_policies`` are the snapshot's that hold here: the route's and the feature's.
    """

    feature: str
    mode: Mode = "observe"
    reference: str | None = None
    candidates: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    acting_share: float = 0.0
    value_nano: int | None = None
    one_model: str | None = None
    policy: str = ""
    trial: Trial | None = None
    grader: Grader | None = None
    tolerance: float = 0.05
    since_ms: int = 0
    tested: BoundTest | None = None
    allow: tuple[str, ...] = ()
    ceiling: Ceiling | None = None
    asks: tuple[str, ...] = ()
    review_days: int = 0
    explore: Explore | None = None
    explorable: dict[str, float] = {}
    tests: int = 0
    store_prompts: bool | None = None
    data_policies: tuple[str, ...] = ()

    @property
    def acts(self) -> bool:
        """Whether others than the reference may answer."""
        return self.mode in ACTING

    def allows(self, deployment: str) -> bool:
        """Return whether a deployment may answer here."""
        return not self.allow or deployment in self.allow or f"{deployment.partition('/')[0]}/*" in self.allow


class Gates(Struct, frozen=True):
    """What the control share is compared with what acts by, and what follows by itself (``policy/gates``).

    ``errors`` is by how much more often requests may fail (0.02: two points), ``cost`` by what part they may cost more (0.1:
    a tenth), ``latency`` how many times as long answers may typically take; of quality the plan says what is tolerated.
    ``promote``: a canary moves to auto by itself; ``rollback``: what is worse goes back to the reference by itself.
    """

    errors: float = 0.02
    cost: float = 0.0
    latency: float = 2.0
    promote: bool = True
    rollback: bool = True


class Route(Struct, frozen=True):
    """A model name that clients may ask for. ``plans`` is keyed by feature and always has ``*``.

    ``ask_twice`` allows that several models are asked for one answer, and says what of their answers is compared. ``gates``
    are what is watched of what acts. ``hedge`` is the share of its requests for which a second call may be made because the
    first is late (0: none).
    """

    name: str
    reference: str | None
    candidates: tuple[str, ...]
    objective: Objective
    control_share: float
    plans: dict[str, Plan]
    ask_twice: Compared | None = None
    gates: Gates = Gates()
    hedge: float = 0.0


class Needs(Struct, frozen=True, omit_defaults=True):
    """What a deployment must be able to do to serve a request at all.

    ``unspeakable`` maps a dialect to the reason why the request would be answered wrongly in it; ``held_by`` names the one
    deployment that holds what its provider keeps of the conversation. ``tier`` is the service tier that is asked for.
    ``most_input`` (at most so many tokens go in; 0: only a guess is known) and ``choices`` bound what a call may cost, where
    others may be tried (``policy/fitness.bounded``). ``demands`` say who may see it at all (``policy/permits``).
    """

    input_tokens: int = 0
    max_output_tokens: int | None = None
    tools: bool = False
    json_schema: bool = False
    media: frozenset[str] = frozenset()
    unspeakable: dict[str, str] = {}
    held_by: str = ""
    tier: str = ""
    most_input: int = 0
    choices: int = 1
    demands: tuple[Demand, ...] = ()


class Outlook(Struct, frozen=True):
    """What a request finds in providers' caches, and what is expected to follow it in its conversation.

    ``warm`` are tokens of its prompt that each deployment is expected to read from its cache, and ``kept`` the share, in
    [0, 1], of what a call sends that the next one reads there; a deployment that is not named has nothing. ``calls`` are
    expected, this one included, each ``growth`` tokens longer than the one before.
    """

    warm: dict[str, float] = {}
    kept: dict[str, float] = {}
    calls: int = 1
    growth: float = 0.0


class Context(Struct, frozen=True):
    """What a decision may look at. ``vector`` is the versioned feature vector of ``policy/features`` (empty: none),
    perhaps with an encoding behind it.

    ``outlook`` is None where a request stands alone. ``loop``: the request brings results of tools, in the middle of an
    agent's loop; ``stuck`` says in a few words how that is stuck (empty: it is not). ``tags`` are what else the owner's
    application says of the request: ``task:NAME``, ``customer:NAME``. ``no_explore``: nobody may be tried on it.
    """

    feature: str
    needs: Needs
    vector: bytes = b""
    streamed: bool = False
    outlook: Outlook | None = None
    loop: bool = False
    stuck: str = ""
    tags: tuple[str, ...] = ()
    no_explore: bool = False


class Prediction(Struct, frozen=True, omit_defaults=True):
    """What is expected of one deployment for one request.

    Quality in [0, 1], its standard error, cost in nano-dollars, tokens of output; None: unknown. Where more calls are
    expected to follow (``Outlook``), the cost is the mean of all of them, caches included.
    """

    deployment: str
    quality: float | None = None
    quality_sd: float | None = None
    cost_nano: int | None = None
    output_tokens: int | None = None


class Decision(Struct, frozen=True, omit_defaults=True):
    """What was decided, with all that is needed to judge it later.

    ``eligible`` and ``probabilities`` run in step: the chance each deployment had of being drawn, after filtering.
    ``arm`` is ``policy`` (the policy decided), ``control`` (held on the reference to measure against), ``explore`` (tried to
    learn more of it), ``forced`` (the reference could not take it, so that chance had no say), ``reference`` (no evidence
    yet, or none may be acted on), ``pinned`` or ``observed`` (the client chose); all through a conversation it is what was
    drawn at its start.
    ``excluded`` maps a deployment that could not serve the request to the reason. ``why`` is one short sentence for people.
    ``pace`` is what the worth of a right answer was multiplied by to keep a budget; ``tags`` are the context's. ``course``
    is the id of the exchange that began the conversation for which chance has spoken (empty: it speaks here). ``needs`` are
    those of the request, so that it can be decided again (None: there was nothing to decide). ``encoded``: the predictions
    rest on what an encoder made of the text, too, which is not kept. ``most_nano``: who was expected to cost more was not
    chosen, to keep a day's budget (None: there was no such limit).
    """

    chosen: str
    fallbacks: tuple[str, ...]
    eligible: tuple[str, ...]
    probabilities: tuple[float, ...]
    mode: Mode
    arm: Arm
    why: str
    predictions: tuple[Prediction, ...] = ()
    excluded: dict[str, str] = {}
    snapshot: str = ""
    pace: float = 1.0
    tags: tuple[str, ...] = ()
    course: str = ""
    needs: Needs | None = None
    encoded: bool = False
    most_nano: int | None = None

    def predicted(self, deployment: str) -> Prediction | None:
        """Return the prediction for a deployment, None where there is none."""
        return next((p for p in self.predictions if p.deployment == deployment), None)

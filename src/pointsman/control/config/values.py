"""What a configuration says, as frozen values. Words are those of ``core``; defaults are those of docs/configuration.md.

Shares are fractions in [0, 1]; tolerances are fractions of quality (the file has points: 2 there is 0.02 here); money is
integer nano-dollars, except in Objective.
"""

from decimal import Decimal

from msgspec import Struct, field

from pointsman.control.prices import Own
from pointsman.core.budget import Budget
from pointsman.core.demands import Demand
from pointsman.core.keys import Key
from pointsman.core.routing import Ceiling, Compared, Deployment, Gates, Grader, Objective, Provider
from pointsman.core.snapshot import Encoder, Keeping, Limits, Traces

DEFAULT_ROUTE = "auto"
EVERY_FEATURE = "*"


class StandingTrial(Struct, frozen=True):
    """A trial that the configuration keeps running: on what share of the feature's requests, up to what sum in all."""

    share: float
    cap_nano: int


class ExploreRules(Struct, frozen=True):
    """What may be tried on live requests: at most a share of them, for at most a sum a day."""

    share: float
    day_nano: int


class Filters(Struct, frozen=True):
    """Who may answer, and the most seconds that it may be expected to take. None: not said."""

    allow: tuple[str, ...] | None = None
    first_token_s: float | None = None
    answer_s: float | None = None

    @property
    def ceiling(self) -> Ceiling | None:
        """The ceiling on time, None where there is none."""
        said = (self.first_token_s, self.answer_s)
        return None if said == (None, None) else Ceiling(*said)

    def over(self, other: "Filters") -> "Filters":
        """Return these, and the others' where these say nothing."""
        return Filters(
            other.allow if self.allow is None else self.allow,
            other.first_token_s if self.first_token_s is None else self.first_token_s,
            other.answer_s if self.answer_s is None else self.answer_s,
        )


class FeatureRules(Struct, frozen=True):
    """What the owner says of one feature on one route. None: as the route says."""

    reference: str | None = None
    candidates: tuple[str, ...] | None = None
    tolerance: float = 0.05
    grader: Grader | None = None
    trial: StandingTrial | None = None
    filters: Filters = Filters()
    review_days: int | None = None
    store_prompts: bool | None = None
    explore: ExploreRules | None = None
    policies: tuple[str, ...] = ()


class RouteRules(Struct, frozen=True):
    """What the owner says of one route. ``features`` may hold ``*``, for every feature that has no rules of its own."""

    reference: str | None = None
    candidates: tuple[str, ...] = ()
    objective: Objective = Objective()
    control_share: float = 0.05
    features: dict[str, FeatureRules] = {}
    filters: Filters = Filters()
    ask_twice: Compared | None = None
    review_days: int = 0
    store_prompts: bool | None = None
    gates: Gates = Gates()
    explore: ExploreRules | None = None
    policies: tuple[str, ...] = ()
    hedge: float = 0.0


class ReleaseRules(Struct, frozen=True):
    """What an owner expects of a deployment that nothing was learned of.

    ``quality`` in [0, 1] with a standard deviation ``spread``; ``like``: a deployment that it has much in common with;
    ``published``: figures of public benchmarks by name, in any unit that others' figures are in too.
    """

    quality: float | None = None
    spread: float | None = None
    like: str | None = None
    published: dict[str, float] = {}


class CanaryRules(Struct, frozen=True):
    """Canary prompts: in which file, graded by which feature's check, how often they are asked, for how much a day.

    ``each_nano``: what the rounds of one deployment may come to a day, on average (None: no more is asked than by all).
    """

    prompts: str
    feature: str
    every_ms: int = 24 * 3_600_000
    cap_nano: int = 1_000_000_000
    each_nano: int | None = None


class CustomerRules(Struct, frozen=True):
    """What a customer pays: US dollars for each answered request, for 1,000 tokens in and out of answers, a month; and a
    ``markup`` on what its calls cost (0.2: a fifth more; None: the cost is not passed on). All that is said adds up.
    """

    per_request_usd: Decimal = Decimal(0)
    per_1000_tokens_usd: Decimal = Decimal(0)
    per_month_usd: Decimal = Decimal(0)
    markup: Decimal | None = None


class PoolRules(Struct, frozen=True):
    """Deployments of one model that share its requests, in the owner's order; ``committed`` are those paid for in any case.

    ``price_within`` (0.05: five percent) is by how much prices may differ to count as equal; ``keep_free`` the part of a
    quota below which a deployment is left more and more alone.
    """

    deployments: tuple[str, ...]
    committed: tuple[str, ...] = ()
    price_within: float = 0.05
    keep_free: float = 0.1


class ControlRules(Struct, frozen=True):
    """The loopback port on which the control plane listens for programs, and a key of theirs; None: only keys made here."""

    key: Key | None
    port: int = 8788


class Config(Struct, frozen=True):
    """A whole configuration, free of mistakes.

    ``data`` is the data directory. ``price_lists`` maps a provider to its id in the price list, where it has one.
    ``deployments`` are those declared, each with the price stated there, if any; ``own_prices`` the dated ones. ``models``
    maps names in outcome tables to deployments; ``releases`` is what is expected of some, ``canaries`` what is asked of all
    that matter again and again. After ``learn_every_s`` is learned again from what was judged. There is always a route
    ``auto``. ``control`` is None where the control plane listens nowhere. ``policies`` are those of data, by name.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    data: str = ".pointsman"
    workers: int = 1
    providers: dict[str, Provider] = {}
    price_lists: dict[str, str] = {}
    deployments: dict[str, Deployment] = {}
    own_prices: tuple[Own, ...] = ()
    routes: dict[str, RouteRules] = field(default_factory=lambda: {DEFAULT_ROUTE: RouteRules()})
    pools: tuple[PoolRules, ...] = ()
    budgets: tuple[Budget, ...] = ()
    models: dict[str, str] = {}
    releases: dict[str, ReleaseRules] = {}
    canaries: CanaryRules | None = None
    keys: tuple[Key, ...] = ()
    policies: dict[str, Demand] = {}
    control: ControlRules | None = None
    limits: Limits = Limits()
    store_prompts: bool = False
    store_vectors: bool = True
    keeping: Keeping = Keeping()
    encoder: Encoder | None = None
    learn_every_s: float | None = None
    json_logs: bool = False
    traces: Traces | None = None
    customers: dict[str, CustomerRules] = {}

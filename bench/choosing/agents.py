"""What conversations of agents cost when the conversation is the unit of choice: simulated traffic, the product's own code.

Strategy: a policy is learned, by the shipped ``teach``, from graded turns of simulated agents. Every call of further
conversations is then decided by the shipped ``decide`` with the gateway's own memory (``gateway/courses``), which learns
from what is billed. The worth of a right answer, the owner's number, is chosen on conversations of the fit part: the
cheapest with which at most ``TOLERANCE`` fewer of them succeed than with the best fixed model. The same is done for other
ways of choosing, so that all are compared at equal quality, on seeds of their own.

Laws: nothing here says anything about real agents; who succeeds at what is set in ``agent_traffic``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from choosing.agent_traffic import BEST, CALLS, MODELS, NAMES, Played, Talk, Turn, ability, play, talks
from choosing.floors import Floor, at_least, at_most, plain, points
from choosing.kept import digest, sources
from choosing.parts import Found
from choosing.statistics import Interval
from pointsman.core.chat import ChatRequest, Usage
from pointsman.core.record import Attempt, ExchangeRecord
from pointsman.core.routing import Context, Decision, Deployment, Needs, Objective, Plan, Provider, Route
from pointsman.core.snapshot import Snapshot
from pointsman.gateway.courses import Courses, Place
from pointsman.policy import decide, features, loops, naming
from pointsman.policy.decide import State
from pointsman.policy.model import Policy
from pointsman.policy.outcomes import Outcomes
from pointsman.policy.teach import teach

NAME: Final = "agents"
FIT_SEED: Final = 0
TAUGHT: Final = 1200  # conversations that the policy is learned from
TUNED: Final = 200  # further ones that the worth of a right answer is chosen on
SEEDS: Final = range(200, 224)
TALKS: Final = 50  # of each seed
GUESSED: Final = 0.85  # a request's tokens, as the gateway estimates them
TOLERANCE: Final = 0.01
_WORTHS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # US dollars for a right answer
_COST: Final = 0.85
_ABOVE: Final = 1.01
_STUDENT: Final = 2.069  # 97.5 % of Student's t with as many degrees of freedom as there are seeds, but one


class Fixed:
    """One model for everything."""

    def __init__(self, place: int) -> None:
        self._place = place

    def choose(self, request: ChatRequest, tokens: int, now: float) -> int:  # noqa: ARG002 - all the same
        """Return it."""
        return self._place

    def billed(self, usage: Usage, now: float) -> None:
        """Nothing is learned."""


class Shipped:
    """Decisions as the gateway makes them. One worker's memory, which lasts over conversations.

    ``course`` False: each call by itself, without any memory. ``stays``: with whom the gateway starts, whatever comes.
    ``downgrades`` counts changes in the middle of a loop to one that the policy itself predicts to answer worse.
    """

    def __init__(self, policy: Policy, worth_usd: float, *, course: bool = True, stays: bool = False) -> None:
        self._policy = policy
        self._snapshot = _snapshot(worth_usd)
        self._target = naming.resolve(self._snapshot, "auto")
        self._course = course
        self._stays = stays
        self._courses = Courses()
        self._named = 0
        self._clock = 0.0
        self._place: Place | None = None
        self._decision: Decision | None = None
        self._with = ""
        self.downgrades = 0

    def begins(self) -> None:
        """A new conversation begins, a day later."""
        self._named += 1
        self._clock += 86_400
        self._with = ""

    def choose(self, request: ChatRequest, tokens: int, now: float) -> int:
        """Decide."""
        needs = Needs(input_tokens=round(GUESSED * tokens), tools=True)
        context = Context("agent", needs, features.vector(request))
        course = None
        if self._course:
            at = self._clock + now
            self._place = self._courses.place(str(self._named), request, context, self._snapshot, NAMES, at)
            context, course = self._place.context, self._place.course
        decision = decide.decide(self._snapshot, self._target, self._policy, context, State(course=course), 0.0)
        if self._stays and self._with:
            decision = replace(decision, chosen=self._with)
        if self._with not in ("", decision.chosen) and loops.under_way(request):
            was, now_is = decision.predicted(self._with), decision.predicted(decision.chosen)
            worse = was is None or now_is is None or (now_is.quality or 0.0) < (was.quality or 0.0)
            self.downgrades += worse
        self._with, self._decision = decision.chosen, decision
        return NAMES.index(decision.chosen)

    def billed(self, usage: Usage, now: float) -> None:
        """Keep the record, as the gateway does."""
        if self._place is not None and self._decision is not None:
            attempt = Attempt(self._decision.chosen, "first", 0, 200, usage=usage, finish="stop")
            record = ExchangeRecord("x", 0, "auto", "agent", "ok", 200, self._decision, (attempt,), "auto")
            self._courses.note(self._place, record, self._clock + now)


def _snapshot(worth_usd: float) -> Snapshot:
    plan = Plan("*", "auto", NAMES[BEST], accepted=NAMES[1:], acting_share=1.0, value_nano=round(worth_usd * 1e9))
    return Snapshot(
        {name: Provider(name, "http://simulated") for name in "abc"},
        {model.name: Deployment(model.name, model.name[0], model.name, model.name, model.price) for model in MODELS},
        {"auto": Route("auto", NAMES[BEST], NAMES, Objective("worth"), 0.0, {"*": plan})},
    )


def learned(conversations: Sequence[Talk], rng: np.random.Generator) -> Policy:
    """Return what the graded turns of conversations teach that the best fixed model served."""
    vectors, scores, sizes = [], [], []

    def hear(request: ChatRequest, tokens: int, turn: Turn) -> None:
        vectors.append(features.vector(request))
        scores.append(ability(turn))
        sizes.append(GUESSED * tokens)

    for talk in conversations:
        play(talk, Fixed(BEST), rng, hear)
    count = len(vectors)
    nothing = np.full(count, -1, dtype=np.int64)
    outcomes = Outcomes(
        deployments=NAMES,
        groups=np.array([f"{row:016x}" for row in range(count)]),
        vectors=np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(count, -1),
        score=np.array(scores),
        cost_nano=np.full((count, len(NAMES)), np.nan),
        input_tokens=np.array(sizes),
        output_tokens=np.tile(np.array([float(model.output) for model in MODELS]), (count, 1)),
        task=nothing,
        tasks=(),
        feature=nothing,
        features=(),
    )
    return teach(outcomes, tuple(_snapshot(0.0).deployments.values())).policy


@dataclass(frozen=True)
class Outcome:
    """What one way came to on one seed: means a conversation, in US dollars and [0, 1]; ``downgrades`` are a sum."""

    usd: float
    success: float
    changes: float
    downgrades: int


T = TypeVar("T")
Way = Callable[[], Fixed | Shipped]


def outcome(conversations: Sequence[Talk], seed: int, way: Way) -> Outcome:
    """Play conversations in one way. ``seed`` says when caches expire: the same for every way."""
    chooser, played = way(), []
    for place, talk in enumerate(conversations):
        if isinstance(chooser, Shipped):
            chooser.begins()
        played.append(play(talk, chooser, np.random.default_rng((seed, place))))
    return _mean(played, chooser.downgrades if isinstance(chooser, Shipped) else 0)


def _mean(played: Sequence[Played], downgrades: int) -> Outcome:
    usd, success, changes = (
        float(np.mean([getattr(one, name) for one in played])) for name in ("cost_nano", "succeeded", "changes")
    )
    return Outcome(usd / 1e9, success, changes, downgrades)


def oracle(conversations: Sequence[Talk], seed: int) -> Outcome:
    """Return what the cheapest model comes to that succeeds, conversation by conversation; the cheapest where none does."""
    found = []
    for place, talk in enumerate(conversations):
        all_ = [play(talk, Fixed(one), np.random.default_rng((seed, place))) for one in range(len(MODELS))]
        found.append(min(all_, key=lambda one: (not one.succeeded, one.cost_nano)))
    return _mean(found, 0)


_OURS: Final = "Pointsman"
_STAYS: Final = "Pointsman's start, always staying"
_STAYS_ALIKE: Final = f"{_STAYS}, same worth"
_ALONE: Final = "each call by itself"
_KINDS: Final[dict[str, dict[str, bool]]] = {_OURS: {}, _STAYS: {"stays": True}, _ALONE: {"course": False}}
_BEST: Final = f"best fixed: {NAMES[BEST]}"
_ORACLE: Final = "the cheapest that succeeds (oracle)"


def measure(tables: Path, cache: Path, tell: Callable[[str], None]) -> Found:  # noqa: ARG001 - all is simulated
    """Learn, choose each way's worth on the fit part, and play every way on fresh seeds. What was played is kept."""
    stamp = digest(sources("choosing.agents"))
    tell("agents: learning")
    rng = np.random.default_rng(FIT_SEED)
    policy = learned(talks(TAUGHT, rng), rng)
    tuning = talks(TUNED, rng)
    worths = kept(cache / f"agents.worths.{stamp}.json", dict[str, float], lambda: _worths(policy, tuning, tell))
    ways: dict[str, Way] = {f"fixed: {model}": partial(Fixed, place) for place, model in enumerate(NAMES)}
    ways[_BEST] = ways.pop(f"fixed: {NAMES[BEST]}")
    for name, options in _KINDS.items():
        ways[name] = partial(Shipped, policy, worths[name], **options)
    ways[_STAYS_ALIKE] = partial(Shipped, policy, worths[_OURS], stays=True)
    found: dict[str, list[Outcome]] = {name: [] for name in (*ways, _ORACLE)}
    for seed in SEEDS:
        tell(f"agents: seed {seed}")
        path = cache / f"agents.{seed}.{stamp}.json"
        for name, one in kept(path, dict[str, Outcome], partial(_played, ways, seed)).items():
            found[name].append(one)
    return Found(_section(found, worths), _floors(found))


def _played(ways: dict[str, Way], seed: int) -> dict[str, Outcome]:
    conversations = talks(TALKS, np.random.default_rng(seed))
    return {name: outcome(conversations, seed, way) for name, way in ways.items()} | {_ORACLE: oracle(conversations, seed)}


def kept(path: Path, kind: type[T], make: Callable[[], T]) -> T:
    """Return what a file holds, else what is made and kept there."""
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=kind)
    found = make()
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(found))
    draft.replace(path)
    return found


def _worths(policy: Policy, tuning: Sequence[Talk], tell: Callable[[str], None]) -> dict[str, float]:
    """Return the worth of a right answer with which each way is compared."""
    wanted = outcome(tuning, FIT_SEED, partial(Fixed, BEST)).success - TOLERANCE
    found = {}
    for name, options in _KINDS.items():
        tell(f"agents: the worth of a right answer, {name}")
        found[name] = _worth(policy, tuning, wanted, options)
    return found


def _worth(policy: Policy, tuning: Sequence[Talk], wanted: float, options: dict[str, bool]) -> float:
    """Return the worth with which a way is cheapest of those that succeed often enough; the largest where none does."""
    tried = {worth: outcome(tuning, FIT_SEED, partial(Shipped, policy, worth, **options)) for worth in _WORTHS}
    enough = [worth for worth, one in tried.items() if one.success >= wanted]
    return min(enough, key=lambda worth: tried[worth].usd) if enough else max(_WORTHS)


def _interval(values: Sequence[float]) -> Interval:
    """Return a mean over seeds with its 95 % bounds, by Student's t."""
    mean, half = float(np.mean(values)), _STUDENT * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)


def _ratio(found: Sequence[Outcome], base: Sequence[Outcome]) -> Interval:
    return _interval([one.usd / other.usd for one, other in zip(found, base, strict=True)])


def _gain(found: Sequence[Outcome], base: Sequence[Outcome]) -> Interval:
    return _interval([one.success - other.success for one, other in zip(found, base, strict=True)])


_HEAD: Final = f"""\
## Conversations of agents (simulated)

{CALLS} calls in turns of the user with loops of tool calls, pauses, cache prices and expiry; {len(MODELS)} models whose
chances of success are set, so that nothing here speaks of real agents. A conversation succeeds where all its turns do.
Learned from {TAUGHT:,} conversations; the worth of a right answer chosen on {TUNED} more as the cheapest with which at most
{100 * TOLERANCE:.0f} point fewer succeed than with the best fixed model; measured on {len(SEEDS)} further seeds of {TALKS}
conversations. Means over seeds with 95 % intervals; cost with every provider's cache.

| way | worth | cost | of the best fixed | success | against the best fixed, points | changes | downgrades in loops |
|---|---|---|---|---|---|---|---|
"""


def _section(found: dict[str, list[Outcome]], worths: dict[str, float]) -> str:
    lines = []
    for name, each in found.items():
        worth = worths.get(_OURS if name == _STAYS_ALIKE else name)
        ratio, gain = _ratio(each, found[_BEST]), _gain(each, found[_BEST])
        usd, success, changes = (float(np.mean([getattr(one, it) for one in each])) for it in ("usd", "success", "changes"))
        down = sum(one.downgrades for one in each)
        lines.append(
            f"| {name} | {'–' if worth is None else f'${worth:g}'} | ${usd:.3f} | {plain(ratio)} | {100 * success:.1f} % "
            f"| {points(gain)} | {changes:.2f} | {down} |"
        )
    return _HEAD + "\n".join(lines)


def _floors(found: dict[str, list[Outcome]]) -> tuple[Floor, ...]:
    ours, best = found[_OURS], found[_BEST]
    cost, gain = _ratio(ours, best), _gain(ours, best)
    stays = _ratio(ours, found[_STAYS_ALIKE])
    down = sum(one.downgrades for one in ours)
    saved = f"simulated agents: cost at equal quality at most {_COST:.2f} of the best fixed model's, caches included"
    never = f"simulated agents: cost at most {_ABOVE:.2f} of always staying with the start, same worth"
    return (
        Floor(7, saved, plain(cost), at_most(cost, _COST)),
        Floor(
            7, "simulated agents: as many conversations succeed as with the best fixed", points(gain), at_least(gain, 0.0)
        ),
        Floor(7, never, plain(stays), at_most(stays, _ABOVE)),
        Floor(7, "simulated agents: no downgrade in the middle of a loop", f"{down}", "met" if not down else "not met"),
    )

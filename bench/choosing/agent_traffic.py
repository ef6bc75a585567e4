"""Simulated agents: conversations whose truth is known, and what they are billed with providers' caches.

A conversation has ``CALLS`` calls in turns of the user, each a loop of tool calls with a pause before it. It is of a kind,
and so is each turn, mostly the same one. Whether a model is able to do a turn is drawn with its chances for that kind, in
part alike for all models (a Gaussian copula). Who is not able fails: seen by the tools in ``SEEN`` of the turns, which
answer with the same error from some step on, else unseen. A turn succeeds where the model that made its last call is able; a
conversation where all its turns do. Every conversation has the same number of calls whoever serves it.

Nothing here is taken from a real model: prices and lifetimes of caches are like those of today's providers, all else is set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pointsman.core.chat import ChatRequest, Message, Text, Tool, ToolCall, ToolResult, Usage
from pointsman.core.price import Price, Rates
from pointsman.policy import cost

CALLS: Final = 60
KINDS: Final = ("chores", "queries", "changes", "puzzles")
_SHARES: Final = (0.35, 0.25, 0.25, 0.15)
_SAME: Final = 0.85  # chance that a turn is of its conversation's kind for sure
_ALIKE: Final = 0.7  # correlation of what models are able to do
SEEN: Final = 0.6
_WORDS: Final = 14  # of what a user writes
_TELLING: Final = 0.35  # share of them that come from the kind's own vocabulary
_VOCABULARY: Final = 60
_FIRST: Final = 12_000  # tokens of instructions and tools
_SMALLEST: Final = 1024  # tokens that a provider caches


@dataclass(frozen=True)
class Simulated:
    """A model: its price, the chance that it is able to do a turn by kind, output tokens of a call, and its cache.

    ``lifetime_s``: shortest and longest time for which the provider keeps a prompt (0: never); ``writes``: bills what it
    writes.
    """

    name: str
    price: Price
    able: tuple[float, float, float, float]
    output: int
    lifetime_s: tuple[float, float]
    writes: bool = False


def _price(given: str, made: str, cached: str | None = None, written: str | None = None) -> Price:
    rates = [None if rate is None else Decimal(rate) for rate in (cached, written)]
    return Price(Rates(Decimal(given), Decimal(made), *rates), source="simulated")


MODELS: Final = (
    Simulated("a/large", _price("5", "25", "0.5", "6.25"), (0.99, 0.965, 0.96, 0.88), 260, (300, 300), writes=True),
    Simulated("a/middle", _price("1", "5", "0.1", "1.25"), (0.985, 0.95, 0.88, 0.55), 300, (300, 300), writes=True),
    Simulated("b/middle", _price("1.25", "10", "0.125"), (0.975, 0.97, 0.82, 0.6), 420, (300, 1800)),
    # The cheapest by its price list, and not in a loop: its host caches nothing.
    Simulated("c/small", _price("0.4", "1.6"), (0.96, 0.8, 0.6, 0.2), 300, (0, 0)),
)
NAMES: Final = tuple(model.name for model in MODELS)
BEST: Final = 0


@dataclass(frozen=True)
class Turn:
    """One turn of the user.

    ``text`` is what the user writes ``pause_s`` after the reply before; ``able`` says which models are able to do it; who is
    not is told so from step ``from_step`` on, or (at ``calls``) never. Each step adds ``tokens`` and takes ``seconds``.
    """

    text: str
    pause_s: float
    calls: int
    able: tuple[bool, ...]
    from_step: int
    tokens: tuple[int, ...]
    seconds: tuple[float, ...]


Talk = tuple[Turn, ...]


def talks(count: int, rng: np.random.Generator) -> list[Talk]:
    """Return so many conversations."""
    return [_talk(rng) for _ in range(count)]


def _talk(rng: np.random.Generator) -> Talk:
    turns: list[Turn] = []
    left = CALLS
    usual = rng.choice(len(KINDS), p=_SHARES)
    while left:
        kind = usual if rng.random() < _SAME else rng.choice(len(KINDS), p=_SHARES)
        calls = min(int(rng.geometric(1 / 12)), left)
        left -= calls
        common, own = rng.normal(), rng.normal(size=len(MODELS))
        talent = np.sqrt(_ALIKE) * common + np.sqrt(1 - _ALIKE) * own
        able = tuple(
            bool(value < NormalDist().inv_cdf(model.able[kind])) for value, model in zip(talent, MODELS, strict=True)
        )
        seen = rng.random() < SEEN
        turns.append(
            Turn(
                text=_text(kind, rng),
                pause_s=float(rng.lognormal(np.log(100), 1.3)) if turns else 0.0,
                calls=calls,
                able=able,
                from_step=int(rng.integers(0, max(calls // 2, 1))) if seen else calls,
                tokens=tuple(rng.lognormal(np.log(600), 0.8, calls).astype(int).tolist()),
                seconds=tuple(rng.lognormal(np.log(8), 0.8, calls).tolist()),
            )
        )
    return tuple(turns)


def _text(kind: int, rng: np.random.Generator) -> str:
    own = rng.random(_WORDS) < _TELLING
    words = rng.integers(0, _VOCABULARY, _WORDS)
    return " ".join(f"{KINDS[kind]}{word}" if mine else f"word{word}" for mine, word in zip(own, words, strict=True))


TOOL: Final = Tool("run", "Runs a command.")
_INSTRUCTIONS: Final = Message("system", (Text("You are an agent. Use your tools."),))


class Chooser(Protocol):
    """Who says which model makes a call."""

    def choose(self, request: ChatRequest, tokens: int, now: float) -> int:
        """Return the place of the model for a request of so many tokens at a time in seconds."""

    def billed(self, usage: Usage, now: float) -> None:
        """Hear what the call took that was begun at a time."""


@dataclass(frozen=True)
class Played:
    """What a conversation came to: nano-dollars, whether all turns succeeded, and how often the model changed."""

    cost_nano: int
    succeeded: bool
    changes: int


Listener = Callable[[ChatRequest, int, Turn], Any]
"""Hears of each turn's first request, and its tokens."""


def play(talk: Talk, chooser: Chooser, rng: np.random.Generator, hear: Listener = lambda *_: None) -> Played:
    """Play a conversation. ``rng`` says when caches expire."""
    messages: list[Message] = [_INSTRUCTIONS]
    tokens, now, total = _FIRST, 0.0, 0
    cached: dict[int, tuple[int, float]] = {}  # by model: tokens, and when they were last read
    succeeded, changes, before = True, 0, -1
    for number, turn in enumerate(talk):
        now += turn.pause_s
        messages.append(Message("user", (Text(turn.text),)))
        tokens += 200
        for step in range(turn.calls):
            request = ChatRequest("auto", tuple(messages), tools=(TOOL,))
            if step == 0:
                hear(request, tokens, turn)
            place = chooser.choose(request, tokens, now)
            model = MODELS[place]
            read, at = cached.get(place, (0, now))
            if now - at > rng.uniform(*model.lifetime_s) or read < _SMALLEST:
                read = 0
            usage = Usage(tokens, model.output, read, tokens - read if model.writes else 0)
            total += cost.amount(usage, model.price)
            cached[place] = (tokens, now)
            chooser.billed(usage, now)
            changes += before not in (-1, place)
            before = place
            tokens += model.output + turn.tokens[step]
            now += turn.seconds[step]
            failing = step >= turn.from_step and not turn.able[place]
            messages += _answers(number, step, failing=failing, last=step == turn.calls - 1)
        succeeded = succeeded and turn.able[before]
    return Played(total, succeeded, changes)


def _answers(turn: int, step: int, *, failing: bool, last: bool) -> tuple[Message, ...]:
    if last:
        return (Message("assistant", (Text("Done."),)),)
    name = f"c{turn}-{step}"
    arguments = '{"command": "make"}' if failing else f'{{"command": "step {step}"}}'
    said = "Error: no rule to make target" if failing else "ok"
    called = Message("assistant", (ToolCall("run", arguments, name),))
    return called, Message("tool", (ToolResult(name, (Text(said),)),))


def ability(turn: Turn) -> NDArray[np.float64]:
    """Return who is able to do a turn, 1 or 0, (M,)."""
    return np.array(turn.able, dtype=np.float64)

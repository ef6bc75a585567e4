"""How the conversations go in which the policy has a say: what one worker remembers of each, and of providers' caches.

A conversation is found by its client's name for it and its first turns, and is only taken for one that goes on where the
request really goes on from the last one: it is longer, and the last message of that one still stands in its place. So
requests that merely begin alike (a title asked for beside the conversation, examples before the question) are chosen one by
one.

Laws: bounded, the least recently used goes first; what is not remembered is not known, and never guessed; hashes of text
never leave this memory; nothing of a request whose model the client named is kept here.
"""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.chat import ChatRequest, Message
from pointsman.core.record import ExchangeRecord
from pointsman.core.routing import Context, Outlook
from pointsman.core.snapshot import Snapshot
from pointsman.policy import loops, warmth
from pointsman.policy.conversation import Course
from pointsman.policy.loops import Length
from pointsman.policy.warmth import Prefix, Seen

_LIMIT: Final = 50_000
_READ: Final = 4096  # characters of each message
_KINDS: Final = 1000  # features whose loops are learned
_PREFIXES: Final = 4  # deployments that are remembered to have been sent a conversation, the latest
_ARMS: Final[dict[str, Literal["policy", "control", "explore", "forced"]]] = {
    "policy": "policy", "control": "control", "explore": "explore", "forced": "forced"
}  # fmt: skip
_USUAL: Final = Length()


class Place(Struct, frozen=True):
    """Where one request stands: its conversation, by ``key``, and what a decision is told of it.

    ``agent``: tools are offered. It has ``messages``, the last of them with the hash ``last``.
    """

    key: int
    course: Course | None
    context: Context
    agent: bool
    messages: int
    last: int


class Courses:
    """The memory of one worker."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._courses: OrderedDict[int, Course] = OrderedDict()
        self._seen: dict[str, Seen] = {}
        self._lengths: dict[str, Length] = {}

    def __len__(self) -> int:
        """How many conversations are remembered."""
        return len(self._courses)

    def place(
        self, named: str, request: ChatRequest, context: Context, snapshot: Snapshot, names: Collection[str], now: float
    ) -> Place:
        """Return where a request stands at a time.

        ``named`` is what the client calls its conversation, ``names`` are the deployments that may be chosen.
        """
        agent = bool(request.tools)
        key = _key(named, request, agent=agent)
        course = self._courses.get(key)
        loop = loops.under_way(request)
        if course is not None:
            if _goes_on(course, request, loop=loop):
                self._courses.move_to_end(key)
            else:
                course = None
        stuck = loops.stuck(request.messages, course.since) if loop and course is not None else ""
        outlook = self._outlook(course, context.feature, snapshot, names, now, agent=agent)
        context = replace(context, outlook=outlook, loop=loop, stuck=stuck)
        return Place(key, course, context, agent, len(request.messages), _hash(request.messages[-1]))

    def note(self, place: Place, record: ExchangeRecord, started: float) -> None:
        """Note how a request was answered by the deployment that was asked at ``started``."""
        served, decision, before = record.served_by, record.decision, place.course
        tokens = place.context.needs.input_tokens
        if served is None or decision is None or decision.arm not in _ARMS:
            return
        prefixes = dict(before.prefixes) if before is not None else {}
        known = prefixes.pop(served.deployment, None)
        usage = None if served.estimated else served.usage
        if known is not None and usage is not None and usage.input > 0:
            shared = min(known.tokens / max(tokens, 1), 1.0)  # of this prompt: what could have been read from the cache
            seen = self._seen.get(served.deployment)
            self._seen[served.deployment] = warmth.noted(seen, started - known.at, usage.cached / usage.input / shared)
        if place.agent:
            self._lengthen(place)
        prefixes[served.deployment] = Prefix(tokens, started)
        while len(prefixes) > _PREFIXES:
            del prefixes[next(iter(prefixes))]
        same = before is not None and before.deployment == served.deployment
        self._courses[place.key] = Course(
            deployment=served.deployment,
            arm=_ARMS[decision.arm],
            began=decision.course or record.id,
            messages=place.messages,
            last=place.last,
            since=before.since if before is not None and same else place.messages,
            escalated=before is not None and (before.escalated if same else bool(place.context.stuck)),
            calls=before.calls + 1 if before is not None else 1,
            prefixes=prefixes,
        )
        self._courses.move_to_end(place.key)
        if len(self._courses) > self._limit:
            self._courses.popitem(last=False)

    def _lengthen(self, place: Place) -> None:
        """Learn how long loops are from a request that tools are offered in."""
        context, before = place.context, place.course
        known = self._lengths.get(context.feature)
        if known is None and len(self._lengths) >= _KINDS:  # clients name features
            return
        prefix = before.prefixes.get(before.deployment) if before is not None and context.loop else None
        growth = context.needs.input_tokens - prefix.tokens if prefix is not None else None
        self._lengths[context.feature] = loops.lengthened(
            known or _USUAL, starts=before is None and not context.loop, begins=not context.loop, growth=growth
        )

    def _outlook(
        self, course: Course | None, feature: str, snapshot: Snapshot, names: Collection[str], now: float, *, agent: bool
    ) -> Outlook | None:
        """Return what is warm and what is to come; None where a request stands alone."""
        length = self._lengths.get(feature, _USUAL)
        calls = length.ahead(course.calls if course is not None else 0) if agent else 1
        if course is None and calls == 1:
            return None
        prefixes = course.prefixes if course is not None else {}
        lifetimes = {name: _lifetime(snapshot, name) for name in (*names, *prefixes)}
        warm = warmth.warm(prefixes, self._seen, lifetimes, now)
        if snapshot.pools:  # what one of a pool has cached speaks for the model: the conversation stays with it
            for name in names:
                warm[name] = max(warm.get(sibling, 0.0) for sibling in snapshot.siblings(name))
        kept = {name: warmth.share(self._seen.get(name), lifetimes[name], warmth.AT_ONCE) for name in names}
        return Outlook(warm, kept, calls, length.growth)


def _lifetime(snapshot: Snapshot, deployment: str) -> float:
    provider = snapshot.providers.get(deployment.partition("/")[0])
    return provider.cache_s if provider is not None else 0.0


def _key(named: str, request: ChatRequest, *, agent: bool) -> int:
    """Return what a conversation is found by: its name and its first turn; its instructions too where it has no name.

    (A harness may write the time of day into its instructions.)
    """
    said: list[object] = [named, agent]
    for message in request.messages:
        if message.instructs and named:
            continue
        text = message.text
        said += (message.role, len(text), text[:_READ])
        if not message.instructs:
            break
    return hash(tuple(said))


def _goes_on(course: Course, request: ChatRequest, *, loop: bool) -> bool:
    """Say whether a request goes on from the one that was answered last. The same one again does so only in a loop."""
    count = len(request.messages)
    if count < course.messages or (count == course.messages and not loop):
        return False
    return _hash(request.messages[course.messages - 1]) == course.last


def _hash(message: Message) -> int:
    text = message.text
    return hash((message.role, len(text), text[:_READ]))

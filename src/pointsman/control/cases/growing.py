"""Cases proposed from traffic: requests on which models were seen, or are expected, to disagree.

Strategy: of each exchange whose prompt the owner stores it is asked how far models differ: by the grades that a trial gave
several of them for this very request, else by what the policy in force predicts of every model that it has learned (without
one, by the predictions that were made when it was decided). Two models with the chances p and q of a good answer differ with
p (1 - q) + q (1 - p), as if they erred apart. The most telling come first; what resembles one that was taken is left out.

Laws: the right answer is left blank, for a person to fill in: nobody's answer is taken for it; each proposal says why it was
picked; only what stands in the journal is read, and nobody is called.
"""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Final, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pointsman.control.redacted import redacted
from pointsman.control.tables import group_of
from pointsman.core.chat import ChatRequest, Message, Text
from pointsman.core.record import ExchangeRecord, Judgement
from pointsman.core.routing import Context, Grader, Needs, Prediction
from pointsman.core.snapshot import Keeping, Snapshot
from pointsman.policy import features, model
from pointsman.policy.naming import plan_for

LEAST: Final = 0.2
"""The least chance of different grades at which a prediction proposes a case."""

_ALIKE: Final = 0.95  # cosine of the sketches of two users' texts
_MORE: Final = 20  # times as many are kept as are wanted, because many may resemble one another
_TURN: Final = re.compile(r"(?:\A|\n\n)(system|developer|user|assistant): ")


class Proposal(Struct, frozen=True):
    """A case to complete. ``telling`` orders proposals: those that were seen to differ before those expected to."""

    exchange: str
    messages: list[dict[str, str]]
    request: ChatRequest
    why: str
    telling: float


class Looked(Struct, frozen=True):
    """How many exchanges were looked at, had a stored prompt that can be asked again, and told of a disagreement."""

    exchanges: int
    prompts: int
    telling: int


Expect = Callable[[ExchangeRecord, ChatRequest], Sequence[Prediction]]
"""What is expected of models for an exchange, whose stored prompt is this request."""


def expectations(snapshot: Snapshot, route: str, feature: str) -> Expect:
    """Return what predicts: the policy that is in force for a feature, else what was predicted at the time.

    Raises SnapshotError where the policy cannot be read.
    """
    found = snapshot.routes.get(route)
    data = None if found is None else snapshot.policies.get(plan_for(found, feature).policy or route)
    if data is None:
        return lambda record, _: () if record.decision is None else record.decision.predictions
    policy = model.decode(data)
    known = [snapshot.deployments[name] for name in policy.deployments if name in snapshot.deployments]

    def expect(record: ExchangeRecord, request: ChatRequest) -> Sequence[Prediction]:
        vector = record.vector if features.readable(record.vector) else features.vector(request)
        tags = () if record.decision is None else record.decision.tags
        return model.predict(policy, Context(feature, Needs(), vector, tags=tags), known)

    return expect


def propose(
    exchanges: Iterable[ExchangeRecord], judgements: Iterable[Judgement], count: int, expect: Expect
) -> tuple[list[Proposal], Looked]:
    """Return at most ``count`` proposals, the most telling first, and what was looked at."""
    tally: Counter[str] = Counter()
    telling = _telling(exchanges, _grades(judgements), expect, tally)
    best = heapq.nlargest(_MORE * count, telling, key=lambda one: one.telling)
    return _apart(best, count), Looked(tally["exchanges"], tally["prompts"], tally["telling"])


def row_of(proposal: Proposal, feature: str, grader: Grader | None, keeping: Keeping) -> dict[str, Any]:
    """Return a proposal as a line of a file of cases, redacted by today's rules, its right answer still to be filled in."""
    checked = {} if grader is None else {"grader": grader.kind, "spec": grader.spec}
    messages = [{**each, "content": redacted(keeping, each["content"])} for each in proposal.messages]
    return {
        "id": proposal.exchange, "messages": messages, "expected": None, **checked, "feature": feature,
        "why": proposal.why,
    }  # fmt: skip


def messages_of(transcript: str) -> list[dict[str, str]]:
    """Return a stored prompt as messages; none where it is empty, holds tools, or does not end with its user."""
    parts = _TURN.split(transcript)
    if len(parts) < 3 or parts[0] or "\n\ntool: " in transcript:
        return []
    turns = [{"role": role, "content": text} for role, text in zip(parts[1::2], parts[2::2], strict=True)]
    return turns if turns[-1]["role"] == "user" and turns[-1]["content"].strip() else []


def chance(first: float, second: float) -> float:
    """Return the chance that two models, right with these chances and apart, do not both succeed or both fail."""
    return first * (1 - second) + second * (1 - first)


def _telling(
    exchanges: Iterable[ExchangeRecord], grades: Mapping[str, Mapping[str, float]], expect: Expect, tally: Counter[str]
) -> Iterator[Proposal]:
    """Yield every exchange that tells models apart, and count what was looked at."""
    for record in exchanges:
        tally["exchanges"] += 1
        messages = messages_of(record.prompt)
        if not messages:
            continue
        tally["prompts"] += 1
        request = ChatRequest("", tuple([Message(each["role"], (Text(each["content"]),)) for each in messages]))
        found = _seen(grades.get(record.id, {})) or _expected(expect(record, request))
        if found is not None and found[1] > 0:
            tally["telling"] += 1
            yield Proposal(record.id, messages, request, *found)


def _grades(judgements: Iterable[Judgement]) -> dict[str, dict[str, float]]:
    """Return the mean grade of each deployment that was graded for an exchange."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in judgements:
        if one.score is not None:
            found[one.exchange][one.deployment].append(one.score)
    return {exchange: {name: fmean(scores) for name, scores in each.items()} for exchange, each in found.items()}


def _seen(grades: Mapping[str, float]) -> tuple[str, float] | None:
    """Return how far grades differ, in words and as a number above 1, or 0 where they agree; None: there are not two."""
    if len(grades) < 2:
        return None
    best, worst = max(grades, key=grades.__getitem__), min(grades, key=grades.__getitem__)
    gap = grades[best] - grades[worst]
    return f"graded in a trial: {best} {grades[best]:.2f}, {worst} {grades[worst]:.2f}", 1 + gap if gap > 0 else 0.0


def _expected(predictions: Sequence[Prediction]) -> tuple[str, float] | None:
    """Return the chance that grades differ, in words and as a number; None where little is known or expected."""
    known = [one for one in predictions if one.quality is not None]
    if len(known) < 2:
        return None
    first, second, differ = _widest(known)
    if differ < LEAST:
        return None
    why = (
        f"predicted: {first.deployment} {first.quality:.2f}, {second.deployment} {second.quality:.2f}, "
        f"so that they differ with a chance of {100 * differ:.0f} %"
    )
    return why, differ


def _widest(known: Sequence[Prediction]) -> tuple[Prediction, Prediction, float]:
    """Return the two models that most likely differ. The chance is linear in either, so the ends of the range suffice."""
    order = sorted(known, key=lambda one: cast("float", one.quality))
    pairs = ((order[0], order[-1]), (order[0], order[1]), (order[-1], order[-2]))
    return max(
        ((high, low, chance(cast("float", low.quality), cast("float", high.quality))) for low, high in pairs),
        key=lambda one: one[2],
    )


def _apart(found: Sequence[Proposal], count: int) -> list[Proposal]:
    """Return the first of them that do not resemble one another."""
    taken: list[Proposal] = []
    groups: set[str] = set()
    sketches: list[NDArray[np.float32]] = []
    for one in found:
        if len(taken) == count:
            break
        group = group_of(one.request)
        vector = np.frombuffer(features.vector(one.request), dtype=np.uint8)[None, :]
        sketch = features.dense(vector)[0, features.FLAGS : features.FLAGS + features.USER_DIMS]
        if group in groups or (sketches and float(np.max(np.stack(sketches) @ sketch)) >= _ALIKE):
            continue
        taken.append(one)
        groups.add(group)
        sketches.append(sketch)
    return taken

"""What a call may use at most, and how a route gives way as a budget drains. Pure.

Strategy: a request is let in only where the most that it may use fits into what is left, so that no number of requests at
once passes a limit. The most is what goes in, counted in bytes (no token is shorter), and the most that may come out. Where
nobody can say (a picture), that is what hardly any call passes, and not what none can, as in the ledger (``bounds``): with a
million tokens set aside for each request, small budgets would serve nobody. An answer that nobody limits is limited here:
what was set aside for it is sent on (``Most.limit``).

A budget with ``on_limit = "degrade"`` moves its requests to cheaper deployments from ``DRAINING`` of it spent on: who costs
more than a ceiling is left out, and the ceiling falls in a straight line from what the reference may cost on this request
(at ``DRAINING``) to what the cheapest may cost (when all is spent). Whoever may cost more than is left is out in any case.

Laws: who has no price cannot be kept within a budget of dollars, and is left out of it; nobody is named a stand-in whom the
owner did not name as a candidate and allow.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from pointsman.core.chat import ChatRequest
from pointsman.core.routing import Deployment, Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import bounds, cost, naming
from pointsman.policy.fitness import OVER_BUDGET, most_input
from pointsman.policy.unlimited import answer_limit

DRAINING: Final = 0.8
UNSEEN_TOKENS: Final = 200_000
"""Input of a call that brings what is not in it (a file by its address, a conversation by its id), where its deployment
states no ``context_tokens``."""

_FRAME: Final = 500  # tokens that a provider puts around a prompt, at most


class Most(Struct, frozen=True):
    """The most tokens and nano-dollars that one call may take; ``nano`` is None where there is no price.

    ``limit`` is what each answer must be limited to for that to be true; None: it was stated.
    """

    tokens: int
    nano: int | None
    limit: int | None = None


class Level(Struct, frozen=True):
    """How a budget of dollars stands: the part of it that is spent, in [0, 1], and how many nano-dollars are left."""

    budget: str
    spent: float
    left: int


class Draining(Struct, frozen=True):
    """Who is left out of a request because of budgets, with the reason, and who may stand in for the reference, dearest
    first.
    """

    closed: dict[str, str] = {}
    stand_ins: tuple[str, ...] = ()


def most(one: Deployment, request: ChatRequest, size: int, translated: int | None = None) -> Most:
    """Return the most that a call for a request, of ``size`` bytes, may take of a deployment.

    Without a limit of its own, or of the deployment's variant, the output has that of its translation (``translated``) where
    this has one, else ``answer_limit``.
    """
    taken, given = most_input(request, size) + _FRAME, bounds.output_limit(request)
    if bounds.refers(request, pictures=False):
        taken = one.context_tokens or max(taken, UNSEEN_TOKENS)
    if one.variant is not None:
        taken += len(one.variant.system.encode(errors="replace"))
        given = one.variant.max_output_tokens or given
    limit = None if given is not None else translated or answer_limit(one, request, taken)
    if one.context_tokens is not None:
        taken = min(taken, one.context_tokens)
    out = min((given or limit or 0) * bounds.answers(request), bounds.LARGEST)
    return Most(taken + out, None if one.price is None else cost.most(taken, out, one.price), limit)


def draining(
    snapshot: Snapshot, route: Route, plan: Plan, levels: Sequence[Level], request: ChatRequest, size: int
) -> Draining:
    """Return who gives way under budgets that degrade, by the rule above."""
    reference = plan.reference or route.reference
    if not levels or reference is None:
        return Draining()
    named = [name for name in plan.candidates or route.candidates if name != reference and plan.allows(name)]
    dear = {name: _dear(snapshot, name, request, size) for name in concerned(snapshot, route, plan)}
    known = [nano for nano in dear.values() if nano is not None]
    closed: dict[str, str] = {}
    for level in levels:
        highest = ceiling(level.spent, dear[reference], min(known, default=0))
        for name, nano in dear.items():
            reason = _reason(level, nano, highest)
            if reason is not None:
                closed.setdefault(name, reason)
    left = [name for name in named if name not in closed] if closed else []
    return Draining(closed, tuple(sorted(left, key=lambda name: -(dear[name] or 0))))


def ceiling(spent: float, reference: int | None, cheapest: int) -> float:
    """Return the most that a call may cost where the part ``spent`` of a budget is; infinite below ``DRAINING``."""
    if spent < DRAINING or reference is None:
        return float("inf") if spent < DRAINING else float(cheapest)
    part = max(1.0 - spent, 0.0) / (1.0 - DRAINING)
    return cheapest + max(reference - cheapest, 0) * part


def _reason(level: Level, nano: int | None, highest: float) -> str | None:
    if nano is None:
        return f"{OVER_BUDGET} {level.budget}: it has no price"
    if nano > level.left:
        return f"{OVER_BUDGET} {level.budget}: it may cost more than is left"
    if nano > highest:
        return f"{OVER_BUDGET} {level.budget}, of which {100 * min(level.spent, 1.0):.0f} % is spent: it is too dear"
    return None


def concerned(snapshot: Snapshot, route: Route, plan: Plan) -> Mapping[str, None]:
    """Return whoever may be chosen on a route or stand in there, as the keys of a mapping."""
    reference = plan.reference or route.reference
    if reference is None:
        return {}
    key = naming.deployment(snapshot, reference).model_key
    same = [one.name for one in snapshot.deployments.values() if one.model_key == key]
    candidates = plan.candidates or route.candidates
    names = dict.fromkeys((reference, *plan.accepted, *plan.asks, *plan.explorable, *same, *candidates))
    return dict.fromkeys(sibling for name in names for sibling in snapshot.siblings(name))


def _dear(snapshot: Snapshot, name: str, request: ChatRequest, size: int) -> int | None:
    return most(naming.deployment(snapshot, name), request, size).nano

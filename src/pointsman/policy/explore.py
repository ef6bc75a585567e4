"""Trying others on live requests: whom, with what chance, and what it may cost.

Strategy: the control plane says who may be tried at all, and gives each its part of the share (``Plan.explorable``: more
where it can change a decision). On one request that part counts as far as the one that is tried might be the better choice
*here*: twice the chance that its utility is above that of the choice, by the standard errors of both qualities. So where the
answer is clear hardly anybody is tried, and where it is open there is the whole part. ``FLOOR`` of it is left to everybody,
because what is predicted may itself be wrong, and what never has a chance can never be learned; but where one is shown to
be worse than the reference, by more than the owner tolerates, it has none.

Laws: the chances of a request add up to the owner's share at the most, and to half of what the policy decides; nobody is
tried without a price, or where the dearest that the call may become is more than what is left to spend; no chance here:
``u`` is passed in.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from pointsman.core.routing import Context, Deployment, Needs, Plan, Prediction
from pointsman.policy import cost

FLOOR: Final = 0.1
UNLIMITED_TOKENS: Final = 16_384
"""Output of a call whose request sets no limit of its own: longer answers than this are hardly ever given."""

_PART: Final = 0.5  # of the policy's share is tried at most: what is left shows what the policy is worth
_ERRORS: Final = 2.0  # standard errors by which something counts as shown
CALLS: Final = 2  # a call and its one retry
_ROOM: Final = 2  # the tokens of a prompt are a guess: at most so many times as many ...
_FRAME: Final = 500  # ... and these
_BELOW_ONE: Final = math.nextafter(1.0, 0.0)


class Draw(Struct, frozen=True):
    """Whose model is asked, on which arm, and what is left of the chance that said so, in [0, 1): as uniform as before."""

    asked: str
    arm: Literal["explore", "policy", "control"]
    rest: float


def allowed(plan: Plan, context: Context, left_nano: int) -> tuple[str, ...]:
    """Return who may be tried on a request, whether or not they can serve it; ``left_nano`` is what may still be spent.

    Nobody in a canary: on open requests more is tried than on clear ones, so that what is left to the policy would be a
    sample of its own, where it is still to be shown what the policy is worth.
    """
    if plan.explore is None or context.no_explore or left_nano <= 0 or plan.asks or plan.mode != "auto":
        return ()
    return tuple(name for name, part in plan.explorable.items() if part > 0)


def affordable(serving: Iterable[Deployment], needs: Needs, left_nano: int) -> bool:
    """Say whether a call to none of the deployments that would serve can become dearer than what may still be spent."""
    found = [dearest(one, needs) for one in serving]
    return all(most is not None and most <= left_nano for most in found)


def dearest(one: Deployment, needs: Needs) -> int | None:
    """Return the most, in nano-dollars, that a request may cost on a deployment, a retry included; None without a price.

    What the deployment's variant adds to the request, or sets, counts too.
    """
    if one.price is None:
        return None
    taken, given = max(_ROOM * needs.input_tokens, needs.most_input) + _FRAME, needs.max_output_tokens
    if one.variant is not None:
        taken += len(one.variant.system.encode(errors="replace"))
        given = one.variant.max_output_tokens or given
    return CALLS * cost.most(taken, (UNLIMITED_TOKENS if given is None else given) * needs.choices, one.price)


def chances(
    plan: Plan,
    explorers: Sequence[str],
    predictions: Iterable[Prediction],
    pick: str,
    reference: str,
    value_nano: int | None,
) -> dict[str, float]:
    """Return the chance of each explorer but the ``pick`` of the policy; ``value_nano`` is what a right answer is worth.

    They add up to the owner's share at most. Who is shown to be worse than the reference here, by more than the plan
    tolerates, has none.
    """
    if plan.explore is None:
        return {}
    known = {each.deployment: each for each in predictions}
    whole = max(sum(plan.explorable.values()), 1.0)
    found = {}
    for name in explorers:
        if name != pick:
            part = plan.explore.share * plan.explorable[name] / whole
            found[name] = (
                0.0 if _worse(known, name, reference, plan.tolerance) else part * _doubt(known, name, pick, value_nano)
            )
    return found


def _worse(known: Mapping[str, Prediction], name: str, reference: str, tolerance: float) -> bool:
    """Say whether one is shown (by two standard errors) to be worse on this request than the reference, than tolerated."""
    mine, other = known.get(name), known.get(reference)
    if mine is None or other is None or mine.quality is None or other.quality is None:
        return False
    spread = math.hypot(mine.quality_sd or 0.0, other.quality_sd or 0.0)
    return other.quality - mine.quality - _ERRORS * spread > tolerance


def within(chances: dict[str, float], share: float) -> dict[str, float]:
    """Return chances that add up to half of the policy's ``share`` at most: what is tried is taken from what the policy
    decides, never from what is held on the reference, and enough is left to compare the policy with that.
    """
    whole, most = sum(chances.values()), _PART * share
    return chances if whole <= most else {name: chance * most / whole for name, chance in chances.items()}


def draw(tried: Mapping[str, float], pick: str, home: str | None, share: float, u: float) -> Draw:
    """Lay chances end to end: those who are tried, the rest of the policy's ``share``, and what is held on the reference."""
    start = sum(tried.values())
    if tried and u < start:
        return _tried(tried, u)
    if u < share or home is None:
        return Draw(pick, "policy", (u - start) / (share - start))
    return Draw(home, "control", (u - share) / (1.0 - share))


def _tried(chances: Mapping[str, float], u: float) -> Draw:
    name, rest = "", 0.0
    for one, chance in chances.items():
        if chance > 0.0:
            name, rest = one, min(max(u / chance, 0.0), _BELOW_ONE)
            if u < chance:
                break
        u -= chance
    return Draw(name, "explore", rest)  # rounding: the last one's end may be a hair short of the sum


def _doubt(known: Mapping[str, Prediction], name: str, pick: str, value_nano: int | None) -> float:
    """Return how far one might be the better choice, in [``FLOOR``, 1]; 1 where nothing is known of either."""
    mine, other = known.get(name), known.get(pick)
    if mine is None or other is None or mine.quality is None or other.quality is None:
        return 1.0
    value = 1.0 if value_nano is None else float(value_nano)
    behind = value * (other.quality - mine.quality)
    if value_nano is not None and mine.cost_nano is not None and other.cost_nano is not None:
        behind += mine.cost_nano - other.cost_nano
    spread = value * math.hypot(mine.quality_sd or 0.0, other.quality_sd or 0.0)
    if behind <= 0.0:
        return 1.0
    return max(FLOOR, math.erfc(behind / spread / math.sqrt(2))) if spread > 0.0 else FLOOR

"""One request asked twice: how its answers so far stand, and what that makes of its decision.

Laws: chance decides as ever whether a request is held on the reference, and its probabilities are those of who is asked
first; whom else to ask follows from the answers and is no draw; who gave no answer that can be compared supports none.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from msgspec.structs import replace as replace_struct

from pointsman.core.routing import Decision, Plan
from pointsman.policy import belief, cascade
from pointsman.policy.belief import Heard
from pointsman.policy.cascade import GIVE
from pointsman.policy.outcomes import Floats

_WHY: Final = "asked first; others are asked where its answer is not believed enough"


@dataclass(frozen=True)
class Round:
    """Where one request stands: the set that was ``asked`` of the plan's K models, what each ``said``, and its ``tokens``.

    ``odds`` and ``cost_nano`` (1, K) are what is predicted. ``said`` is None where there is no answer to compare.
    """

    plan: cascade.Plan
    odds: Floats
    cost_nano: Floats
    asked: int
    said: tuple[str | None, ...]
    tokens: tuple[float, ...]

    @property
    def next(self) -> str | None:
        """The model to ask next; None: an answer is given now."""
        place = int(self._step().ask[0])
        return None if place == GIVE else self.plan.models[place]

    @property
    def believed(self) -> str:
        """The model whose answer is believed most, of those asked."""
        return self.plan.models[int(self._step().best[0])]

    def after(self, model: str, said: str | None, tokens: int | None) -> "Round":
        """Return where the request stands after a call: ``said`` is what is compared of its answer, None where none came."""
        place = self.plan.models.index(model)
        return replace(
            self,
            asked=self.asked | 1 << place,
            said=(*self.said[:place], said, *self.said[place + 1 :]),
            tokens=(*self.tokens[:place], np.nan if tokens is None else float(tokens), *self.tokens[place + 1 :]),
        )

    def _step(self) -> cascade.Step:
        different = list(dict.fromkeys(self.said))
        said = np.array([[-1 if each is None else different.index(each) for each in self.said]])
        return cascade.step(self.plan, self.asked, Heard(self.odds, said, np.array([self.tokens])), self.cost_nano)


def begun(decision: Decision, plan: cascade.Plan) -> Round | None:
    """Return where a request stands before anybody was asked; None where not all who may be asked can serve and be weighed.

    A budget's pace makes money weigh more, or less.
    """
    predicted = [decision.predicted(name) for name in plan.models]
    quality = [each.quality for each in predicted if each is not None and each.quality is not None]
    cost = [each.cost_nano for each in predicted if each is not None and each.cost_nano]
    if not len(quality) == len(cost) == len(plan.models) or not set(plan.models) <= set(decision.eligible):
        return None
    nothing: tuple[None, ...] = (None,) * len(cost)
    money = np.array([cost], dtype=np.float64) / decision.pace
    return Round(plan, belief.odds(np.array([quality])), money, 0, nothing, (np.nan,) * len(cost))


def decided(decision: Decision, plan: Plan, reference: str, first: str, fallbacks: int) -> Decision:
    """Return the decision with ``first`` in place of the one model that the policy would have chosen."""
    share = plan.acting_share
    mass = dict.fromkeys(decision.eligible, 0.0)
    mass[first] += share
    mass[reference] += 1 - share
    changed = replace_struct(decision, probabilities=tuple(mass.values()))
    if decision.arm != "policy":
        return changed
    others = [name for name in dict.fromkeys((reference, decision.chosen, *decision.fallbacks)) if name != first]
    return replace_struct(changed, chosen=first, fallbacks=tuple(others[:fallbacks]), why=_WHY)

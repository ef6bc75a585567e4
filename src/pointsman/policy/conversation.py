"""Who goes on with a conversation: the unit of choice is the conversation, not the request.

Strategy: chance speaks once, at the start: it says whether the conversation is held on the reference, to measure against, or
goes the policy's way. From then on

    held on the reference      the reference
    tried to learn more of it  who was tried, for as long as it may, can, and is not stuck; then as if chance had no say
    in the middle of a loop    who has it; who has it and is stuck gives it to the next better one; who cannot go on gives it
                               to the best that can
    at a new turn of the user  whoever is worth most over the calls to come: caches are in that sum (``Outlook``), so that
                               leaving has its price as long as they are warm. Who took over from one that was stuck keeps it
                               until they are cold.

Laws: nobody worse takes over in the middle of a loop while who has it can go on; what was not drawn by chance has
probability 1; a conversation that nobody here remembers begins here.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.routing import Context, Plan, Prediction, Route
from pointsman.policy.warmth import Prefix

STAYS: Final = "stays with its conversation"
_STILL_WARM: Final = 0.5  # of the last prompt


Drawn = Literal["policy", "control", "explore", "forced"]
"""What chance said of a conversation at its start: ``forced`` where it had no say."""


class Course(Struct, frozen=True):
    """Where a conversation stands.

    ``deployment`` answered last, ``arm`` is what chance said at the start, in the exchange ``began``. The request that was
    answered had ``messages``, the last of them with the hash ``last``; ``since`` so many messages ``deployment`` has it,
    ``escalated``: from one that was stuck. It had ``calls`` so far. ``prefixes`` are the prompts that deployments were sent
    last.
    """

    deployment: str
    arm: Drawn
    began: str = ""
    messages: int = 0
    last: int = 0
    since: int = 0
    escalated: bool = False
    calls: int = 0
    prefixes: dict[str, Prefix] = {}


class Step(Struct, frozen=True):
    """Who goes on: the model ``pick``, and why (empty: as any other choice); ``arm`` is the conversation's."""

    pick: str
    arm: Drawn
    why: str = ""

    @property
    def share(self) -> float:
        """The policy's share in this choice: chance has spoken before."""
        return 0.0 if self.arm == "control" else 1.0


def acting(route: Route, plan: Plan) -> tuple[str, ...]:
    """Return the deployments between which a plan chooses: the reference and those accepted; none before canary."""
    reference = plan.reference or route.reference
    if reference is None or not plan.acts:
        return ()
    return tuple(dict.fromkeys((reference, *plan.accepted)))


def onward(
    course: Course,
    context: Context,
    places: Mapping[str, Collection[str]],
    home: str | None,
    ranking: Sequence[str],
    predictions: Sequence[Prediction],
    explorers: Collection[str] = (),
) -> Step | None:
    """Return who goes on with a conversation; None: chance decides, as at a start.

    ``places`` says, for each model that may be chosen, which deployments serve it; ``home`` is the reference's, ``ranking``
    the models in order of utility, the one to use first. ``explorers`` are those that may be tried on this request.
    """
    if course.arm == "control":
        return Step(home, "control") if home is not None else None
    now_with = next((name for name, serving in places.items() if course.deployment in serving), None)
    if course.arm == "explore":
        if now_with is not None and now_with in explorers and not context.stuck:
            return Step(now_with, "explore", STAYS)
        course = replace(course, arm="forced")
    if context.loop:
        return _in_loop(course, context, now_with, home, ranking, predictions)
    if course.arm == "forced":
        return None
    if now_with is not None and course.escalated and _is_warm(course, context):
        return Step(now_with, course.arm, f"{STAYS}, which was stuck before")
    return Step(ranking[0], course.arm, STAYS if ranking[0] == now_with and _is_warm(course, context) else "")


def _in_loop(
    course: Course,
    context: Context,
    now_with: str | None,
    home: str | None,
    ranking: Sequence[str],
    predictions: Sequence[Prediction],
) -> Step:
    quality = {p.deployment: p.quality for p in predictions if p.quality is not None and p.deployment in ranking}
    if now_with is None:
        pick = max(quality, key=quality.__getitem__) if quality else home or ranking[0]
        return Step(pick, course.arm, f"takes over a loop: {course.deployment} cannot go on")
    if not context.stuck:
        return Step(now_with, course.arm, STAYS)
    better = _better(now_with, home, ranking, quality)
    if better is None:
        return Step(now_with, course.arm, f"{STAYS}: {context.stuck}, and nothing better is known")
    return Step(better, course.arm, f"takes over from {now_with}: {context.stuck}")


def _better(now_with: str, home: str | None, ranking: Sequence[str], quality: Mapping[str, float]) -> str | None:
    """Return who is worth most of those that are expected to answer better; where nobody knows, the reference."""
    if now_with in quality:
        return next((name for name in ranking if quality.get(name, 0.0) > quality[now_with]), None)
    return home if home != now_with else None


def _is_warm(course: Course, context: Context) -> bool:
    prefix, ahead = course.prefixes.get(course.deployment), context.outlook
    warm = ahead.warm.get(course.deployment, 0.0) if ahead is not None else 0.0
    return prefix is not None and warm >= _STILL_WARM * prefix.tokens

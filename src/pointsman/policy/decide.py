"""One decision: which deployment answers, which may stand in, and how likely each was.

Strategy: resolve the model name, filter what cannot serve, predict, let the objective pick a model, draw the deployment
that serves it (``balance``). Everything that a decision reads is passed in, so that the same values always give the same
decision, in the gateway and in a replay.

Laws: filters come before the draw and fail closed; the eligible set and every probability are recorded; a fallback is not a
draw; without evidence a route *is* its reference; who pins or names a model gets that model, whatever we think of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_field

from msgspec import Struct
from msgspec.structs import replace

from pointsman.core.errors import GatewayError
from pointsman.core.routing import Context, Decision, Deployment, Needs, Plan, Prediction
from pointsman.core.snapshot import Snapshot
from pointsman.policy import balance, conversation, explore, features, latency, model, objective, permits
from pointsman.policy.balance import Load
from pointsman.policy.conversation import Course
from pointsman.policy.fitness import NOBODY, filtered, nothing_eligible, too_long, unfit
from pointsman.policy.latency import Speed
from pointsman.policy.model import Policy
from pointsman.policy.naming import Target, deployment, plan_for

_TRIED = "tried to learn more of it"
_BARRED = "is not among those that may answer here"


class State(Struct, frozen=True):
    """What the data plane knows right now: deployments that are cooling down, and the hash of the snapshot in use.

    ``loads`` is what is known of deployments that share requests; ``holder`` the one that the conversation is with; ``pace``
    what the worth of a right answer is multiplied by so that a budget is kept (``policy/pace``); ``speeds`` how fast who
    answered lately; ``course`` where the conversation stands (None: it begins). ``explore_nano`` is what may be spent on
    trying others now, in nano-dollars (``gateway/allowance``). ``closed`` are those left out because of budgets, with the
    reason, and ``stand_ins`` who answers where nobody else can (``policy/limits``).
    ``most_nano`` is what a choice may be expected to cost so that a day's budget is kept (None: whatever it is worth);
    ``idle``: a little of it is left, and nothing better was found for it; that goes to none of ``failing``, whose last call
    failed: others would answer in their place, for less.
    """

    cooling: frozenset[str] = frozenset()
    snapshot: str = ""
    loads: dict[str, Load] = {}
    holder: str = ""
    pace: float = 1.0
    speeds: dict[str, Speed] = {}
    course: Course | None = None
    explore_nano: int = 0
    closed: Mapping[str, str] = NOBODY
    stand_ins: tuple[str, ...] = ()
    most_nano: int | None = None
    idle: bool = False
    failing: frozenset[str] = frozenset()


def foregone(snapshot: Snapshot, target: Target, state: State) -> Decision | None:
    """Return the decision where there is nothing to decide: the client named one deployment. None where there is."""
    shared = bool(snapshot.pools) and target.arm != "pinned"
    if target.route is not None or len(target.deployments) != 1 or shared:
        return None
    return _as_asked(snapshot, target, Context("", Needs()), state, 0.0)


def decide(snapshot: Snapshot, target: Target, policy: Policy | None, context: Context, state: State, u: float) -> Decision:
    """Return the decision for one request. ``u`` in [0, 1) is the only chance in it.

    Raises GatewayError: 400 ``no_reference`` where the route has no reference, 400 ``unsupported_request`` where nothing
    can serve what the request itself needs, 503 ``no_deployment_available`` where what could is cooling down.
    """
    if target.route is None:
        return _as_asked(snapshot, target, context, state, u)
    plan = plan_for(target.route, context.feature)
    reference = plan.reference or target.route.reference
    if reference is None:
        raise GatewayError(
            400,
            "no_reference",
            f'the route {target.route.name!r} has no reference deployment yet: set `reference = "provider/model"` under '
            f"[routes.{target.route.name}] in pointsman.toml, the deployment that you trust today; or, without that file, "
            "start the gateway with --reference provider/model",
            param="model",
        )
    if plan.data_policies:
        context = replace(context, needs=permits.governed(snapshot, plan, context.needs))
    explorers = explore.allowed(plan, context, state.explore_nano) if plan.explore is not None else ()
    field = _Field.of(snapshot, plan, reference, context.needs, state, explorers)
    predictions: tuple[Prediction, ...] = ()
    if policy is not None and model.may_decide(policy, plan, context):
        same = {other: name for name in field.acting for other in snapshot.siblings(name)} if snapshot.pools else {}
        predictions = model.predict(policy, context, field.predictable(snapshot), same)
    if plan.ceiling is None:
        return _drawn(snapshot, plan, field, predictions, context, state, u)
    slow = latency.too_slow(plan.ceiling, (d.name for d in field.eligible), predictions, state.speeds, context)
    quick = _Field.of(snapshot, plan, reference, context.needs, state, explorers, slow) if slow else field
    if quick.home is None and not quick.acting:  # a late answer is better than none
        late = _drawn(snapshot, plan, field, predictions, context, state, u)
        return replace(late, why=f"{late.why}; nobody is within the ceiling on time")
    return _drawn(snapshot, plan, quick, predictions, context, state, u)


class Standing(Struct, frozen=True):
    """Who may be chosen for requests with certain needs, whatever is predicted of them.

    ``home`` is who stands for the reference (None: nobody can), ``acting`` the models that may be chosen, ``places`` where
    the requests for each of these go, ``excluded`` who cannot serve, and why.
    """

    reference: str
    home: str | None
    acting: tuple[str, ...]
    eligible: tuple[str, ...]
    excluded: dict[str, str]
    places: dict[str, dict[str, float]]


def standing(snapshot: Snapshot, plan: Plan, reference: str, needs: Needs, state: State) -> Standing:
    """Return who may be chosen: the part of ``decide`` that depends on a request's needs alone, and not on the request."""
    field = _Field.of(snapshot, plan, reference, permits.governed(snapshot, plan, needs), state)
    able = tuple([one.name for one in field.eligible])
    return Standing(reference, field.home, field.acting, able, field.excluded, field.places)


@dataclass(frozen=True)
class _Field:
    """Who runs: the reference, deployments of the same model, those accepted or tried, and who shares their requests.

    ``acting`` are the models that may be chosen, each by the deployment that was accepted: also one that cannot serve
    itself, where another of its pool can; ``explorers`` those that may be tried on this request, ``stand_ins`` those that
    answer where neither ``home`` nor anybody acting can. ``places`` says where the requests for each of them go.
    """

    reference: str
    home: str | None
    same: tuple[str, ...]
    acting: tuple[str, ...]
    eligible: tuple[Deployment, ...]
    excluded: dict[str, str]
    places: dict[str, dict[str, float]]
    explorers: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()

    @staticmethod
    def of(
        snapshot: Snapshot,
        plan: Plan,
        reference: str,
        needs: Needs,
        state: State,
        explorers: tuple[str, ...] = (),
        slow: Mapping[str, str] = NOBODY,
    ) -> "_Field":
        trusted = deployment(snapshot, reference)
        key = trusted.model_key
        same = [d.name for d in snapshot.deployments.values() if d.model_key == key and d.name != reference]
        accepted, asks = (plan.accepted, plan.asks) if plan.acts else ((), ())
        names = dict.fromkeys((reference, *accepted, *same, *asks, *state.stand_ins))
        if snapshot.pools:
            names |= dict.fromkeys(sibling for name in tuple(names) for sibling in snapshot.siblings(name))
        barred = {**{name: _BARRED for name in names if not plan.allows(name)}, **slow, **state.closed}
        fit, excluded = filtered((deployment(snapshot, name) for name in names), needs, state.cooling, barred)
        if not fit and reference not in barred and unfit(trusted, needs) == too_long(trusted, needs):
            # How many tokens a text has is our guess; who knows is the provider, and a reply that it would have given is
            # never withheld for a guess.
            fit, cooling = filtered((trusted,), Needs(), state.cooling)
            excluded = {name: reason for name, reason in excluded.items() if name != reference} | cooling
        left = [d.name for d in fit]
        places = {name: _places(snapshot, name, left, state) for name in dict.fromkeys((reference, *accepted))}
        acting = tuple(name for name, shares in places.items() if shares)
        stand_ins = tuple(name for name in state.stand_ins if name in left)
        places = {**{name: {name: 1.0} for name in stand_ins}, **places}
        able = tuple(name for name in same if name in left)
        # The reference, or the same model elsewhere where neither it nor its pool can serve; None where nobody can.
        home = reference if places[reference] else next(iter(able), None)
        if home is not None and home not in places:
            places[home] = {home: 1.0}
        field = _Field(reference, home, able, acting, fit, excluded, places, stand_ins=() if home or acting else stand_ins)
        return field._with(explorers, snapshot, plan, needs, state, slow) if explorers else field

    def _with(
        self,
        explorers: tuple[str, ...],
        snapshot: Snapshot,
        plan: Plan,
        needs: Needs,
        state: State,
        slow: Mapping[str, str],
    ) -> "_Field":
        """Return the field with those beside who may be tried, who can serve, and whose call fits into what is left."""
        known = {one.name for one in self.eligible} | self.excluded.keys()
        names = dict.fromkeys(sibling for name in explorers for sibling in snapshot.siblings(name) if sibling not in known)
        barred = {**{name: _BARRED for name in names if not plan.allows(name)}, **slow, **state.closed}
        more, refused = filtered((deployment(snapshot, name) for name in names), needs, state.cooling, barred)
        eligible = (*self.eligible, *more)
        able = [one.name for one in eligible]
        places = {name: _places(snapshot, name, able, state) for name in explorers}
        paying = tuple(
            name
            for name, shares in places.items()
            if shares and explore.affordable((deployment(snapshot, one) for one in shares), needs, state.explore_nano)
        )
        return replace_field(
            self, eligible=eligible, excluded=self.excluded | refused, places=places | self.places, explorers=paying
        )

    def serving(self, snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
        """Return, for each model that may be chosen or tried and for ``home``, the deployments that answer for it."""
        found = {name: snapshot.siblings(name) for name in (*self.acting, *self.explorers)}
        if self.home is not None:
            found[self.home] = (*snapshot.siblings(self.home), *self.same)
        return found

    def predictable(self, snapshot: Snapshot) -> tuple[Deployment, ...]:
        """The deployments whose quality is asked for: those that can serve, and the models that others serve for them."""
        known = {d.name for d in self.eligible}
        models = dict.fromkeys((*self.acting, *self.explorers))
        return (*self.eligible, *(deployment(snapshot, name) for name in models if name not in known))


def _places(snapshot: Snapshot, name: str, able: list[str], state: State) -> dict[str, float]:
    """Return where the requests for a model go, and in what parts; empty where nobody who serves it can."""
    pool = snapshot.pool(name) if snapshot.pools else None
    if pool is not None:
        return balance.shares(pool, able, state.loads, state.holder)
    return {name: 1.0} if name in able else {}


def _drawn(
    snapshot: Snapshot,
    plan: Plan,
    field: _Field,
    predictions: tuple[Prediction, ...],
    context: Context,
    state: State,
    u: float,
) -> Decision:
    acting = plan.acts and bool(field.acting)
    home = field.home
    if home is None and not acting and not field.stand_ins:
        raise nothing_eligible(field.excluded)
    ranking = _ranking(plan, field, predictions, state) if acting else list(field.stand_ins)
    share = 1.0 if home is None else plan.acting_share if acting else 0.0
    pick = ranking[0] if ranking else home
    course = state.course if acting else None
    step = course and conversation.onward(
        course, context, field.serving(snapshot), home, ranking, predictions, field.explorers
    )
    if step:
        pick, share = step.pick, step.share
    if pick is None:
        raise nothing_eligible(field.excluded)
    tried: dict[str, float] = {}
    if field.explorers and not step and home is not None:
        value = _value(plan, state.pace)
        able = field.explorers if state.most_nano is None else _within(field.explorers, predictions, state.most_nano)
        tried = explore.chances(plan, able, predictions, pick, field.reference, value)
        tried = explore.within(tried, share)
    draw = explore.draw(tried, pick, home, share, u)
    asked, drawn = draw.asked, draw.arm != "control"
    chosen = balance.drawn(field.places[asked], draw.rest)
    mass = dict.fromkeys((d.name for d in field.eligible), 0.0)
    for model_of, part in (*tried.items(), (pick, share - sum(tried.values())), (home, 1.0 - share)):
        for name, within in field.places[model_of].items() if model_of is not None else ():
            mass[name] += part * within
    siblings = snapshot.siblings(asked) if snapshot.pools and draw.arm != "explore" else ()
    others = [name for name in (*siblings, home, *ranking, *field.same) if name in mass and name != chosen]
    return Decision(
        chosen=chosen,
        fallbacks=tuple(dict.fromkeys(others))[: snapshot.limits.fallbacks],
        eligible=tuple(mass),
        probabilities=tuple(mass.values()),
        mode=plan.mode,
        arm=step.arm if step else "forced" if home is None else draw.arm if acting else "reference",
        why=(step.why if step else "")
        or (_TRIED if draw.arm == "explore" else "")
        or _why(plan, field, asked, chosen, drawn=drawn, acting=acting, predicted=bool(predictions), idle=state.idle),
        predictions=predictions,
        excluded=field.excluded,
        snapshot=state.snapshot,
        pace=state.pace,
        most_nano=state.most_nano,
        tags=context.tags,
        course=course.began if course and step else "",
        needs=context.needs,
        encoded=features.is_wide(context.vector),
    )


def _value(plan: Plan, pace: float) -> int | None:
    return None if plan.value_nano is None else round(plan.value_nano * pace)


def _ranking(plan: Plan, field: _Field, predictions: tuple[Prediction, ...], state: State) -> list[str]:
    """Return the reference and the accepted that can serve, the one to use first, then in order of utility.

    Where more was spent than a budget allows, the one model that suffices gives way to what is worth its price. Who is
    expected to cost more than the rest of the day can take back comes last; where that is everybody, the cheapest is first.
    Where a little is left that nothing better was found for, what is as good and dearer comes first.
    """
    value = _value(plan, state.pace)
    wanted = [p for p in predictions if p.deployment in field.acting]
    order = objective.ranked(wanted, field.reference, value) if wanted else list(field.acting)
    able = order if state.most_nano is None else _within(order, predictions, state.most_nano)
    if plan.one_model in field.acting and ((state.pace >= 1 and plan.one_model in able) or not wanted):
        first = plan.one_model
    elif not able:
        first = min(wanted, key=lambda one: one.cost_nano or 0).deployment
    elif wanted:
        affordable = [p for p in wanted if p.deployment in able]
        first = objective.first(able, affordable, field.reference, value)
        if state.idle:
            best = next(p for p in affordable if p.deployment == first)
            first = objective.dearest_as_good([p for p in affordable if p.deployment not in state.failing], best)
    else:
        first = field.home or field.acting[0]  # nothing to choose by is no reason to leave the reference's model
    return [first, *(name for name in dict.fromkeys((*able, *order)) if name != first)]


def _within(names: Sequence[str], predictions: tuple[Prediction, ...], most_nano: int) -> tuple[str, ...]:
    """Return, in their order, whose answer is not expected to cost more."""
    dear = {one.deployment for one in predictions if one.cost_nano is not None and one.cost_nano > most_nano}
    return tuple(name for name in names if name not in dear)


def _as_asked(snapshot: Snapshot, target: Target, context: Context, state: State, u: float) -> Decision:
    """The client chose: its model answers, even where we believe that it cannot; the same model elsewhere stands in.

    A vendor's name may be served by any deployment of its pool; a pinned one is served by itself. Who may not see the
    request answers it in no case.
    """
    arm = target.arm or "observed"
    first = target.deployments[0]
    pooled = bool(snapshot.pools) and arm == "observed"
    asked = dict.fromkeys((*target.deployments, *snapshot.siblings(first))) if pooled else target.deployments
    named = (deployment(snapshot, name) for name in asked)
    fit, excluded = filtered(named, context.needs, state.cooling, state.closed)
    names = tuple(d.name for d in fit) or _permitted(snapshot, target, context.needs)[:1]
    if not names:
        raise nothing_eligible(excluded)
    parts = (pooled and _places(snapshot, first, list(names), state)) or {names[0]: 1.0}
    chosen = balance.drawn(parts, u) if pooled else names[0]
    return Decision(
        chosen=chosen,
        fallbacks=tuple([name for name in names if name != chosen][: snapshot.limits.fallbacks]),
        eligible=names,
        probabilities=tuple([parts.get(name, 0.0) for name in names]),
        mode="observe",
        arm=arm,
        why="pinned by the client" if arm == "pinned" else "named by the client",
        excluded={name: reason for name, reason in excluded.items() if name != chosen},
        snapshot=state.snapshot,
        needs=context.needs if context.needs.demands else None,
    )


def _permitted(snapshot: Snapshot, target: Target, needs: Needs) -> tuple[str, ...]:
    """Return the deployments that a client named and that may see its request."""
    named = target.deployments
    return tuple(name for name in named if permits.barred(deployment(snapshot, name), needs.demands) is None)


def _why(
    plan: Plan, field: _Field, asked: str, chosen: str, *, drawn: bool, acting: bool, predicted: bool, idle: bool
) -> str:
    """Say in one short sentence why this deployment was chosen. ``asked`` is the one whose model was."""
    of = asked if asked in field.acting else field.reference
    if asked in field.stand_ins:
        return f"stands in for {of}, which {field.excluded.get(of, 'cannot serve')}"
    if chosen != of:
        reason = field.excluded.get(of)
        return f"the same model as {of}, which {reason}" if reason else f"shares the requests of {of}"
    if not acting:
        return "the reference: nothing is accepted to stand in for it yet"
    if not drawn:
        return "held on the reference, to measure against"
    if asked == plan.one_model:
        return "one model suffices here"
    if not predicted:
        return "nothing learned to choose by"
    if idle:
        return "as good as any, and the budget has money left"
    if chosen == field.reference:
        return "the reference is worth its price here"
    return "best predicted quality" if plan.value_nano is None else "good enough for less"

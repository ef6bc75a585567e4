"""Deciding who answers one request: everything that the decision reads is gathered here, and ``policy/decide`` decides.

Laws: decided once; what is read of the request is no more than its words, unless more may matter.
"""

from msgspec.structs import replace

from pointsman.core.errors import GatewayError
from pointsman.core.routing import Context, Decision, Needs, Plan, Route
from pointsman.gateway import sampling
from pointsman.gateway.answer import TOO_MANY
from pointsman.gateway.asking import begin
from pointsman.gateway.needs import needs_of
from pointsman.gateway.permission import permitted, plain
from pointsman.gateway.tab import opened
from pointsman.gateway.underway import UnderWay
from pointsman.policy import decide, features, fitness, naming
from pointsman.policy.conversation import acting
from pointsman.policy.decide import State
from pointsman.policy.naming import Target


def resolve(on: UnderWay) -> None:
    """Note what the model name stands for, and what is demanded of who serves. Raises GatewayError 400, 403 or 404."""
    on.target, on.foregone, on.demands = permitted(on.current, on.caller, on.feature, on.request.model)
    if on.demands or on.caller.bounded or on.current.budgeted:
        plain(on.caller, on.body, bounded=bool(on.demands) or on.caller.bounded)


async def encode(on: UnderWay) -> None:
    """Ask the sentence encoder that the owner configured, where what was learned needs it; wait no longer than allowed."""
    if on.current.encoder is not None:
        route = on.target.route if on.target is not None else None
        on.encoding = await on.current.encoder.encode(route, on.feature, on.request, here=bool(on.demands))


async def limit(on: UnderWay) -> None:
    """Find the budgets that the request falls under, and wait until it is known how those stand that may have a say."""
    route = on.target.route if on.target is not None else None
    on.tab = opened(on.equipment, on.current.snapshot, on.caller, on.request, on.feature, route)
    await on.tab.known()


def decided(on: UnderWay) -> Decision:
    """Return the decision, which is noted, and whether the exchange is a sample for a trial. Raises GatewayError."""
    current, request, equipment = on.current, on.request, on.equipment
    on.conversation = equipment.conversations.name(on.named, request, plain=current.plain, whose=on.caller.whose)
    assert on.target is not None  # noqa: S101 - resolved before
    on.decision = on.foregone or _choose(on, on.target)
    if current.trials and on.asking is None:
        trial = sampling.wanted(current.trials, on.route, on.feature, on.decision)
        if trial is not None and equipment.draw() < trial.share:
            on.trial = trial
    return on.decision


def _choose(on: UnderWay, target: Target) -> Decision:
    """Decide between deployments."""
    current, request, equipment = on.current, on.request, on.equipment
    policy = plan = None
    between: tuple[str, ...] = ()
    if target.route is not None:
        on.route = target.route.name
        plan = naming.plan_for(target.route, on.feature)
        policy, between = current.policies.get(plan.policy or on.route), acting(target.route, plan)
    if policy is not None:
        on.vector = features.vector(request)
    now = equipment.clock()
    tags = on.caller.tags_of(request) if policy is not None else ()
    vector, closed = on.vector + on.encoding, on.caller.no_explore(request)
    needs = fitness.bounded(_needs(on, target.route), plan, on.request, len(on.body))
    context = Context(on.feature, needs, vector, request.stream, tags=tags, no_explore=closed)
    if between:
        on.place = equipment.courses.place(on.own_name, on.request, context, current.snapshot, between, now)
        context = on.place.context
    state = _state(on, now, target.route, plan)
    try:
        decision = decide.decide(current.snapshot, target, policy, context, state, equipment.draw())
    except GatewayError as error:
        if error.retry_after is not None:
            reopen_s = on.tab.reopen_s if on.tab is not None and error.status == TOO_MANY else 0.0
            error.retry_after = max(error.retry_after, equipment.breakers.wait_s(now), reopen_s)
        raise
    if plan is not None:
        equipment.allowance.promise(on.id, decision, plan, current.snapshot, context.needs)
    if on.route in current.askings and target.route is not None and state.course is None:
        decision, on.asking = begin(current, target.route, on.feature, on.read_whole(), decision)
    return decision


def _state(on: UnderWay, now: float, route: Route | None, plan: Plan | None) -> State:
    """Return what is known now; how busy who is, only where deployments share requests."""
    current, equipment = on.current, on.equipment
    cooling, (pace, most, idle) = equipment.breakers.cooling(now), equipment.paces.now(route, on.at_ms)
    speeds = equipment.speeds.now(now) if on.route in current.timed else {}
    course = on.place.course if on.place is not None else None
    loads = equipment.loads.now(now) if current.pooled else {}
    holder = course.deployment if course is not None else equipment.conversations.holder(on.conversation) or ""
    left = equipment.allowance.left(plan, on.at_ms) if plan is not None and plan.explore is not None else 0
    failing = equipment.breakers.failing() if idle else frozenset()
    state = State(
        cooling, current.hash, loads, holder, pace, speeds, course, left, most_nano=most, idle=idle, failing=failing
    )
    return state if on.tab is None else on.tab.limited(state, route, plan, on.request, len(on.body))


def _needs(on: UnderWay, route: Route | None) -> Needs:
    """Return what the request needs, read whole where more than its own words may matter."""
    if on.current.plain:
        needs = fitness.needs_of(on.request)
    else:
        needs = needs_of(on.read_whole(), on.current, on.equipment.conversations, route, on.feature)
    return replace(needs, demands=on.demands) if on.demands else needs

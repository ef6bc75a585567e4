"""From configuration and what is in force to the next Snapshot: the only maker of snapshots out of configuration.

Strategy: everything the owner wrote is taken anew; everything that acts made since (how far a feature has come, what was
accepted, running trials, learned policies) is carried over from the previous snapshot where it still holds.

Laws: the same configuration, previous snapshot, day and moment give the same snapshot, without a clock in it. Evidence is
about a reference and the deployments compared with it: when one of them goes, the feature goes back to observe. So does
what chooses by a policy that this version cannot read. Nothing is dropped without a note. A trial that the configuration
keeps running has an id of its own kind, so that it ends when it is removed from the file, and goes on with its evidence
and its spending when the file is merely loaded again.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from pointsman.control import prices
from pointsman.control.config import EVERY_FEATURE, Config, FeatureRules, PoolRules, RouteRules
from pointsman.control.plans import trial_id
from pointsman.control.prices import Own
from pointsman.core.errors import SnapshotError
from pointsman.core.routing import Deployment, Explore, Grader, Plan, Pool, Provider, Route, Trial
from pointsman.core.snapshot import Snapshot
from pointsman.policy import model
from pointsman.policy.balance import tiers
from pointsman.upstream.providers import offers


class Compiled(NamedTuple):
    """A snapshot, and one sentence for each thing of the previous one that could not be kept."""

    snapshot: Snapshot
    notes: tuple[str, ...]


def compile_snapshot(
    config: Config, previous: Snapshot | None, *, today: date, made_by: str, now_ms: int | None = None
) -> Compiled:
    """Return the snapshot for a configuration on a day, carrying over what still holds of the previous one.

    ``now_ms`` is since when a share counts that the configuration changes; None: since what was before.
    """
    notes: list[str] = []
    before = _readable(previous or Snapshot(), notes)
    deployments = all_deployments(config, today)
    routes = {
        name: _route(name, rules, before.routes.get(name), deployments, notes) for name, rules in config.routes.items()
    }
    if now_ms is not None:
        routes = {name: _anew(route, before.routes.get(name), now_ms) for name, route in routes.items()}
    for name, route in before.routes.items():
        if name not in routes and any(_has_come_far(plan) for plan in route.plans.values()):
            notes.append(f"route {name} is no longer configured: what was accepted on it is dropped")
    notes.extend(_moved(before, config.providers, routes))
    used = {*routes, *(plan.policy for route in routes.values() for plan in route.plans.values())}
    gone = (name for name in before.policies if name not in used)
    notes.extend(f"the policy learned for {name} is dropped: nothing uses it any more" for name in gone)
    snapshot = Snapshot(
        providers=config.providers,
        deployments=deployments,
        routes=routes,
        policies={name: policy for name, policy in before.policies.items() if name in used},
        askings={name: data for name, data in before.askings.items() if name in routes and routes[name].plans["*"].asks},
        keys=config.keys,
        limits=config.limits,
        store_prompts=config.store_prompts,
        store_vectors=config.store_vectors,
        keeping=config.keeping,
        made_by=made_by,
        pools=tuple(pool_of(rules, deployments) for rules in config.pools),
        releases=tuple(one for one in before.releases if one.route in routes),
        changes={name: one for name, one in before.changes.items() if name in deployments},
        encoder=config.encoder,
        data_policies=config.policies,
        feature_policies=_feature_policies(config),
        budgets=config.budgets,
        log_exchanges=config.json_logs,
        traces=config.traces,
    )
    return Compiled(snapshot, tuple(notes))


def _readable(before: Snapshot, notes: list[str]) -> Snapshot:
    """Return the previous snapshot without the policies that cannot be read; what chooses by one is on its reference."""
    refused: set[str] = set()
    for name, data in before.policies.items():
        try:
            model.decode(data)
        except SnapshotError as error:
            refused.add(name)
            notes.append(f"what was learned for {name} is dropped: {error}")
    if not refused:
        return before
    routes = {
        name: replace(route, plans={feature: _unled(name, plan, refused, notes) for feature, plan in route.plans.items()})
        for name, route in before.routes.items()
    }
    return replace(before, routes=routes, policies={n: data for n, data in before.policies.items() if n not in refused})


def _unled(route: str, plan: Plan, refused: Container[str], notes: list[str]) -> Plan:
    """Return a plan without the policy that it chooses by where that is refused; one model that suffices still does."""
    if (plan.policy or route) not in refused:
        return plan
    if not plan.acts or plan.one_model in plan.accepted:
        return replace(plan, policy="")
    again = f"try and accept {plan.feature} again" if plan.policy else f"`pointsman learn --route {route}`"
    notes.append(
        f"feature {plan.feature} on route {route} goes back from {plan.mode} to the reference: "
        f"it chose by what was learned for {plan.policy or route}; to act again: {again}"
    )
    nothing = replace(plan, accepted=(), asks=(), one_model=None, policy="", tested=None, explorable={})
    return replace(nothing, mode="observe", acting_share=0.0, trial=None)


def all_deployments(config: Config, today: date) -> dict[str, Deployment]:
    """Return every deployment of a configuration by name, with its price of the day.

    First those declared, in the file's order; then those that the configuration only names; then all that the price list
    knows of the configured providers and that can be taken to be there.
    """
    found = {name: _priced(config, deployment, today) for name, deployment in config.deployments.items()}
    for name in _named(config):
        if name not in found:
            provider, _, model = name.partition("/")
            one = config.providers[provider]
            plain = Deployment(name, provider, model, model, dialect=one.dialect, facts=one.facts)
            found[name] = _priced(config, plain, today)
    for provider, vendor in config.price_lists.items():
        for entry in prices.catalogue(vendor, today):
            name = f"{provider}/{entry.model}"
            if name not in found and offers(config.providers[provider], entry.model):
                one = config.providers[provider]
                plain = Deployment(
                    name,
                    provider,
                    entry.model,
                    entry.model,
                    entry.price,
                    entry.context_tokens,
                    dialect=one.dialect,
                    facts=one.facts,
                )
                found[name] = replace(plain, price=prices.own_price(config.own_prices, name, today) or entry.price)
    return found


def _priced(config: Config, deployment: Deployment, today: date) -> Deployment:
    """Fill in the price of the day and the context window where the owner states none."""
    stated = [Own(deployment.name, deployment.price)] if deployment.price is not None else []
    vendor = config.price_lists.get(deployment.provider)
    entry = prices.listed(vendor, deployment.model, today) if vendor is not None else None
    price = prices.own_price((*stated, *config.own_prices), deployment.name, today) or (entry.price if entry else None)
    context = deployment.context_tokens or (entry.context_tokens if entry else None)
    return replace(deployment, price=price, context_tokens=context)


def _named(config: Config) -> Iterator[str]:
    """Yield every deployment that the configuration names without having to declare it."""
    for route in config.routes.values():
        yield from _set((route.reference, *route.candidates))
        for rules in route.features.values():
            yield from _set((rules.reference, *(rules.candidates or ())))
            if rules.grader is not None and rules.grader.kind == "judge":
                yield rules.grader.spec
    yield from (own.deployment for own in config.own_prices)
    yield from (name for pool in config.pools for name in pool.deployments)
    yield from config.models.values()


def pool_of(rules: PoolRules, deployments: Mapping[str, Deployment]) -> Pool:
    """Return a pool with its tiers, by the prices of ``deployments``."""
    prices = {name: deployments[name].price for name in rules.deployments}
    return Pool(tiers(prices, rules.committed, rules.price_within), rules.keep_free)


def _set(names: Iterable[str | None]) -> Iterator[str]:
    return (name for name in names if name is not None)


def _feature_policies(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the data policies that hold for each feature, on whichever route they were written."""
    found: dict[str, tuple[str, ...]] = {}
    for route in config.routes.values():
        for feature, rules in route.features.items():
            if rules.policies:
                found[feature] = tuple(dict.fromkeys((*found.get(feature, ()), *rules.policies)))
    return found


def _route(
    name: str, rules: RouteRules, before: Route | None, deployments: dict[str, Deployment], notes: list[str]
) -> Route:
    acts = before.plans if before is not None else {}
    plans: dict[str, Plan] = {}
    for feature in dict.fromkeys((EVERY_FEATURE, *rules.features, *acts)):
        fresh = _fresh(name, feature, rules)
        old = acts.get(feature)
        if before is None or old is None:
            plans[feature] = fresh
        elif _has_come_far(old) or feature in rules.features or feature == EVERY_FEATURE:
            plans[feature] = _carried(name, rules, before, fresh, old, deployments, notes)
    given = (rules.reference, rules.candidates, rules.objective, rules.control_share)
    return Route(name, *given, plans, ask_twice=rules.ask_twice, gates=rules.gates, hedge=rules.hedge)


def _anew(route: Route, before: Route | None, now_ms: int) -> Route:
    """Return a route whose plans are watched anew where the share that acts is another: what was before has other arms."""
    old = {} if before is None else before.plans
    changed = {
        name: replace(plan, since_ms=now_ms)
        for name, plan in route.plans.items()
        if name in old and plan.acts and plan.acting_share != old[name].acting_share
    }
    return replace(route, plans={**route.plans, **changed})


def _fresh(route: str, feature: str, rules: RouteRules) -> Plan:
    """Return the plan of a feature as the configuration alone would have it: observe, or its standing trial.

    A feature that is known only from an act on it has the rules of ``*``, as it had them then, without their trial.
    """
    own = rules.features.get(feature)
    stated = own or rules.features.get(EVERY_FEATURE) or FeatureRules()
    reference = stated.reference or rules.reference
    candidates = tuple(name for name in stated.candidates or () if name != reference)
    filters = stated.filters.over(rules.filters)
    every = rules.features.get(EVERY_FEATURE) or FeatureRules()
    plan = Plan(
        feature,
        reference=reference,
        candidates=candidates,
        grader=stated.grader,
        tolerance=stated.tolerance,
        allow=filters.allow or (),
        ceiling=filters.ceiling,
        review_days=rules.review_days if stated.review_days is None else stated.review_days,
        explore=_explore(route, feature, stated, rules),
        store_prompts=rules.store_prompts if stated.store_prompts is None else stated.store_prompts,
        data_policies=tuple(dict.fromkeys((*rules.policies, *every.policies, *stated.policies))),
    )
    if own is None or own.trial is None or reference is None or own.grader is None:
        return plan
    tried = candidates or tuple(name for name in rules.candidates if name != reference and plan.allows(name))
    trial = Trial(standing_id(route, feature, reference, own.grader), tried, own.trial.share, own.trial.cap_nano)
    return replace(plan, mode="trial", trial=trial)


def _carried(
    route: str,
    rules: RouteRules,
    before: Route,
    fresh: Plan,
    old: Plan,
    deployments: dict[str, Deployment],
    notes: list[str],
) -> Plan:
    """Return the fresh plan with what still holds of the old one, and note what does not."""
    where = f"feature {old.feature} on route {route}"
    lost = _lost(rules, before, fresh, old, deployments)
    if lost:
        if _has_come_far(old):
            afresh = f"the trial of {where} starts afresh"
            fell = f"{where} goes back from {old.mode} to {fresh.mode}"
            notes.append(f"{afresh if old.mode == fresh.mode else fell}: {lost}")
        return fresh
    trial = _trial(route, fresh, old, deployments)
    if old.trial is not None and (trial is None or trial.id != old.trial.id):
        notes.append(f"a trial of {where} ends: its check changed, or it or what it tries is no longer configured")
    asks = old.asks if rules.ask_twice is not None and rules.ask_twice == before.ask_twice else ()
    if old.asks and not asks:
        notes.append(f"{where} asks nobody twice any more: learn again under what ask_twice says now")
    explorable = _explorable(rules, fresh, old, deployments)
    acting = old.acts and bool(old.accepted or asks or explorable)
    if acting and before.objective != rules.objective:
        notes.append(f"{where} still acts by the route's former objective: accept it again to act by the new one")
    if acting and old.grader != fresh.grader:
        notes.append(f"{where} still acts on a verdict of its former check: try and accept it again to act by the new one")
    changed_share = old.mode == "auto" and before.control_share != rules.control_share
    started_by_act = trial is not None and (fresh.trial is None or trial.id != fresh.trial.id)
    return replace(
        fresh,
        mode=old.mode if acting else "trial" if trial else "observe",
        accepted=old.accepted,
        asks=asks,
        acting_share=1 - rules.control_share if changed_share else old.acting_share,
        value_nano=old.value_nano,
        one_model=old.one_model,
        policy=old.policy,
        trial=trial,
        tolerance=old.tolerance if started_by_act else fresh.tolerance,
        since_ms=old.since_ms,
        tested=old.tested,
        explorable=explorable,
        tests=old.tests,
    )


def _explore(route: str, feature: str, stated: FeatureRules, rules: RouteRules) -> Explore | None:
    """Return what may be tried: by the feature's own rule from a purse of its own, else by the route's from the route's."""
    if stated.explore is not None:
        return Explore(stated.explore.share, stated.explore.day_nano, f"{route}/{feature}")
    return None if rules.explore is None else Explore(rules.explore.share, rules.explore.day_nano, route)


def _explorable(rules: RouteRules, fresh: Plan, old: Plan, deployments: Mapping[str, Deployment]) -> dict[str, float]:
    """Return who may still be tried: what was learned of it stays, and who is no candidate any more goes."""
    known = {*rules.candidates, *fresh.candidates, *old.accepted}
    return {name: part for name, part in old.explorable.items() if name in known & {*deployments} and fresh.allows(name)}


def _moved(before: Snapshot, providers: Mapping[str, Provider], routes: Mapping[str, Route]) -> Iterator[str]:
    """Yield a sentence for each provider that is at another address now, for each feature that acts on what it served."""
    for route in routes.values():
        for plan in route.plans.values():
            serving = _set((plan.reference, *plan.accepted)) if plan.acts else ()
            for name in dict.fromkeys(before.deployments[one].provider for one in serving if one in before.deployments):
                was, now = before.providers.get(name), providers.get(name)
                if was is not None and now is not None and was.base_url != now.base_url:
                    yield (
                        f"feature {plan.feature} on route {route.name} still acts on a verdict from the former address of "
                        f"provider {name}: where other models answer there now, try and accept it again"
                    )


def _lost(rules: RouteRules, before: Route, fresh: Plan, old: Plan, deployments: dict[str, Deployment]) -> str:
    """Return why nothing of an old plan can be kept, empty where it can."""
    if old.reference != fresh.reference:
        return f"its reference was {old.reference or 'not named'} and is {fresh.reference or 'not named'}"
    removed = {*before.candidates, *old.candidates} - {*rules.candidates, *fresh.candidates}
    gone = [name for name in (*old.accepted, *old.asks) if name not in deployments or name in removed]
    return f"{', '.join(gone)} is no longer configured" if gone else ""


def _trial(route: str, fresh: Plan, old: Plan, deployments: dict[str, Deployment]) -> Trial | None:
    """Return the trial to run: one that an act started goes on; else the standing one.

    Where the feature acts already, its own trial only measures what is served, and no other begins.
    """
    running = old.trial if old.grader == fresh.grader else None
    acting = old.acts
    if running is not None and old.reference is not None and old.grader is not None:
        if running.id != standing_id(route, old.feature, old.reference, old.grader):
            return running if all(name in deployments for name in running.candidates) else None
        if acting and fresh.trial is not None:
            return replace(running, cap_nano=fresh.trial.cap_nano)
    return None if acting else fresh.trial


def standing_id(route: str, feature: str, reference: str, grader: Grader) -> str:
    """Return the id of the trial that the configuration keeps running for a feature."""
    return trial_id(route, feature, reference, grader, "standing")


def _has_come_far(plan: Plan) -> bool:
    """Whether acts have given a plan anything that a fresh one has not."""
    return plan.mode != "observe" or bool(plan.accepted) or plan.trial is not None or plan.value_nano is not None

"""Making a changed snapshot current, through the gates, without undoing what somebody else published meanwhile.

Strategy: read what is current, change it, check it, write it with the number that the change started from. When another
was published in between, start again from that one.

Laws: all that can fail comes before the swap, which cannot; a bad snapshot never displaces a good one; a change that
changes nothing publishes nothing; a policy that is in force already and cannot be read (it is of another version, and its
plans stay on the reference) stops no change to other things.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from pointsman.core import snapshot as snapshots
from pointsman.core.errors import SnapshotError, StoreError
from pointsman.core.routing import Plan, Route
from pointsman.core.snapshot import Snapshot
from pointsman.policy import cascade, model
from pointsman.store.interfaces import Published, Store

_TRIES: Final = 5


def publish(store: Store, change: Callable[[Snapshot], Snapshot], *, made_by: str, now_ms: int) -> Published:
    """Apply a change to the current snapshot (an empty one in a new store) and make the result current.

    A change that sets ``made_by`` itself is taken at its word. Raises SnapshotError, and publishes nothing, when the result
    does not pass the gates; StoreError when the store fails, or others keep publishing faster.
    """
    for _ in range(_TRIES - 1):
        try:
            return _publish_once(store, change, made_by, now_ms)
        except _OvertakenError:
            continue
    return _publish_once(store, change, made_by, now_ms)


def faults(snapshot: Snapshot, before: Snapshot | None = None) -> Iterator[str]:
    """Yield, in one sentence each, every reason why a snapshot must not be published in the place of the one ``before``."""
    for name, deployment in snapshot.deployments.items():
        if deployment.provider not in snapshot.providers:
            yield f"deployment {name} names the provider {deployment.provider}, which does not exist"
    for route in snapshot.routes.values():
        if "*" not in route.plans:
            yield f'route {route.name} has no plan for "*", which stands for all other features'
        if not 0 <= route.control_share <= 1:
            yield f"route {route.name}: the control share {route.control_share} is not in [0, 1]"
        yield from _unknown(snapshot, f"route {route.name}", (route.reference, *route.candidates))
        for plan in route.plans.values():
            yield from _plan_faults(snapshot, route, plan)
    pooled = [name for pool in snapshot.pools for name in pool.deployments]
    yield from _unknown(snapshot, "a pool", pooled)
    yield from (f"{name} is in two pools" for name in dict.fromkeys(pooled) if pooled.count(name) > 1)
    known = before.policies if before is not None else {}
    for name, policy in snapshot.policies.items():
        if known.get(name) == policy:
            continue
        try:
            model.decode(policy)
        except SnapshotError as error:
            yield f"the policy {name} cannot be read: {error}"
    attached = [name for names in snapshot.feature_policies.values() for name in names]
    attached += [name for route in snapshot.routes.values() for plan in route.plans.values() for name in plan.data_policies]
    yield from (f"there is no data policy {one}" for one in dict.fromkeys(attached) if one not in snapshot.data_policies)
    for name, asking in snapshot.askings.items():
        try:
            yield from _unknown(snapshot, f"the plan of asking twice on {name}", cascade.decode(asking).models)
        except SnapshotError as error:
            yield f"route {name}: {error}"


class _OvertakenError(StoreError):
    """Another snapshot was published since the change began."""


def _publish_once(store: Store, change: Callable[[Snapshot], Snapshot], made_by: str, now_ms: int) -> Published:
    current = store.snapshots.current()
    before = snapshots.decode(current.data) if current is not None else Snapshot()
    after = change(before)
    if current is not None and snapshots.encode(replace(after, made_by=before.made_by)) == current.data:
        return current  # compared as bytes, because another order is a change too
    if after.made_by in ("", before.made_by):
        after = replace(after, made_by=made_by)
    found = list(faults(after, before))
    if found:
        raise SnapshotError(f"this snapshot cannot be published, the current one stays: {'; '.join(found)}")
    data = snapshots.encode(after)
    started = current.number if current is not None else 0
    try:
        return store.snapshots.publish(data, made_by=after.made_by, at_ms=now_ms, replaces=started)
    except StoreError as error:
        if store.snapshots.current_number() == started:
            raise
        raise _OvertakenError(f"{error}; others keep publishing, try again") from error


def _unknown(snapshot: Snapshot, where: str, named: Iterable[str | None]) -> Iterator[str]:
    for name in dict.fromkeys(named):
        if name is not None and name not in snapshot.deployments:
            yield f"{where} names {name}, which is not a deployment"


def _plan_faults(snapshot: Snapshot, route: Route, plan: Plan) -> Iterator[str]:
    where = f"feature {plan.feature} on route {route.name}"
    named = [plan.reference, *plan.candidates, *plan.accepted, *plan.asks, plan.one_model, *plan.explorable]
    trial = plan.trial
    if trial is not None:
        named += trial.candidates
        if not 0 < trial.share <= 1 or trial.cap_nano <= 0:
            yield f"{where}: the trial's share must be in (0, 1] and its cap above zero"
    yield from _unknown(snapshot, where, named)
    if not 0 <= plan.acting_share <= 1:
        yield f"{where}: the acting share {plan.acting_share} is not in [0, 1]"
    if plan.policy and plan.policy not in snapshot.policies:
        yield f"{where} chooses by the policy {plan.policy}, which does not exist"
    if plan.one_model is not None and plan.one_model not in (plan.reference, *plan.accepted):
        yield f"{where}: {plan.one_model} is to serve all requests and was not accepted"
    acts = plan.accepted or plan.asks or plan.explorable
    if plan.acts and (plan.reference is None or not acts):
        yield f"{where} is in {plan.mode} without a reference or without an accepted deployment"
    parts = plan.explorable.values()
    if any(part < 0 for part in parts) or sum(parts) > 1 + 1e-9:
        yield f"{where}: the parts of those who may be tried must not be below 0, nor above 1 together"
    if plan.explore is not None and not (0 < plan.explore.share <= 0.5 and plan.explore.day_nano > 0):
        yield f"{where}: the share to be tried must be in (0, 0.5] and its money above zero"

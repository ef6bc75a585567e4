"""What the releases of a snapshot won and lost, feature by feature, as pure transitions.

Laws: what ended at a feature stays on record with its reason, and what it replaced too; a release that is added again starts
anew.
"""

from collections.abc import Collection

from msgspec.structs import replace

from pointsman.core.release import Release
from pointsman.core.routing import Plan
from pointsman.core.snapshot import Snapshot

PER_REQUEST = "per request"


def of(snapshot: Snapshot, route: str, deployment: str) -> Release | None:
    """Return a deployment's release on a route, None where it was not announced."""
    return next((one for one in snapshot.releases if (one.route, one.deployment) == (route, deployment)), None)


def put(snapshot: Snapshot, release: Release) -> Snapshot:
    """Return the snapshot with a release as it stands now: last where it is new, else in its place."""
    if of(snapshot, release.route, release.deployment) is None:
        return replace(snapshot, releases=(*snapshot.releases, release))
    mine = (release.route, release.deployment)
    kept = tuple(release if (one.route, one.deployment) == mine else one for one in snapshot.releases)
    return replace(snapshot, releases=kept)


def serves(plan: Plan) -> str:
    """Return what serves a feature, in a word: its one model, ``per request``, or its reference."""
    if not plan.accepted:
        return plan.reference or ""
    return plan.one_model or PER_REQUEST


def won(snapshot: Snapshot, route: str, before: Plan, deployments: Collection[str]) -> Snapshot:
    """Note that deployments serve a feature now, whose plan was ``before``."""
    for name in deployments:
        release = of(snapshot, route, name)
        if release is not None and before.feature in release.features:
            replaced = {**release.replaced, before.feature: serves(before)}
            ended = {feature: why for feature, why in release.ended.items() if feature != before.feature}
            snapshot = put(snapshot, replace(release, replaced=replaced, ended=ended))
    return snapshot


def lost(snapshot: Snapshot, route: str, feature: str, deployments: Collection[str], why: str) -> Snapshot:
    """Note why deployments serve a feature no more, or never will."""
    for name in deployments:
        release = of(snapshot, route, name)
        if release is not None and feature in release.features:
            snapshot = put(snapshot, replace(release, ended={**release.ended, feature: why}))
    return snapshot

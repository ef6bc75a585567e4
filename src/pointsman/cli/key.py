"""``pointsman key``: who may use the gateway, how far, and for whom."""

import sys
import time
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from pointsman.cli.figures import moment, paper, read_span
from pointsman.cli.fit import fitted
from pointsman.control import keys as acts
from pointsman.control.config.keys import network_fault
from pointsman.core.errors import ConfigError
from pointsman.core.keys import Key, Scope
from pointsman.serve.workspace import Workspace, workspace_option
from pointsman.store.last_good import LastGood
from pointsman.wire.dialects import DIALECTS

_SECRET: Final = ("sha256", "salt", "before")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("key")
def command() -> None:
    """Make, list, rotate and revoke keys. See docs/keys.md.

    \b
    pointsman key create shop --feature support --customer acme
    pointsman key list
    pointsman key rotate shop --overlap 24h
    pointsman key revoke shop
    """


@command.command("create")
@workspace_option
@click.argument("name")
@click.option("--feature", help="The feature of requests that name none.")
@click.option("--customer", default="", help="Whom all its requests are for, whatever they say.")
@click.option("--owner", default="", help="Who answers for it, for people.")
@click.option("--policy", default="", help="The data policy that holds for its requests ([policies.NAME]).")
@click.option("--route", "routes", multiple=True, help="It may ask for this route only; repeatable.")
@click.option("--deployment", "deployments", multiple=True, help="Only this may answer: PROVIDER/MODEL, PROVIDER/*.")
@click.option("--dialect", "dialects", multiple=True, type=click.Choice(list(DIALECTS)), help="It may speak this only.")
@click.option("--only-feature", "features", multiple=True, help="Its requests may be of this feature only; repeatable.")
@click.option("--network", "networks", multiple=True, help="It may be used from here only: 10.0.0.0/8; repeatable.")
@click.option("--expires", "lasts_ms", callback=read_span, help="When it ends: 12h, 90d, 52w from now [default: never].")
@click.option("--admin", is_flag=True, help="It opens the control API, and nothing else.")
@_JSON
def create(  # noqa: PLR0913 - one parameter per option
    workspace: Workspace,
    *,
    name: str,
    feature: str | None,
    customer: str,
    owner: str,
    policy: str,
    routes: tuple[str, ...],
    deployments: tuple[str, ...],
    dialects: tuple[str, ...],
    features: tuple[str, ...],
    networks: tuple[str, ...],
    lasts_ms: int | None,
    admin: bool,
    as_json: bool,
) -> None:
    """Make a key called NAME and show it, this once. It is on disk, as a digest, before it is shown.

    \b
    pointsman key create shop --feature support --customer acme --expires 90d
    pointsman key create ci --route auto --network 10.0.0.0/8 --deployment openai/*
    pointsman key create ops --admin
    """
    now_ms = int(time.time() * 1000)
    scope = Scope(routes, deployments, dialects, features, networks)
    expires = None if lasts_ms is None else now_ms + lasts_ms
    wanted = Key(_named(workspace, name), "", feature, customer, owner, policy, scope, expires, admin)
    _check(workspace, wanted)
    key, whole = acts.made(wanted, now_ms=now_ms)
    workspace.store.keys.add(key, at_ms=now_ms)
    use = "the control API" if admin else "authorization: Bearer KEY, or the key of your SDK"
    _show_once(key, whole, f"Present it to {use}." if admin else f"Send it as {use}.", as_json=as_json)


@command.command("list")
@workspace_option
@click.option("--all", "every", is_flag=True, help="Also keys that were revoked or have ended.")
@_JSON
def list_(workspace: Workspace, *, every: bool, as_json: bool) -> None:
    """List keys in the order in which they were made. No secret is shown: none is kept."""
    now_ms = int(time.time() * 1000)
    kept = [key for key in workspace.existing.keys.all() if every or not key.ended(now_ms)]
    if as_json:
        for key in kept:
            sys.stdout.write(msgspec.json.encode(_open(key)).decode() + "\n")
        return
    console = paper()
    rows = [(key.id, key.name, _for(key), _bounds(key), _state(key, now_ms)) for key in kept]
    for made in fitted(console, ("id", "name"), ("for", "bounds", "state"), rows):
        console.print(made)
    if not rows:
        console.print("No key. Make one with: pointsman key create NAME")


@command.command("rotate")
@workspace_option
@click.argument("key")
@click.option(
    "--overlap", "overlap_ms", default="24h", show_default=True, callback=read_span,
    help="For how long the secret before is still taken; 0: it ends now.",
)  # fmt: skip
@_JSON
def rotate(workspace: Workspace, key: str, overlap_ms: int, *, as_json: bool) -> None:
    """Give KEY (the beginning of an id, or a name) a new secret and show it, this once. All else of it stays.

    \b
    pointsman key rotate shop --overlap 24h
    """
    now_ms, store = int(time.time() * 1000), workspace.existing
    found = acts.find(store.keys.all(), key)
    whole, digest = acts.new_secret(found)
    changed = store.keys.change(
        found.id,
        lambda now: acts.rotated(now, digest, now_ms=now_ms, overlap_ms=overlap_ms),
        at_ms=now_ms,
        act="key rotate",
    )
    LastGood(workspace.data, keeps=True).of_keys(store.keys).all()  # what has ended here is not to live on in the copy
    ends = f"is taken until {moment(now_ms + overlap_ms)}" if overlap_ms else "has ended"
    _show_once(changed, whole, f"The secret before {ends}.", as_json=as_json)


@command.command("revoke")
@workspace_option
@click.argument("key")
def revoke(workspace: Workspace, key: str) -> None:
    """End KEY (the beginning of an id, or a name) for good. Every worker refuses it within a second.

    \b
    pointsman key revoke shop
    """
    now_ms, store = int(time.time() * 1000), workspace.existing
    found = acts.find(store.keys.all(), key)
    if found.revoked_ms is not None:
        click.echo(f"{found.id} ({found.name}) was revoked on {moment(found.revoked_ms)}.")
        return
    store.keys.change(found.id, lambda now: acts.revoked(now, now_ms=now_ms), at_ms=now_ms, act="key revoke")
    LastGood(workspace.data, keeps=True).of_keys(store.keys).all()  # what has ended here is not to live on in the copy
    click.echo(f"{found.id} ({found.name}) is revoked: a running gateway refuses it within a second, in every process.")


def _named(workspace: Workspace, name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 128:
        raise ConfigError("a key's name has 1 to 128 printable characters")
    if any(key.name == name for key in workspace.config.keys):
        raise ConfigError(f"the configuration has a key called {name!r}: choose another name")
    return name.strip()


def _check(workspace: Workspace, key: Key) -> None:
    """Raise ConfigError where a bound names nothing, as far as what is published or configured tells."""
    for block in key.scope.networks:
        if fault := network_fault(block):
            raise ConfigError(f"{block!r} is no network ({fault}): write a block of addresses as 10.0.0.0/8")
    if key.admin and replace(key.scope, networks=()) != Scope():
        raise ConfigError("an admin key opens the control API only: of the bounds it takes --network and --expires")
    policies = {*workspace.config.policies}
    routes, providers = {*workspace.config.routes}, {*workspace.config.providers}
    if workspace.published() is not None:
        snapshot = workspace.snapshot()
        routes |= snapshot.routes.keys()
        providers |= snapshot.providers.keys()
        policies |= snapshot.data_policies.keys()
    if key.policy and key.policy not in policies:
        known = f"there are {', '.join(sorted(policies))}" if policies else "add [policies.NAME] to the configuration"
        raise ConfigError(f"there is no data policy {key.policy!r}: {known}")
    if fault := acts.unknown(key.scope, sorted(routes), sorted(providers)):
        raise ConfigError(fault)


def _show_once(key: Key, whole: str, more: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode({"id": key.id, "name": key.name, "key": whole}))
        return
    click.echo(whole)
    click.echo(f"\nThis is the key {key.id} ({key.name}). It is not shown again: keep it now. {more}", err=True)


def _open(key: Key) -> dict[str, object]:
    """Return what is shown of a key: all but its digests."""
    shown = {name: getattr(key, name) for name in Key.__struct_fields__ if name not in _SECRET}
    return {**shown, "scope": msgspec.to_builtins(key.scope), "overlaps_until_ms": [one.until_ms for one in key.before]}


def _for(key: Key) -> str:
    said = (
        ("feature ", key.feature),
        ("customer ", key.customer),
        ("owner ", key.owner),
    )
    return "\n".join([*(["admin"] if key.admin else []), *(f"{what}{name}" for what, name in said if name)])


def _bounds(key: Key) -> str:
    lines = [", ".join(getattr(key.scope, name)) for name in Scope.__struct_fields__]
    return "\n".join(line for line in (*lines, f"policy {key.policy}" if key.policy else "") if line) or "none"


def _state(key: Key, now_ms: int) -> str:
    if key.revoked_ms is not None:
        return f"revoked {moment(key.revoked_ms)}"
    end = f"until {moment(key.expires_ms)}" if key.expires_ms is not None else "in force"
    ended = f"ended {moment(key.expires_ms)}" if key.expires_ms is not None and key.ended(now_ms) else end
    overlaps = [f"old secret until {moment(one.until_ms)}" for one in key.before if one.until_ms > now_ms]
    return "\n".join((ended, *overlaps))

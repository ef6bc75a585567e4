"""In what state the gateway and its provider are when bad input comes: what a row of ``bad_input`` plays in.

A scene gets the gateway, the way to start a provider, and the provider's dialect; afterwards a snapshot is in use.
"""

import hashlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace
from tests.client.scripted.server import DIALECTS as SCRIPTED
from tests.client.scripted.turn import Failure, Frame, text, turn
from tests.gateway.conftest import Received, Rig, Script, Start, a_snapshot

from pointsman.core.budget import Budget, Window
from pointsman.core.demands import Demand
from pointsman.core.keys import Key, Scope
from pointsman.core.snapshot import Limits, Snapshot

Scene = Callable[[Rig, Start, str], Awaitable[None]]
SAID = turn(text("Rain", " and", " sun."))


def speaking(dialect: str, port: int, **changes: Any) -> Snapshot:
    """Return a snapshot of one provider at a port, in a dialect."""
    snapshot = a_snapshot(port)
    providers = {name: replace(one, dialect=dialect) for name, one in snapshot.providers.items()}
    deployments = {name: replace(one, dialect=dialect) for name, one in snapshot.deployments.items()}
    # A second one, or every unknown model's name would go to the first.
    providers["p9"] = replace(providers["p1"], name="p9")
    return replace(snapshot, providers=providers, deployments=deployments, **changes)


def frames(dialect: str, received: Received) -> list[Frame]:
    """Return what a provider streams."""
    return list(SCRIPTED[dialect].frames(SAID, asked(received)))


def asked(received: Received) -> dict[str, Any]:
    return {"model": "model-1", **json.loads(received.body)}


def _playing(script: Callable[[str], Script], **changes: Any) -> Scene:
    async def scene(rig: Rig, upstream_at: Start, dialect: str) -> None:
        upstream = await upstream_at(script(dialect))
        rig.publish(speaking(dialect, upstream.port, **changes))

    return scene


def _answers(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.reply(200, json.dumps(SCRIPTED[dialect].whole(SAID, asked(received))).encode())

    return script


answering = _playing(_answers)
small = _playing(_answers, limits=Limits(body_bytes=4096))
busy = _playing(_answers, limits=Limits(concurrent=0))
keyless = answering
_SHOP = Key("shop", hashlib.sha256(b"right").hexdigest())
keyed = _playing(_answers, keys=(_SHOP,))
bounded = _playing(_answers, keys=(replace(_SHOP, scope=Scope(routes=("other",))),))
governed = _playing(
    _answers, keys=(replace(_SHOP, policy="eu"),), data_policies={"eu": Demand("the data policy 'eu'", regions=("eu",))}
)


async def no_snapshot(rig: Rig, upstream_at: Start, dialect: str) -> None:
    """Nothing is published."""


async def text_only(rig: Rig, upstream_at: Start, dialect: str) -> None:
    snapshot = speaking(dialect, 1)
    rig.publish(replace(snapshot, deployments={n: replace(d, media=frozenset()) for n, d in snapshot.deployments.items()}))


async def no_reference(rig: Rig, upstream_at: Start, dialect: str) -> None:
    snapshot = speaking(dialect, 1)
    route = snapshot.routes["auto"]
    plans = {name: replace(plan, reference=None) for name, plan in route.plans.items()}
    rig.publish(replace(snapshot, routes={"auto": replace(route, reference=None, plans=plans)}))


async def cooling(rig: Rig, upstream_at: Start, dialect: str) -> None:
    rig.publish(speaking(dialect, 1))
    rig.equipment.breakers.failed("p1/model-1", rig.equipment.clock(), retry_after_s=30.0)


async def unreachable(rig: Rig, upstream_at: Start, dialect: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    rig.publish(speaking(dialect, port))


def refusal(dialect: str, status: int) -> bytes:
    """Return a provider's error, as it writes it."""
    return json.dumps(SCRIPTED[dialect].error(Failure(status, "the model is asleep"))).encode()


def refusing(status: int, retry_after: int | None = None) -> Scene:
    """A provider that answers every request with an error."""
    waits = {} if retry_after is None else {"retry_after": str(retry_after)}
    limits = {"x_ratelimit_remaining_requests": "0", "anthropic_ratelimit_requests_remaining": "0"}

    def script(dialect: str) -> Script:
        async def refuse(received: Received) -> None:
            await received.reply(status, refusal(dialect, status), **waits, **limits)

        return refuse

    return _playing(script)


def _hangs_up(dialect: str) -> Script:
    async def script(received: Received) -> None:
        received.cut()

    return script


def _says_nothing(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.gone()

    return script


def _talks_nonsense(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.reply(200, b'{"hello": "world"}')

    return script


def _is_down(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.reply(503, b"<h1>Down</h1>", content_type="text/html")

    return script


def _breaks(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.begin()
        for frame in frames(dialect, received):
            await received.send(frame.data)
            if frame.content:
                break
        received.cut()

    return script


def _errs(dialect: str) -> Script:
    async def script(received: Received) -> None:
        await received.begin()
        for frame in frames(dialect, received):
            await received.send(frame.data)
            if frame.content:
                break
        await received.send(SCRIPTED[dialect].error_event())
        await received.end()

    return script


hanging_up = _playing(_hangs_up)
silent = _playing(_says_nothing, limits=Limits(first_byte_s=0.05))
nonsense = _playing(_talks_nonsense)
down = _playing(_is_down)
breaking = _playing(_breaks)
erring = _playing(_errs)


async def all_named(rig: Rig, upstream_at: Start, dialect: str) -> None:
    """As many features have been named as one key may name."""
    await answering(rig, upstream_at, dialect)
    budget = Budget("each", "requests", 5, "day", "feature")
    assert rig.live.current is not None
    rig.publish(replace(rig.live.current.snapshot, budgets=(budget,), limits=Limits(values_per_key=1)))
    assert rig.equipment.budgets.values.refusal("", budget, "another", rig.equipment.now_ms(), 1) is None


def used_up(window: Window) -> Scene:
    """Return a scene in which nothing is left of a budget of requests."""

    async def scene(rig: Rig, upstream_at: Start, dialect: str) -> None:
        await answering(rig, upstream_at, dialect)
        budget = Budget("few", "requests", 5, window)
        assert rig.live.current is not None
        rig.publish(replace(rig.live.current.snapshot, budgets=(budget,)))
        held = rig.equipment.budgets.held(budget, "", rig.equipment.now_ms())
        held.dry_from, held.dry_until = 1, float("inf")

    return scene

"""After everything: every key that was ever shown is tried on an installation that was started again."""

import asyncio
import time
from collections.abc import Iterable, Iterator

from pointsman.control import keys as acts
from pointsman.core.keys import Key
from pointsman.store.interfaces import Store
from spending.clients import Client, Heard
from spending.keys import CREATE, REVOKE, ROTATE, Held, Told, faults, logged

_AT_ONCE = 8


def standing_key(store: Store) -> Held:
    """Make a key as ``pointsman key create`` does, for clients that are always there."""
    now_ms = time.time_ns() // 1_000_000
    key, secret = acts.made(Key("standing", ""), now_ms=now_ms)
    store.keys.add(key, at_ms=now_ms)
    return Held(key.id, key.name, {secret})


def written(store: Store, told: Told) -> Iterator[tuple[bool, str]]:
    """Compare what is written with what was told; what was cut off is told from then on."""
    keys, log = store.keys.all(), logged(store.audit.acts(limit=10**6))
    wrong = list(faults(told, keys, log))
    for one in told.held:
        one.settle(log.get(one.id, one.told))
    killed, silent = told.killed.total(), told.silent.total()
    done = ", ".join(
        f"{told.told(act)} {word}" for act, word in ((CREATE, "made"), (ROTATE, "rotated"), (REVOKE, "revoked"))
    )
    yield not told.failed, f"no command failed of those that were not killed: {told.failed[:3] or done}"
    names = {key.name for key in keys}
    found = f"{sum(name in names for name in told.cut)} of {len(told.cut)} that were not shown are there, whole"
    yield not wrong, f"all {len(told.held)} keys that were shown are there, as told; {found} {wrong[:3] or ''}".rstrip()
    yield killed > 0, f"{killed} commands were killed, {silent} before they told anything"
    acts_, _, broken = store.audit.checked()
    yield broken is None, f"the log's chain of {acts_} acts is whole{'' if broken is None else f' up to {broken}'}"


async def opened(store: Store, told: Told, port: int) -> list[tuple[bool, str]]:
    """Ask with every secret; those of keys that were cut off in the midst are given another before."""
    opening = {secret for one in told.held for secret in one.opening}
    ended = {secret for one in told.held for secret in one.ended}
    again = {_mended(store, key) for key in _cut_off(store.keys.all(), told)}
    answers = await _asked([*opening, *ended, *again], port)
    return [
        (
            all(answers[secret] == status for secret in secrets) and bool(secrets),
            f"{sum(answers[secret] == status for secret in secrets)} of {len(secrets)} {words}",
        )
        for secrets, status, words in (
            (opening, 200, "secrets that are to open the gateway do"),
            (ended, 401, "that were rotated out or revoked are refused"),
            (again, 200, "keys whose command was killed open it once they were given a secret anew"),
        )
    ]


def _cut_off(keys: Iterable[Key], told: Told) -> Iterator[Key]:
    """Give the keys whose last command was killed before it told anything, and which are in force."""
    cut, names = {one.id for one in told.held if one.cut}, set(told.cut)
    return (key for key in keys if key.revoked_ms is None and (key.id in cut or key.name in names))


def _mended(store: Store, key: Key) -> str:
    """Give a key another secret as ``pointsman key rotate`` does; the one before stays for a day."""
    now_ms = time.time_ns() // 1_000_000
    whole, digest = acts.new_secret(key)
    store.keys.change(
        key.id, lambda one: acts.rotated(one, digest, now_ms=now_ms, overlap_ms=86_400_000), at_ms=now_ms, act=ROTATE
    )
    return whole


async def _asked(secrets: list[str], port: int) -> dict[str, int]:
    """Return the status of a real request with each secret, each for a customer of its own: no budget refuses it."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(number: int, secret: str) -> int:
        async with room:
            return await Client(port, (f"proof{number}",), number, Heard(), key=secret).once()

    return dict(zip(secrets, await asyncio.gather(*(ask(*one) for one in enumerate(secrets))), strict=True))

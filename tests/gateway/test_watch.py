"""The watch on the client: ends what is under way, once, and nothing else."""

import asyncio
from typing import Any

import pytest

from pointsman.gateway.watch import ClientGone, Watch


def receiving(gone: asyncio.Event, *first: str) -> Any:
    """An ASGI ``receive`` that returns other messages first, and the disconnect once ``gone`` is set."""
    messages = list(first)

    async def receive() -> dict[str, object]:
        if messages:
            await asyncio.sleep(0)
            return {"type": messages.pop(0)}
        await gone.wait()
        return {"type": "http.disconnect"}

    return receive


async def test_a_disconnect_ends_what_is_awaited() -> None:
    gone = asyncio.Event()
    asyncio.get_running_loop().call_soon(gone.set)
    with pytest.raises(ClientGone), Watch(receiving(gone)):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)  # no cancellation is left over


async def test_other_messages_are_no_disconnect() -> None:
    gone = asyncio.Event()
    with Watch(receiving(gone, "http.request", "http.request")) as watch:
        for _ in range(5):
            await asyncio.sleep(0)
        assert not watch.gone
        gone.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()


async def test_nothing_fires_after_release() -> None:
    gone = asyncio.Event()
    with Watch(receiving(gone)) as watch:
        gone.set()  # the callback is on its way when the watch is released
        watch.release()
        await asyncio.sleep(0.01)
    assert not watch.gone


async def test_a_disconnect_that_was_there_before_is_seen() -> None:
    gone = asyncio.Event()
    gone.set()
    with pytest.raises(ClientGone), Watch(receiving(gone)):
        await asyncio.sleep(0)


async def test_a_cancellation_by_somebody_else_passes() -> None:
    async def run() -> None:
        with Watch(receiving(asyncio.Event())):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_passes() -> None:
    with pytest.raises(ValueError, match="mine"), Watch(receiving(asyncio.Event())):
        raise ValueError("mine")

"""Notices that the client has hung up, while something else is awaited.

Strategy: ASGI says so only to who awaits ``receive()``. A task per request would cost as much as the rest of the decision
(measured: 6 µs against 0.5), so the coroutine is stepped by hand: it is started, and what it waits for calls it back.

Laws: when the client goes, the task under way is cancelled once, at the await it is in, and ``ClientGone`` leaves the
``with`` block in place of the cancellation; a cancellation by anybody else passes through; once released, nothing fires.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):  # noqa: N818 - an event of the protocol, not an error
    """The client closed its connection before it had its answer."""


class Watch:
    """A ``with`` block that ends early when the client goes. Enter it in the task that is to be cancelled."""

    __slots__ = ("_awaited", "_receive", "_steps", "_task", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._steps: Generator[Any, None, Any] | None = None
        self._awaited: asyncio.Future[Any] | None = None
        self._task: asyncio.Task[Any] | None = None
        self.gone = False

    def __enter__(self) -> "Watch":
        self._task = asyncio.current_task()
        self._steps = self._receive().__await__()
        self._step()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()
        if self.gone and kind is asyncio.CancelledError:
            if self._task is not None:
                self._task.uncancel()
            raise ClientGone from None

    def release(self) -> None:
        """Stop watching. To be called before the last byte is sent, because servers report the end as a disconnect."""
        steps, self._steps = self._steps, None
        if self._awaited is not None:
            self._awaited.remove_done_callback(self._step)
            self._awaited = None
        if steps is not None:
            steps.close()

    def _step(self, _done: object = None) -> None:
        """Let ``receive()`` run to its next wait, or see what it returned."""
        while self._steps is not None:
            try:
                awaited = self._steps.send(None)
            except StopIteration as stop:
                if stop.value["type"] == "http.disconnect":
                    self._steps = None
                    self.gone = True
                    if self._task is not None:
                        self._task.cancel()
                else:
                    self._steps = self._receive().__await__()
                continue
            self._awaited = awaited
            if awaited is None:  # a bare yield, as of asyncio.sleep(0)
                asyncio.get_running_loop().call_soon(self._step)
            else:
                awaited.add_done_callback(self._step)
            return

"""A limit of time on code that is not ours: a check's regular expression, schema or function.

Strategy: an alarm of the operating system interrupts it wherever it is, because a thread could not: Python code between two
instructions, and the engine of regular expressions, which looks for signals every few thousand steps.

Laws: alarms reach the main thread only, where the control process grades; elsewhere, and where there are no alarms
(Windows), nothing is limited. An alarm that somebody else had set still goes off at its own time.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class TooLongError(BaseException):
    """Time is over. No Exception, so that the code which is interrupted does not take it for a mistake of its own."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooLongError inside the block when it takes longer."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _ring)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 1e-3), interval)


def _ring(_signal: int, _frame: object) -> None:
    raise TooLongError

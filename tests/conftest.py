"""For all tests: how fast an example runs says something about the machine, not about the code, so it fails no property.

They compute with one thread, as the control process does: ``make test`` has two of them side by side.

``HYPOTHESIS_PROFILE=long`` (``make fuzz``) draws 100,000 examples for each property; ``EXAMPLES`` says another number.
"""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from pointsman.serve.threads import one_thread

os.environ.update(one_thread())  # before anything imports NumPy
settings.register_profile("pointsman", deadline=None)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "100000")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "pointsman"))


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> Iterator[None]:
    """What runs in the background inherits that signals are ignored (`&`, nohup), and hands it on to what it starts."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    if before[signal.SIGINT] is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if before[signal.SIGHUP] is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)

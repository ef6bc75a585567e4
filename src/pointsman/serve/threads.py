"""How many threads linear algebra takes in a process that starts: one, where the cores have other work.

With one thread for each core, processes beside each other wait for one another's threads, and burn the time: on two busy
cores the same fits took more than five times the CPU.
"""

import os
from typing import Final

_COUNTS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> dict[str, str]:
    """Return the environment variables to add, so that a process computes with one thread; what the owner set stays."""
    return {name: "1" for name in _COUNTS if name not in os.environ}

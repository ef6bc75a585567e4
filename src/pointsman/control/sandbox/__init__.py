"""Running Python that a model wrote: in a process that can reach nothing and take little, and that leaves nothing behind.

cell     the program inside: it shuts itself in, sets its limits, and becomes the interpreter of the answer's code
outside  from source to ``Ended``: starts a cell, reads a bounded output, kills all of it in time

What a cell has: Python's standard library, read only; an empty file system in memory with a writable ``/tmp``; no network,
not even loopback; no environment; no ``/proc``, so no other process to see; no right of its owner's. Linux alone can do this
(namespaces of user, mount, process, network and IPC; see namespaces(7), pivot_root(2)); where it cannot be had, nothing is
run, unless the owner says that limits alone will do.

Laws: nothing is run where isolation was asked for and is not there; when ``run`` returns or is cancelled, no process of the
cell lives, whatever it forked; should our own process die, the cell dies with it.
"""

from pointsman.control.sandbox.outside import Bounds, Ended, run, why_not

__all__ = ["Bounds", "Ended", "run", "why_not"]

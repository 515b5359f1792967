"""What the command line asks of its own process: interpreter, collector, heap.

Measured by scripts/bench. Inside somebody's program all of it would be poison, so nothing outside
`cli` does any of it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress

from worker.runtime.housekeeping import Housekeeping

_GARBAGE_PARTS = 4  # read one after the other; then it is worth looking for what they leave
_M_ARENA_MAX = -8  # of glibc's malloc.h; elsewhere there is no mallopt


def set_up_interpreter() -> None:
    """Make this process fit for a job. For a process of one's own, before it imports pyarrow."""
    # Where numpy is installed pyarrow loads it, asks it about every value, and starts 90 ms later;
    # nothing here uses it.
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type] # None: not there, to `import`
    # Else pydantic looks through all that is installed for plug-ins: 10 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A start makes some 100,000 objects and no garbage: two looks at them for some took 40 ms.
    gc.set_threshold(200_000, 20, 20)
    # The event loop gives the interpreter lock away with every system call; a thread that decodes
    # keeps it for so long at most.
    sys.setswitchinterval(0.001)
    # Arrow's own allocator gives memory back and takes it again for every batch: more page faults.
    # (pa.set_memory_pool would say so to pyarrow alone, and not to what Arrow allocates by itself.)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Without a heap for each thread glibc's stays the same size, however many rows come.
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def end_start() -> None:
    """Let the garbage collector never look again at what there is now: modules, a config, an SDK.

    To be called when a start is over, and the work of a process begins.
    """
    gc.freeze()
    # Rows on their way are many objects and no garbage, so not as low as Python's 700.
    gc.set_threshold(10_000, 20, 20)


def give_memory_back(*, garbage: bool = False) -> None:
    """Return to the system what the heap has in holes, which grow with the rows. Blocking.

    With `garbage`, look for that first. What refers to itself is some until someone does, and few
    objects with large buffers, as parts leave them, do not have the collector look by itself.
    """
    if garbage:
        gc.collect()
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class ProcessHousekeeping(Housekeeping):
    """Gives memory back between pieces of work."""

    def __init__(self) -> None:
        self._parts = 0

    def between_batches(self) -> None:
        """See Housekeeping.between_batches."""
        give_memory_back()

    def between_parts(self) -> None:
        """See Housekeeping.between_parts."""
        give_memory_back(garbage=self._parts % _GARBAGE_PARTS == 0)
        self._parts += 1

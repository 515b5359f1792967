"""The end of the process, in time: threads that hang do not hold it up."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

# A thread may wait for a name server, a credential process or a disk that does not answer.
THREADS_S_MAX = 2.0


def leave(code: int) -> NoReturn:
    """End with `code`: as usual, or by force when a thread does not end.

    Files appear whole or not at all, so nothing committed is lost either way.
    """
    left_s = THREADS_S_MAX
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(timeout=left_s)
            if thread.is_alive():
                for stream in (sys.stdout, sys.stderr):
                    with suppress(OSError):
                        stream.flush()
                os._exit(code)
    sys.exit(code)

"""What time was spent: a part's `seconds`, over kills."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import orjson

from worker.store.base import SpoolFile


class Stopwatch:
    """Runs from the last commit on, its reading kept in a file beside the spools.

    The reading holds for the number of parts that were committed when it was written: a kill
    between a commit and the next writing costs seconds of it, and counts none twice. Blocking.
    """

    def __init__(
        self, file: SpoolFile, *, parts_done: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._parts_done = parts_done
        self._now_s = now_s
        self._began_s = now_s() - _kept_s(file, parts_done)

    def read(self) -> float:
        """Return the seconds since the last commit."""
        return self._now_s() - self._began_s

    def next_part(self, seconds: float) -> None:
        """Begin anew `seconds` after the last commit: a part that counts these is committed."""
        self._began_s += seconds
        self._parts_done += 1

    def keep(self) -> None:
        """Write the reading; raise OSError when the disk refuses."""
        reading = {"parts_done": self._parts_done, "seconds": self.read()}
        self._file.replace(orjson.dumps(reading))


def _kept_s(file: SpoolFile, parts_done: int) -> float:
    """Return the reading; 0 when there is none, or it holds for another number of parts."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        reading = orjson.loads(file.read() or b"")
        if reading["parts_done"] == parts_done:
            return float(reading["seconds"])
    return 0.0

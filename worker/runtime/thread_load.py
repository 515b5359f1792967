"""How much of the time a thread is busy."""

from __future__ import annotations

import time
from collections.abc import Callable


class Load:
    """How busy the thread is that asks: its processor time, as a share of the time that passed."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        busy_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._now_s = now_s
        self._busy_s = busy_s
        self._asked = now_s(), busy_s()

    def share(self) -> float:
        """Return the share since it was asked before, 0 to 1."""
        before, self._asked = self._asked, (self._now_s(), self._busy_s())
        passed_s, busy_s = (now - then for now, then in zip(self._asked, before, strict=True))
        return min(1.0, busy_s / passed_s) if passed_s > 0.0 else 1.0

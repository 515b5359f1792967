"""Time as the pacer needs it: monotonic seconds and a timer. Tests bring their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A callback that is still to come."""

    def cancel(self) -> None:
        """Forget it."""
        ...


class Clock(Protocol):
    """Monotonic seconds from an arbitrary origin, and a way to be called at one of them."""

    def now_s(self) -> float:
        """Return the current time in seconds."""
        ...

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Call back at `due_s` or a little later."""
        ...


# uvloop rounds to milliseconds: a shorter wait would come back at once, again and again.
_WAIT_S_MIN = 0.001


class MonotonicClock:
    """The real clock; its timers are those of the running event loop."""

    def now_s(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on the event loop; late by its timer resolution, about a millisecond."""
        wait_s = max(_WAIT_S_MIN, due_s - self.now_s())
        return asyncio.get_running_loop().call_later(wait_s, callback)

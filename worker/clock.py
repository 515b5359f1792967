"""Time as the pacer needs it: monotonic seconds and a sleep. Tests bring their own."""

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Monotonic seconds from an arbitrary origin, and a way to wait for one of them."""

    def now_s(self) -> float:
        """Return the current time in seconds."""
        ...

    async def sleep_until(self, due_s: float) -> None:
        """Return at `due_s` or a little later; at once when it has passed."""
        ...


class MonotonicClock:
    """The real clock."""

    def now_s(self) -> float:
        """Return `time.monotonic()`, which is also the event loop's clock."""
        return time.monotonic()

    async def sleep_until(self, due_s: float) -> None:
        """Sleep on the event loop; late by its timer resolution, about a millisecond."""
        await anyio.sleep(max(0.0, due_s - self.now_s()))

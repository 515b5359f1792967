"""A run's one clock: monotonic seconds, a timer, the time of day. Tests bring their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic, time_ns
from typing import NoReturn, Protocol


class Timer(Protocol):
    """A callback that is still to come."""

    def cancel(self) -> None:
        """Forget it."""
        ...


class Clock(Protocol):
    """Monotonic seconds from an arbitrary origin, a way to be called at one, the time of day."""

    def now_s(self) -> float:
        """Return the current time in seconds."""
        ...

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Call back at `due_s` or a little later."""
        ...

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        """Call back when the tasks and callbacks that are ready now have had their turn."""
        ...

    def wall_us(self) -> int:
        """Return the time of day, in microseconds UTC since 1970. It may be set at any moment."""
        ...


def local_time(clock: Clock) -> datetime:
    """Return the time of day in this machine's time zone."""
    return (_EPOCH + timedelta(microseconds=clock.wall_us())).astimezone()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# uvloop rounds to milliseconds: a shorter wait would come back at once, again and again.
_WAIT_S_MIN = 0.001


class MonotonicClock:
    """The real clock; its timers are those of the running event loop."""

    def now_s(self) -> float:
        """Return `time.monotonic()`."""
        return monotonic()

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on the event loop; late by its timer resolution, about a millisecond."""
        wait_s = max(_WAIT_S_MIN, due_s - self.now_s())
        return asyncio.get_running_loop().call_later(wait_s, callback)

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        """See Clock.call_soon."""
        return asyncio.get_running_loop().call_soon(callback)

    def wall_us(self) -> int:
        """See Clock.wall_us."""
        return time_ns() // 1_000


# Of a stop nothing counts but what may have passed before it.
_BEAT_S = 0.1
_GAP_S_MAX = 0.25


class RunningClock:
    """Monotonic seconds, but for those in which the event loop that made it did not run.

    Stopped, suspended or without a processor, a process does not see what arrives: nobody else is
    late for it. Gaps of over a quarter of a second are left out, but for a tenth. `stop` it.

    No task meets what a callback raises, and whoever waits for the callback would wait for ever. So
    one task is to `watch`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._raised: asyncio.Future[NoReturn] = self._loop.create_future()
        self._seen_s = monotonic()
        self._lost_s = 0.0
        self._beat()

    def now_s(self) -> float:
        """Return the seconds that the loop has run, from an arbitrary origin."""
        now_s = monotonic()
        if now_s - self._seen_s > _GAP_S_MAX:
            self._lost_s += now_s - self._seen_s - _BEAT_S
        self._seen_s = now_s
        return now_s - self._lost_s

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        """Call back on the event loop, not before `due_s` by this clock, about a millisecond."""
        return _RunningTimer(self, due_s, callback)

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        """See Clock.call_soon."""
        return self._loop.call_soon(self.run, callback)

    def run(self, callback: Callable[[], None]) -> None:
        """Call `callback`; `watch` raises the first exception of all callbacks."""
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - it is raised by `watch`
            if not self._raised.done():
                self._raised.set_exception(error)

    async def watch(self) -> NoReturn:
        """Raise the first exception of a callback, as soon as there is one."""
        await self._raised

    def wall_us(self) -> int:
        """See Clock.wall_us."""
        return time_ns() // 1_000

    def stop(self) -> None:
        """Look no more for gaps."""
        self._timer.cancel()

    def _beat(self) -> None:
        self.now_s()
        self._timer = self._loop.call_later(_BEAT_S, self._beat)


class _RunningTimer:
    """A timer that begins anew when it comes too early: there was a gap meanwhile."""

    def __init__(self, clock: RunningClock, due_s: float, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._due_s = due_s
        self._callback = callback
        self._begin(due_s - clock.now_s())

    def cancel(self) -> None:
        self._timer.cancel()

    def _begin(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(_WAIT_S_MIN, wait_s), self._come)

    def _come(self) -> None:
        left_s = self._due_s - self._clock.now_s()
        if left_s > _WAIT_S_MIN:
            self._begin(left_s)
        else:
            self._clock.run(self._callback)

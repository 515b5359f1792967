"""A simulated clock, and callers that wait for their turns on it."""

from collections.abc import Callable
from types import SimpleNamespace

import anyio

from worker.rate.pacer import Pacer
from worker.rate.ramp import Ramp, Schedule
from worker.runtime.clock import Timer


def constant(tps: float) -> Ramp:
    """Return a rate without a ramp."""
    return Ramp(tps=tps, start_tps=tps, ramp_s=0.0)


def take(schedule: Schedule, now_s: float) -> float:
    """Take the next turn; return when it is due."""
    due_s = schedule.due_s(now_s)
    schedule.take()
    return due_s


class FakeClock:
    """Simulated time, which moves from timer to timer."""

    def __init__(self) -> None:
        """Begin at a time that is not 0."""
        self.time_s = 100.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return self.time_s

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        timer = (due_s, callback)
        self._timers.append(timer)
        return SimpleNamespace(cancel=lambda: self._timers.remove(timer))

    async def run(self) -> None:
        """Fire every timer in its order, and let those who wait for it go on."""
        await anyio.wait_all_tasks_blocked()
        while self._timers:
            timer = min(self._timers, key=lambda timer: timer[0])
            self._timers.remove(timer)
            self.time_s = max(self.time_s, timer[0])
            timer[1]()
            await anyio.wait_all_tasks_blocked()


class Callers:
    """Lanes at a pacer, by name."""

    def __init__(self, tps: float) -> None:
        self.clock = FakeClock()
        self.pacer = Pacer(constant(tps), self.clock)
        self.left: list[tuple[str, float]] = []

    async def take(self, name: str) -> None:
        if name == "retry" or not self.pacer.take_if_due():
            await self.pacer.turn(is_retry=name == "retry")
        self.left.append((name, self.clock.now_s() - 100.0))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.left]

"""Simulated time: an event loop whose time jumps, and a clock that moves from timer to timer."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, TypeVar

import anyio

from worker.runtime.clock import RunningClock, Timer

_TURNS = 10  # of the event loop: more than anything takes until it waits for time
_Result = TypeVar("_Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing: the time that it should have waited has passed at once."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop for tests without sockets and threads: what it would wait for comes at once."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as in a process that is stopped."""
        self._jumping.now_s += seconds


def simulate(main: Callable[[], Awaitable[_Result]]) -> _Result:
    """Run `main` on a loop whose time is simulated, from 0."""
    return anyio.run(main, backend_options={"loop_factory": SimulatedLoop})


@contextmanager
def running() -> Iterator[RunningClock]:
    """Yield the clock of a run."""
    clock = RunningClock()
    try:
        yield clock
    finally:
        clock.stop()


class LoopClock:
    """The clock of the running loop."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_at(due_s, callback)

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_soon(callback)

    def wall_us(self) -> int:
        return round(self.now_s() * 1e6)


class FakeClock:
    """Simulated time, which moves from timer to timer."""

    def __init__(self) -> None:
        """Begin at a time that is not 0."""
        self.time_s = 100.0
        self.began = datetime(2026, 11, 22, 3, tzinfo=UTC)  # the time of day at 0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def now_s(self) -> float:
        return self.time_s

    def call_at(self, due_s: float, callback: Callable[[], None]) -> Timer:
        timer = (due_s, callback)
        self._timers.append(timer)
        return SimpleNamespace(cancel=lambda: self._timers.remove(timer))

    def call_soon(self, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_soon(callback)

    def wall_us(self) -> int:
        return round((self.began.timestamp() + self.time_s) * 1e6)

    async def run(self) -> None:
        """Fire every timer in its order, and let those who wait for it go on."""
        await self.settle()
        while self._timers:
            timer = min(self._timers, key=lambda timer: timer[0])
            self._timers.remove(timer)
            self.time_s = max(self.time_s, timer[0])
            timer[1]()
            await self.settle()

    async def settle(self) -> None:
        """Let all go on who can: tasks, and callbacks that wait for their turn of the loop."""
        for _ in range(_TURNS):
            await anyio.wait_all_tasks_blocked()
            await asyncio.sleep(0)

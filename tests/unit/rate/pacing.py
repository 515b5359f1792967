"""Callers that wait for their turns, in simulated time."""

from __future__ import annotations

import asyncio

from support.clock import FakeClock
from support.lanes import constant

from worker.rate.pacer import Pacer
from worker.rate.ramp import CREDIT_S, Schedule


def take(schedule: Schedule, now_s: float) -> float:
    """Take the next turn; return when it is due."""
    due_s = schedule.due_s(now_s)
    schedule.take(now_s)
    return due_s


def most_beyond(moments: list[float], tps: float) -> float:
    """Return by how much the fullest window is beyond the rate's bound: at most 0 is right."""
    moments = sorted(moments)
    highest, most = float("-inf"), float("-inf")
    for number, moment in enumerate(moments):
        highest = max(highest, tps * moment - number)  # of the window's beginning
        most = max(most, number + 1 - tps * moment + highest)
    return most - 1 - tps * CREDIT_S


class Caller:
    """A lane at a pacer: it comes near, gets a connection, and waits for its turn."""

    def __init__(self, name: str) -> None:
        self.is_urgent = name == "retry"
        self.can_go = True
        self._left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def go(self, _: float) -> bool:
        if self.can_go:
            self._left.set_result(True)
        return self.can_go

    def send_back(self) -> None:
        self._left.set_result(False)

    async def has_left(self) -> bool:
        """Return True when it leaves, False when it is sent back."""
        return await self._left


class Callers:
    """Lanes at a pacer, by name."""

    def __init__(self, tps: float) -> None:
        self.clock = FakeClock()
        self.pacer = Pacer(constant(tps), self.clock)
        self.left: list[tuple[str, float]] = []
        self.connects: list[float] = []  # when each came near

    async def take(self, name: str, connect: asyncio.Event | None = None) -> bool:
        """Take a turn, when `connect` has happened; return whether it came."""
        caller = Caller(name)
        if not self.pacer.come_near_now(caller) and not await self.pacer.come_near(caller):
            return False
        try:
            self.connects.append(self.now_s)
            if connect is not None:
                await connect.wait()
            self.pacer.ask(caller)
            if not await caller.has_left():
                return False
        except asyncio.CancelledError:
            self.pacer.leave(caller)
            raise
        self.left.append((name, self.now_s))
        return True

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.clock.now_s() - 100.0

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.left]

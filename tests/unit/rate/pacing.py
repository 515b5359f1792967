"""Callers that wait for their turns, in simulated time."""

from __future__ import annotations

from support.clock import FakeClock
from support.lanes import constant

from worker.rate.pacer import Pacer
from worker.rate.ramp import Schedule


def take(schedule: Schedule, now_s: float) -> float:
    """Take the next turn; return when it is due."""
    due_s = schedule.due_s(now_s)
    schedule.take()
    return due_s


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

"""A generator whose transport does what it is told, with three users in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle

from support.clock import LoopClock

from worker.loadtest._schedule import Leg, Schedule
from worker.loadtest.bodies import Body, Users
from worker.loadtest.generator import Generator
from worker.loadtest.measure import Attempt, Kinds
from worker.model import Answer, Failure
from worker.runtime.clock import Clock
from worker.transport.base import Turn

OK = Answer(b"{}", None)
Call = Callable[[bytes], Awaitable[Answer | Failure]]


class Scripted:
    """A transport that does what it is told."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        assert turn is None
        return await self._call(body)

    async def renew(self, failure: Failure, *, since_s: float) -> Failure:
        raise AssertionError(f"nothing is tried again: {failure} at {since_s}")


async def answer(_: bytes) -> Answer:
    return OK


class ThreeUsers(Users):
    """Three users in turn, without a thread that makes them ahead."""

    def __init__(self) -> None:
        super().__init__(iter(()))
        self._bodies = cycle([Body(row, b"%d" % row) for row in range(3)])

    def take_now(self) -> Body:
        return next(self._bodies)


class JumpingClock(LoopClock):
    """The loop's clock, as it is after a jump."""

    jumped_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.jumped_s


@asynccontextmanager
async def generator(
    call: Call,
    *,
    in_flight_max: int = 100,
    calls_max: int | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Generator]:
    """Yield a generator; end it."""
    made = Generator(
        Scripted(call),
        ThreeUsers(),
        Kinds(),
        in_flight_max=in_flight_max,
        calls_max=calls_max,
        clock=clock or LoopClock(),
    )
    try:
        yield made
    finally:
        await made.close()


def constant(tps: float, seconds: float) -> Schedule:
    return Schedule([Leg(tps, tps, seconds)])


def due_s(attempts: list[Attempt]) -> list[float]:
    return sorted(round(attempt.due_s, 6) for attempt in attempts)

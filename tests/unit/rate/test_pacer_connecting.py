"""Turns are taken with a connection in hand, however long it takes to get one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import LoopClock, simulate
from support.lanes import constant
from unit.rate.pacing import Caller, Callers, most_beyond

from worker.rate.pacer import Pacer


class Lanes:
    """Lanes on a loop of simulated time, each of which connects for every attempt."""

    def __init__(self, tps: float, connect: Callable[[], Awaitable[bool]]) -> None:
        self._pacer = Pacer(constant(tps), LoopClock())
        self._connect = connect
        self.connecting = self.connecting_max = 0
        self.left: list[float] = []

    async def run(self, lanes: int, attempts: int) -> None:
        left = iter(range(attempts))

        async def lane() -> None:
            for _ in left:
                await self._attempt()

        async with anyio.create_task_group() as group:
            for _ in range(lanes):
                group.start_soon(lane)

    async def _attempt(self) -> None:
        caller = Caller("first")
        if not self._pacer.come_near_now(caller):
            assert await self._pacer.come_near(caller)
        self.connecting += 1
        self.connecting_max = max(self.connecting_max, self.connecting)
        is_open = await self._connect()
        self.connecting -= 1
        if not is_open:
            self._pacer.leave(caller)
            self._pacer.take(caller)
            return
        self._pacer.ask(caller)
        assert await caller.has_left()
        self.left.append(asyncio.get_running_loop().time())


def run(tps: float, connect: Callable[[], Awaitable[bool]], *, lanes: int, attempts: int) -> Lanes:
    async def main() -> Lanes:
        made = Lanes(tps, connect)
        await made.run(lanes, attempts)
        return made

    return simulate(main)


def test_a_network_that_holds_all_connections_makes_no_burst() -> None:
    async def connect() -> bool:
        now_s = asyncio.get_running_loop().time()
        await anyio.sleep(max(0.001, 2.5 - now_s))  # of the simulated clock
        return True

    made = run(100.0, connect, lanes=256, attempts=600)
    assert most_beyond(made.left, 100.0) <= 1e-6
    assert made.left[0] == pytest.approx(2.5, abs=0.01)
    assert made.left[-1] == pytest.approx(2.5 + 6.0, abs=0.05)  # and no turn is lost after it


@pytest.mark.parametrize("connect_s", [0.001, 0.05, 0.4])
def test_a_server_that_closes_after_each_answer_is_called_as_fast_as_the_rate_allows(
    connect_s: float,
) -> None:
    rng = random.Random(1)

    async def connect() -> bool:
        await anyio.sleep(connect_s * rng.uniform(0.5, 1.5))  # of the simulated clock
        return True

    made = run(500.0, connect, lanes=400, attempts=5_000)
    assert most_beyond(made.left, 500.0) <= 1e-6
    steady = [moment for moment in made.left if moment >= 2.0]
    assert len(steady) >= 0.99 * 500.0 * (made.left[-1] - 2.0)
    # Half of them take longer than the middle; connections are not hoarded beyond that.
    assert made.connecting_max <= 2 + 500.0 * (1.5 * connect_s + 0.02)


def test_at_a_low_rate_a_connection_is_opened_when_its_turn_is_near_and_no_sooner() -> None:
    async def connect() -> bool:
        await anyio.sleep(0.02)  # of the simulated clock
        return True

    made = run(10.0, connect, lanes=256, attempts=100)
    assert made.connecting_max <= 2
    gaps = [after - before for before, after in pairwise(made.left)]
    assert max(gaps[5:]) == pytest.approx(0.1, abs=0.002)


def test_one_connection_that_hangs_holds_nobody_up() -> None:
    hung = iter([True])

    async def connect() -> bool:
        await anyio.sleep(5.0 if next(hung, False) else 0.001)  # of the simulated clock
        return True

    made = run(50.0, connect, lanes=64, attempts=400)
    assert most_beyond(made.left, 50.0) <= 1e-6
    assert made.left[-1] <= 1.02 * 400 / 50.0 + 0.1


def test_connections_that_fail_are_tried_no_faster_than_the_rate() -> None:
    tried: list[float] = []

    async def connect() -> bool:
        tried.append(asyncio.get_running_loop().time())
        await anyio.sleep(0.002)  # of the simulated clock
        return False

    run(100.0, connect, lanes=64, attempts=300)
    assert tried[-1] >= 0.9 * 300 / 100.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=8),
    st.sampled_from([7.0, 90.0, 700.0]),
    st.integers(1, 60),
)
def test_the_bound_holds_whatever_connecting_takes(
    seconds: list[float], tps: float, lanes: int
) -> None:
    taken = iter(range(10**6))

    async def connect() -> bool:
        await anyio.sleep(seconds[next(taken) % len(seconds)])  # of the simulated clock
        return True

    made = run(tps, connect, lanes=lanes, attempts=120)
    assert len(made.left) == 120
    assert most_beyond(made.left, tps) <= 1e-6


async def test_who_cannot_go_after_all_takes_no_turn() -> None:
    """Its connection was found to be closed: it gets another, and asks again."""
    callers = Callers(tps=10.0)
    stale = Caller("stale")
    stale.can_go = False
    async with anyio.create_task_group() as group:
        assert callers.pacer.come_near_now(stale)
        callers.pacer.ask(stale)
        group.start_soon(callers.take, "next")
        await callers.clock.run()
        assert callers.names == ["next"]
        assert callers.now_s <= 0.1 + 1e-9  # a turn was kept for the other, for so long at most
        stale.can_go = True
        callers.pacer.ask(stale)
        await callers.clock.run()
        assert await stale.has_left()


async def test_a_process_that_was_stopped_between_turn_and_write_makes_no_burst() -> None:
    callers = Callers(tps=100.0)
    clock = callers.clock
    left: list[float] = []

    class Stopped(Caller):
        """Its request is written five seconds after its turn came."""

        def go(self, now_s: float) -> bool:
            clock.time_s += 5.0
            left.append(callers.now_s)
            return super().go(now_s)

    stopped = Stopped("stopped")
    async with anyio.create_task_group() as group:
        assert callers.pacer.come_near_now(stopped)
        callers.pacer.ask(stopped)
        for number in range(20):
            group.start_soon(callers.take, str(number))
        await clock.run()
    assert await stopped.has_left()
    assert most_beyond([*left, *(moment for _, moment in callers.left)], 100.0) <= 1e-6

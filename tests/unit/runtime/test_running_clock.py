"""Time in which the process did not run does not count, for timers and for patience neither."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from support.clock import LoopClock, SimulatedLoop, running, simulate

from worker.runtime import clock as module
from worker.runtime.clock import RunningClock
from worker.runtime.patience import Patience

STOP_S = 50.0


class Stoppable:
    """Stands in for time.monotonic: a stop is a jump of it that nobody sees come."""

    def __init__(self) -> None:
        self.jumped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.jumped_s


@pytest.fixture
def stoppable(monkeypatch: pytest.MonkeyPatch) -> Stoppable:
    made = Stoppable()
    monkeypatch.setattr(module, "monotonic", made.monotonic)
    return made


async def test_a_stop_does_not_count(stoppable: Stoppable) -> None:
    with running() as clock:
        before_s = clock.now_s()
        stoppable.jumped_s += STOP_S
        assert clock.now_s() - before_s < 5.0
        stoppable.jumped_s += STOP_S
        assert clock.now_s() - before_s < 5.0


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have time.monotonic be the time of the simulated loop."""
    monkeypatch.setattr(module, "monotonic", lambda: asyncio.get_running_loop().time())


def stand_still() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.stand_still(STOP_S)


@pytest.mark.simulated_time
@pytest.mark.usefixtures("simulated")
async def test_all_time_in_which_the_loop_runs_counts_and_of_a_stop_a_tenth() -> None:
    """Nobody asks for the time, but the clock looks itself."""
    with running() as clock:
        before_s = clock.now_s()
        await anyio.sleep(60.0)  # of the simulated clock, as each of these
        assert clock.now_s() - before_s == pytest.approx(60.0)
        stand_still()
        assert clock.now_s() - before_s == pytest.approx(60.1)


@pytest.mark.simulated_time
@pytest.mark.usefixtures("simulated")
async def test_a_timer_does_not_come_early_for_a_stop() -> None:
    with running() as clock:
        came = asyncio.Event()
        due_s = clock.now_s() + 0.5
        clock.call_at(due_s, came.set)
        stand_still()
        await came.wait()
        assert clock.now_s() == pytest.approx(due_s, abs=0.002)


@pytest.mark.simulated_time
@pytest.mark.usefixtures("simulated")
async def test_a_clock_that_is_stopped_looks_no_more() -> None:
    class Counting(RunningClock):
        looks = 0

        def now_s(self) -> float:
            self.looks += 1
            return super().now_s()

    clock = Counting()
    await anyio.sleep(1.0)
    assert clock.looks >= 10
    clock.stop()
    looks = clock.looks
    await anyio.sleep(1.0)
    assert clock.looks == looks


async def test_patience_is_not_lost_in_a_stop(stoppable: Stoppable) -> None:
    with running() as clock:
        began_s = clock.now_s()
        async with Patience(20.0, clock):
            stoppable.jumped_s += STOP_S
            for _ in range(5):
                await asyncio.sleep(0)
        assert clock.now_s() - began_s < 20.0


async def test_patience_runs_out(stoppable: Stoppable) -> None:
    del stoppable
    with running() as clock, pytest.raises(TimeoutError):
        async with Patience(0.02, clock):
            await anyio.sleep_forever()


@pytest.mark.simulated_time
@pytest.mark.usefixtures("simulated")
async def test_patience_that_rests_does_not_run_out_until_it_begins_anew() -> None:
    rested = list[bool]()

    async def wait(clock: RunningClock) -> None:
        async with Patience(0.02, clock) as patience:
            patience.rest()
            await anyio.sleep(0.1)  # of which nothing counts
            rested.append(True)
            patience.begin()
            await anyio.sleep_forever()

    with running() as clock, pytest.raises(TimeoutError):
        await wait(clock)
    assert rested


async def test_patience_goes_on_with_what_is_left_after_a_pause() -> None:
    clock = RunningClock()
    try:
        async with Patience(20.0, clock) as patience:
            patience.pause()
            left_s = patience._left_s
            patience.go_on()
            assert patience._due_s == pytest.approx(clock.now_s() + left_s, abs=1.0)
    finally:
        clock.stop()


def test_who_is_out_of_patience_in_this_moment_may_be_told_to_end() -> None:
    """As many connections are made at once: the first that fails may stop the run."""

    async def main() -> None:
        first, second = Patience(1.0, LoopClock()), Patience(1.0, LoopClock())

        async def wait(own: Patience, other: Patience) -> None:
            with pytest.raises(TimeoutError):
                async with own:
                    await anyio.sleep_forever()
            other.end()

        async with anyio.create_task_group() as group:
            group.start_soon(wait, first, second)
            group.start_soon(wait, second, first)

    simulate(main)


@pytest.mark.parametrize("how", ["call_soon", "call_at"])
async def test_the_first_exception_of_a_callback_is_raised_to_who_watches(how: str) -> None:
    class OddError(Exception):
        pass

    def odd() -> None:
        raise OddError

    with running() as clock:
        for _ in range(2):
            if how == "call_soon":
                clock.call_soon(odd)
            else:
                clock.call_at(clock.now_s(), odd)
        with pytest.raises(OddError):
            await clock.watch()

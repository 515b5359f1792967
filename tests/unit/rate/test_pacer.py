"""Whose turn it is: a constant distance apart, retries first."""

from __future__ import annotations

import anyio
import pytest
from unit.rate.pacing import Callers

from worker.rate.ramp import CREDIT_S


async def test_turns_are_a_constant_distance_apart() -> None:
    callers = Callers(tps=50.0)
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(callers.take, str(number))
        await callers.clock.run()
    assert callers.names == [str(number) for number in range(10)]
    assert [time_s for _, time_s in callers.left] == pytest.approx(
        [number / 50.0 for number in range(10)]
    )


async def test_a_retry_goes_before_all_first_attempts_that_wait() -> None:
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        for name in ("first 0", "first 1", "first 2", "retry"):
            group.start_soon(callers.take, name)
        await callers.clock.run()
    assert callers.names == ["first 0", "retry", "first 1", "first 2"]


async def test_nobody_overtakes_those_who_wait() -> None:
    """A lane that comes just when a turn is due waits behind the one that waits for it."""
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        for name in ("0", "1"):
            group.start_soon(callers.take, name)
        await callers.clock.settle()
        callers.clock.time_s += 0.1
        group.start_soon(callers.take, "2")
        await callers.clock.run()
    assert callers.names == ["0", "1", "2"]


async def test_a_wait_that_is_cancelled_takes_no_turn() -> None:
    callers = Callers(tps=10.0)
    doomed = anyio.CancelScope()

    async def take_doomed() -> None:
        with doomed:
            await callers.take("doomed")

    async with anyio.create_task_group() as group:
        await callers.take("0")
        group.start_soon(take_doomed)
        await callers.clock.settle()
        group.start_soon(callers.take, "1")
        await callers.clock.settle()
        doomed.cancel()
        await callers.clock.run()
    assert callers.left == [("0", 0.0), ("1", pytest.approx(0.1))]


async def test_a_pacer_is_at_rest_when_nobody_waits() -> None:
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        group.start_soon(callers.take, "0")
        group.start_soon(callers.take, "1")
        await callers.clock.run()
    assert not callers.pacer.holds_back
    callers.clock.time_s += 60.0
    async with anyio.create_task_group() as group:
        group.start_soon(callers.take, "2")
        group.start_soon(callers.take, "3")
        await callers.clock.run()
    assert [time_s for _, time_s in callers.left[2:]] == pytest.approx([60.1, 60.2 - CREDIT_S])


async def test_nobody_waits_any_more_when_the_run_is_to_stop() -> None:
    callers = Callers(tps=0.001)
    async with anyio.create_task_group() as group:
        for name in ("0", "1", "retry"):
            group.start_soon(callers.take, name)
        await callers.clock.settle()
        assert callers.names == ["0"]
        callers.pacer.end()
        await callers.clock.settle()
        assert not await callers.take("2")
    assert callers.names == ["0"]
    assert callers.clock.now_s() == 100.0


async def test_who_is_sent_back_has_taken_no_turn() -> None:
    callers = Callers(tps=1.0)
    came = list[bool]()

    async def come() -> None:
        came.append(await callers.take("sent back"))

    assert await callers.take("first")
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(come)
        await callers.clock.settle()
        callers.pacer.send_back()
        await callers.clock.settle()
        assert came == [False, False, False]
        group.start_soon(callers.take, "next")
        await callers.clock.run()
    assert callers.names == ["first", "next"]
    assert callers.left[1][1] == pytest.approx(1.0)

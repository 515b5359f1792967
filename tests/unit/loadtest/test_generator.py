"""Calls leave when they are due, whatever became of those before."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from unit.loadtest.generating import OK, JumpingClock, answer, constant, due_s, generator

from worker.loadtest._schedule import Leg, Schedule
from worker.loadtest.generator import CREDIT_CALLS
from worker.model import Answer

pytestmark = pytest.mark.simulated_time


async def test_each_call_of_the_schedule_is_made_once_with_the_next_user() -> None:
    async with generator(answer) as made:
        begun_s = made.elapsed_s
        assert await made.run(constant(200, 0.1), stage=4) == pytest.approx(0.1)
        attempts = made.attempts
        moments = [moment - begun_s for moment in due_s(attempts)]
        assert moments == pytest.approx([n / 200 for n in range(20)], abs=1e-3)
        assert Counter(attempt.row for attempt in attempts) == {0: 7, 1: 7, 2: 6}
        assert {attempt.stage for attempt in attempts} == {4}
        assert all(each.due_s <= each.sent_s <= each.done_s for each in attempts)
        assert made.elapsed_s - begun_s >= 0.1  # a stage lasts to its end, not to its last call
        assert (made.in_flight, made.sent, made.missed.total()) == (0, 20, 0)


async def test_what_came_due_is_the_sum_over_all_schedules_up_to_now() -> None:
    async with generator(answer) as made:
        assert made.due == 0
        await made.run(constant(200, 0.1), stage=0)
        assert made.due == pytest.approx(20)
        await made.run(Schedule([Leg(0, 100, 0.1), Leg(100, 100, 0.1)]), stage=1)
        assert made.due == pytest.approx(20 + 5 + 10)
        made.stop()
        await made.run(constant(10, 0.1), stage=3)
        assert made.due == pytest.approx(36)


async def test_a_slow_answer_holds_no_other_call_back() -> None:
    first = asyncio.Event()

    async def call(body: bytes) -> Answer:
        if body == b"0" and not first.is_set():
            first.set()
            await asyncio.sleep(0.3)  # of the simulated clock: the latency that is to be measured
        return OK

    async with generator(call) as made:
        await made.run(constant(100, 0.2), stage=0)
        slow, *others = sorted(made.attempts)
        assert slow.done_s - slow.due_s >= 0.3
        assert len(others) == 19
        assert all(each.done_s < slow.done_s for each in others)


async def test_without_a_free_place_calls_leave_late_and_count_from_when_they_were_due() -> None:
    async def call(_: bytes) -> Answer:
        await asyncio.sleep(0.02)  # likewise
        return OK

    async with generator(call, in_flight_max=1) as made:
        await made.run(constant(100, 0.1), stage=0)
        attempts = sorted(made.attempts)
        assert len(attempts) == 10
        assert made.waited[0] >= 8
        for one, other in pairwise(attempts):
            assert other.sent_s >= one.done_s
        assert attempts[-1].sent_s - attempts[-1].due_s >= 0.08


async def test_after_a_stall_of_its_own_it_makes_up_for_a_few_calls_only() -> None:
    """The clock jumps by a second, as it does for a process that was stopped."""
    clock = JumpingClock()

    async def call(_: bytes) -> Answer:
        clock.jumped_s = 1.0
        return OK

    async with generator(call, clock=clock) as made:
        await made.run(constant(50, 1.2), stage=0)
        calls = 60
        assert made.missed[0] == pytest.approx(50 - CREDIT_CALLS, abs=2)
        assert len(made.attempts) + made.missed[0] == calls
        late = [each for each in made.attempts if each.sent_s - each.due_s > 0.03]
        assert len(late) <= CREDIT_CALLS


async def test_the_cap_on_calls_is_hard() -> None:
    async with generator(answer, calls_max=7) as made:
        assert await made.run(constant(1000, 5), stage=0) < 1
        assert (len(made.attempts), made.has_spent_all) == (7, True)


async def test_a_stop_lets_open_calls_end_and_no_other_leave() -> None:
    reached, gate = asyncio.Event(), asyncio.Event()

    async def call(_: bytes) -> Answer:
        reached.set()
        await gate.wait()
        return OK

    async with generator(call, in_flight_max=2) as made:
        running = asyncio.create_task(made.run(constant(1000, 5), stage=0))
        await reached.wait()
        while made.waited.total() < 3:  # noqa: ASYNC110 - a count that others raise
            await asyncio.sleep(0.001)  # of the simulated clock, here and below
        made.stop()
        await asyncio.sleep(0.01)  # it had the time to end, and must not
        assert not running.done()
        gate.set()
        await running
        assert len(made.attempts) == 2


async def test_schedules_follow_each_other_on_one_clock() -> None:
    async with generator(answer) as made:
        await made.run(constant(100, 0.05), stage=0)
        await made.run(Schedule([Leg(100, 100, 0.05), Leg(200, 200, 0.05)]), stage=1)
        stages = Counter(attempt.stage for attempt in made.attempts)
        assert stages == {0: 5, 1: 5, 2: 10}
        moments = [each.due_s for each in sorted(made.attempts)]
        assert moments == sorted(moments)

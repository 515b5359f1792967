"""Calls leave when they are due, whatever became of those before."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle, pairwise

import pytest
from support.clock import LoopClock

from worker.errors import RefusedError
from worker.loadtest._schedule import Leg, Schedule
from worker.loadtest.bodies import Body, Users
from worker.loadtest.generator import CREDIT_CALLS, Generator
from worker.loadtest.measure import Attempt, Kinds
from worker.model import Answer, Failure
from worker.runtime.clock import Clock
from worker.transport.base import Turn

pytestmark = pytest.mark.simulated_time

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


async def test_failures_are_kinds_and_a_refusal_of_all_calls_ends_the_test() -> None:
    async def throttled(_: bytes) -> Failure:
        return Failure("ThrottlingException", "slow down", 400)

    async with generator(throttled) as made:
        await made.run(constant(100, 0.05), stage=0)
        assert {each.kind for each in made.attempts} == {1}

    async def denied(_: bytes) -> Failure:
        return Failure("AccessDeniedException", "no", 403)

    async with generator(denied) as made:
        with pytest.raises(RefusedError, match="AccessDeniedException"):
            await made.run(constant(100, 5), stage=0)


EXPIRED = Failure("ExpiredTokenException", "expired", 403)


@pytest.mark.parametrize("left", [EXPIRED, Failure("TimedOut", "no answer"), None])
async def test_expired_credentials_are_looked_up_anew_and_without_others_the_test_ends(
    left: Failure | None,
) -> None:
    async def expired(_: bytes) -> Failure:
        return EXPIRED

    asked = []

    async def renew(failure: Failure, *, since_s: float) -> Failure | None:
        asked.append((failure, since_s <= time.monotonic()))
        return left

    async with generator(expired) as made:
        made._transport.renew = renew  # type: ignore[method-assign] # as a transport that can
        if left is EXPIRED:
            with pytest.raises(RefusedError, match="ExpiredTokenException") as caught:
                await made.run(constant(100, 5), stage=0)
            assert "log in again" in caught.value.hint
        else:
            await made.run(constant(100, 0.05), stage=0)
            assert len(made.attempts) == 5
    assert set(asked) == {(EXPIRED, True)}


async def test_an_end_waits_for_no_credentials() -> None:
    async def expired(_: bytes) -> Failure:
        return EXPIRED

    async with generator(expired) as made:

        async def renew(failure: Failure, *, since_s: float) -> Failure | None:
            del since_s
            asyncio.get_running_loop().call_soon(made.stop)
            await asyncio.Event().wait()  # for ever
            return failure

        made._transport.renew = renew  # type: ignore[method-assign] # as a transport that can
        assert await made.run(constant(100, 5), stage=0) < 1.0


SKEWED = Failure("RequestTimeTooSkewed", "late", 403)


@pytest.mark.parametrize("every", [0, 1, 5])
async def test_a_time_that_is_called_wrong_ends_the_test_where_none_is_served(every: int) -> None:
    calls = 0

    async def skewed(_: bytes) -> Answer | Failure:
        nonlocal calls
        calls += 1
        return OK if every and (calls - 1) % every == 0 else SKEWED

    async with generator(skewed) as made:
        if every:
            await made.run(constant(100, 0.2), stage=0)
        else:
            with pytest.raises(RefusedError, match="RequestTimeTooSkewed") as caught:
                await made.run(constant(100, 5), stage=0)
            assert "clock" in caught.value.hint


async def test_a_bug_in_a_call_ends_the_test() -> None:
    async def broken(_: bytes) -> Answer:
        raise ZeroDivisionError

    async with generator(broken) as made:
        with pytest.raises(ZeroDivisionError):
            await made.run(constant(100, 5), stage=0)


async def test_schedules_follow_each_other_on_one_clock() -> None:
    async with generator(answer) as made:
        await made.run(constant(100, 0.05), stage=0)
        await made.run(Schedule([Leg(100, 100, 0.05), Leg(200, 200, 0.05)]), stage=1)
        stages = Counter(attempt.stage for attempt in made.attempts)
        assert stages == {0: 5, 1: 5, 2: 10}
        moments = [each.due_s for each in sorted(made.attempts)]
        assert moments == sorted(moments)


async def test_a_bug_where_a_timer_calls_ends_the_test() -> None:
    class OddError(Exception):
        pass

    class Odd(Schedule):
        def due_s(self, number: int) -> float:
            if number == 3:
                raise OddError
            return super().due_s(number)

    async with generator(answer) as made:
        with pytest.raises(OddError):
            await made.run(Odd([Leg(100, 100, 1.0)]), stage=0)
        assert made.sent == 3

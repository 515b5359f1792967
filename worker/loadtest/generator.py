"""Calls that leave when they are due, whatever became of those before: an open loop.

One timer for all: it hands every call that is due to a lane that is free. A lane makes one call
after the other, so there are as many open as there are lanes, `in_flight_max`. When none is free, a
call waits for one; it is late then, and its latency counts from when it was due. Who waits for over
`WAIT_S_MAX` is given up (`crowded`).

When the timer itself comes late (this process stood still), calls of the last 8 ms are made up
for, or the last 5 at a low rate; others are `missed`. Making up for all of them would be a burst
that nobody has asked for.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from typing import Final

import anyio

from worker.loadtest._schedule import Leg, Schedule
from worker.loadtest.bodies import Users
from worker.loadtest.measure import SUCCESS, Attempt, Kinds
from worker.model import Answer, Failure
from worker.personalize.clock_skew import ClockSkew
from worker.personalize.error_codes import Verdict, judge, refused
from worker.personalize.rejections import Rejections
from worker.runtime.clock import Clock
from worker.transport.base import Transport

# A second may hold 1 % more calls than were asked for, as in rate/ramp.py; 2 ms of these 10 are for
# lanes, which send a moment after their turn.
CREDIT_S: Final = 0.008
CREDIT_CALLS: Final = 5
WAIT_S_MAX: Final = 10.0
_WAITING_MAX: Final = 100_000
_TIMER_S_MIN: Final = 0.001  # uvloop's timers count milliseconds


class Generator:
    """Makes the calls of one schedule after the other. `attempts` are for whoever empties it."""

    def __init__(
        self,
        transport: Transport,
        users: Users,
        kinds: Kinds,
        *,
        in_flight_max: int,
        calls_max: int | None,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._users = users
        self._kinds = kinds
        self._lanes_max = in_flight_max
        self._calls_left = math.inf if calls_max is None else calls_max
        self._clock = clock
        self._origin_s = clock.now_s()
        self._loop = asyncio.get_running_loop()
        self._idle: list[asyncio.Future[tuple[float, int]]] = []
        self._lanes: list[asyncio.Task[None]] = []
        self._waiting = deque[tuple[float, int]]()  # when due, and the stage
        self._timer: asyncio.TimerHandle | None = None
        self._over = self._loop.create_future()  # no further call is due
        self._quiet: asyncio.Future[None] | None = None  # none is open, or waits for a lane
        self._failure: BaseException | None = None
        self._renewing = set[anyio.CancelScope]()
        self._skew = ClockSkew()
        self._schedule, self._stage = Schedule([Leg(0.0, 0.0, 1.0)]), 0
        self._begun_s = self._ended_s = 0.0
        self._due_before = 0.0  # calls of the schedules before this one
        self.attempts: list[Attempt] = []
        self.rejections = Rejections()
        self.sent = 0
        self.in_flight = 0  # those included that are handed over and about to leave
        self.loop_lag_s = 0.0  # the most since whoever reads it set it to 0
        self.missed = Counter[int]()  # by stage, as `crowded`
        self.crowded = Counter[int]()
        self.waited = Counter[int]()  # calls for which no lane was free, by stage
        self.has_spent_all = False  # calls_max calls have been made

    @property
    def elapsed_s(self) -> float:
        """Seconds since this was made: what the moments of attempts count from."""
        return self._clock.now_s() - self._origin_s

    async def run(self, schedule: Schedule, *, stage: int) -> float:
        """Make the calls of `schedule`, its legs being `stage` and those after it.

        Return for how many seconds calls were due: all of them, unless `stop` ended them.
        All calls have ended then. Raises RefusedError when the service refuses them all.
        """
        self._due_before = self.due
        self._schedule, self._stage = schedule, stage
        self._begun_s, self._number = self.elapsed_s, 0
        self._over = self._loop.create_future()
        self._ended_s = schedule.seconds
        self._tick()
        try:
            await self._over
        finally:
            self._halt()
        if self._waiting or self.in_flight:
            self._quiet = self._loop.create_future()
            await self._quiet
        self._quiet = None
        if self._failure is not None:
            raise self._failure
        return self._ended_s

    @property
    def due(self) -> float:
        """The integral of the rate that was asked for so far: calls, made or not."""
        into_s = min(self.elapsed_s - self._begun_s, self._ended_s)
        return self._due_before + self._schedule.calls_at(into_s)

    @property
    def current_stage(self) -> int:
        """The stage that is on."""
        return self._stage + self._schedule.leg_at(self.elapsed_s - self._begun_s)

    def stop(self) -> None:
        """Let no further call leave; those that are open end by themselves."""
        self._waiting.clear()
        for scope in self._renewing:
            scope.cancel()
        if not self._over.done():
            self._ended_s = min(self._ended_s, self.elapsed_s - self._begun_s)
            self._over.set_result(None)

    async def close(self) -> None:
        """End the lanes."""
        for lane in self._lanes:
            lane.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(*self._lanes, return_exceptions=True)

    def _halt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        """Hand over what is due, and come back for the next."""
        schedule, elapsed_s = self._schedule, self.elapsed_s - self._begun_s
        due_s = self._skip_missed(elapsed_s)
        while due_s <= elapsed_s:
            self._release(due_s)
            due_s = self._next_due_s()
            if self._over.done():
                return
        if self._number >= schedule.calls:
            due_s = schedule.seconds  # the last call is out; its stage is not over yet
            if elapsed_s >= due_s:
                self._over.set_result(None)
                return
        wait_s = max(_TIMER_S_MIN, due_s - elapsed_s)
        self._expected_s = self.elapsed_s + wait_s
        self._timer = self._loop.call_later(wait_s, self._woken)

    def _woken(self) -> None:
        self.loop_lag_s = max(self.loop_lag_s, self.elapsed_s - self._expected_s)
        try:
            self._tick()
        except Exception as error:  # noqa: BLE001 - raised by run: no task meets it here
            self._fail(error)

    def _next_due_s(self) -> float:
        number = self._number
        return self._schedule.due_s(number) if number < self._schedule.calls else math.inf

    def _skip_missed(self, elapsed_s: float) -> float:
        """Go on to the first call that is still to be made; return when it is due."""
        due_s = self._next_due_s()
        if due_s >= elapsed_s - CREDIT_S or math.isinf(due_s):
            return due_s
        schedule = self._schedule
        in_credit = math.ceil(schedule.calls_at(elapsed_s - CREDIT_S))
        of_credit = math.floor(schedule.calls_at(elapsed_s)) + 1 - CREDIT_CALLS
        first = min(schedule.calls, in_credit, of_credit)
        if first > self._number:
            self.missed[self._stage + schedule.leg_at(due_s)] += first - self._number
            self._number = first
        return self._next_due_s()

    def _release(self, due_s: float) -> None:
        """Give the call that is due to a lane, or have it wait for one."""
        if self._calls_left <= 0:
            self.has_spent_all = True
            self.stop()
            return
        self._calls_left -= 1
        self._number += 1
        turn = self._begun_s + due_s, self._stage + self._schedule.leg_at(due_s)
        if self._idle:
            self.in_flight += 1
            self._idle.pop().set_result(turn)
        elif len(self._lanes) < self._lanes_max:
            self.in_flight += 1
            lane = self._loop.create_task(self._lane(turn))
            lane.add_done_callback(self._lane_ended)
            self._lanes.append(lane)
        else:
            self._have_wait(turn)

    def _have_wait(self, turn: tuple[float, int]) -> None:
        self.waited[turn[1]] += 1
        if len(self._waiting) < _WAITING_MAX:
            self._waiting.append(turn)
        else:
            self.crowded[turn[1]] += 1

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        if not lane.cancelled() and (error := lane.exception()) is not None:
            self._fail(error)  # a bug, or no call can be made at all
        self._be_quiet()

    def _be_quiet(self) -> None:
        if self._quiet is not None and not self.in_flight and not self._quiet.done():
            self._quiet.set_result(None)

    async def _lane(self, turn: tuple[float, int]) -> None:
        """Make one call after the other."""
        call, now_s, users = self._transport.call, self._clock.now_s, self._users
        origin_s, create_future = self._origin_s, self._loop.create_future
        while True:
            due_s, stage = turn
            body = users.take_now() or await users.take()
            self.sent += 1
            sent_s = now_s() - origin_s
            try:
                result = await call(body.content)
                done_s = now_s() - origin_s
                kind = SUCCESS if isinstance(result, Answer) else self._kinds.number(result)
                self.attempts.append(Attempt(stage, due_s, sent_s, done_s, kind, body.row))
                if isinstance(result, Failure):
                    await self._judge(result, seconds=done_s - sent_s)
                else:
                    self._skew.record_served()
            finally:
                self.in_flight -= 1
            following = self._next_waiting(done_s) if self._waiting else None
            if following is None:
                if self._quiet is not None:
                    self._be_quiet()
                waiter = create_future()
                self._idle.append(waiter)
                following = await waiter
            turn = following

    def _next_waiting(self, elapsed_s: float) -> tuple[float, int] | None:
        """Return a call that waits for a lane; those that have waited too long are given up."""
        while self._waiting:
            turn = self._waiting.popleft()
            if elapsed_s - turn[0] <= WAIT_S_MAX:
                self.in_flight += 1
                return turn
            self.crowded[turn[1]] += 1
        return None

    async def _judge(self, failure: Failure, *, seconds: float) -> None:
        """Note a failure that took `seconds`; one that all calls would meet ends the test.

        As a run would be judged: when credentials are expired, others are looked up for the calls
        to come.
        """
        self.rejections.record_failure(failure)
        left: Failure | None = failure
        if judge(failure) is Verdict.EXPIRED:
            left = await self._renew(failure, since_s=self._clock.now_s() - seconds)
        if left and (
            judge(left) in (Verdict.REFUSED, Verdict.EXPIRED)
            or (judge(left) is Verdict.SKEWED and self._skew.record_skewed())
        ):
            self._fail(refused(left))

    async def _renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """Look for other credentials; the end of the test does not wait for them."""
        with anyio.CancelScope() as scope:
            self._renewing.add(scope)
            try:
                return await self._transport.renew(failure, since_s=since_s)
            finally:
                self._renewing.discard(scope)
        return None

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self.stop()

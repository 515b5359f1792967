"""Whose turn it is: each HTTP attempt waits until the schedule says that it is due."""

from __future__ import annotations

import asyncio
from collections import deque

from worker.rate.ramp import Ramp, Schedule
from worker.runtime.clock import Clock, Timer


class Pacer:
    """Makes each HTTP attempt of a run, retries included, wait for its turn.

    One timer wakes all whose turn has come. Retries go before first attempts: at low rates they
    would else come minutes late.
    """

    def __init__(self, ramp: Ramp, clock: Clock) -> None:
        self._clock = clock
        self._schedule = Schedule(ramp, start_s=clock.now_s())
        self._retries = deque[asyncio.Future[bool]]()
        self._first_attempts = deque[asyncio.Future[bool]]()
        self._timer: Timer | None = None
        self._is_over = False

    @property
    def holds_back(self) -> bool:
        """Whether anyone waits for a turn."""
        return self._timer is not None

    def take_if_due(self) -> bool:
        """Take a first attempt's turn without waiting, if it is due and nobody waits."""
        if self._timer is not None or self._schedule.due_s(now_s := self._clock.now_s()) > now_s:
            return False
        self._schedule.take()
        return True

    def limit(self, tps: float) -> None:
        """Keep the rate at or below `tps`, above 0, from now on; for those who wait, too."""
        self._schedule.limit(tps, now_s=self._clock.now_s())
        if self._timer is not None:
            self._timer.cancel()
            self._wake()

    async def turn(self, *, is_retry: bool = False) -> bool:
        """Return True when the next attempt is due; False, without a turn, when sent back.

        A wait that is cancelled takes no turn.
        """
        if self._is_over:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        (self._retries if is_retry else self._first_attempts).append(waiter)
        if self._timer is None:
            self._wake()
        return await waiter

    def send_back(self) -> None:
        """Send all back who wait; none of them takes a turn."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiting in (self._retries, self._first_attempts):
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(False)
            waiting.clear()

    def end(self) -> None:
        """Give no more turns: the run is to stop."""
        self._is_over = True
        self.send_back()

    def _wake(self) -> None:
        """Let everyone go whose turn has come, and come back for the next."""
        self._timer = None
        while waiter := self._next_waiter():
            now_s = self._clock.now_s()
            if (due_s := self._schedule.due_s(now_s)) > now_s:
                self._timer = self._clock.call_at(due_s, self._wake)
                return
            (self._retries or self._first_attempts).popleft()
            self._schedule.take()
            waiter.set_result(True)

    def _next_waiter(self) -> asyncio.Future[bool] | None:
        for waiting in (self._retries, self._first_attempts):
            while waiting:
                if not waiting[0].done():
                    return waiting[0]
                waiting.popleft()  # cancelled
        return None

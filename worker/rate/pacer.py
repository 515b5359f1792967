"""Whose turn it is: each HTTP attempt waits until the schedule says that it is due.

A turn is taken in the moment in which the request is written, with an open connection in hand. So
an attempt waits twice. At first it is far. It is near when its turn is so close that a connection
is to be got by now. With a connection it is ready, and waits for the turn itself.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol

from worker.rate.ramp import Ramp, Schedule
from worker.runtime.clock import Clock, Timer

_NEVER = math.inf
# Of the time that connecting takes, what is left of it after one that took less. It takes as long
# as the longest of late: a service may close each connection after its answer, or one in ten.
_LEAD_KEPT = 0.9


class Waiting(Protocol):
    """An attempt, to the pacer."""

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before others: a retry, say."""
        ...

    def go(self, now_s: float) -> bool:
        """Leave, at `now_s`. False: it has not, and may ask again; no turn is taken."""
        ...

    def send_back(self) -> None:
        """End the wait: there will be no turn."""
        ...


class Pacer:
    """Makes each HTTP attempt of a run, retries included, wait for its turn.

    One timer serves all. Attempts whose turns come in one moment go together, so that their
    requests are written in a row. Retries go before first attempts: at low rates they would else
    come minutes late.
    """

    def __init__(self, ramp: Ramp, clock: Clock) -> None:
        self._clock = clock
        self._schedule = Schedule(ramp, start_s=clock.now_s())
        self._far_urgent = deque[tuple[Waiting, asyncio.Future[bool]]]()
        self._far_first = deque[tuple[Waiting, asyncio.Future[bool]]]()
        self._near = dict[Waiting, float]()  # who gets a connection now, and since when
        self._ready_urgent = deque[Waiting]()
        self._ready_first = deque[Waiting]()
        self._lead_s = 0.0  # how long it takes to get a connection
        self._timer: Timer | None = None
        self._soon: Timer | None = None
        self._holds_back = self._is_over = False

    @property
    def holds_back(self) -> bool:
        """Whether anyone waits for a turn."""
        return self._holds_back

    def come_near_now(self, one: Waiting) -> bool:
        """Let a first attempt come near at once, if it may; not past others who are far."""
        if self._far_first or self._far_urgent or self._is_over:
            return False
        now_s = self._clock.now_s()
        if self._near_s(now_s) > now_s:
            return False
        self._near[one] = now_s
        return True

    async def come_near(self, one: Waiting) -> bool:
        """Return True when the attempt's turn is near; False, when it is sent back.

        Whoever came near is to `ask`, or to `leave`.
        """
        if self._is_over:
            return False
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        if not self._far_first and not self._far_urgent:
            self._wake_soon()
        (self._far_urgent if one.is_urgent else self._far_first).append((one, waiter))
        return await waiter

    def ask(self, one: Waiting) -> None:
        """Have the attempt, which can leave now, go when it is its turn; or sent back."""
        if self._is_over:
            one.send_back()
            return
        near_s = self._near.pop(one, None)
        if near_s is not None:
            took_s = self._clock.now_s() - near_s
            kept_s = _LEAD_KEPT * self._lead_s
            self._lead_s = max(kept_s, took_s)
        if not self._ready_first and not self._ready_urgent:
            self._wake_soon()
        (self._ready_urgent if one.is_urgent else self._ready_first).append(one)

    def take(self, one: Waiting) -> bool:
        """Take a turn for an attempt whose `go` returned False, and that leaves now."""
        self._near.pop(one, None)
        now_s = self._clock.now_s()
        if self._is_over or self._schedule.due_s(now_s) > now_s:
            return False
        self._schedule.take(now_s)
        return True

    def record_written(self) -> None:
        """Note that the request of who took a turn last is written by now."""
        self._schedule.delay(self._clock.now_s())

    def leave(self, one: Waiting) -> float | None:
        """Forget an attempt that is near or ready and will not go; return when it came near."""
        near_s = self._near.pop(one, None)
        for ready in (self._ready_urgent, self._ready_first):
            if one in ready:
                ready.remove(one)
        if self._far_first or self._far_urgent:
            self._wake_soon()
        return near_s

    def limit(self, tps: float) -> None:
        """Keep the rate at or below `tps`, above 0, from now on; for those who wait, too."""
        self._schedule.limit(tps, now_s=self._clock.now_s())
        if self._holds_back:
            self._wake_soon()

    def send_back(self) -> None:
        """Send all back who wait; none of them takes a turn."""
        self._stop_waiting()
        far = [*self._far_urgent, *self._far_first]
        ready = [*self._ready_urgent, *self._ready_first]
        for queue in (self._far_urgent, self._far_first):
            queue.clear()
        for ready_queue in (self._ready_urgent, self._ready_first):
            ready_queue.clear()
        for _, waiter in far:
            if not waiter.done():
                waiter.set_result(False)
        for one in ready:
            one.send_back()

    def end(self) -> None:
        """Give no more turns: the run is to stop."""
        self._is_over = True
        self.send_back()

    def _near_s(self, now_s: float) -> float:
        """Return when one more may come near: so that it has a connection when its turn is due.

        Getting one is taken to last as long as it did of late; where nobody has got one yet, as
        long at least as the first has been waiting for it.
        """
        near, ready = self._near, len(self._ready_first) + len(self._ready_urgent)
        due_s = self._schedule.due_s(now_s, before=ready + len(near))
        near_s = due_s - self._lead_s
        if near and not ready:
            near_s = min(near_s, (due_s + next(iter(near.values()))) / 2)
        return near_s

    def _wake_soon(self) -> None:
        """Wake when the tasks that are ready now have had their turn."""
        self._stop_timer()
        if self._soon is None:
            self._soon = self._clock.call_soon(self._wake)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_waiting(self) -> None:
        self._stop_timer()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._holds_back = False

    def _wake(self) -> None:
        """Let those go whose turn has come, let others come near, set the timer for the rest."""
        self._soon = self._timer = None
        due_s = min(self._let_go(), self._let_come())
        self._holds_back = due_s < _NEVER
        if self._holds_back:
            self._timer = self._clock.call_at(due_s, self._wake)

    def _let_go(self) -> float:
        """Let all go who are ready and due; return when the next one is."""
        leaving = 0  # who leaves by itself in a moment: its turn is nobody else's
        now_s = self._clock.now_s()
        while self._ready_urgent or self._ready_first:
            if not (due := self._take_due(now_s, leaving)):
                return self._schedule.due_s(now_s, before=leaving)
            staying = [one for one in due if not one.go(now_s)]  # and between them nothing else
            self._near.update((one, now_s) for one in staying if one not in self._near)
            leaving += len(staying)
            now_s = self._clock.now_s()  # this process may have been stopped in between
            self._schedule.take(now_s, len(due) - len(staying))
        return _NEVER

    def _take_due(self, now_s: float, leaving: int) -> list[Waiting]:
        """Return those who are ready and due, urgent ones first."""
        due: list[Waiting] = []
        while ready := self._ready_urgent or self._ready_first:
            if self._schedule.due_s(now_s, before=leaving + len(due)) > now_s:
                break
            due.append(ready.popleft())
        return due

    def _let_come(self) -> float:
        """Let all come whose turn is near; return when that is to be looked at again."""
        now_s = self._clock.now_s()
        while far := self._far_urgent or self._far_first:
            one, waiter = far[0]
            if not waiter.done():  # else cancelled
                if (near_s := self._near_s(now_s)) > now_s:
                    return near_s
                self._near[one] = now_s
                waiter.set_result(True)
            far.popleft()
        return _NEVER

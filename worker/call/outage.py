"""Keeps attempts back while the service is down, but for a probe now and then."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from worker.call.breaker import THROTTLED_S_TO_OPEN, Breaker, RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.runtime import log
from worker.runtime.clock import Clock, Timer
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Outage

# By then the breaker has decided; timers may be a millisecond early.
_DECIDED_S = THROTTLED_S_TO_OPEN + 0.1
_LOGGED_S_MIN = 1.0  # shorter outages are not worth a line


class Gate:
    """Open to all while the service answers. One timer for all who wait."""

    def __init__(self, breaker: Breaker, clock: Clock, switch: StopSwitch) -> None:
        self._breaker = breaker
        self.clock = clock
        self._switch = switch
        self._waiting = deque[asyncio.Future[bool]]()
        self._timer: Timer | None = None
        self._decided = asyncio.Event()
        self._undecided = 0  # rows that wait for it
        self._answered_s = -math.inf  # when the last of the answered attempts had left
        self._is_logged = False
        self.is_troubled = False  # an attempt has failed since the last answer
        self.is_down = False
        switch.on_throw(self._release)

    @property
    def outage(self) -> Outage | None:
        """What is known of the outage, while there is one."""
        breaker = self._breaker
        if not self.is_down or breaker.since_s is None:
            return None
        return Outage(since_s=breaker.since_s, stops_s=breaker.over_s, last_code=breaker.last_code)

    def note_answer(self, sent_s: float) -> None:
        """Tell of an answer to an attempt that left at `sent_s`; needed only while troubled.

        Lets everyone go.
        """
        now_s = self.clock.now_s()
        self._answered_s = max(self._answered_s, sent_s)
        if self._is_logged:
            log.warning("service answers again", seconds=now_s - (self._breaker.since_s or now_s))
        self._breaker.note_answer(now_s)
        self.is_troubled = self._undecided > 0
        self.is_down = self._is_logged = False
        self._release()

    def note_failure(
        self,
        failure: Failure,
        verdict: Verdict,
        row: RowTrouble,
        *,
        sent_s: float,
        has_results: bool,
    ) -> bool:
        """Tell of an attempt that was throttled or broken, and whether any was ever answered.

        Return whether an outage took it.
        """
        now_s = self.clock.now_s()
        self._breaker.has_spoken |= has_results
        is_taken = self._breaker.note_failure(failure, verdict, row, sent_s=sent_s, now_s=now_s)
        self.is_troubled = self._breaker.since_s is not None
        self._update()
        return is_taken

    async def admit(self) -> bool:
        """Return when an attempt may be made: True as a probe, False as all are free to go."""
        if self._switch.reason is not None or not self.is_down:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._timer is None:
            self._wake()
        return await waiter

    async def is_outage(self, sent_s: float) -> bool:
        """Return whether it is the service that failed and not a row, as soon as that is known.

        It is not when an attempt is answered that left after the row's, at `sent_s`.
        """
        is_over = False

        def give_up() -> None:
            nonlocal is_over
            is_over = True
            self._decide()

        timer = self.clock.call_at(self.clock.now_s() + _DECIDED_S, give_up)
        self._undecided += 1
        try:
            while not (self.is_down or is_over or self._answered_s > sent_s):
                if self._switch.reason is not None:
                    break
                self.is_troubled = True  # so that answers are told of
                await self._decided.wait()
                self._update()
        finally:
            self._undecided -= 1
            timer.cancel()
        return self.is_down

    def _update(self) -> None:
        """See what the breaker makes of it now."""
        if not self.is_down and self._breaker.look(self.clock.now_s()):
            self.is_down = True
            self._decide()

    def _wake(self) -> None:
        """Send a probe if it is due, give up if it is time, and come back."""
        self._timer = None
        breaker, now_s = self._breaker, self.clock.now_s()
        if reason := breaker.reason(now_s):
            self._switch.throw(reason)
            return
        self._log_once(now_s)
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()  # cancelled
        if not self._waiting:
            return
        if breaker.probe_s <= now_s:
            breaker.take_probe(now_s)
            self._waiting.popleft().set_result(True)
        if self._waiting:
            due_s = min(breaker.probe_s, breaker.over_s)
            self._timer = self.clock.call_at(due_s, self._wake)

    def _log_once(self, now_s: float) -> None:
        since_s = self._breaker.since_s
        if not self._is_logged and since_s is not None and now_s - since_s >= _LOGGED_S_MIN:
            self._is_logged = True
            stops_in_s = max(0.0, self._breaker.over_s - now_s)
            log.warning("service down", last=self._breaker.last_code, stops_in_s=stops_in_s)

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(False)
        self._waiting.clear()
        self._decide()

    def _decide(self) -> None:
        self._decided.set()
        self._decided = asyncio.Event()

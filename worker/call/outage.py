"""Keeps attempts back while the service is down, but for a probe now and then."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import NamedTuple

from worker.call.breaker import SPACED_S_MIN, THROTTLED_S_TO_OPEN, Breaker, RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.runtime import log
from worker.runtime.clock import Clock, Timer
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Outage

# By then the breaker has decided; timers may be a millisecond early.
_DECIDED_S = THROTTLED_S_TO_OPEN + 0.1
_LOGGED_S_MIN = 1.0  # shorter outages are not worth a line
# When a row has ended, since only such were left that failed: so long another may take its place.
_HELD_S = 0.25


class _Waiting(NamedTuple):
    """A row that waits for the service."""

    turn: asyncio.Future[bool]  # True: as a probe
    row: RowTrouble | None  # what is known of it, if it has failed
    number: int  # that grows with the rows

    @property
    def is_suspect(self) -> bool:
        """Whether the row may be at fault."""
        return self.row is not None and self.row.is_suspect


class Gate:
    """Open to all while the service answers. One timer for all who wait."""

    def __init__(self, breaker: Breaker, clock: Clock, switch: StopSwitch) -> None:
        self._breaker = breaker
        self.clock = clock
        self._switch = switch
        self._waiting = deque[_Waiting]()
        self._probed_s = self._held_s = -math.inf
        self._tries_failed = False  # the next probe may be for a row that failed
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

    def note_answer(self, sent_s: float, row: RowTrouble | None = None) -> None:
        """Tell of an answer to an attempt of `row` that left at `sent_s`; needed while troubled.

        Lets everyone go.
        """
        now_s = self.clock.now_s()
        self._answered_s = max(self._answered_s, sent_s)
        if self._is_logged:
            log.warning("service answers again", seconds=now_s - (self._breaker.since_s or now_s))
        self._breaker.note_answer(now_s, row)
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
        if row.is_finished:
            self._held_s = now_s + _HELD_S
        self._update()
        return is_taken

    async def admit(self, row: RowTrouble | None = None, *, number: int = 0) -> bool:
        """Return when an attempt may be made: True as a probe, False as all are free to go.

        `row` is what is known of the attempt's row, if it has failed before; `number` grows with
        the rows.
        """
        if self._switch.reason is not None or not self.is_down:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(waiter, row, number))
        if self._timer is not None:
            self._timer.cancel()  # this row may be due before those that wait
        self._wake()
        return await waiter

    def note_last_row(self) -> None:
        """Note that no row will come but those that wait or are called."""
        self._breaker.has_all_rows = True

    async def is_outage(self, sent_s: float, row: RowTrouble | None = None) -> bool:
        """Return whether it is the service that failed and not a row, as soon as that is known.

        It is not when an attempt is answered that left after the row's, at `sent_s`. If it is, the
        attempt does not count.
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
        if self.is_down and row is not None:
            self._breaker.excuse(row)
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
        self._waiting = deque(each for each in self._waiting if not each.turn.done())  # cancelled
        suspects = self._suspects
        if reason := breaker.reason(now_s, suspects=suspects):
            self._switch.throw(reason)
            return
        self._log_once(now_s)
        if not self._waiting:
            return
        is_final = now_s >= breaker.over_s
        due_s, chosen = self._next(is_final=is_final)
        if due_s <= now_s:
            if breaker.probe_s <= now_s:
                breaker.take_probe(now_s)
            self._probed_s = now_s
            self._tries_failed = not chosen.is_suspect
            self._waiting.remove(chosen)
            chosen.turn.set_result(True)
            if not self._waiting:
                return
            due_s, _ = self._next(is_final=is_final)
        self._timer = self.clock.call_at(
            due_s if is_final else min(due_s, breaker.over_s), self._wake
        )

    @property
    def _suspects(self) -> list[RowTrouble]:
        """The rows that wait, if all of them have failed."""
        rows = [each.row for each in self._waiting if each.row is not None]
        if self._breaker.has_all_rows:  # the others have their turn yet
            return [row for row in rows if row.is_suspect]
        return rows if all(each.is_suspect for each in self._waiting) else []

    def _next(self, *, is_final: bool) -> tuple[float, _Waiting]:
        """Return who is to be tried next, and when.

        The last that came of those that have not failed: rows that fail may follow each other. In
        turns with it, one that failed: a service may cut each row's first answer. When an outage's
        time is up and but rows that failed were left, the new one shows whether it is theirs.
        """
        breaker = self._breaker
        spaced_s = self._probed_s + (
            SPACED_S_MIN if is_final else breaker.spaced_s(len(self._waiting))
        )
        if others := [each for each in self._waiting if not each.is_suspect]:
            chosen = max(others, key=lambda each: each.number)
            failed = next((each for each in self._waiting if each.is_suspect), None)
            if failed and self._tries_failed and breaker.is_tried and not is_final:
                return breaker.probe_s, failed
            if is_final or (breaker.has_all_rows and breaker.is_spoken):
                is_new = is_final and not breaker.has_all_rows
                return (-math.inf if is_new else min(spaced_s, breaker.probe_s)), chosen
            return breaker.probe_s, chosen
        due_s, number = min(
            (breaker.due_s(each.row), at) for at, each in enumerate(self._waiting) if each.row
        )
        chosen = self._waiting[number]
        due_s = max(due_s, spaced_s, self._held_s)
        if not is_final and breaker.probe_s < due_s:
            return breaker.probe_s, self._waiting[0]
        return due_s, chosen

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
        for each in self._waiting:
            if not each.turn.done():
                each.turn.set_result(False)
        self._waiting.clear()
        self._decide()

    def _decide(self) -> None:
        self._decided.set()
        self._decided = asyncio.Event()

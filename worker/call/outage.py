"""Keeps attempts back while the service is down, but for a probe now and then."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from enum import Enum, auto
from typing import NamedTuple

from worker.call.breaker import PROBE_S_MAX, SPACED_S_MIN, THROTTLED_S_TO_OPEN, Breaker
from worker.call.trouble import RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.runtime.clock import Clock, Timer
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Outage

# By then the breaker has decided; timers may be a millisecond early.
_DECIDED_S = THROTTLED_S_TO_OPEN + 0.1
_DOWN_S_MIN = 1.0  # listeners hear of no shorter outage


class Permit(Enum):
    """What an attempt may be made as."""

    FREE = auto()  # the service is not down, or the run is to stop
    PROBE = auto()
    WITNESS = auto()  # a probe: not this row's attempt, but one of a row that was answered before


class _Waiting(NamedTuple):
    """A row that waits for the service."""

    turn: asyncio.Future[Permit]
    row: RowTrouble | None  # what is known of it, if it has failed
    number: int  # that grows with the rows

    @property
    def is_suspect(self) -> bool:
        """Whether the row may be at fault."""
        return self.row is not None and self.row.is_suspect


class OutageGate:
    """Open to all while the service answers. One timer for all who wait."""

    def __init__(
        self, breaker: Breaker, clock: Clock, switch: StopSwitch, listener: RunListener
    ) -> None:
        self._breaker = breaker
        self.clock = clock
        self._switch = switch
        self._listener = listener
        self._waiting = deque[_Waiting]()
        self._probed_s = self._asked_s = -math.inf  # the last probe; and of the witness
        self._tries_failed = False  # the next probe may be for a row that failed
        self._put_off = 0  # rows that have failed in an outage, and do not wait here
        self._timer: Timer | None = None
        self._soon: Timer | None = None  # once for all who come to wait in a moment
        self._decided = asyncio.Event()
        self._undecided = 0  # rows that wait for it
        self._answered_s = -math.inf  # when the last of the answered attempts had left
        self._is_known_down = False
        self.is_troubled = False  # an attempt has failed since the last answer
        self.is_down = False

    @property
    def outage(self) -> Outage | None:
        """What is known of the outage, while there is one."""
        breaker = self._breaker
        if not self.is_down or breaker.since_s is None:
            return None
        return Outage(since_s=breaker.since_s, stops_s=breaker.over_s, last_code=breaker.last_code)

    def end(self) -> None:
        """Let everyone go: the run is to stop."""
        self._release()

    def record_answer(self, sent_s: float, row: RowTrouble | None = None) -> None:
        """Learn of an answer to an attempt of `row` that left at `sent_s`; needed while troubled.

        Lets everyone go.
        """
        now_s = self.clock.now_s()
        self._answered_s = max(self._answered_s, sent_s)
        if self._is_known_down:
            self._listener.up(now_s - (self._breaker.since_s or now_s))
        self._breaker.record_answer(now_s, row, sent_s=sent_s)
        self.is_troubled = self._undecided > 0
        self.is_down = self._is_known_down = False
        self._release()

    def record_failure(
        self,
        failure: Failure,
        verdict: Verdict,
        row: RowTrouble | None,
        *,
        sent_s: float,
        has_results: bool,
    ) -> bool:
        """Learn of an attempt that was throttled or broken, and whether any was ever answered.

        Without a row it was the witness's. Return whether the attempt counts for no row.
        """
        now_s, breaker = self.clock.now_s(), self._breaker
        breaker.is_reached |= has_results
        is_taken = False
        if row is None:
            breaker.record_witness_failed(failure, verdict, sent_s=sent_s, now_s=now_s)
        else:
            is_taken = breaker.record_failure(failure, verdict, row, sent_s=sent_s, now_s=now_s)
        self.is_troubled = breaker.since_s is not None
        self._update()
        return is_taken

    async def admit(
        self,
        row: RowTrouble | None = None,
        *,
        number: int = 0,
        rows_left: float = math.inf,
        has_witness: bool = False,
    ) -> Permit:
        """Return what an attempt may be made as, when it may.

        `row` is what is known of the attempt's row, if it has failed before; `number` grows with
        the rows. `rows_left` have not been tried yet, those that wait here included; the witness is
        a row that was answered, and can be asked again.
        """
        if self._switch.reason is not None or not self.is_down:
            return Permit.FREE
        self._breaker.rows_left, self._breaker.has_witness = rows_left, has_witness
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(waiter, row, number))
        if self._soon is None:  # this row may be due before those that wait
            self._soon = self.clock.call_soon(self._wake)
        return await waiter

    @property
    def wants_others(self) -> bool:
        """Whether rows that have not failed are to come before those that were put off."""
        return self.is_down and (self._breaker.may_be_rows_fault or not self._tries_failed)

    def put_off(self) -> None:
        """Count a row, which has failed, that gives way to others."""
        self._put_off += 1

    def take_back(self) -> None:
        """Count a row no more that was put off."""
        self._put_off -= 1

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
                self.is_troubled = True  # so that answers are recorded
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
            self.is_down, self._tries_failed = True, False
            self._decide()

    def _wake(self) -> None:
        """Send a probe if it is due, give up if it is time, and come back."""
        self._stop_timer()
        breaker, now_s = self._breaker, self.clock.now_s()
        self._waiting = deque(each for each in self._waiting if not each.turn.done())  # cancelled
        suspects = [each.row for each in self._waiting if each.row and each.is_suspect]
        if reason := breaker.reason(now_s, suspects=suspects):
            self._switch.throw(reason)
            return
        self._notify_once(now_s)
        if not self._waiting:
            return
        is_final = now_s >= breaker.over_s
        due_s, chosen, permit = self._next(is_final=is_final)
        if due_s <= now_s:
            if breaker.probe_s <= now_s:
                breaker.take_probe(now_s)
            self._probed_s = now_s
            if permit is Permit.WITNESS:
                self._asked_s = now_s
            self._tries_failed = permit is Permit.WITNESS or not chosen.is_suspect
            self._waiting.remove(chosen)
            chosen.turn.set_result(permit)
            if not self._waiting:
                return
            due_s, _, _ = self._next(is_final=is_final)
        self._timer = self.clock.call_at(
            due_s if is_final else min(due_s, breaker.over_s), self._wake
        )

    def _next(self, *, is_final: bool) -> tuple[float, _Waiting, Permit]:
        """Return when the next probe is due, who is to send it, and as what.

        The last that came of those that have not failed: rows that fail may follow each other. In
        turns with it, one that failed: a service may cut each row's first answer. Where it may well
        be the rows that fail, all of them have their attempts in the time of an outage.
        """
        breaker = self._breaker
        others = [each for each in self._waiting if not each.is_suspect]
        failed = next((each for each in self._waiting if each.is_suspect), None)
        if is_final and breaker.is_witness_due:
            is_asked = self._asked_s >= breaker.over_s
            due_s = self._asked_s + PROBE_S_MAX if is_asked else breaker.over_s
            return due_s, failed or self._waiting[0], Permit.WITNESS
        if breaker.asks_witness(has_others=bool(others), is_turn=not self._tries_failed):
            return breaker.probe_s, failed or self._waiting[0], Permit.WITNESS
        rows = len(self._waiting) - len(others) + self._put_off + breaker.rows_left
        spaced_s = self._probed_s + (SPACED_S_MIN if is_final else breaker.spaced_s(rows))
        if others:
            chosen = max(others, key=lambda each: each.number)
            if breaker.may_be_rows_fault:
                return min(spaced_s, breaker.probe_s), chosen, Permit.PROBE
            if failed and self._tries_failed and breaker.is_tried:
                chosen = failed
            return breaker.probe_s, chosen, Permit.PROBE
        due_s, number = min(
            (breaker.due_s(each.row), at) for at, each in enumerate(self._waiting) if each.row
        )
        due_s = max(due_s, spaced_s)
        if not is_final and breaker.probe_s < due_s:
            return breaker.probe_s, self._waiting[0], Permit.PROBE
        return due_s, self._waiting[number], Permit.PROBE

    def _notify_once(self, now_s: float) -> None:
        since_s = self._breaker.since_s
        if not self._is_known_down and since_s is not None and now_s - since_s >= _DOWN_S_MIN:
            self._is_known_down = True
            stops_in_s = max(0.0, self._breaker.over_s - now_s)
            self._listener.down(self._breaker.last_code, stops_in_s=stops_in_s)

    def _stop_timer(self) -> None:
        for each in (self._timer, self._soon):
            if each is not None:
                each.cancel()
        self._timer = self._soon = None

    def _release(self) -> None:
        self._stop_timer()
        for each in self._waiting:
            if not each.turn.done():
                each.turn.set_result(Permit.FREE)
        self._waiting.clear()
        self._decide()

    def _decide(self) -> None:
        self._decided.set()
        self._decided = asyncio.Event()

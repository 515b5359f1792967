"""Whether an attempt may go now, and what its end means for those that follow.

One question to all that keep attempts back: credentials, the rate, an outage, the cap on calls, the
end of the run. And one note, of how each attempt ended, to all that learn from it.
"""

from __future__ import annotations

import time

from worker.aws.login import Login
from worker.call.breaker import RowTrouble
from worker.call.outage import Gate
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport.base import Ready

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT)


class Attempt:
    """The attempt of a row that is on, or is to come; there is one at a time.

    To the transport it is the turn that it asks for, to the pacer who waits for it.
    """

    __slots__ = (
        "_admission",
        "_is_waiting",
        "_ready",
        "has_left",
        "is_probe",
        "is_retry",
        "left_s",
        "number",
        "sent_s",
        "sent_us",
        "took_s",
        "trouble",
    )

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._ready: Ready | None = None
        self._is_waiting = False  # at the pacer, with `_ready`
        self.is_retry = self.is_probe = self.has_left = False
        self.number = 0  # that grows with the rows, once one has to wait
        self.sent_s = 0.0  # when it left, by admission's clock; until then, when it began
        self.sent_us = 0  # when it left, microseconds UTC
        self.left_s = 0.0  # the same, by time.monotonic
        self.took_s = 0.0  # from `sent_s` to its end
        self.trouble: RowTrouble | None = None  # of the row, once an attempt has failed

    @property
    def counted(self) -> int:
        """How many of the row's failed attempts count: not those of an outage."""
        return self.trouble.attempts if self.trouble else 0

    @property
    def is_finished(self) -> bool:
        """Whether the row had all its attempts, while nothing but such rows was left."""
        return self.trouble is not None and self.trouble.is_finished

    @property
    def is_urgent(self) -> bool:
        """See Waiting.is_urgent."""
        return self.is_retry or self.is_probe

    def ask(self, ready: Ready) -> None:
        """See Turn.ask."""
        self._ready = ready
        if not self._is_waiting:
            self._is_waiting = True
            self._admission.ask(self)

    def take(self) -> bool:
        """See Turn.take."""
        return self._admission.take(self)

    def left(self) -> None:
        """See Turn.left."""
        self._admission.note_written()

    def go(self, now_s: float) -> bool:
        """See Waiting.go."""
        self._is_waiting, ready = False, self._ready
        return ready is not None and self._admission.let_go(self, ready, now_s)

    def send_back(self) -> None:
        """See Waiting.send_back."""
        self._is_waiting, ready = False, self._ready
        if ready is not None:
            ready.send_back()

    def end(self) -> None:
        """Note that it waits no more: it has ended before its turn, and the next one is to ask."""
        self._is_waiting, self._ready = False, None


class Admission:
    """Keeps the attempts of all rows of a run back until they may go. Holds no row's state."""

    def __init__(
        self,
        *,
        pacer: Pacer,
        gate: Gate,
        switch: StopSwitch,
        tally: Tally,
        calls_max: int | None,
        governor: Governor | None = None,
        login: Login | None = None,
    ) -> None:
        self._pacer = pacer
        self._login = login
        self._gate = gate
        self._clock = gate.clock  # times are compared with what the gate was told
        self._switch = switch
        self._tally = tally
        self._calls_max = calls_max
        self._governor = governor
        self._was_down = False
        self._numbered = 0
        switch.on_throw(pacer.end)

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate, or for the service: not for this process."""
        return self._gate.is_down or self._pacer.holds_back

    def may_go_now(self, attempt: Attempt) -> bool:
        """Let the attempt go if its turn is near already; else it is to ask `may_go`."""
        is_free = not attempt.is_retry and not self._gate.is_down and self._can_sign
        return is_free and self._pacer.come_near_now(attempt) and self._begin(attempt)

    async def may_go(self, attempt: Attempt) -> bool:
        """Let the attempt go as soon as its turn is near; False when the run is to stop before.

        It leaves when it has asked for its turn, with a connection. `note_end` must follow. Raises
        RefusedError when there are no good credentials, and none can be had.
        """
        gate, pacer, login = self._gate, self._pacer, self._login
        attempt.is_probe = False
        if not attempt.number:
            self._numbered += 1
            attempt.number = self._numbered
        while self._switch.reason is None:
            if login is not None and not self._can_sign:
                # Before its turn is near: it would have a connection, and not be ready.
                with self._switch.interruptible():
                    await login.wait()
                continue
            attempt.is_probe = gate.is_down and await gate.admit(
                attempt.trouble, number=attempt.number
            )
            is_near = await pacer.come_near(attempt)
            if is_near and self._can_sign and (attempt.is_probe or not gate.is_down):
                return self._begin(attempt)
            pacer.leave(attempt)
        return False

    def note_last_row(self) -> None:
        """Note that no row will come but those that wait or are called."""
        self._gate.note_last_row()

    def ask(self, attempt: Attempt) -> None:
        """Have the attempt leave when it is its turn, or sent back when that does not come."""
        if self._switch.reason or (self._gate.is_down and not attempt.is_probe):
            attempt.send_back()
        else:
            self._pacer.ask(attempt)

    def let_go(self, attempt: Attempt, ready: Ready, now_s: float) -> bool:
        """Let the attempt leave, whose turn it is at `now_s`; return whether it has."""
        if (self._switch.reason or self._calls_max is not None) and not self._is_within_cap():
            attempt.send_back()
            return False
        sent_us = time.time_ns() // 1_000
        if not ready.go(now_s):
            return False
        self._note_left(attempt, sent_us, now_s)
        return True

    def take(self, attempt: Attempt) -> bool:
        """Let the attempt leave that has been told to go, if it still may."""
        if not self._is_within_cap() or not self._pacer.take(attempt):
            return False
        self._note_left(attempt, time.time_ns() // 1_000, self._clock.now_s())
        return True

    def note_written(self) -> None:
        """Note that what took its turn last is written by now."""
        self._pacer.note_written()

    def note_end(self, attempt: Attempt) -> None:
        """Count an attempt that has ended, however it did; `note_answer` or another may follow."""
        now_s = self._clock.now_s()
        if attempt.has_left:
            self._tally.in_flight -= 1
            attempt.took_s = now_s - attempt.sent_s
        else:
            attempt.end()
            attempt.sent_s = self._pacer.leave(attempt) or now_s
            attempt.took_s = now_s - attempt.sent_s
            attempt.sent_us = time.time_ns() // 1_000 - round(attempt.took_s * 1e6)

    def note_answer(self, attempt: Attempt) -> None:
        """Learn from an attempt that was answered."""
        if self._governor is not None and not self._gate.is_down:
            self._governor.note_answer(attempt.sent_s, attempt.sent_s + attempt.took_s)
        if self._gate.is_troubled:
            self._note_served(attempt)

    def note_failure(self, attempt: Attempt, failure: Failure, verdict: Verdict) -> bool:
        """Learn from an attempt that failed; return whether an outage took it.

        Such an attempt does not count for its row.
        """
        if not attempt.has_left:
            self._tally.calls += 1
            self._tally.retries += attempt.is_retry
            self._pacer.take(attempt)  # the turn that it came near for, if it is due
        elif self._governor is not None and not self._gate.is_down:  # an outage says nothing of it
            self._governor.note_failure(verdict, attempt.sent_s, attempt.sent_s + attempt.took_s)
        attempt.is_retry = True
        self._tally.throttles += verdict is Verdict.THROTTLED
        if verdict is Verdict.REJECTED and self._gate.is_troubled:
            self._note_served(attempt)
        if verdict not in _PASSING:
            return False
        trouble = attempt.trouble = attempt.trouble or RowTrouble()
        is_taken = self._gate.note_failure(
            failure,
            verdict,
            trouble,
            sent_s=attempt.sent_s,
            has_results=self._tally.results > 0,
        )
        self._look()
        self._tally.outage = self._gate.outage
        return is_taken

    async def is_outage(self, attempt: Attempt) -> bool:
        """Return whether it is the service that failed and not the row, as soon as that is known.

        If so, the row is as good as new.
        """
        is_outage = await self._gate.is_outage(attempt.sent_s, attempt.trouble)
        self._look()
        return is_outage

    @property
    def _can_sign(self) -> bool:
        return self._login is None or self._login.is_good

    def _begin(self, attempt: Attempt) -> bool:
        attempt.has_left = False
        return self._is_within_cap()

    def _is_within_cap(self) -> bool:
        """Whether one more call may be made; at the cap, whoever wants to ends the run."""
        if self._switch.reason:
            return False
        if self._calls_max is not None and self._tally.calls >= self._calls_max:
            self._switch.throw(f"the cap of {self._calls_max} calls is reached")
            return False
        return True

    def _note_left(self, attempt: Attempt, sent_us: int, sent_s: float) -> None:
        attempt.has_left = True
        attempt.sent_us, attempt.sent_s, attempt.left_s = sent_us, sent_s, time.monotonic()
        tally = self._tally
        tally.calls += 1
        tally.retries += attempt.is_retry
        tally.in_flight += 1
        if self._governor is not None:
            self._governor.note_sent(sent_s)

    def _note_served(self, attempt: Attempt) -> None:
        self._gate.note_answer(attempt.sent_s, attempt.trouble)
        self._look()

    def _look(self) -> None:
        """See whether the service has gone down, or is back."""
        if self._was_down is self._gate.is_down:
            return
        self._was_down = self._gate.is_down
        if self._was_down:
            # Each turn that passes unused is one that a probe waits for, a second at the lowest
            # rate.
            self._pacer.send_back()
            return
        self._tally.outage = None
        self._tally.resumed = self._clock.now_s(), self._tally.rows_done
        if self._governor is not None:
            self._governor.note_outage_over()

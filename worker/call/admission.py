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

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT)


class Attempt:
    """The attempt of a row that is on, or is to come; there is one at a time."""

    __slots__ = ("is_retry", "sent_s", "sent_us", "took_s", "trouble")

    def __init__(self) -> None:
        self.is_retry = False
        self.sent_s = 0.0  # when it left, by admission's clock
        self.sent_us = 0  # the same, microseconds UTC
        self.took_s = 0.0  # from then to its end
        self.trouble: RowTrouble | None = None  # of the row, once an attempt has failed


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
        switch.on_throw(pacer.end)

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate, or for the service: not for this process."""
        return self._gate.is_down or self._pacer.holds_back

    @property
    def is_over(self) -> bool:
        """Whether the run is to stop: nothing goes any more."""
        return self._switch.reason is not None

    def may_go_now(self, attempt: Attempt) -> bool:
        """Let the attempt go if it need not wait; else it is to ask `may_go`."""
        is_free = not attempt.is_retry and not self._gate.is_down and self._can_sign
        return is_free and self._pacer.take_if_due() and self._depart(attempt)

    async def may_go(self, attempt: Attempt) -> bool:
        """Let the attempt go as soon as it may; False when the run is to stop before.

        Raises RefusedError when there are no good credentials, and none can be had.
        """
        gate, login = self._gate, self._login
        while self._switch.reason is None:
            if login is not None and not self._can_sign:
                # Before a turn is taken: those who wait would else leave all at once.
                with self._switch.interruptible():
                    await login.wait()
                continue
            is_probe = gate.is_down and await gate.admit()
            is_due = await self._pacer.turn(is_retry=attempt.is_retry or is_probe)
            if is_due and (is_probe or not gate.is_down):
                return self._depart(attempt)
        return False

    def note_end(self, attempt: Attempt) -> None:
        """Count an attempt that has ended, however it did; `note_answer` or another follows."""
        self._tally.in_flight -= 1
        attempt.took_s = self._clock.now_s() - attempt.sent_s

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
        attempt.is_retry = True
        if self._governor is not None and not self._gate.is_down:  # an outage says nothing of it
            self._governor.note_failure(verdict, attempt.sent_s, attempt.sent_s + attempt.took_s)
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
        if is_taken:
            trouble.is_counted = False
        return is_taken

    async def is_outage(self, attempt: Attempt) -> bool:
        """Return whether it is the service that failed and not the row, as soon as that is known.

        If so, the row is as good as new.
        """
        is_outage = await self._gate.is_outage(attempt.sent_s)
        self._look()
        if is_outage and attempt.trouble is not None:
            attempt.trouble.is_counted = False
        return is_outage

    @property
    def _can_sign(self) -> bool:
        return self._login is None or self._login.is_good

    def _depart(self, attempt: Attempt) -> bool:
        """Count the attempt that is about to be made; False at the cap, or at the end."""
        if self._switch.reason:
            return False
        tally = self._tally
        if self._calls_max is not None and tally.calls >= self._calls_max:
            self._switch.throw(f"the cap of {self._calls_max} calls is reached")
            return False
        tally.calls += 1
        tally.retries += attempt.is_retry
        tally.in_flight += 1
        attempt.sent_us, attempt.sent_s = time.time_ns() // 1_000, self._clock.now_s()
        if self._governor is not None:
            self._governor.note_sent(attempt.sent_s)
        return True

    def _note_served(self, attempt: Attempt) -> None:
        self._gate.note_answer(attempt.sent_s)
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

"""Whether an attempt may go now, and what its end means for those that follow.

One question to all that keep attempts back: credentials, the rate, an outage, the cap on calls, the
end of the run. And one note, of how each attempt ended, to all that learn from it.
"""

from __future__ import annotations

import time

from worker.aws.login import Login
from worker.call.attempt import Attempt
from worker.call.outage import Gate, Leave
from worker.call.trouble import RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport.base import Ready

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT)


class Admission:
    """Keeps the attempts of all rows of a run back until they may go. Holds no row's state.

    The witness is the row that was answered last: where rows fail, and there are no others, it is
    asked again in their place, which shows whether the service is down.
    """

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
        self._witness: bytes | None = None  # its request
        self._was_down = False
        self._numbered = 0
        switch.on_throw(pacer.end)

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate, or for the service: not for this process."""
        return self._gate.is_down or self._pacer.holds_back

    @property
    def wants_others(self) -> bool:
        """Whether rows that have not been tried are to come before those that were put off."""
        return self._gate.is_down and self._gate.wants_others

    def may_go_now(self, attempt: Attempt) -> Attempt | None:
        """Let the attempt go if its turn is near already; else it is to ask `may_go`."""
        is_free = not attempt.is_retry and not self._gate.is_down and self._can_sign
        is_near = is_free and self._pacer.come_near_now(attempt)
        return attempt if is_near and self._begin(attempt) else None

    async def may_go(self, attempt: Attempt) -> Attempt | None:
        """Return the attempt that may go, as soon as its turn is near; None: the run is to stop.

        It may be another one, at the witness, for which `note_witness` is to follow. It leaves when
        it has asked for its turn, with a connection. `note_end` must follow. Raises RefusedError
        when there are no good credentials, and none can be had.
        """
        gate, pacer, login = self._gate, self._pacer, self._login
        if not attempt.number:
            self._numbered += 1
            attempt.number = self._numbered
        while self._switch.reason is None:
            if login is not None and not self._can_sign:
                # Before its turn is near: it would have a connection, and not be ready.
                with self._switch.interruptible():
                    await login.wait()
                continue
            going = attempt
            attempt.is_probe = False
            if gate.is_down:
                going = await self._admitted(attempt)
            is_near = await pacer.come_near(going)
            is_in_time = going.is_probe if gate.is_down else going is attempt
            if is_near and self._can_sign and is_in_time:
                return going if self._begin(going) else None
            pacer.leave(going)
        return None

    def put_off(self, attempt: Attempt) -> bool:
        """Have the row of an attempt that failed give way to others, if an outage took it."""
        is_put_off = attempt.is_taken and self._gate.is_down
        if is_put_off:
            self._gate.put_off()
        return is_put_off

    def take_back(self) -> None:
        """Note that a row goes on that was put off."""
        self._gate.take_back()

    def note_kept(self, request: bytes) -> None:
        """Take a row for the witness that an earlier invocation had answered, if there is none."""
        self._witness = self._witness or request

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
        else:
            attempt.end()
            near_s = self._pacer.leave(attempt)
            attempt.sent_s = now_s if near_s is None else near_s
            attempt.sent_us = time.time_ns() // 1_000 - round((now_s - attempt.sent_s) * 1e6)
        attempt.took_s = now_s - attempt.sent_s

    def note_answer(self, attempt: Attempt) -> None:
        """Learn from an attempt that was answered."""
        self._witness = attempt.request
        if self._governor is not None and not self._gate.is_down:
            self._governor.note_answer(attempt.sent_s, attempt.sent_s + attempt.took_s)
        if self._gate.is_troubled:
            self._note_served(attempt)

    def note_failure(self, attempt: Attempt, failure: Failure, verdict: Verdict) -> bool:
        """Learn from an attempt that failed; return whether it does not count for its row.

        It does not where an outage took it, or where there was no connection.
        """
        trouble = attempt.trouble
        if not attempt.has_left:
            self._note_unsent(attempt)
        elif self._governor is not None and not self._gate.is_down:  # an outage says nothing of it
            is_rows = verdict is Verdict.TRANSIENT and trouble is not None and trouble.is_to_blame
            self._governor.note_failure(
                Verdict.REJECTED if is_rows else verdict,
                attempt.sent_s,
                attempt.sent_s + attempt.took_s,
            )
        attempt.is_retry = True
        attempt.is_taken = False
        self._tally.throttles += verdict is Verdict.THROTTLED
        if verdict is Verdict.REJECTED and self._gate.is_troubled:
            self._note_served(attempt)
        if verdict in _PASSING:
            trouble = attempt.trouble = trouble or RowTrouble()
            attempt.is_taken = self._note_broken(attempt, failure, verdict, trouble)
        return attempt.is_taken

    def note_witness(self, attempt: Attempt, failure: Failure | None, verdict: Verdict) -> None:
        """Learn from an attempt at the witness, which may have failed."""
        if not attempt.has_left:
            self._note_unsent(attempt)
        if failure is None:
            self.note_answer(attempt)
        elif verdict in _PASSING:
            self._note_broken(attempt, failure, verdict, None)
        else:  # for want of credentials, say: the rows are to meet that
            self._witness = None

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

    async def _admitted(self, attempt: Attempt) -> Attempt:
        """Return what may be tried while the service is down: this row, or the witness."""
        witness = self._witness
        leave = await self._gate.admit(
            attempt.trouble,
            number=attempt.number,
            rows_left=self._tally.rows_to_call,
            has_witness=witness is not None,
        )
        going = attempt
        if leave is Leave.WITNESS and witness is not None:
            going = Attempt(self, witness)
            going.is_retry = True
        going.is_probe = leave is not Leave.FREE
        return going

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

    def _note_unsent(self, attempt: Attempt) -> None:
        """Count an attempt that has failed without a request, with its turn if that is due."""
        self._tally.calls += 1
        self._tally.retries += attempt.is_retry
        self._pacer.take(attempt)

    def _note_broken(
        self, attempt: Attempt, failure: Failure, verdict: Verdict, row: RowTrouble | None
    ) -> bool:
        """Tell of an attempt, the witness's without a row; return whether it counts for no row."""
        is_taken = self._gate.note_failure(
            failure, verdict, row, sent_s=attempt.sent_s, has_results=self._tally.results > 0
        )
        self._look()
        self._tally.outage = self._gate.outage
        return is_taken

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

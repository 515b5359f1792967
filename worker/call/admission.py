"""Whether an attempt may go now, and what its end means for the attempts after it.

`Admission.take` asks all that keep attempts back: credentials, the rate, an outage, the cap on
calls, the end of the run. An attempt that may go still waits for a connection. When it has one,
`Departures` gives it its turn, and asks about the cap and the end of the run once more.
`Admission.note` passes on how an attempt ended: to the gate, the governor and the tally.
"""

from __future__ import annotations

from worker.aws.login import Login
from worker.call.attempt import Attempt
from worker.call.departures import Departures
from worker.call.outage import OutageGate, Permit
from worker.call.trouble import RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT)


class Admission:
    """Keeps the attempts of all rows of a run back until they may go. Holds no row's state.

    The witness is a row that was answered: the last one, or one of an earlier invocation. While the
    service seems down, an attempt at the witness may be made in the place of a row that failed. An
    answer shows that the service is up, and that the rows are at fault.
    """

    def __init__(
        self,
        *,
        pacer: Pacer,
        gate: OutageGate,
        governor: Governor,
        login: Login,
        switch: StopSwitch,
        tally: Tally,
        listener: RunListener,
        calls_max: int | None,
    ) -> None:
        self._pacer = pacer
        self._gate = gate
        self._clock = gate.clock
        self._governor = governor
        self._login = login
        self._switch = switch
        self._tally = tally
        self._listener = listener
        # Where the attempts of this admission ask for their turn.
        self.departures = Departures(
            pacer=pacer,
            gate=gate,
            governor=governor,
            switch=switch,
            tally=tally,
            listener=listener,
            calls_max=calls_max,
        )
        self._witness: bytes | None = None  # its request
        self._was_down = False
        self._numbered = 0

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate or for the service, and this process has time."""
        return self._gate.is_down or self._pacer.holds_back

    @property
    def wants_others(self) -> bool:
        """Whether rows that have not failed are to come before those that were put off."""
        return self._gate.is_down and self._gate.wants_others

    def stop(self) -> None:
        """Send all attempts back that wait: the switch is thrown."""
        self._pacer.end()
        self._gate.end()

    def take_now(self, attempt: Attempt) -> bool:
        """Return whether the attempt may go at once: its turn is near. Else `take` is to follow."""
        is_free = not attempt.is_retry and not self._gate.is_down and self._login.is_good
        is_near = is_free and self._pacer.come_near_now(attempt)
        return is_near and self._begin(attempt)

    async def take(self, attempt: Attempt) -> Attempt:
        """Return the attempt that may go, as soon as its turn is near.

        It may be another attempt, at the witness (`is_witness`). The transport gets a connection
        for it, and then asks `departures` for its turn. `end`, and then `note`, must follow. Raises
        StoppedError when the run is to stop, RefusedError when there are no good credentials and
        none can be had.
        """
        gate, pacer, login, switch = self._gate, self._pacer, self._login, self._switch
        if not attempt.number:
            self._numbered += 1
            attempt.number = self._numbered
        while True:
            switch.check()
            if not login.is_good:
                # Before its turn is near: it would have a connection, and not be ready.
                await switch.wait(login.wait())
            going = attempt
            attempt.is_probe = False
            if gate.is_down:
                going = await self._admitted(attempt)
            is_near = await pacer.come_near(going)
            is_in_time = going.is_probe if gate.is_down else going is attempt
            if is_near and login.is_good and is_in_time and self._begin(going):
                return going
            pacer.leave(going)

    def end(self, attempt: Attempt) -> None:
        """Free the place of an attempt that has ended in any way, and set how long it took."""
        now_s = self._clock.now_s()
        if attempt.has_left:
            self._tally.in_flight -= 1
        else:
            attempt.end()
            near_s = self._pacer.leave(attempt)
            attempt.sent_s = now_s if near_s is None else near_s
            attempt.sent_us = self._clock.wall_us() - round((now_s - attempt.sent_s) * 1e6)
        attempt.took_s = now_s - attempt.sent_s

    def note(self, attempt: Attempt, verdict: Verdict, failure: Failure | None = None) -> None:
        """Learn how an attempt has ended: ANSWERED, or with a failure and its verdict.

        Sets `attempt.is_taken` where the failure does not count for the row: there was an outage,
        or no connection.
        """
        if failure is None:
            self._witness = attempt.request
            self._listener.answered(attempt.took_s)
            gate = self._gate
            if not gate.is_down:
                self._governor.record_answer(attempt.sent_s, attempt.sent_s + attempt.took_s)
            if gate.is_troubled:
                self._record_served(attempt)
        elif attempt.is_witness:
            self._note_witness(attempt, failure, verdict)
        else:
            self._note_failure(attempt, failure, verdict)

    def put_off(self, attempt: Attempt) -> bool:
        """Have the row of an attempt give way to others, if an outage took the attempt."""
        is_put_off = attempt.is_taken and self._gate.is_down
        if is_put_off:
            self._gate.put_off()
        return is_put_off

    def take_back(self) -> None:
        """Take back a row that was put off: it goes on."""
        self._gate.take_back()

    def offer_witness(self, request: bytes) -> None:
        """Make a row the witness that an earlier invocation had answered, unless there is one."""
        self._witness = self._witness or request

    async def is_outage(self, attempt: Attempt) -> bool:
        """Return whether the service failed and not the row, as soon as that is known.

        If it is an outage, the row is as good as new.
        """
        is_outage = await self._gate.is_outage(attempt.sent_s, attempt.trouble)
        self._follow_gate()
        return is_outage

    async def _admitted(self, attempt: Attempt) -> Attempt:
        """Return what may be tried while the service is down: this row, or the witness."""
        witness = self._witness
        permit = await self._gate.admit(
            attempt.trouble,
            number=attempt.number,
            rows_left=self._tally.rows_to_call,
            has_witness=witness is not None,
        )
        going = attempt
        if permit is Permit.WITNESS and witness is not None:
            going = Attempt(self.departures, witness)
            going.is_retry = going.is_witness = True
        going.is_probe = permit is not Permit.FREE
        return going

    def _begin(self, attempt: Attempt) -> bool:
        attempt.has_left = False
        return self.departures.is_within_cap()

    def _note_failure(self, attempt: Attempt, failure: Failure, verdict: Verdict) -> None:
        trouble = attempt.trouble
        if not attempt.has_left:
            self.departures.count_unsent(attempt)
        elif not self._gate.is_down:  # an outage says nothing of the rate
            is_rows = verdict is Verdict.TRANSIENT and trouble is not None and trouble.is_to_blame
            self._governor.record_failure(
                Verdict.REJECTED if is_rows else verdict,
                attempt.sent_s,
                attempt.sent_s + attempt.took_s,
            )
        attempt.is_retry = True
        attempt.is_taken = False
        if verdict is Verdict.THROTTLED:
            self._tally.throttles += 1
            self._listener.throttled(failure.code)
        if verdict is Verdict.REJECTED and self._gate.is_troubled:
            self._record_served(attempt)
        if verdict in _PASSING:
            trouble = attempt.trouble = trouble or RowTrouble()
            attempt.is_taken = self._record_broken(attempt, failure, verdict, trouble)

    def _note_witness(self, attempt: Attempt, failure: Failure, verdict: Verdict) -> None:
        if not attempt.has_left:
            self.departures.count_unsent(attempt)
        if verdict in (*_PASSING, Verdict.UNNAMED):  # the witness was answered once
            is_unnamed = verdict is Verdict.UNNAMED
            self._record_broken(
                attempt, failure, Verdict.TRANSIENT if is_unnamed else verdict, None
            )
        else:  # for want of credentials, say: the rows are to meet that
            self._witness = None

    def _record_broken(
        self, attempt: Attempt, failure: Failure, verdict: Verdict, row: RowTrouble | None
    ) -> bool:
        """Tell the gate of a failure, the witness's without a row; return if it is no row's."""
        is_taken = self._gate.record_failure(
            failure, verdict, row, sent_s=attempt.sent_s, has_results=self._tally.results > 0
        )
        self._follow_gate()
        self._tally.outage = self._gate.outage
        return is_taken

    def _record_served(self, attempt: Attempt) -> None:
        self._gate.record_answer(attempt.sent_s, attempt.trouble)
        self._follow_gate()

    def _follow_gate(self) -> None:
        """Do what follows when the service has gone down, or is back."""
        if self._was_down is self._gate.is_down:
            return
        self._was_down = self._gate.is_down
        if self._was_down:
            # A probe would wait for each turn that passes unused, a second at the lowest rate.
            self._pacer.send_back()
            return
        self._tally.outage = None
        self._tally.resumed = self._clock.now_s(), self._tally.rows_done
        self._governor.record_outage_over()

"""One request to its final outcome: wait for a turn, call, maybe again."""

from __future__ import annotations

from typing import NamedTuple

import anyio

from worker.call.admission import Admission
from worker.call.attempt import Attempt
from worker.call.backoff import RetryPolicy
from worker.model import Answer, Failure, Outcome
from worker.personalize.clock_skew import IN_A_ROW_MAX, ClockSkew
from worker.personalize.error_codes import Verdict, judge, refused
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Transport

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT, Verdict.SKEWED)
_UNREACHED_MAX = 4  # that the wait for the next connection grows with: up to 4 s
_ATTEMPTS_MAX = 127  # that the output's column holds, an int8; an outage may take more


class PutOff(NamedTuple):
    """A row that failed, and waits until others were tried: the service may be down."""

    attempt: Attempt
    row: _Failed
    attempts: int
    throttles: int


class Lane:
    """Takes rows to their outcomes. All tasks that call share one Lane: it holds no row's state.

    It asks five others: `transport` makes an attempt, `admission` says when, `retry` whether again
    and after which wait; `tally` counts, and `switch` ends the run.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        admission: Admission,
        retry: RetryPolicy,
        switch: StopSwitch,
        tally: Tally,
    ) -> None:
        self._transport = transport
        self._admission = admission
        self._retry = retry
        self._switch = switch
        self._tally = tally
        self._skew = ClockSkew()

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate or for the service, and this process has time."""
        return self._admission.is_held_back

    @property
    def wants_others(self) -> bool:
        """Whether rows that have not failed are to come before those that were put off."""
        return self._admission.wants_others

    def stop(self) -> None:
        """Send all attempts back that wait: the switch is thrown."""
        self._admission.stop()

    async def settle(self, request: bytes, before: PutOff | None = None) -> Outcome | PutOff:
        """Return how the row of `request` ends, or that it is put off.

        A row that is put off waits until other rows have had their turn. Then it is settled again,
        with its PutOff as `before`. Raises StoppedError when the run stops before the row ends,
        RefusedError when every other row would end the same way.
        """
        admission, attempts, throttles = self._admission, 0, 0
        row: _Failed | None = None
        if before is None:
            self._retry.count_row()
            attempt = Attempt(admission.departures, request)
        else:
            admission.take_back()
            attempt, row, attempts, throttles = before
        while True:
            going = attempt if admission.take_now(attempt) else await admission.take(attempt)
            try:
                result = await self._transport.call(going.request, going)
            finally:
                admission.end(going)
            if result is SENT_BACK:
                continue  # it has not left
            attempts += 1  # at the witness, too: in this row's place
            if going is not attempt:
                attempts = min(attempts, _ATTEMPTS_MAX - 1)
                self._note_witness(going, result)
                continue
            latency_ms = attempt.took_s * 1e3
            if isinstance(result, Answer):
                admission.note(attempt, Verdict.ANSWERED)
                self._skew.record_served()
                return Outcome(result, attempts, throttles, attempt.sent_us, latency_ms)
            row = row or _Failed()
            row.failure = result
            verdict = await self._verdict(row, attempt)
            throttles += verdict is Verdict.THROTTLED
            if not await self._may_try_again(row, attempt, verdict):
                if verdict in _PASSING:
                    self._switch.check()
                return Outcome(row.failure, attempts, throttles, attempt.sent_us, latency_ms)
            attempts = min(attempts, _ATTEMPTS_MAX - 1)
            if admission.put_off(attempt):
                return PutOff(attempt, row, attempts, throttles)

    def offer_witness(self, request: bytes) -> None:
        """Offer a row that an earlier invocation had answered, to be asked again if need be."""
        self._admission.offer_witness(request)

    def judge_run(self) -> None:
        """See, after a row that failed, whether the run is to go on.

        Raises RefusedError when all rows end like this one; throws the switch when too many fail.
        """
        if refusal := self._tally.refusal():
            raise refusal
        if reason := self._tally.failing():
            self._switch.throw(reason, hint=_TOO_MANY_FAIL)

    def _note_witness(self, attempt: Attempt, result: Answer | Failure) -> None:
        """Note how an attempt at the witness ended; its answer is known."""
        failure = result if isinstance(result, Failure) else None
        verdict = Verdict.ANSWERED if failure is None else judge(failure)
        self._admission.note(attempt, verdict, failure)

    async def _verdict(self, row: _Failed, attempt: Attempt) -> Verdict:
        """Return what the row's last failure means here and now."""
        verdict = judge(row.failure)
        if verdict is Verdict.UNNAMED:
            return Verdict.TRANSIENT if self._tally.has_results else Verdict.REJECTED
        if verdict is Verdict.SKEWED:
            row.skews += 1
            is_ours = self._skew.record_skewed() or row.skews >= IN_A_ROW_MAX
            return Verdict.REFUSED if is_ours else verdict
        if verdict is Verdict.EXPIRED and not row.is_renewed:
            return await self._renewed(row, attempt)
        return _final(verdict)

    async def _renewed(self, row: _Failed, attempt: Attempt) -> Verdict:
        """Look for other credentials; a stop does not wait for them."""
        failure = await self._switch.wait(
            self._transport.renew(row.failure, since_s=attempt.sent_s)
        )
        row.is_renewed = failure is None
        row.failure = failure or row.failure
        return Verdict.EXPIRED if row.is_renewed else _final(judge(row.failure))

    async def _may_try_again(self, row: _Failed, attempt: Attempt, verdict: Verdict) -> bool:
        """Note how the attempt ended; wait until the row's next one is due. False: there is none.

        An attempt that counts for no row is not taken from the retry budget. Raises RefusedError
        when every other row would end the same way.
        """
        self._admission.note(attempt, verdict, row.failure)
        if verdict is Verdict.EXPIRED:
            return True
        if verdict is Verdict.REFUSED:
            raise refused(row.failure)
        if verdict is Verdict.REJECTED or self._switch.reason:
            return False
        if verdict is Verdict.SKEWED:  # no row's fault, and so none of its attempts
            await self._wait(row.skews, row.failure)
            return True
        if attempt.is_finished or (attempt.is_taken and self._retry.is_spent(attempt.counted)):
            self._tally.record_exhausted(row.failure)
            return False
        if attempt.is_taken:
            await self._wait(min(attempt.unreached, _UNREACHED_MAX), row.failure)
            return True
        if self._retry.take(attempt.counted):
            await self._wait(attempt.counted, row.failure)
            return True
        if await self._admission.is_outage(attempt):
            return True
        if self._switch.reason is None:
            self._tally.record_exhausted(row.failure)
        return False

    async def _wait(self, attempts: int, failure: Failure) -> None:
        """Wait as long as so many failed attempts in turn ask for."""
        if wait_s := self._retry.wait_s(attempts, failure):
            await self._switch.wait(anyio.sleep(wait_s))


class _Failed:
    """What is known of a row since its first failed attempt."""

    __slots__ = ("failure", "is_renewed", "skews")

    def __init__(self) -> None:
        self.failure = Failure(code="", message="")  # the last one
        self.is_renewed = False  # the credentials were renewed for it
        self.skews = 0  # attempts whose time was called wrong


def _final(verdict: Verdict) -> Verdict:
    """Return the verdict when there are no other credentials."""
    return Verdict.REFUSED if verdict is Verdict.EXPIRED else verdict


_TOO_MANY_FAIL = (
    "try such a row alone; those of finished parts are in _errors/ of the output. Then run the "
    "same command again: it carries on. stop.error_share_stop = 1 goes on whatever fails"
)

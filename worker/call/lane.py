"""One request to its final outcome: wait for a turn, call, maybe again."""

from __future__ import annotations

import random
import time

import anyio

from worker.call.breaker import RowTrouble
from worker.call.outage import Gate
from worker.call.retry import RetryBudget, wait_s
from worker.model import Answer, Failure, Outcome
from worker.personalize.error_codes import Verdict, judge, refused
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport.base import Transport

_PASSING = (Verdict.THROTTLED, Verdict.TRANSIENT)
_ATTEMPTS_TOLD_MAX = 127  # the output's column is int8; an outage may take more


class Lane:
    """Shared by all concurrent rows of a run; holds no state of a single row."""

    def __init__(
        self,
        *,
        transport: Transport,
        pacer: Pacer,
        gate: Gate,
        budget: RetryBudget,
        switch: StopSwitch,
        tally: Tally,
        attempts_max: int,
        calls_max: int | None,
        rng: random.Random,
        governor: Governor | None = None,
    ) -> None:
        self._transport = transport
        self._pacer = pacer
        self._gate = gate
        self._budget = budget
        self._clock = gate.clock  # times are compared with what the gate was told
        self._switch = switch
        switch.on_throw(pacer.end)
        # Each turn that passes unused is one that a probe waits for, a second at the lowest rate.
        gate.on_down(pacer.send_back)
        gate.on_up(self._note_outage_over)
        self._tally = tally
        self._attempts_max = attempts_max
        self._calls_max = calls_max
        self._rng = rng
        self._governor = governor
        if governor is not None:
            gate.on_up(governor.note_outage_over)

    @property
    def is_held_back(self) -> bool:
        """Whether calls wait for the rate, or for the service: not for this process."""
        return self._gate.is_down or self._pacer.holds_back

    async def settle(self, request: bytes) -> Outcome | None:
        """Return how the row of `request` ends; None when the run is stopped before it does.

        Raises RefusedError when every other row would end the same way.
        """
        self._budget.note_first_attempt()
        gate, trouble = self._gate, None
        attempts = throttles = 0
        while (
            attempts == 0 and not gate.is_down and self._pacer.take_if_due()
        ) or await self._turn(attempts):
            if not self._may_send(attempts):
                break
            sent_us, sent_s = time.time_ns() // 1_000, self._clock.now_s()
            if self._governor is not None:
                self._governor.note_sent(sent_s)
            self._tally.in_flight += 1
            try:
                result = await self._transport.call(request)
            finally:
                self._tally.in_flight -= 1
            ended_s = self._clock.now_s()
            latency_ms = (ended_s - sent_s) * 1e3
            attempts += 1
            if isinstance(result, Answer):
                if self._governor is not None and not gate.is_down:
                    self._governor.note_answer(sent_s, ended_s)
                if gate.is_troubled:
                    gate.note_answer(sent_s)
                return Outcome(result, attempts, throttles, sent_us, latency_ms)
            trouble = trouble or _Trouble()
            trouble.failure, trouble.sent_s = result, sent_s
            verdict = await self._verdict(trouble)
            if self._governor is not None and not gate.is_down:  # an outage says nothing of it
                self._governor.note_failure(verdict, sent_s, ended_s)
            throttles += verdict is Verdict.THROTTLED
            self._tally.throttles += verdict is Verdict.THROTTLED
            if not await self._may_try_again(trouble, verdict):
                if self._switch.reason and verdict in _PASSING:
                    break
                return Outcome(trouble.failure, attempts, throttles, sent_us, latency_ms)
            attempts = min(attempts, _ATTEMPTS_TOLD_MAX - 1)
        return None

    def _note_failure(self, row: _Trouble, verdict: Verdict) -> bool:
        """Tell the gate; return whether an outage took the attempt."""
        has_results = self._tally.results > 0
        is_taken = self._gate.note_failure(
            row.failure, verdict, row.seen, sent_s=row.sent_s, has_results=has_results
        )
        self._tally.outage = self._gate.outage
        return is_taken

    def _note_outage_over(self) -> None:
        self._tally.outage = None
        self._tally.resumed = self._clock.now_s(), self._tally.rows_done

    def judge_run(self) -> None:
        """See, after a row that failed, whether the run is to go on.

        Raises RefusedError when all rows end like this one; throws the switch when too many fail.
        """
        if rejected := self._tally.refusal():
            raise refused(*rejected)
        if reason := self._tally.failing():
            self._switch.throw(reason, hint=_TOO_MANY_FAIL)

    async def _turn(self, attempts: int) -> bool:
        """Wait for the turn of the attempt after `attempts`; False when the run is to stop."""
        while self._switch.reason is None:
            is_probe = self._gate.is_down and await self._gate.admit()
            is_due = await self._pacer.turn(is_retry=attempts > 0 or is_probe)
            if is_due and (is_probe or not self._gate.is_down):
                return True
        return False

    def _may_send(self, attempts: int) -> bool:
        """Count the attempt that is about to be made; False at the cap."""
        if self._switch.reason:
            return False
        if self._calls_max is not None and self._tally.calls >= self._calls_max:
            self._switch.throw(f"the cap of {self._calls_max} calls is reached")
            return False
        self._tally.calls += 1
        self._tally.retries += attempts > 0
        return True

    async def _verdict(self, row: _Trouble) -> Verdict:
        """Return what the row's last failure means here and now."""
        verdict = judge(row.failure)
        if verdict is Verdict.UNSPOKEN:
            return Verdict.TRANSIENT if self._tally.has_results else Verdict.REJECTED
        if verdict is Verdict.EXPIRED and not row.is_renewed:
            failure = await self._transport.renew(row.failure, since_s=row.sent_s)
            row.is_renewed = failure is None
            row.failure = failure or row.failure
            return Verdict.EXPIRED if row.is_renewed else _final(judge(row.failure))
        return _final(verdict)

    async def _may_try_again(self, row: _Trouble, verdict: Verdict) -> bool:
        """Wait as long as a row has to before its next attempt; False when there is to be none.

        An attempt that an outage took does not count, nor does it use up the budget.
        """
        if verdict is Verdict.EXPIRED:
            return True
        if verdict is Verdict.REFUSED:
            raise refused(row.failure.code, row.failure.message)
        if verdict is Verdict.REJECTED:
            if self._gate.is_troubled:
                self._gate.note_answer(row.sent_s)
            return False
        is_taken = self._note_failure(row, verdict)
        if self._switch.reason:
            return False
        if is_taken:
            row.seen.is_counted = False
            return True
        row.attempts += 1
        if row.attempts < self._attempts_max and self._budget.take():
            with self._switch.interruptible():
                await anyio.sleep(wait_s(row.attempts, row.failure, self._rng))
            return True
        if await self._gate.is_outage(row.sent_s):
            row.attempts, row.seen.is_counted = 0, False
            return True
        if self._switch.reason is None:
            self._tally.note_exhausted(row.failure)
        return False


class _Trouble:
    """What is known of a row since its first failed attempt."""

    __slots__ = ("attempts", "failure", "is_renewed", "seen", "sent_s")

    def __init__(self) -> None:
        self.failure = Failure(code="", message="")  # the last one
        self.sent_s = 0.0  # that attempt
        self.attempts = 0  # that count: not those of an outage
        self.is_renewed = False  # the credentials were renewed for it
        self.seen = RowTrouble()


def _final(verdict: Verdict) -> Verdict:
    """Return the verdict when there are no other credentials."""
    return Verdict.REFUSED if verdict is Verdict.EXPIRED else verdict


_TOO_MANY_FAIL = (
    "try such a row alone; those of finished parts are in _errors/ of the output. Then run the "
    "same command again: it carries on. stop.error_share_stop = 1 goes on whatever fails"
)

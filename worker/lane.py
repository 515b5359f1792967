"""One request to its final outcome: wait for a turn, call, maybe again."""

import random
import time
from collections.abc import Callable

import anyio

from worker.call.transport import Transport
from worker.errors import RefusedError
from worker.model import Answer, Failure, Outcome
from worker.pace import Pacer
from worker.retry import RetryBudget, Verdict, backoff_s, judge
from worker.stop import StopSwitch
from worker.tally import Tally


class Lane:
    """Shared by all concurrent rows of a run; holds no state of a single row."""

    def __init__(
        self,
        *,
        transport: Transport,
        pacer: Pacer,
        budget: RetryBudget,
        switch: StopSwitch,
        tally: Tally,
        attempts_max: int,
        calls_max: int | None,
        rng: random.Random,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._transport = transport
        self._pacer = pacer
        self._budget = budget
        self._switch = switch
        switch.on_throw(pacer.let_all_go)
        self._tally = tally
        self._attempts_max = attempts_max
        self._calls_max = calls_max
        self._rng = rng
        self._now_ns = now_ns

    async def settle(self, request: bytes) -> Outcome | None:
        """Return how the row of `request` ends; None when the run is stopped before it does.

        Raises RefusedError when every other row would end the same way.
        """
        self._budget.note_first_attempt()
        attempts = throttles = 0
        while (attempts == 0 and self._pacer.take_if_due()) or await self._turn(attempts):
            if not self._may_send(attempts):
                break
            sent_us, started_s = self._now_ns() // 1_000, time.perf_counter()
            self._tally.in_flight += 1
            try:
                result = await self._transport.call(request)
            finally:
                self._tally.in_flight -= 1
            latency_ms = (time.perf_counter() - started_s) * 1e3
            attempts += 1
            if isinstance(result, Answer):
                return Outcome(result, attempts, throttles, sent_us, latency_ms)
            verdict = judge(result)
            throttles += verdict is Verdict.THROTTLED
            self._tally.throttles += verdict is Verdict.THROTTLED
            if self._is_final(result, attempts, verdict):
                if self._switch.reason and verdict in (Verdict.THROTTLED, Verdict.TRANSIENT):
                    break
                return Outcome(result, attempts, throttles, sent_us, latency_ms)
            with self._switch.interruptible():
                await anyio.sleep(backoff_s(attempts, self._rng))
        return None

    async def _turn(self, attempts: int) -> bool:
        """Wait for the turn of the attempt after `attempts`; False when the run is to stop."""
        await self._pacer.turn(is_retry=attempts > 0)
        return self._switch.reason is None

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

    def _is_final(self, failure: Failure, attempts: int, verdict: Verdict) -> bool:
        if verdict is Verdict.REFUSED:
            raise refused(failure.code, failure.message)
        if verdict is Verdict.REJECTED:
            return True
        if attempts < self._attempts_max and self._budget.take():
            return False
        self._tally.note_exhausted(failure)
        if reason := self._tally.outage():
            self._switch.throw(reason)
        return True


def refused(code: str, message: str) -> RefusedError:
    """Return the error for a run whose every call the service refuses in the same words."""
    hint = {
        "ResourceNotFoundException": "check the ARNs and the region in [target] and [request]; "
        "the emulator's account is 000000000000",
        "InvalidInputException": "check that the recipe or use case fits the operation and the "
        "columns, and that filters are ACTIVE",
        "InvalidAnswer": "check target.endpoint_url: what answers there is not Personalize",
        "UnknownOperationException": "check target.endpoint_url: it is not Personalize Runtime",
    }.get(code, "check the credentials ([target] profile, AWS_* variables) and their permissions")
    return RefusedError(f"the service refuses this run with {code}: {message}", hint=hint)

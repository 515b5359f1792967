"""One row to its end, with a transport that answers from a list."""

import random
from collections.abc import Callable

import anyio
import pytest

from worker.clock import MonotonicClock
from worker.errors import RefusedError
from worker.lane import Lane
from worker.model import Answer, Failure, Outcome
from worker.pace import Pacer, Ramp
from worker.retry import RetryBudget
from worker.stop import StopSwitch
from worker.tally import REJECTIONS_TO_JUDGE, ROWS_TO_JUDGE, Tally

ANSWER = Answer(body=b"{}", request_id="r")
THROTTLE = Failure(code="ThrottlingException", message="slow down", http_status=400)
BROKEN = Failure(code="InternalFailure", message="oops", http_status=500)
REJECTED = Failure(code="InvalidInputException", message="no", http_status=400)
DENIED = Failure(code="AccessDeniedException", message="no", http_status=403)


class NoJitter(random.Random):
    """Full jitter that always draws the shortest wait."""

    def uniform(self, a: float, b: float) -> float:
        del b
        return a


class ScriptedTransport:
    """Answers from a list; the last answer repeats."""

    def __init__(self, *results: Answer | Failure) -> None:
        self._results = list(results)
        self.calls = 0
        self.on_call: Callable[[], None] = lambda: None

    async def call(self, body: bytes) -> Answer | Failure:
        del body
        self.calls += 1
        self.on_call()
        await anyio.lowlevel.checkpoint()
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]


class Bench:
    """A lane and all that it touches."""

    def __init__(
        self,
        *results: Answer | Failure,
        attempts_max: int = 4,
        calls_max: int | None = None,
        budget_share: float = 0.2,
    ) -> None:
        self.transport = ScriptedTransport(*results)
        self.switch = StopSwitch()
        self.tally = Tally(rows_expected=100)
        self.pacer = CountingPacer()
        self.budget = RetryBudget(budget_share)
        self.lane = Lane(
            transport=self.transport,
            pacer=self.pacer,
            budget=self.budget,
            switch=self.switch,
            tally=self.tally,
            attempts_max=attempts_max,
            calls_max=calls_max,
            rng=NoJitter(),
            now_ns=lambda: 1_000_000,
        )

    async def settle(self) -> Outcome:
        outcome = await self.lane.settle(b"{}")
        assert outcome is not None
        self.tally.note(outcome)
        return outcome


class CountingPacer(Pacer):
    """Lets everyone through and counts them."""

    def __init__(self) -> None:
        super().__init__(Ramp(tps=1.0, start_tps=1.0, ramp_s=0.0), MonotonicClock())
        self.turns = 0
        self.retry_turns = 0

    def take_if_due(self) -> bool:
        self.turns += 1
        return True

    async def turn(self, *, is_retry: bool = False) -> None:
        self.turns += 1
        self.retry_turns += is_retry


async def test_an_answer_is_the_outcome() -> None:
    bench = Bench(ANSWER)
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts, outcome.sent_us) == (ANSWER, 1, 1_000)


@pytest.mark.parametrize("failure", [THROTTLE, BROKEN])
async def test_every_retry_takes_its_turn_at_the_pacer(failure: Failure) -> None:
    bench = Bench(failure, failure, ANSWER)
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts) == (ANSWER, 3)
    assert bench.pacer.turns == bench.transport.calls == bench.tally.calls == 3
    assert bench.tally.retries == bench.pacer.retry_turns == 2
    assert outcome.throttles == (2 if failure is THROTTLE else 0)


async def test_a_row_fails_with_its_last_error_when_attempts_run_out() -> None:
    bench = Bench(THROTTLE, THROTTLE, THROTTLE, BROKEN, attempts_max=4)
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts, outcome.throttles) == (BROKEN, 4, 3)


async def test_a_rejected_row_is_not_tried_again() -> None:
    bench = Bench(REJECTED)
    assert (await bench.settle()).attempts == 1


async def test_a_refusal_ends_the_run() -> None:
    with pytest.raises(RefusedError, match="AccessDeniedException") as caught:
        await Bench(DENIED).settle()
    assert caught.value.exit_code == 4


async def test_an_empty_retry_budget_fails_rows_at_their_first_failure() -> None:
    bench = Bench(BROKEN, budget_share=0.0)
    assert (await bench.settle()).attempts == 1


async def test_a_row_that_is_cancelled_is_in_flight_no_more() -> None:
    bench = Bench(ANSWER)

    async def never(body: bytes) -> Answer | Failure:
        del body
        await anyio.sleep_forever()
        raise AssertionError

    bench.transport.call = never  # type: ignore[method-assign] # a transport that hangs
    async with anyio.create_task_group() as group:
        group.start_soon(bench.lane.settle, b"{}")
        await anyio.wait_all_tasks_blocked()
        assert bench.tally.in_flight == 1
        group.cancel_scope.cancel()
    assert bench.tally.in_flight == 0


async def test_rows_in_a_row_without_any_success_stop_the_run() -> None:
    bench = Bench(BROKEN, attempts_max=1)
    for _ in range(ROWS_TO_JUDGE - 1):
        await bench.settle()
    assert not bench.switch.reason
    assert await bench.lane.settle(b"{}") is None
    assert "InternalFailure" in str(bench.switch.reason)


async def test_one_success_between_acquits_the_service() -> None:
    bench = Bench(*[BROKEN] * (ROWS_TO_JUDGE - 1), ANSWER, BROKEN, attempts_max=1)
    for _ in range(ROWS_TO_JUDGE + 2):
        await bench.settle()
    assert bench.switch.reason is None


async def test_the_call_cap_stops_before_the_call_beyond_it() -> None:
    bench = Bench(ANSWER, calls_max=2)
    await bench.settle()
    await bench.settle()
    assert await bench.lane.settle(b"{}") is None
    assert bench.transport.calls == 2
    assert "2 calls" in str(bench.switch.reason)


async def test_a_stop_during_a_call_keeps_its_answer_and_makes_no_other() -> None:
    bench = Bench(ANSWER)
    bench.transport.on_call = lambda: bench.switch.throw("test")
    assert (await bench.settle()).result is ANSWER
    assert await bench.lane.settle(b"{}") is None


async def test_a_stop_during_a_failing_call_leaves_the_row_undone() -> None:
    bench = Bench(BROKEN, ANSWER)
    bench.transport.on_call = lambda: bench.switch.throw("test")
    assert await bench.lane.settle(b"{}") is None
    assert bench.transport.calls == 1


def test_a_run_is_refused_when_all_rows_are_rejected_in_the_same_words() -> None:
    tally = Tally(rows_expected=100)
    outcome = Outcome(result=REJECTED, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    for _ in range(REJECTIONS_TO_JUDGE - 1):
        tally.note(outcome)
    assert tally.refusal() is None
    assert tally.refusal(at_end=True) == ("InvalidInputException", "no")
    tally.note(outcome)
    assert tally.refusal() == ("InvalidInputException", "no")


def test_a_resumed_run_that_had_results_is_not_refused() -> None:
    tally = Tally(rows_expected=100, results_before=1)
    outcome = Outcome(result=REJECTED, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    for _ in range(REJECTIONS_TO_JUDGE):
        tally.note(outcome)
    assert tally.refusal() is None


def test_a_run_is_not_refused_when_one_row_succeeds_or_reasons_differ() -> None:
    rejected = Outcome(result=REJECTED, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    other = Outcome(
        result=Failure("InvalidInputException", "else"),
        attempts=1,
        throttles=0,
        sent_us=0,
        latency_ms=0.0,
    )
    success = Outcome(result=ANSWER, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    for acquittal in (other, success):
        tally = Tally(rows_expected=100)
        tally.note(acquittal)
        for _ in range(REJECTIONS_TO_JUDGE):
            tally.note(rejected)
        assert tally.refusal() is None


@pytest.mark.parametrize(
    ("status", "down"), [(None, True), (503, False)], ids=["not reached", "answered"]
)
def test_a_few_rows_count_as_an_outage_only_at_the_end_and_unanswered(
    status: int | None, *, down: bool
) -> None:
    tally = Tally(rows_expected=2)
    tally.note_exhausted(Failure("ConnectFailed", "refused", http_status=status))
    assert tally.outage() is None
    assert bool(tally.outage(at_end=True)) is down

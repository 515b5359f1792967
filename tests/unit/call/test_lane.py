"""One row to its end, with a transport that answers from a list."""

from __future__ import annotations

import time

import anyio
import pytest
from support.lanes import leave
from unit.call.benches import Bench

from worker.errors import RefusedError
from worker.model import Answer, Failure
from worker.personalize.clock_skew import IN_A_ROW_MAX
from worker.personalize.rejections import CALLS_TO_JUDGE
from worker.telemetry.tally import ROWS_TO_SHARE
from worker.transport.base import Turn

ANSWER = Answer(body=b"{}", request_id="r")
THROTTLE = Failure(code="ThrottlingException", message="slow down", http_status=400)
BROKEN = Failure(code="InternalFailure", message="oops", http_status=500)
REJECTED = Failure(code="InvalidInputException", message="no", http_status=400)
DENIED = Failure(code="AccessDeniedException", message="no", http_status=403)

pytestmark = pytest.mark.simulated_time


async def test_an_answer_is_the_outcome() -> None:
    bench = Bench(ANSWER)
    began_us = time.time_ns() // 1_000
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts) == (ANSWER, 1)
    assert began_us <= outcome.sent_us <= time.time_ns() // 1_000


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

    async def never(body: bytes, turn: Turn | None = None) -> Answer | Failure:
        del body
        assert turn is not None
        assert await leave(turn)
        await anyio.sleep_forever()
        raise AssertionError

    bench.transport.call = never  # type: ignore[method-assign] # a transport that hangs
    async with anyio.create_task_group() as group:
        group.start_soon(bench.lane.settle, b"{}")
        await anyio.wait_all_tasks_blocked()
        assert bench.tally.in_flight == 1
        group.cancel_scope.cancel()
    assert bench.tally.in_flight == 0


async def test_the_call_cap_stops_before_the_call_beyond_it() -> None:
    bench = Bench(ANSWER, calls_max=2)
    await bench.settle()
    await bench.settle()
    await bench.settle_in_vain()
    assert bench.transport.calls == 2
    assert "2 calls" in str(bench.switch.reason)


async def test_a_stop_during_a_call_keeps_its_answer_and_makes_no_other() -> None:
    bench = Bench(ANSWER)
    bench.transport.on_call = lambda: bench.switch.throw("test")
    assert (await bench.settle()).result is ANSWER
    await bench.settle_in_vain()
    assert bench.transport.calls == 1


async def test_a_stop_during_a_failing_call_leaves_the_row_undone() -> None:
    bench = Bench(BROKEN, ANSWER)
    bench.transport.on_call = lambda: bench.switch.throw("test")
    await bench.settle_in_vain()
    assert bench.transport.calls == 1


EXPIRED = Failure("ExpiredTokenException", "expired", http_status=403)


async def test_expired_credentials_are_renewed_and_the_row_goes_on() -> None:
    bench = Bench(EXPIRED, ANSWER, attempts_max=1, budget_share=0.0)
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts, bench.transport.renewals) == (ANSWER, 2, 1)
    assert bench.pacer.retry_turns == 1


async def test_credentials_that_cannot_be_renewed_end_the_run() -> None:
    bench = Bench(EXPIRED)
    bench.transport.renewable = set()
    with pytest.raises(RefusedError, match="ExpiredTokenException") as caught:
        await bench.settle()
    assert "log in again" in caught.value.hint
    assert bench.transport.calls == 1


async def test_renewed_credentials_that_are_expired_too_end_the_run() -> None:
    bench = Bench(EXPIRED)
    bench.transport.renewable = {1, 2, 3}
    with pytest.raises(RefusedError, match="ExpiredTokenException"):
        await bench.settle()
    assert (bench.transport.calls, bench.transport.renewals) == (2, 1)


SKEWED = Failure("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", 403)


async def test_a_signature_that_was_late_is_made_anew_and_is_none_of_the_rows_attempts() -> None:
    bench = Bench(ANSWER, SKEWED, SKEWED, ANSWER, attempts_max=1, budget_share=0.0)
    await bench.settle()
    outcome = await bench.settle()
    assert (outcome.result, outcome.attempts) == (ANSWER, 3)


async def test_a_clock_that_is_wrong_from_the_first_call_on_ends_the_run() -> None:
    bench = Bench(SKEWED)
    with pytest.raises(RefusedError, match="Signature expired") as caught:
        await bench.settle()
    assert "clock" in caught.value.hint
    assert bench.transport.calls == 1


async def test_a_clock_that_goes_wrong_in_mid_run_ends_it_after_some_calls() -> None:
    bench = Bench(ANSWER, SKEWED)
    await bench.settle()
    with pytest.raises(RefusedError, match="Signature expired"):
        await bench.settle()
    assert bench.transport.calls == 1 + IN_A_ROW_MAX


async def test_a_stop_while_a_late_signature_waits_leaves_the_row_undone() -> None:
    bench = Bench(ANSWER, SKEWED)
    await bench.settle()
    bench.transport.on_call = lambda: bench.switch.throw("test")
    await bench.settle_in_vain()
    assert bench.transport.calls == 2  # no third one, for all that the wait was cut short


BARE = Failure("403", "HTTP 403 without a message", http_status=403)


async def test_a_bare_403_is_tried_again_once_the_service_has_answered() -> None:
    bench = Bench(ANSWER, BARE, ANSWER)
    await bench.settle()
    assert (await bench.settle()).attempts == 2


async def test_a_bare_403_to_every_row_from_the_first_on_ends_the_run() -> None:
    bench = Bench(BARE)
    for _ in range(CALLS_TO_JUDGE - 1):
        assert (await bench.settle()).attempts == 1
        bench.lane.judge_run()
    await bench.settle()
    with pytest.raises(RefusedError, match="403") as caught:
        bench.lane.judge_run()
    assert "endpoint_url" in caught.value.hint


async def test_a_run_of_failing_rows_is_stopped_with_advice() -> None:
    bench = Bench(REJECTED)
    bench.tally.error_share_stop = 0.5
    bench.tally.results = 1
    for _ in range(ROWS_TO_SHARE):
        await bench.settle()
    bench.lane.judge_run()
    error = bench.switch.error()
    assert "100% of the last 1,000 rows" in error.what
    assert "stop.error_share_stop" in error.hint

"""Lanes, pacer, gate and breaker together, against a service that is down for a while.

Time is simulated, so minutes cost nothing, and each run goes the same way every time.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable

import anyio
import pytest
from support.clock import LoopClock, simulate
from support.lanes import ANSWER, Behaviour, Run

from worker.call.breaker import FAILURES_TO_OPEN, PROBE_S_MAX, UNREACHED_S_MAX, Breaker
from worker.call.outage import OutageGate
from worker.call.trouble import RowTrouble
from worker.model import Answer, Failure
from worker.personalize.error_codes import Verdict
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener

REFUSED = Failure("ConnectFailed", "connection refused")
SILENT = Failure("TimedOut", "no whole answer within 5 s")
BROKEN = Failure("InternalFailure", "oops", http_status=500)
THROTTLED = Failure("ThrottlingException", "Rate exceeded", http_status=400)
KINDS = [REFUSED, SILENT, BROKEN, THROTTLED]
kinds = pytest.mark.parametrize("failure", KINDS, ids=lambda each: each.code)


def down(failure: Failure, start_s: float, end_s: float) -> Behaviour:
    """Return a service that answers but for some seconds."""
    return lambda _, now_s: failure if start_s <= now_s < end_s else ANSWER


@kinds
@pytest.mark.parametrize("lasts_s", [3.0, 60.0, 110.0])
@pytest.mark.parametrize("attempts_max", [2, 6])
def test_an_outage_shorter_than_the_limit_loses_no_row(
    failure: Failure, lasts_s: float, attempts_max: int
) -> None:
    run = Run(down(failure, 5.0, 5.0 + lasts_s), rows=2_000, attempts_max=attempts_max).go()
    assert run.reason is None
    assert len(run.outcomes) == 2_000
    assert not run.failed


@kinds
def test_while_it_lasts_probes_alone_are_sent(failure: Failure) -> None:
    run = Run(down(failure, 5.0, 65.0), rows=2_000).go()
    assert run.sent_between(10.0, 65.0) <= 55.0 / PROBE_S_MAX + 5
    assert run.sent_between(10.0, 65.0) >= 55.0 / PROBE_S_MAX - 1


def test_rows_that_had_their_turn_in_sight_wait_too() -> None:
    """At a low rate, hundreds wait at the pacer when the service goes down."""
    run = Run(down(BROKEN, 5.0, 65.0), rows=800, tps=10.0, lanes=200).go()
    assert not run.failed
    assert run.sent_between(9.0, 65.0) <= 56.0 / PROBE_S_MAX + 4


@kinds
def test_an_outage_is_probed_at_an_adaptive_rate_too(failure: Failure) -> None:
    """Which throttles have lowered to one a second by then, with hundreds waiting at the pacer."""
    service = down(failure, 5.0, 65.0)
    run = Run(service, rows=4_000, tps=200.0, lanes=200, latency_s=0.5, is_adaptive=True).go()
    assert run.reason is None
    assert not run.failed
    assert run.sent_between(15.0, 65.0) >= 50.0 / PROBE_S_MAX - 1
    assert run.sent_between(15.0, 65.0) <= 50.0 / PROBE_S_MAX + 4


@pytest.mark.parametrize("is_adaptive", [False, True])
@pytest.mark.parametrize("rows", [3, 60])
def test_throttling_of_all_loses_no_row_at_a_low_rate_either(rows: int, is_adaptive: bool) -> None:
    """When rows run out of attempts before ten of them have failed."""
    service = down(THROTTLED, 0.0 if rows == 3 else 3.0, 33.0)
    run = Run(service, rows=rows, tps=5.0, is_adaptive=is_adaptive).go()
    assert run.reason is None
    assert not run.failed


@pytest.mark.parametrize("failure", [REFUSED, SILENT, BROKEN], ids=lambda each: each.code)
def test_an_outage_is_no_reason_to_go_slower(failure: Failure) -> None:
    run = Run(down(failure, 5.0, 65.0), rows=4_000, tps=200.0, lanes=200, is_adaptive=True).go()
    over_s = min(at_s for at_s, _ in run.sent if at_s >= 65.0)
    assert run.sent_between(over_s + 0.5, over_s + 4.5) >= 0.95 * 4.0 * 200.0


@pytest.mark.parametrize(
    ("tps", "lanes", "latency_s"), [(5, 20, 0.05), (50, 200, 0.05), (50, 16, 2)]
)
def test_what_was_throttled_in_an_outage_lowers_no_rate_after_it(
    tps: float, lanes: int, latency_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    """An epoch that began before it and ends with the first answers is not judged."""
    service = down(THROTTLED, 5.0, 30.0)
    run = Run(service, rows=int(40 * tps), tps=tps, lanes=lanes, latency_s=latency_s)
    run.is_adaptive = True
    with caplog.at_level(logging.INFO, logger="worker"):
        run.go()
    said = [record.message for record in caplog.records]
    assert said[-2:] == ["service down", "service answers again"]
    over_s = min(at_s for at_s, _ in run.sent if at_s >= 30.0)
    assert run.sent_between(over_s + 4.0, over_s + 10.0) >= 0.95 * 6.0 * min(tps, lanes / latency_s)


def test_an_outage_that_follows_another_loses_no_row_either() -> None:
    """All rows in work have met the first one, which says nothing of them."""

    answered: list[float] = []

    def twice(_: int, now_s: float) -> Answer | Failure:
        if 15.0 <= now_s < 40.0 and not answered:
            answered.append(now_s)
            return ANSWER
        return BROKEN if 5.0 <= now_s < 40.0 else ANSWER

    run = Run(twice, rows=2_000, attempts_max=2, latency_s=1.0).go()
    assert run.reason is None
    assert not run.failed


@kinds
def test_when_it_is_over_the_rate_is_kept_from_the_first_second(failure: Failure) -> None:
    run = Run(down(failure, 5.0, 65.0), rows=3_000, tps=100.0).go()
    back_s = min(at_s for at_s, _ in run.sent if at_s >= 65.0)
    assert back_s <= 65.0 + PROBE_S_MAX
    assert run.sent_between(back_s + 0.1, back_s + 1.1) in range(98, 104)


@kinds
def test_a_service_that_stays_down_stops_the_run_at_the_limit(failure: Failure) -> None:
    run = Run(down(failure, 5.0, 1e9), rows=2_000).go()
    assert run.reason is not None
    assert "does not answer" in run.reason
    assert failure.code in run.reason
    assert 125.0 <= run.ended_s <= 125.0 + 2.0
    assert not run.failed


@pytest.mark.parametrize("failure", [REFUSED, SILENT], ids=lambda each: each.code)
def test_a_service_that_was_never_reached_stops_the_run_soon(failure: Failure) -> None:
    run = Run(down(failure, 0.0, 1e9), rows=2_000).go()
    assert run.reason is not None
    assert run.ended_s <= UNREACHED_S_MAX + 1.0
    assert not run.outcomes


def test_a_service_that_is_down_at_the_start_but_speaks_is_waited_for() -> None:
    run = Run(down(BROKEN, 0.0, 60.0), rows=500).go()
    assert run.reason is None
    assert not run.failed


def test_rows_that_always_fail_do_so_among_others_and_at_the_end() -> None:
    """A tenth of the rows: their retries are all that is left in the end, which is no outage."""
    run = Run(lambda row, _: ANSWER if row % 10 else BROKEN, rows=300, budget_share=1.0).go()
    assert run.reason is None
    assert set(run.failed) == set(range(0, 300, 10))
    assert {run.outcomes[row].attempts for row in run.failed} == {6}


def test_throttling_that_serves_some_is_no_outage() -> None:
    """A hundredth of the rate is served: the others of each second are throttled."""
    served = set[int]()

    def one_a_second(_: int, now_s: float) -> Answer | Failure:
        if int(now_s) in served:
            return THROTTLED
        served.add(int(now_s))
        return ANSWER

    run = Run(one_a_second, rows=400, budget_share=10.0, attempts_max=100).go()
    assert run.reason is None
    # No probing in between: attempts go on as the backoff has them.
    assert all(run.sent_between(at_s, at_s + 2) >= 10 for at_s in range(0, 60, 2))


def test_an_endpoint_that_cannot_be_connected_to_is_no_rows_fault_however_few_they_are() -> None:
    run = Run(down(REFUSED, 1.0, 100.0), rows=2, tps=0.5, lanes=1, attempts_max=1).go()
    assert run.reason is None
    assert not run.failed


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_connections_that_are_refused_now_and_then_leave_the_rate_to_others(share: float) -> None:
    rng = random.Random(1)
    run = Run(lambda *_: REFUSED if rng.random() < share else ANSWER, rows=3_600, tps=60.0).go()
    assert not run.failed
    assert run.sent_between(1.0, 50.0) >= 0.98 * 49.0 * 60.0


@pytest.mark.parametrize("failure", [SILENT, BROKEN], ids=lambda each: each.code)
@pytest.mark.parametrize("lanes", [1, 4, 9])
@pytest.mark.parametrize("attempts_max", [1, 6])
def test_with_few_rows_in_work_an_outage_takes_fewer_than_ten_of_them(
    failure: Failure, lanes: int, attempts_max: int
) -> None:
    """Each might be a row that always fails: the tenth in turn tells that it is none of them."""
    service = down(failure, 5.0, 65.0)
    run = Run(service, rows=200, tps=10.0, lanes=lanes, attempts_max=attempts_max).go()
    assert run.reason is None
    assert len(run.failed) < FAILURES_TO_OPEN


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_rows_that_wait_to_be_tried_again_leave_the_lanes_to_others(share: float) -> None:
    """At 2 % of failures in passing, 2,500 calls a second need no more lanes than without."""

    def ambient(row: int, now_s: float) -> Answer | Failure:
        return BROKEN if hash((row, now_s)) % 1000 < 1000 * share else ANSWER

    run = Run(ambient, rows=25_000, tps=2_500.0, lanes=256).go()
    assert not run.failed
    assert run.sent_between(1.0, 9.0) >= 0.99 * 8.0 * 2_500.0


def test_rows_that_come_to_wait_in_one_moment_are_looked_at_once() -> None:
    """Each look goes over all that wait: with thousands, a look for each of them takes seconds."""

    class Looked(Breaker):
        looks = 0

        def reason(self, now_s: float, *, suspects: Iterable[RowTrouble] = ()) -> str | None:
            self.looks += 1
            return super().reason(now_s, suspects=suspects)

    async def main() -> int:
        clock, switch, breaker = LoopClock(), StopSwitch(), Looked(120.0)
        gate = OutageGate(breaker, clock, switch, RunListener())
        for _ in range(FAILURES_TO_OPEN):
            gate.record_failure(
                BROKEN, Verdict.TRANSIENT, RowTrouble(), sent_s=0.0, has_results=True
            )
        async with anyio.create_task_group() as group:
            for _ in range(1_000):
                group.start_soon(gate.admit)
            await anyio.sleep(0.05)  # of the simulated clock: before the first probe is due
            gate.record_answer(clock.now_s())
        return breaker.looks

    assert simulate(main) == 1


def test_what_left_before_a_row_failed_does_not_acquit_the_service_of_it() -> None:
    """Answers of attempts that left before an outage come in while it has begun."""

    async def main() -> list[bool]:
        clock, switch = LoopClock(), StopSwitch()
        gate = OutageGate(Breaker(120.0), clock, switch, RunListener())
        outages: list[bool] = []

        async def fail() -> None:
            sent_s = clock.now_s()
            await anyio.sleep(0.05)  # of the simulated clock: how long the call takes
            gate.record_failure(
                BROKEN, Verdict.TRANSIENT, RowTrouble(), sent_s=sent_s, has_results=True
            )
            outages.append(await gate.is_outage(sent_s))

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await anyio.sleep(0.06)  # likewise: until after it
            gate.record_answer(-0.001)
            assert outages == []
            for _ in range(FAILURES_TO_OPEN):
                group.start_soon(fail)
        return outages

    assert simulate(main) == [True] * (1 + FAILURES_TO_OPEN)

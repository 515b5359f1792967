"""Rows that the service always fails at end as failed rows, and an outage is none of them.

Time is simulated: lanes, pacer, gate and breaker together, against a service that is a function.
"""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lanes import ANSWER, Behaviour, Run

from worker.call.breaker import FAILURES_TO_OPEN, Breaker
from worker.call.trouble import RowTrouble
from worker.model import Answer, Failure
from worker.personalize.error_codes import Verdict
from worker.transport.base import SENT_BACK, Turn

BROKEN = Failure("InternalFailure", "cannot", http_status=500)
BARE = Failure("503", "HTTP 503 without a message", http_status=503)
CUT = Failure("ConnectionLost", "the connection ended in the middle of an answer")
SILENT = Failure("TimedOut", "no whole answer within 5 s")
ROWS = 1_000
ATTEMPTS_MAX = 6
FAILURE_S = 3.0


def always_failing(rows: range | set[int], failure: Failure = BROKEN) -> Behaviour:
    return lambda row, _: failure if row in rows else ANSWER


def go(behaviour: Behaviour, **options: float | bool) -> Run:
    usual = {"rows": ROWS, "tps": 500.0, "latency_s": 0.02, "lanes": 256, "budget_share": 10.0}
    return Run(behaviour, **{**usual, **options}).go()  # type: ignore[arg-type] # all of them fit


@pytest.mark.parametrize("count", [FAILURES_TO_OPEN, 12, 60, 200])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_rows_in_turn_that_always_fail_do_so_wherever_they_are(count: int, where: str) -> None:
    first = {"start": 0, "middle": ROWS // 3, "end": ROWS - count}[where]
    bad = range(first, first + count)
    run = go(always_failing(bad), outage_s=15.0)
    assert run.reason is None
    assert set(run.failed) == set(bad)
    attempts = [run.outcomes[row].attempts for row in bad]
    assert min(attempts) >= ATTEMPTS_MAX
    assert sum(attempts) <= (ATTEMPTS_MAX + 2) * count


@pytest.mark.parametrize("count", [FAILURES_TO_OPEN, 30, 100])
def test_an_input_of_such_rows_alone_is_done(count: int) -> None:
    run = go(always_failing(range(count)), rows=count, outage_s=15.0)
    assert run.reason is None
    assert sorted(run.failed) == [*range(count)]
    times: dict[int, list[float]] = {row: [] for row in range(count)}
    for at_s, row in run.sent:
        times[row].append(at_s)
    for moments in times.values():
        assert len(moments) >= ATTEMPTS_MAX
        assert moments[-1] - moments[0] >= 15.0 - 0.1


@pytest.mark.parametrize("lanes", [8, 64, 256])
@pytest.mark.parametrize("where", ["start", "middle", "end"])
def test_more_of_them_in_turn_than_may_be_in_work_fail_too(where: str, lanes: int) -> None:
    """No row in work is another one: those farther away are, and in the end one of before."""
    rows, count = 3_000, 300
    first = {"start": 0, "middle": rows // 2, "end": rows - count}[where]
    bad = range(first, first + count)
    run = go(always_failing(bad), rows=rows, lanes=lanes, budget_share=0.2)
    assert run.reason is None
    assert sorted(run.failed) == [*bad]
    twice = [row for row, times in Counter(row for _, row in run.sent).items() if times > 1]
    assert len(set(twice) - set(bad)) <= (where == "end")
    assert sum(outcome.attempts for outcome in run.outcomes.values()) == len(run.sent)


@pytest.mark.parametrize(("count", "lanes"), [(30, 1), (30, 8), (200, 8), (300, 256)])
def test_an_input_of_more_such_rows_than_may_be_in_work_is_done(count: int, lanes: int) -> None:
    run = go(always_failing(range(count)), rows=count, lanes=lanes, outage_s=15.0)
    assert run.reason is None
    assert sorted(run.failed) == [*range(count)]
    attempts = [run.outcomes[row].attempts for row in run.failed]
    assert ATTEMPTS_MAX <= min(attempts) <= max(attempts) <= ATTEMPTS_MAX + 2
    assert run.ended_s <= 120.0


def test_more_rows_than_that_which_were_never_served_are_an_outage() -> None:
    run = go(always_failing(range(2_000)), rows=2_000, lanes=64)
    assert "does not answer" in str(run.reason)
    assert not run.failed
    assert run.ended_s == pytest.approx(120.0, abs=2.0)


@pytest.mark.parametrize("lanes", [16, 64, 256])
def test_an_outage_while_the_last_rows_are_left_fails_none_of_them(lanes: int) -> None:
    """A row that was served before is not served now: the others are not at fault."""
    run = go(outage(1.9, 600.0), rows=ROWS, tps=500.0, lanes=lanes)
    assert len(run.outcomes) >= ROWS - 60
    assert "does not answer" in str(run.reason)
    assert not run.failed
    assert run.sent_between(3.0, 600.0) <= 40


@pytest.mark.parametrize("where", [0, ROWS // 2, ROWS - 100])
def test_failures_that_take_seconds_each_are_told_from_an_outage_too(where: int) -> None:
    bad = range(where, where + 100)
    run = Slow(always_failing(bad), rows=ROWS, tps=500.0, budget_share=10.0).go()
    assert run.reason is None
    assert sorted(run.failed) == [*bad]
    assert run.ended_s <= 120.0


class Slow(Run):
    """Whose rows are answered soon, but fail late."""

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        result = await super().call(body, turn)
        if isinstance(result, Failure) and result is not SENT_BACK:
            await anyio.sleep(FAILURE_S)  # of the simulated clock
        return result


@pytest.mark.parametrize("where", ["middle", "end"])
def test_they_cost_others_nothing_of_an_adaptive_rate(where: str) -> None:
    """What only its row is to blame for says nothing of the rate."""
    rows, count, tps = 4_000, 60, 100.0
    first = {"middle": rows // 2, "end": rows - count}[where]
    bad = range(first, first + count)
    run = go(always_failing(bad), rows=rows, tps=tps, budget_share=0.2, is_adaptive=True)
    assert sorted(run.failed) == [*bad]
    assert run.ended_s <= (rows + ATTEMPTS_MAX * count) / tps + 20.0


@pytest.mark.parametrize("failure", [BARE, SILENT], ids=lambda each: each.code)
def test_what_the_service_has_not_said_itself_stops_the_run(failure: Failure) -> None:
    run = go(always_failing(range(ROWS - 30, ROWS), failure), outage_s=15.0)
    assert "does not answer" in str(run.reason)
    assert not run.failed


def test_rows_that_are_served_at_their_second_attempt_stop_no_run() -> None:
    tried = set[int]()

    def behaviour(row: int, _: float) -> Answer | Failure:
        is_first = row not in tried
        tried.add(row)
        return CUT if is_first and row < ROWS // 2 else ANSWER

    run = go(behaviour)
    assert run.reason is None
    assert not run.failed


@pytest.mark.parametrize("share", [5, 20, 100])
def test_rows_that_always_fail_among_others_hold_nobody_up(share: int) -> None:
    bad = set(range(0, ROWS, share))
    run = go(always_failing(bad), rows=ROWS)
    assert run.reason is None
    assert set(run.failed) == bad
    assert len(run.sent) <= ROWS + (ATTEMPTS_MAX + 1) * len(bad)


def outage(start_s: float, lasts_s: float, failure: Failure = BROKEN) -> Behaviour:
    def behaviour(_: int, now_s: float) -> Answer | Failure:
        return failure if start_s <= now_s < start_s + lasts_s else ANSWER

    return behaviour


@pytest.mark.parametrize("start_s", [0.0, 5.0, 9.9, 9.99])  # the last ones: the input's last rows
@pytest.mark.parametrize("lanes", [16, 64, 256])
def test_an_outage_of_ten_minutes_is_waited_out_and_fails_no_row(
    start_s: float, lanes: int
) -> None:
    run = go(outage(start_s, 600.0), tps=100.0, lanes=lanes, latency_s=0.2, outage_s=900.0)
    assert run.reason is None
    if not run.failed:
        return
    # Fewer than ten rows were left, and no others: nothing tells them from rows that always fail.
    assert start_s >= 9.9
    assert len(run.failed) < FAILURES_TO_OPEN


def test_an_outage_beyond_the_limit_stops_the_run_before_its_rows_fail() -> None:
    run = go(outage(3.0, 600.0), tps=100.0, lanes=64, outage_s=120.0)
    assert "does not answer" in str(run.reason)
    assert not run.failed
    assert run.ended_s == pytest.approx(123.0, abs=2.0)


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.integers(0, 299), max_size=60),
    st.floats(0.1, 60.0),
    st.sampled_from([1, 6]),
    st.sampled_from([30, 100]),
)
def test_rows_that_fail_by_themselves_are_told_from_an_outage(
    bad: set[int], lasts_s: float, attempts_max: int, lanes: int
) -> None:
    """The outage is long over when the input ends; a row of no fault may fail in none of it."""

    def behaviour(row: int, now_s: float) -> Answer | Failure:
        return BROKEN if row in bad or 1.0 <= now_s < 1.0 + lasts_s else ANSWER

    run = go(behaviour, rows=300, tps=100.0, lanes=lanes, attempts_max=attempts_max)
    assert run.reason is None
    assert bad <= set(run.failed)
    assert len(set(run.failed) - bad) < FAILURES_TO_OPEN


def fail(breaker: Breaker, row: RowTrouble, now_s: float, failure: Failure = BROKEN) -> bool:
    return breaker.record_failure(failure, Verdict.TRANSIENT, row, sent_s=now_s, now_s=now_s)


def opened(breaker: Breaker, at_s: float = 1.0) -> list[RowTrouble]:
    rows = [RowTrouble() for _ in range(FAILURES_TO_OPEN)]
    for row in rows:
        fail(breaker, row, at_s)
    assert breaker.is_open
    return rows


@pytest.mark.parametrize(
    ("is_tried", "served_s", "counts"),
    [(False, 1.1, True), (False, 60.0, True), (True, 1.5, True), (True, 60.0, False)],
)
def test_an_attempt_counts_after_all_when_another_row_is_served_soon(
    is_tried: bool, served_s: float, counts: bool
) -> None:
    breaker = Breaker(120.0)
    row = opened(breaker)[-1]
    assert row.attempts == 0
    if is_tried:
        fail(breaker, RowTrouble(), 1.2)
    breaker.record_answer(served_s)
    fail(breaker, row, served_s + 1.0)
    assert row.attempts == 1 + counts


def test_a_row_of_the_outage_that_is_served_says_that_it_was_one() -> None:
    breaker = Breaker(120.0)
    *_, first, last = opened(breaker)
    breaker.record_answer(1.5, last)
    fail(breaker, first, 2.0)
    assert first.attempts == 2  # its own, before it opened, and this one
    fail(breaker, last, 2.0)
    assert last.attempts == 1


def test_rows_whose_turns_come_late_are_not_taken_for_others() -> None:
    """At one attempt a second, some are tried for the first time when an outage's time is up."""
    run = go(always_failing(range(30)), rows=30, tps=1.0, outage_s=15.0)
    assert run.reason is None
    assert len(run.failed) == 30


def test_an_outage_finishes_no_row_while_there_are_others_however_often_that_was_tried() -> None:
    """Its first attempts failed before the outage, so their time is up before that of the run."""
    breaker = Breaker(120.0, attempts_max=2)
    row = RowTrouble()
    fail(breaker, row, 1.0)
    breaker.record_answer(2.0)
    opened(breaker, 30.0)
    fail(breaker, row, 125.0)
    assert breaker.reason(125.0) is None
    assert not row.is_finished

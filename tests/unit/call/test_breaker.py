"""When the service counts as down, when it is probed, and when it is given up."""

from __future__ import annotations

import pytest

from worker.call.backoff import HINT_MAX_S
from worker.call.breaker import (
    FAILURES_TO_OPEN,
    FEW_ROWS_MAX,
    FEW_ROWS_PER_S,
    PROBE_S_MAX,
    PROBE_S_MIN,
    PROBED_S_MIN,
    THROTTLED_S_TO_OPEN,
    UNREACHED_S_MAX,
    Breaker,
)
from worker.call.trouble import RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import Verdict

BROKEN = Failure("InternalFailure", "oops", http_status=500)
SILENT = Failure("TimedOut", "no answer")
REFUSED = Failure("ConnectFailed", "refused")
THROTTLED = Failure("ThrottlingException", "slow down", http_status=400)


def fail(
    breaker: Breaker, now_s: float, *rows: RowTrouble, failure: Failure = BROKEN, took_s: float = 0
) -> list[bool]:
    """Let an attempt of each row fail; return which an outage took."""
    verdict = Verdict.THROTTLED if failure is THROTTLED else Verdict.TRANSIENT
    return [
        breaker.record_failure(failure, verdict, row, sent_s=now_s - took_s, now_s=now_s)
        for row in rows
    ]


def rows(count: int) -> list[RowTrouble]:
    return [RowTrouble() for _ in range(count)]


def test_the_tenth_row_that_breaks_in_turn_opens_it() -> None:
    breaker = Breaker(120.0)
    taken = fail(breaker, 1.0, *rows(FAILURES_TO_OPEN))
    assert taken == [False] * (FAILURES_TO_OPEN - 1) + [True]
    assert breaker.is_open


def test_one_row_that_breaks_ever_again_does_not_nor_do_nine() -> None:
    breaker = Breaker(120.0)
    for row in rows(FAILURES_TO_OPEN - 1):
        fail(breaker, 1.0, *[row] * 50)
    assert not breaker.look(1e6)
    assert breaker.reason(1e6) is None


def test_an_answer_between_begins_the_count_anew() -> None:
    breaker = Breaker(120.0)
    fail(breaker, 1.0, *rows(FAILURES_TO_OPEN - 1))
    breaker.record_answer(1.5)
    fail(breaker, 2.0, *rows(FAILURES_TO_OPEN - 1))
    assert not breaker.is_open


def test_rows_that_failed_while_others_were_answered_bear_no_witness() -> None:
    breaker, old = Breaker(120.0), rows(50)
    for row in old:
        fail(breaker, 1.0, row)
        breaker.record_answer(1.0)
    fail(breaker, 2.0, *old)
    assert not breaker.look(100.0)


def test_throttled_rows_open_it_when_none_was_served_for_a_while() -> None:
    breaker = Breaker(120.0)
    fail(breaker, 1.0, *rows(500), failure=THROTTLED)
    assert not breaker.look(1.0 + THROTTLED_S_TO_OPEN - 0.01)
    assert breaker.look(1.0 + THROTTLED_S_TO_OPEN)


def test_a_connection_that_cannot_be_made_before_any_answer_opens_it_at_once() -> None:
    breaker = Breaker(120.0)
    assert fail(breaker, 1.0, *rows(1), failure=REFUSED) == [True]
    assert breaker.is_open


def test_some_that_cannot_be_made_between_answers_do_not_and_count_for_no_row() -> None:
    breaker, unlucky = Breaker(120.0), RowTrouble()
    for number in range(100):
        breaker.record_answer(number)
        assert fail(breaker, number + 0.5, *[unlucky] * 2, failure=REFUSED) == [True, True]
        assert not breaker.is_open
    assert (unlucky.attempts, unlucky.is_suspect, unlucky.unreached) == (0, False, 200)


def test_so_many_in_turn_open_it_or_one_when_none_was_answered_for_a_while() -> None:
    breaker = Breaker(120.0)
    breaker.record_answer(0.0)
    fail(breaker, 1.0, *rows(FAILURES_TO_OPEN - 1), failure=REFUSED)
    assert not breaker.look(1.0)
    fail(breaker, 1.0, *rows(1), failure=REFUSED)
    assert breaker.look(1.0)
    breaker.record_answer(2.0)
    fail(breaker, 3.0, *rows(1), failure=REFUSED)
    assert not breaker.look(3.0 + THROTTLED_S_TO_OPEN - 0.1)
    assert breaker.look(3.0 + THROTTLED_S_TO_OPEN)


def test_the_witness_has_the_last_word_where_the_service_says_that_it_fails() -> None:
    breaker = Breaker(120.0)
    breaker.has_witness = True
    fail(breaker, 0.0, *rows(FAILURES_TO_OPEN))
    assert breaker.reason(120.0) is None
    breaker.record_witness_failed(BROKEN, Verdict.TRANSIENT, sent_s=1.0, now_s=1.0)
    assert breaker.reason(120.0) is None
    breaker.record_witness_failed(BROKEN, Verdict.TRANSIENT, sent_s=120.0, now_s=120.1)
    assert breaker.reason(120.1) is not None


@pytest.mark.parametrize(
    ("failure", "has_witness", "rows_left", "may_be_rows_fault"),
    [
        (BROKEN, False, FEW_ROWS_MAX, True),
        (BROKEN, False, FEW_ROWS_MAX + 1, False),
        (BROKEN, True, 0, False),
        (SILENT, False, 0, False),
        (THROTTLED, False, 0, False),
    ],
)
def test_it_may_be_the_rows_where_few_are_left_and_the_service_itself_says_that_it_fails(
    failure: Failure, rows_left: int, *, has_witness: bool, may_be_rows_fault: bool
) -> None:
    breaker = Breaker(120.0)
    fail(breaker, 0.0, *rows(FAILURES_TO_OPEN), failure=failure)
    breaker.look(THROTTLED_S_TO_OPEN)
    breaker.rows_left, breaker.has_witness = rows_left, has_witness
    assert breaker.is_open
    assert breaker.may_be_rows_fault is may_be_rows_fault


def test_probes_come_after_twice_the_time_each_up_to_a_bound() -> None:
    breaker = Breaker(1e6)
    fail(breaker, 0.0, *rows(FAILURES_TO_OPEN))
    gaps, now_s = [breaker.probe_s], breaker.probe_s
    for _ in range(8):
        breaker.take_probe(now_s)
        gaps.append(breaker.probe_s - now_s)
        now_s = breaker.probe_s
    doubled = [PROBE_S_MIN * 2**n for n in range(9)]
    assert gaps == pytest.approx([min(PROBE_S_MAX, each) for each in doubled])
    breaker.record_answer(now_s)
    assert not breaker.is_open
    fail(breaker, now_s + 1.0, *rows(FAILURES_TO_OPEN))
    assert breaker.probe_s == pytest.approx(now_s + 1.0 + PROBE_S_MIN)


@pytest.mark.parametrize(("hint_s", "waits_s"), [(7.0, 7.0), (1e6, HINT_MAX_S), (None, 0.1)])
def test_the_next_probe_is_as_late_as_the_service_asks(
    hint_s: float | None, waits_s: float
) -> None:
    breaker = Breaker(120.0)
    fail(breaker, 0.0, *rows(FAILURES_TO_OPEN))
    hint = Failure("ServiceUnavailable", "later", http_status=503, retry_after_s=hint_s)
    fail(breaker, 0.0, *rows(1), failure=hint)
    assert breaker.probe_s == pytest.approx(waits_s)


def test_what_left_before_an_outage_was_over_belongs_to_it() -> None:
    breaker = Breaker(120.0)
    fail(breaker, 1.0, *rows(FAILURES_TO_OPEN))
    breaker.record_answer(3.0)
    assert fail(breaker, 4.0, *rows(20), took_s=1.5) == [True] * 20
    assert breaker.since_s is None
    assert fail(breaker, 4.5, *rows(1), took_s=0.5) == [False]


@pytest.mark.parametrize(
    ("failure", "is_reached", "limit_s"),
    [
        (BROKEN, False, 120.0),
        (SILENT, False, UNREACHED_S_MAX),
        (REFUSED, False, UNREACHED_S_MAX),
        (SILENT, True, 120.0),
        (REFUSED, True, 120.0),
    ],
)
def test_it_is_given_up_after_its_time_and_sooner_if_nothing_was_ever_heard(
    failure: Failure, limit_s: float, *, is_reached: bool
) -> None:
    breaker = Breaker(120.0)
    breaker.is_reached = is_reached
    fail(breaker, 5.0, *rows(FAILURES_TO_OPEN), failure=failure)
    assert breaker.reason(5.0 + limit_s - 0.1) is None
    reason = breaker.reason(5.0 + limit_s)
    assert reason is not None
    assert f"{failure.code}: {failure.message}" in reason


def test_an_outage_that_may_not_last_long_has_no_time_for_the_attempts_of_many_rows() -> None:
    breaker = Breaker(2.0)
    fail(breaker, 0.0, *rows(FAILURES_TO_OPEN))
    breaker.rows_left = 2 * FEW_ROWS_PER_S
    assert breaker.may_be_rows_fault
    breaker.rows_left += 1
    assert not breaker.may_be_rows_fault


def test_other_rows_are_tried_before_a_run_stops_however_long_ago_the_first_failure_was() -> None:
    breaker = Breaker(2.0)
    for moment, row in enumerate(rows(FAILURES_TO_OPEN)):
        fail(breaker, float(moment), row)
    opened_s = FAILURES_TO_OPEN - 1.0
    assert breaker.is_open
    assert breaker.reason(opened_s + PROBED_S_MIN - 0.1) is None
    assert breaker.reason(opened_s + PROBED_S_MIN) is not None

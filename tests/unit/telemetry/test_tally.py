"""What the totals of a run say about it."""

from __future__ import annotations

import pytest

from worker.model import Answer, Chunk, Failure, Outcome, Piece
from worker.personalize.rejections import CALLS_TO_JUDGE
from worker.telemetry.tally import ROWS_TO_SHARE, Tally

ANSWER = Answer(body=b"{}", request_id="r")
BROKEN = Failure(code="InternalFailure", message="oops", http_status=500)
REJECTED = Failure(code="InvalidInputException", message="no", http_status=400)


def test_a_run_is_refused_when_all_rows_are_rejected_in_the_same_words() -> None:
    tally = Tally(rows_expected=100)
    outcome = Outcome(result=REJECTED, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    for _ in range(CALLS_TO_JUDGE - 1):
        tally.count_row(outcome)
    assert tally.refusal() is None
    assert tally.refusal(is_part=True) is None
    assert "InvalidInputException: no" in str(tally.refusal(is_all=True))
    tally.count_row(outcome)
    assert "InvalidInputException: no" in str(tally.refusal())


def test_a_part_all_of_whose_rows_something_else_has_answered_refuses_the_run() -> None:
    tally = Tally(rows_expected=100)
    note_rows(tally, 3, Failure("403", "HTTP 403 without a message", 403))
    assert tally.refusal() is None
    assert "not Personalize" in str(tally.refusal(is_part=True))
    note_rows(tally, 1, BROKEN)
    assert tally.refusal(is_part=True) is None


def test_rows_that_were_never_sent_say_nothing_of_the_run() -> None:
    tally = Tally(rows_expected=100)
    note_rows(tally, 200, Failure("InvalidRow", "null"), attempts=0)
    assert tally.refusal(is_part=True, is_all=True) is None
    note_rows(tally, 1, REJECTED)
    assert tally.refusal(is_all=True) is not None


def test_a_resumed_run_that_had_results_is_not_refused() -> None:
    tally = Tally(rows_expected=100, results_before=1)
    outcome = Outcome(result=REJECTED, attempts=1, throttles=0, sent_us=0, latency_ms=0.0)
    for _ in range(CALLS_TO_JUDGE):
        tally.count_row(outcome)
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
        tally.count_row(acquittal)
        for _ in range(CALLS_TO_JUDGE):
            tally.count_row(rejected)
        assert tally.refusal() is None


@pytest.mark.parametrize(
    ("failure", "down"),
    [
        (Failure("TimedOut", "no answer"), True),
        (Failure("503", "HTTP 503 without a message", 503), True),
        (Failure("InternalFailure", "oops", 500), False),
    ],
    ids=["not reached", "a gateway's answer", "the service's"],
)
def test_a_few_rows_tell_of_an_outage_if_none_reached_the_service(
    failure: Failure, *, down: bool
) -> None:
    tally = Tally(rows_expected=2)
    assert tally.unreached() is None
    tally.record_exhausted(failure)
    assert bool(tally.unreached()) is down


def test_a_service_that_has_rejected_a_row_was_reached() -> None:
    tally = Tally(rows_expected=2)
    note_rows(tally, 1, REJECTED)
    tally.record_exhausted(Failure("TimedOut", "no answer"))
    assert tally.unreached() is None


def test_what_a_chunk_comes_to_is_known_ever_better() -> None:
    chunks = [Chunk(n, (Piece("a", n, 0, 100),)) for n in range(2)]
    tally = Tally(rows_expected=200)
    tally.expect(chunks[0], rows=60, needless=10)
    assert (tally.rows_expected, tally.rows_to_call) == (160, 150)
    tally.expect(chunks[1], rows=0, needless=0)
    tally.expect(chunks[0], rows=60, needless=12)
    assert (tally.rows_expected, tally.rows_to_call) == (60, 48)
    tally.calls, tally.retries = 50, 10
    assert tally.rows_to_call == 8


def note_rows(tally: Tally, rows: int, result: Answer | Failure, *, attempts: int = 1) -> None:
    for _ in range(rows):
        tally.count_row(Outcome(result, attempts, throttles=0, sent_us=0, latency_ms=0.0))


def test_too_many_failed_among_the_last_rows_end_the_run_and_no_fewer() -> None:
    tally = Tally(rows_expected=10_000, error_share_stop=0.5)
    note_rows(tally, ROWS_TO_SHARE // 2, BROKEN)
    assert tally.failing() is None
    note_rows(tally, 5_000, ANSWER)
    note_rows(tally, ROWS_TO_SHARE // 2, BROKEN)
    assert tally.failing() is None
    note_rows(tally, 1, BROKEN)
    reason = tally.failing()
    assert reason is not None
    assert "50% of the last 1,000 rows failed, 501 of them with InternalFailure" in reason
    assert len(tally.failed_rows) <= ROWS_TO_SHARE


def test_what_they_failed_with_is_not_what_others_did() -> None:
    tally = Tally(rows_expected=10_000, error_share_stop=0.5)
    note_rows(tally, 2_000, Failure("InvalidRow", "null"), attempts=0)
    note_rows(tally, ROWS_TO_SHARE, BROKEN)
    assert "1,000 of them with InternalFailure" in (tally.failing() or "")


def test_rows_that_were_never_sent_are_not_among_the_last() -> None:
    tally = Tally(rows_expected=10_000, error_share_stop=0.5)
    note_rows(tally, 5_000, Failure("InvalidRow", "null"), attempts=0)
    note_rows(tally, 600, BROKEN)
    note_rows(tally, 399, ANSWER)
    assert tally.failing() is None
    note_rows(tally, 1, BROKEN)
    assert tally.failing() is not None


MALFORMED = Failure("InvalidAnswer", "the answer is not of the API's form", 200)


def test_answers_that_are_none_when_they_are_read_refuse_the_run_as_they_would_at_once() -> None:
    tally = Tally(rows_expected=1000)
    note_rows(tally, 500, ANSWER)
    tally.count_malformed([MALFORMED] * (CALLS_TO_JUDGE - 1), duplicates=3)
    assert (tally.results, tally.errors["InvalidAnswer"]) == (398, 102)
    assert tally.rows_called == 500
    assert tally.refusal() is None
    tally.count_malformed([MALFORMED])
    assert "not Personalize" in str(tally.refusal())
    tally.has_read_results = True
    assert tally.refusal() is None


def test_answers_that_are_none_are_among_the_last_rows_that_failed() -> None:
    tally = Tally(rows_expected=10_000, error_share_stop=0.5, has_read_results=True)
    note_rows(tally, ROWS_TO_SHARE, ANSWER)
    tally.count_malformed([MALFORMED] * (ROWS_TO_SHARE // 2))
    assert tally.failing() is None
    tally.count_malformed([MALFORMED])
    assert "501 of them with InvalidAnswer" in str(tally.failing())

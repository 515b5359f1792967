"""Which failures are tried again, when, and how often."""

from __future__ import annotations

import random

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from hypothesis import given
from hypothesis import strategies as st

from worker.call.retry import (
    BACKOFF_BASE_S,
    BACKOFF_MAX_S,
    BUDGET_FLOOR,
    HINT_MAX_S,
    RetryBudget,
    backoff_s,
    wait_s,
)
from worker.model import Failure
from worker.personalize.error_codes import Verdict, judge


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("ThrottlingException", 400, Verdict.THROTTLED),
        ("ThrottlingException", 429, Verdict.THROTTLED),
        ("429", 429, Verdict.THROTTLED),
        ("TooManyRequestsException", 429, Verdict.THROTTLED),
        ("InternalFailure", 500, Verdict.TRANSIENT),
        ("ServiceUnavailable", 503, Verdict.TRANSIENT),
        ("502", 502, Verdict.TRANSIENT),
        ("504", 504, Verdict.TRANSIENT),
        ("TimedOut", None, Verdict.TRANSIENT),
        ("ConnectionLost", None, Verdict.TRANSIENT),
        ("InvalidInputException", 400, Verdict.REJECTED),
        ("ValidationError", 400, Verdict.REJECTED),
        ("InvalidAnswer", 200, Verdict.REJECTED),
        ("AccessDeniedException", 400, Verdict.REFUSED),
        ("AccessDeniedException", 403, Verdict.REFUSED),
        ("ExpiredTokenException", 403, Verdict.EXPIRED),
        ("UnrecognizedClientException", 403, Verdict.EXPIRED),
        ("ResourceNotFoundException", 404, Verdict.REFUSED),
        ("SignatureDoesNotMatch", 403, Verdict.REFUSED),
        # A status that says another thing than the code is not believed.
        ("InvalidInputException", 500, Verdict.REJECTED),
        ("AccessDeniedException", 429, Verdict.REFUSED),
        ("ThrottlingException", 503, Verdict.THROTTLED),
        ("InternalFailure", 400, Verdict.TRANSIENT),
        ("NobodyKnowsThisException", 503, Verdict.TRANSIENT),
        ("NobodyKnowsThisException", 429, Verdict.THROTTLED),
        ("NobodyKnowsThisException", 400, Verdict.REJECTED),
        ("501", 501, Verdict.REJECTED),
        ("509", 509, Verdict.TRANSIENT),
        ("400", 400, Verdict.REJECTED),
        ("403", 403, Verdict.UNSPOKEN),
        ("404", 404, Verdict.UNSPOKEN),
    ],
)
def test_the_code_decides_before_the_status(
    code: str, status: int | None, verdict: Verdict
) -> None:
    assert judge(Failure(code=code, message="", http_status=status)) is verdict


@given(attempts=st.integers(1, 100_000), seed=st.integers())
def test_backoff_is_jittered_below_a_bound_that_doubles(attempts: int, seed: int) -> None:
    most = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(attempts - 1, 60))
    assert 0.0 <= backoff_s(attempts, random.Random(seed)) <= most


def test_what_throttles_or_breaks_for_the_sdk_does_so_here() -> None:
    """The SDK's own lists, less none: codes first seen in a newer SDK fail this test."""
    throttled = ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    broken = TransientRetryableChecker._TRANSIENT_ERROR_CODES
    for code in {*throttled, *broken}:
        assert judge(Failure(code, "")) in (Verdict.THROTTLED, Verdict.TRANSIENT), code
    for status in TransientRetryableChecker._TRANSIENT_STATUS_CODES:
        assert judge(Failure(str(status), "", http_status=status)) is Verdict.TRANSIENT


@given(
    attempts=st.integers(1, 100),
    hint_s=st.none() | st.floats(0.001, 1e9),
    seed=st.integers(),
)
def test_a_hint_lengthens_the_wait_up_to_a_minute_and_never_shortens_it(
    attempts: int, hint_s: float | None, seed: int
) -> None:
    failure = Failure("ThrottlingException", "", retry_after_s=hint_s)
    backoff = backoff_s(attempts, random.Random(seed))
    waits = wait_s(attempts, failure, random.Random(seed))
    assert waits == max(backoff, min(hint_s or 0.0, HINT_MAX_S))
    assert backoff <= waits <= HINT_MAX_S


def test_backoff_uses_the_whole_range() -> None:
    """Full jitter: a third of the waits lie in each third of the range."""
    rng = random.Random(1)
    waits = [backoff_s(5, rng) / (BACKOFF_BASE_S * 16) for _ in range(3_000)]
    for third in range(3):
        share = sum(third / 3 <= wait < (third + 1) / 3 for wait in waits) / len(waits)
        assert share == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("share", "first_attempts", "retries"),
    [(0.2, 0, BUDGET_FLOOR), (0.2, 1_000, BUDGET_FLOOR + 200), (0.0, 1_000, 0)],
)
def test_retries_are_a_share_of_first_attempts_beyond_a_floor(
    share: float, first_attempts: int, retries: int
) -> None:
    budget = RetryBudget(share)
    for _ in range(first_attempts):
        budget.note_first_attempt()
    assert [budget.take() for _ in range(retries + 2)] == [True] * retries + [False] * 2

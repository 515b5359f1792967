"""What a failed call means, by code and by status."""

from __future__ import annotations

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

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


def test_what_throttles_or_breaks_for_the_sdk_does_so_here() -> None:
    """The SDK's own lists, less none: codes first seen in a newer SDK fail this test."""
    throttled = ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    broken = TransientRetryableChecker._TRANSIENT_ERROR_CODES
    for code in {*throttled, *broken}:
        assert judge(Failure(code, "")) in (Verdict.THROTTLED, Verdict.TRANSIENT), code
    for status in TransientRetryableChecker._TRANSIENT_STATUS_CODES:
        assert judge(Failure(str(status), "", http_status=status)) is Verdict.TRANSIENT

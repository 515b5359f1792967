"""What a failed call means, by code and by status."""

from __future__ import annotations

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from worker.errors import CommandOutcome, RefusedError, StoppedError
from worker.model import Failure
from worker.personalize.error_codes import Source, Verdict, judge, meaning_of, refused


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
        ("403", 403, Verdict.UNNAMED),
        ("AuthFailure", 401, Verdict.EXPIRED),
        ("InvalidToken", 400, Verdict.EXPIRED),
        ("TokenRefreshRequired", 400, Verdict.EXPIRED),
        ("SubscriptionRequiredException", 403, Verdict.EXPIRED),  # as any that it does not know
        ("UnauthorizedException", 401, Verdict.EXPIRED),
        ("RequestAbortedException", 400, Verdict.TRANSIENT),
        ("404", 404, Verdict.UNNAMED),
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


@pytest.mark.parametrize(
    ("code", "status", "source"),
    [
        ("InternalFailure", 500, Source.SERVICE),
        ("NobodyKnowsThisException", 503, Source.SERVICE),
        ("InvalidInputException", 400, Source.SERVICE),
        ("503", 503, Source.OTHER),
        ("400", 400, Source.OTHER),
        ("404", 404, Source.OTHER),
        ("InvalidAnswer", 200, Source.OTHER),
        ("TimedOut", None, Source.NOBODY),
        ("ConnectionLost", None, Source.NOBODY),
        ("ConnectFailed", None, Source.NOBODY),
    ],
)
def test_the_table_says_whose_word_a_failure_is(
    code: str, status: int | None, source: Source
) -> None:
    assert meaning_of(code, status).source is source


@pytest.mark.parametrize(
    ("code", "status", "outcome", "advice"),
    [
        ("ExpiredTokenException", 403, CommandOutcome.REFUSED, "log in again"),
        ("AccessDeniedException", 403, CommandOutcome.REFUSED, "permissions"),
        ("ResourceNotFoundException", 404, CommandOutcome.REFUSED, "ARNs"),
        ("InvalidInputException", 400, CommandOutcome.REFUSED, "recipe"),
        ("RequestExpired", 400, CommandOutcome.REFUSED, "clock"),
        ("RequestTimeTooSkewed", 403, CommandOutcome.REFUSED, "clock"),
        ("UnknownOperationException", 404, CommandOutcome.REFUSED, "endpoint_url"),
        ("404", 404, CommandOutcome.REFUSED, "not Personalize"),
        ("400", 400, CommandOutcome.REFUSED, "not Personalize"),
        ("InvalidAnswer", 200, CommandOutcome.REFUSED, "not Personalize"),
        ("ThrottlingException", 400, CommandOutcome.STOPPED, "again"),
        ("InternalFailure", 500, CommandOutcome.STOPPED, "again"),
        ("TimedOut", None, CommandOutcome.STOPPED, "network"),
    ],
)
def test_the_table_says_what_to_do_when_all_calls_end_alike(
    code: str, status: int | None, outcome: CommandOutcome, advice: str
) -> None:
    meaning = meaning_of(code, status)
    assert meaning.outcome is outcome
    assert advice in meaning.hint


def test_what_the_table_ends_a_run_with_is_what_the_errors_end_with() -> None:
    bare = refused(Failure("404", "HTTP 404 without a message", 404), calls=60)
    assert bare.hint == meaning_of("404", 404).hint
    assert bare.what.startswith("what answers is not Personalize: 60 calls")
    assert (RefusedError.outcome, StoppedError.outcome) == (
        CommandOutcome.REFUSED,
        CommandOutcome.STOPPED,
    )


@pytest.mark.parametrize(
    ("code", "message", "is_clock"),
    [
        ("InvalidSignatureException", "Signature expired: 20261121T1 is now earlier than 2", True),
        ("InvalidSignatureException", "Signature not yet current: 2 is still later than 1", True),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", True),
        ("RequestTimeTooSkewed", "The difference between the request time and ...", True),
        ("InvalidSignatureException", "The request signature we calculated does not", False),
        ("AccessDeniedException", "Signature expired: 1", False),
    ],
)
def test_a_clock_that_is_wrong_is_told_from_a_key_that_is(
    code: str, message: str, *, is_clock: bool
) -> None:
    failure = Failure(code, message, 403)
    assert (judge(failure) is Verdict.SKEWED) is is_clock
    assert ("clock" in refused(failure).hint) is is_clock

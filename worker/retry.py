"""Which failures to try again, when, and how often over a run. Pure.

By error code first, HTTP status second. Sources: botocore model personalize-runtime 2018-05-22
(InvalidInputException, ResourceNotFoundException); developer guide, "Common errors" (the rest; the
status of a throttle is 400 there and 429 elsewhere, so the code decides); botocore 1.40
retries/standard.py (throttling and transient codes).
"""

import random
from enum import Enum, auto

from worker.model import Failure

THROTTLED_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
    }
)
TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ConnectFailed",
        "ConnectionLost",
        "TimedOut",
    }
)
REFUSED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnknownOperationException",
        "UnrecognizedClientException",
    }
)
TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})

BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 20.0
# A short run must be able to retry at all: a share above 0 applies beyond this many retries.
BUDGET_FLOOR = 100


class Verdict(Enum):
    """What a failure means for its row."""

    THROTTLED = auto()  # try again: the service asks for less
    TRANSIENT = auto()  # try again: something broke on the way
    REJECTED = auto()  # this row's own fault: no second try
    REFUSED = auto()  # every row would end like this one: stop the run


def judge(failure: Failure) -> Verdict:
    """Return what `failure` means: by its code, and by its status when the code says nothing."""
    if failure.code in THROTTLED_CODES or failure.http_status == 429:
        return Verdict.THROTTLED
    if failure.code in REFUSED_CODES:
        return Verdict.REFUSED
    if failure.code in TRANSIENT_CODES or failure.http_status in TRANSIENT_STATUSES:
        return Verdict.TRANSIENT
    return Verdict.REJECTED


def backoff_s(attempts: int, rng: random.Random) -> float:
    """Return how long to wait after the `attempts`-th attempt failed: full jitter.

    Uniform in 0 .. min(20 s, 0.5 s * 2^(attempts - 1)). Source: AWS Architecture Blog,
    "Exponential Backoff And Jitter" (2015).
    """
    exponent = min(attempts - 1, 30)  # beyond the maximum anyway; keeps the power finite
    return rng.uniform(0.0, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0**exponent))


class RetryBudget:
    """Caps retries at a share of first attempts, so that a sick service is not hit harder."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._first_attempts = 0
        self._retries = 0

    def note_first_attempt(self) -> None:
        """Count a row's first attempt, which earns `share` of a retry."""
        self._first_attempts += 1

    def take(self) -> bool:
        """Spend one retry; False when the budget is empty."""
        floor = BUDGET_FLOOR if self._share else 0
        if self._retries >= floor + self._share * self._first_attempts:
            return False
        self._retries += 1
        return True

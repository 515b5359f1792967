"""Which failures to try again, when, and how often over a run. Pure.

By error code first, HTTP status second. Sources: botocore model personalize-runtime 2018-05-22
(InvalidInputException, ResourceNotFoundException); developer guide, "Common errors" (the rest; the
status of a throttle is 400 there and 429 elsewhere, so the code decides); botocore 1.40
retries/standard.py (throttling and transient codes and statuses) and _retry.json (509).
"""

import random
from enum import Enum, auto

from worker.model import Failure

THROTTLED_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
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
# Others may be there already: temporary ones that were renewed, keys that were replaced.
EXPIRED_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
REFUSED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnknownOperationException",
    }
)
REJECTED_CODES = frozenset(
    {"InvalidAnswer", "InvalidInputException", "InvalidRow", "ValidationError"}
)
# What the SDK calls an error without a code: it did not come from the service, which names its
# errors, but from a proxy or a firewall on the way, or another server.
UNSPOKEN_CODES = frozenset({"401", "403", "404", "407"})
TRANSIENT_STATUSES = frozenset({408, *range(500, 600)} - {501, 505})  # these two say never

BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 20.0
HINT_MAX_S = 60.0
# A short run must be able to retry at all: a share above 0 applies beyond this many retries.
BUDGET_FLOOR = 100


class Verdict(Enum):
    """What a failure means for its row."""

    THROTTLED = auto()  # try again: the service asks for less
    TRANSIENT = auto()  # try again: something broke on the way
    EXPIRED = auto()  # try again with other credentials; without any, it is REFUSED
    UNSPOKEN = auto()  # TRANSIENT if the service has answered before, else REJECTED
    REJECTED = auto()  # this row's own fault: no second try
    REFUSED = auto()  # every row would end like this one: stop the run


_BY_CODE = {
    **dict.fromkeys(THROTTLED_CODES, Verdict.THROTTLED),
    **dict.fromkeys(TRANSIENT_CODES, Verdict.TRANSIENT),
    **dict.fromkeys(EXPIRED_CODES, Verdict.EXPIRED),
    **dict.fromkeys(UNSPOKEN_CODES, Verdict.UNSPOKEN),
    **dict.fromkeys(REJECTED_CODES, Verdict.REJECTED),
    **dict.fromkeys(REFUSED_CODES, Verdict.REFUSED),
}


def judge(failure: Failure) -> Verdict:
    """Return what `failure` means: by its code, and by its status when the code says nothing."""
    if verdict := _BY_CODE.get(failure.code):
        return verdict
    if failure.http_status == 429:
        return Verdict.THROTTLED
    if failure.http_status in TRANSIENT_STATUSES:
        return Verdict.TRANSIENT
    return Verdict.REJECTED


def backoff_s(attempts: int, rng: random.Random) -> float:
    """Return how long to wait after the `attempts`-th attempt failed: full jitter.

    Uniform in 0 .. min(20 s, 0.5 s * 2^(attempts - 1)). Source: AWS Architecture Blog,
    "Exponential Backoff And Jitter" (2015).
    """
    exponent = min(attempts - 1, 30)  # beyond the maximum anyway; keeps the power finite
    return rng.uniform(0.0, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0**exponent))


def wait_s(attempts: int, failure: Failure, rng: random.Random) -> float:
    """Return how long to wait after `failure`: the backoff, or longer if the service asks for it.

    Of what it asks for a minute counts at most. The pacer spreads those whose time comes at once.
    """
    return max(backoff_s(attempts, rng), min(failure.retry_after_s or 0.0, HINT_MAX_S))


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

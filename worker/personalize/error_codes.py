"""What a failed call means, by its error code first, by its HTTP status second. Pure.

Sources: botocore model personalize-runtime 2018-05-22 (InvalidInputException,
ResourceNotFoundException); developer guide, "Common errors" (the rest; the status of a throttle is
400 there and 429 elsewhere, so the code decides); botocore 1.40 retries/standard.py (throttling and
transient codes and statuses) and _retry.json (509).
"""

from __future__ import annotations

from enum import Enum, auto

from worker.model import Failure

# This program's own, where the service says nothing:
CONNECT_FAILED = "ConnectFailed"
CONNECTION_LOST = "ConnectionLost"
INVALID_ANSWER = "InvalidAnswer"
INVALID_ROW = "InvalidRow"
TIMED_OUT = "TimedOut"

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
        CONNECT_FAILED,
        CONNECTION_LOST,
        TIMED_OUT,
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
    {INVALID_ANSWER, "InvalidInputException", INVALID_ROW, "ValidationError"}
)
# What the SDK calls an error without a code: it did not come from the service, which names its
# errors, but from a proxy or a firewall on the way, or another server.
UNSPOKEN_CODES = frozenset({"401", "403", "404", "407"})
TRANSIENT_STATUSES = frozenset({408, *range(500, 600)} - {501, 505})  # these two say never


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

"""What a failed call means: the one table, for runs, load tests and the control plane. Pure.

By the error's code first, by its HTTP status second: a verdict on the attempt, and, where all calls
end like it, what to do and the exit code. An error without a code has its status for one, as the
SDK names it: no answer of Personalize, which names its errors.

Sources: botocore model personalize-runtime 2018-05-22 (InvalidInputException,
ResourceNotFoundException); developer guide, "Common errors" (the rest; the status of a throttle is
400 there and 429 elsewhere, so the code decides); botocore 1.40 retries/standard.py (throttling and
transient codes and statuses) and _retry.json (509).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from worker.errors import CommandOutcome, RefusedError
from worker.model import Failure
from worker.personalize.words import shown, shown_code

# This program's own, where the service says nothing:
CONNECT_FAILED = "ConnectFailed"
CONNECTION_LOST = "ConnectionLost"
INVALID_ANSWER = "InvalidAnswer"
INVALID_ROW = "InvalidRow"
TIMED_OUT = "TimedOut"
_OWN_CODES = (CONNECT_FAILED, CONNECTION_LOST, INVALID_ANSWER, TIMED_OUT)


class Verdict(Enum):
    """What the end of an attempt means for its row."""

    ANSWERED = auto()  # the row has its result
    THROTTLED = auto()  # try again: the service asks for less
    TRANSIENT = auto()  # try again: something broke on the way
    EXPIRED = auto()  # try again with other credentials; without any, it is REFUSED
    SKEWED = auto()  # try again, signed anew; where none is served, it is REFUSED
    UNNAMED = auto()  # TRANSIENT if the service has answered before, else REJECTED
    REJECTED = auto()  # this row's own fault: no second try
    REFUSED = auto()  # every row would end like this one: stop the run


class Source(Enum):
    """Whose word a failure is."""

    SERVICE = auto()  # Personalize's, which names its errors
    OTHER = auto()  # of a proxy or a firewall on the way, or of another server
    NOBODY = auto()  # there is no answer, or not all of it


class Meaning(NamedTuple):
    """What the table says of a failure."""

    verdict: Verdict
    source: Source
    hint: str  # what to do when all calls end like it
    outcome: CommandOutcome  # of the run or load test, then


_LOG_IN = (
    "the SDK has no other credentials than these: log in again, or correct [target] profile or the "
    "AWS_* variables; then run the same command again, which carries on"
)
_CREDENTIALS = "check the credentials ([target] profile, AWS_* variables) and their permissions"
_ARNS = (
    "check the ARNs and the region in [target] and [request]; "
    "the emulator's account is 000000000000"
)
_INPUT = (
    "check that the recipe or use case fits the operation and the columns, and that filters are "
    "ACTIVE"
)
_CLOCK = (
    "set this machine's clock: it differs from the service's by minutes. Then run the same command "
    "again, which carries on"
)
_NOT_RUNTIME = "check target.endpoint_url: it is not Personalize Runtime"
_NOT_PERSONALIZE = "check target.endpoint_url, and what is on the way: it is not Personalize"
_LOOK = "look at error_code and error_message in _errors/ of the output"
_NO_ANSWER = "check target.endpoint_url and the network, then run the same command again"

_THROTTLED = Meaning(Verdict.THROTTLED, Source.SERVICE, _NO_ANSWER, CommandOutcome.STOPPED)
_TRANSIENT = Meaning(Verdict.TRANSIENT, Source.SERVICE, _NO_ANSWER, CommandOutcome.STOPPED)
_EXPIRED = Meaning(Verdict.EXPIRED, Source.SERVICE, _LOG_IN, CommandOutcome.REFUSED)
_UNNAMED = Meaning(Verdict.UNNAMED, Source.OTHER, _NOT_PERSONALIZE, CommandOutcome.REFUSED)
_REJECTED = Meaning(Verdict.REJECTED, Source.SERVICE, _INPUT, CommandOutcome.REFUSED)
# A code that nobody knows says of no other row that it ends like this one.
_UNKNOWN = _REJECTED._replace(hint=_LOOK, outcome=CommandOutcome.FAILED_ROWS)
_REFUSED = Meaning(Verdict.REFUSED, Source.SERVICE, _CREDENTIALS, CommandOutcome.REFUSED)
_SKEWED = Meaning(Verdict.SKEWED, Source.SERVICE, _CLOCK, CommandOutcome.REFUSED)
# The codes of a signature that is refused for its time: the message alone says so.
_SIGNATURE_CODES = frozenset(
    {"IncompleteSignature", "InvalidSignatureException", "SignatureDoesNotMatch"}
)
_SKEWED_WORDS = ("signature expired", "signature not yet current")

_ROWS: Iterable[tuple[Meaning, tuple[str, ...]]] = (
    (
        _THROTTLED,
        (
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
        ),
    ),
    (
        _TRANSIENT,
        (
            "InternalFailure",
            "InternalServerError",
            "InternalServerException",
            "RequestAbortedException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "RequestTimeout",
            "RequestTimeoutException",
        ),
    ),
    (_TRANSIENT._replace(source=Source.NOBODY), (CONNECT_FAILED, CONNECTION_LOST, TIMED_OUT)),
    (
        _EXPIRED,  # others may be there already: temporary ones that were renewed, replaced keys
        (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ),
    ),
    (
        _REFUSED,
        (
            "AccessDenied",
            "AccessDeniedException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "OptInRequired",
            "SignatureDoesNotMatch",
        ),
    ),
    (_SKEWED, ("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed")),
    (_REFUSED._replace(hint=_ARNS), ("ResourceNotFoundException",)),
    (_REFUSED._replace(hint=_NOT_RUNTIME), ("UnknownOperationException",)),
    (_REJECTED, ("InvalidInputException", "ValidationError")),
    (_UNKNOWN._replace(source=Source.NOBODY), (INVALID_ROW,)),
    (_REJECTED._replace(source=Source.OTHER, hint=_NOT_PERSONALIZE), (INVALID_ANSWER,)),
    (_UNNAMED, ("401", "403", "404", "407")),
)
_BY_CODE = {code: meaning for meaning, codes in _ROWS for code in codes}
_LOGIN_STATUSES = frozenset({401, 403})
_TRANSIENT_STATUSES = frozenset({408, *range(500, 600)} - {501, 505})  # these two say never


def meaning_of(code: str, http_status: int | None) -> Meaning:
    """Return what the table says of a failure."""
    if meaning := _BY_CODE.get(code):
        return meaning
    is_bare = code == str(http_status)
    if http_status == 429:
        meaning = _THROTTLED
    elif http_status in _TRANSIENT_STATUSES:
        meaning = _TRANSIENT
    elif http_status in _LOGIN_STATUSES and not is_bare:
        meaning = _EXPIRED  # by another name; it says nothing of this row
    else:
        meaning = _REJECTED._replace(hint=_NOT_PERSONALIZE) if is_bare else _UNKNOWN
    return meaning._replace(source=Source.OTHER) if is_bare else meaning


def judge(failure: Failure) -> Verdict:
    """Return what `failure` means for its row."""
    return _meaning(failure).verdict


def _meaning(failure: Failure) -> Meaning:
    if failure.code in _SIGNATURE_CODES and failure.message.lower().startswith(_SKEWED_WORDS):
        return _SKEWED
    return meaning_of(failure.code, failure.http_status)


def redacted_code(code: str) -> str:
    """Return an error's code as it is shown; what a service makes up may be anything."""
    return code if code in _BY_CODE else shown_code(code)


def redacted_failure(failure: Failure) -> str:
    """Return code and message of a failure as they are shown: not an ID that is repeated there.

    A message of this program is its own up to a colon, behind which others may be quoted; where
    nobody has answered at all, there is nobody to quote.
    """
    is_own = failure.code in _OWN_CODES and (failure.http_status or 0) < 400
    if is_own and failure.code in (CONNECT_FAILED, TIMED_OUT):
        message = failure.message
    else:
        own, colon, others = (
            failure.message.partition(": ") if is_own else ("", "", failure.message)
        )
        message = f"{own}{colon}{shown(others, status=failure.http_status)}"
    return f"{redacted_code(failure.code)}: {message}"


def refused(failure: Failure, *, calls: int = 1) -> RefusedError:
    """Return the error for a run or load test all of whose calls end, or would, like this one."""
    meaning = _meaning(failure)
    shown_as = redacted_failure(failure)
    if meaning.source is Source.OTHER:
        what = (
            f"what answers is not Personalize: {calls:,} calls, none with a result, but {shown_as}"
        )
    else:
        what = f"the service refuses this run with {shown_as}"
    return RefusedError(what, hint=meaning.hint)

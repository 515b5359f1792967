"""What the SDK raises -> a failed call, or the end of the run. For all that is made of botocore."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from worker.aws.redact import CODE_CHARS_MAX, redacted, redacted_id
from worker.errors import ConfigError, RefusedError
from worker.model import Failure
from worker.personalize.error_codes import (
    CONNECT_FAILED,
    CONNECTION_LOST,
    INVALID_ANSWER,
    INVALID_ROW,
    TIMED_OUT,
)

SDK_ERRORS = (aws.BotoCoreError, aws.ClientError)
# What files and variables of the SDK make it raise where they are wrong: it takes some for what
# they should be (`api_versions = x` is an AttributeError).
SDK_CONFIG_ERRORS = (
    aws.BotoCoreError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
)
CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.UnauthorizedSSOTokenError,
)
# What a source of credentials makes the SDK raise: what a service, a file or a process gives is
# taken for what it should be, whatever it is.
SOURCE_ERRORS = (
    *SDK_ERRORS,
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_SPEAKING = (*SDK_ERRORS, ResponseParserError, OSError, RuntimeError)  # for people


def failure_of(error: Exception) -> Failure:
    """Return the failed call in what the SDK raised, here or when it renewed credentials.

    Raises RefusedError for what no call can get past, and `error` itself where it is a bug.
    """
    match error:
        case aws.ClientError():
            return service_failure(error.response)
        case aws.ProxyConnectionError() if status := _status_of_proxy(error):
            return Failure(str(status), f"the proxy does not connect (HTTP {status})", status)
        case aws.SSLError() | aws.EndpointConnectionError() | aws.ProxyConnectionError():
            return Failure(code=CONNECT_FAILED, message=redacted(str(error)))
        case aws.ParamValidationError():
            # codec/requests.py checks what the SDK checks, so only this row makes such a request.
            return Failure(code=INVALID_ROW, message=redacted(f"the SDK refuses it: {error}"))
        case aws.ConnectTimeoutError() | aws.ReadTimeoutError():
            return Failure(code=TIMED_OUT, message=redacted(str(error)))
        case aws.HTTPClientError() | aws.ResponseStreamingError():
            return Failure(
                code=CONNECTION_LOST, message=redacted(str(error)) or type(error).__name__
            )
    if isinstance(error, CREDENTIAL_ERRORS):
        raise no_credentials(error)
    raise error


def _status_of_proxy(error: aws.ProxyConnectionError) -> int | None:
    """Return with which status a proxy has refused to connect, if it has answered."""
    status = getattr(error.kwargs.get("error"), "status", None)
    return status if isinstance(status, int) and status >= 400 else None


def untrusted(error: Exception) -> RefusedError:
    """Return the error for a run whose endpoint shows a certificate that nobody vouches for."""
    return RefusedError(
        f"the endpoint's certificate is not trusted: {redacted(str(error))}",
        hint="check target.endpoint_url; for a private endpoint set target.ca_bundle",
    )


def no_credentials(error: Exception | str) -> RefusedError:
    """Return the error for a run that cannot sign its requests."""
    what = f"no usable AWS credentials: {error if isinstance(error, str) else _of_source(error)}"
    if isinstance(error, aws.ProxyConnectionError):
        hint = (
            "check the proxy that HTTP_PROXY or HTTPS_PROXY names; NO_PROXY=169.254.169.254 keeps "
            "the look for a machine's role off it, and keys in target.profile or AWS_* need no look"
        )
        return RefusedError(what, hint=hint)
    return RefusedError(
        what,
        hint="set target.profile or the AWS_* variables, or log in again; "
        "to try without AWS, add --emulator",
    )


def _of_source(error: Exception) -> str:
    """Return what is wrong with a source of credentials, in one line."""
    text = str(error)
    if isinstance(error, ResponseParserError):  # below it, all of an answer, with the keys in it
        text = text.partition("\n")[0]
    text = redacted(text)
    if isinstance(error, TypeError) and "offset-naive" in text:  # as Python says it of two dates
        return "when they expire is said without a time zone (it ends in Z, or in +00:00)"
    if isinstance(error, _SPEAKING) and text:
        return text
    return f"their source does not give what it should ({type(error).__name__}: {text})"


def not_set_up(error: Exception, *, profile: str | None) -> ConfigError | RefusedError:
    """Return the error for an SDK that the config or the environment keeps from working.

    `profile` is the one that the config names.
    """
    if isinstance(error, CREDENTIAL_ERRORS):
        return no_credentials(error)
    if isinstance(error, aws.ProfileNotFound):
        if profile is None:
            return RefusedError(
                f"AWS_PROFILE: {redacted(str(error))}",
                hint="name a profile of ~/.aws/config (or of AWS_CONFIG_FILE), or unset it",
            )
        return ConfigError(
            f"target.profile: {redacted(str(error))}",
            hint="name a profile of ~/.aws/config (or of AWS_CONFIG_FILE), or remove the key",
        )
    if isinstance(error, aws.ConfigParseError | aws.InvalidConfigError):
        return RefusedError(
            f"the SDK's files cannot be used: {redacted(str(error))}",
            hint="correct ~/.aws/config and ~/.aws/credentials (or what AWS_CONFIG_FILE and "
            "AWS_SHARED_CREDENTIALS_FILE name)",
        )
    text = redacted(str(error))
    if isinstance(error, AttributeError | LookupError | TypeError):
        text = (
            f"its files or variables are not what they should be ({type(error).__name__}: {text})"
        )
    return ConfigError(
        f"the AWS SDK cannot be set up: {text}",
        hint="check [target], the AWS_* environment variables and the profile in ~/.aws/config",
    )


def service_failure(response: Any) -> Failure:
    """Return the failure in what the SDK's parser makes of an error: the service's own words."""
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    status, request_id = metadata.get("HTTPStatusCode"), metadata.get("RequestId")
    if request_id is not None:
        request_id = redacted_id(str(request_id))
    if status is not None and status < 400:
        message = f"the endpoint redirects (HTTP {status}); it is not Personalize"
        return Failure(INVALID_ANSWER, message, status, request_id)
    return Failure(
        code=redacted(str(error.get("Code") or ""), chars_max=CODE_CHARS_MAX) or "Unknown",
        message=redacted(str(error.get("Message") or "")) or f"HTTP {status} without a message",
        http_status=status,
        request_id=request_id,
        retry_after_s=hinted_s(metadata.get("HTTPHeaders", {})),
    )


def hinted_s(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a failure's headers ask to wait; None when they do not say.

    `headers` has lower-case names. What is no number or date, or not in the future, is ignored.
    Sources: `x-amz-retry-after` in milliseconds (AWS SDKs and Tools Reference Guide, "Retry
    behavior"); `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), which is held against the
    answer's own Date, so that clocks need not agree.
    """
    own, common = headers.get("x-amz-retry-after", ""), headers.get("retry-after", "")
    seconds: float | None = None
    if _is_number(own):
        seconds = int(own) / 1000
    elif _is_number(common):
        seconds = float(int(common))
    elif common and (at := _date(common)) and (now := _date(headers.get("date", ""))):
        seconds = (at - now).total_seconds()
    return seconds if seconds and seconds > 0.0 else None


def _is_number(text: str) -> bool:
    """Whether it is digits alone, and few enough to be meant."""
    return 0 < len(text) <= 12 and text.isascii() and text.isdigit()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text[:64])
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else None

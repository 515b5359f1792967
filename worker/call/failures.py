"""What the SDK raises -> a failed call, or the end of the run. For all that is made of botocore."""

from botocore import exceptions as aws

from worker.call.answers import CONNECTION_LOST, service_failure
from worker.call.words import said
from worker.errors import ConfigError, RefusedError
from worker.model import Failure

SDK_ERRORS = (aws.BotoCoreError, aws.ClientError)
CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.UnauthorizedSSOTokenError,
)
# Without a request to the service, they are those of whatever issues credentials.
RENEWAL_ERRORS = (aws.ClientError, aws.ConnectionError, aws.HTTPClientError)


def failure_of(error: Exception) -> Failure:
    """Return the failed call in what the SDK raised, here or when it renewed credentials.

    Raises RefusedError for what no call can get past, and `error` itself where it is a bug.
    """
    match error:
        case aws.ClientError():
            return service_failure(error.response)
        case aws.SSLError() | aws.EndpointConnectionError() | aws.ProxyConnectionError():
            return Failure(code="ConnectFailed", message=said(str(error)))
        case aws.ParamValidationError():
            # build.py checks what the SDK checks, so this is a request only this row makes.
            return Failure(code="InvalidRow", message=said(f"the SDK refuses it: {error}"))
        case aws.ConnectTimeoutError() | aws.ReadTimeoutError():
            return Failure(code="TimedOut", message=said(str(error)))
        case aws.HTTPClientError() | aws.ResponseStreamingError():
            return Failure(code=CONNECTION_LOST, message=said(str(error)) or type(error).__name__)
    if isinstance(error, CREDENTIAL_ERRORS):
        raise no_credentials(error)
    raise error


def untrusted(error: Exception) -> RefusedError:
    """Return the error for a run whose endpoint shows a certificate that nobody vouches for."""
    return RefusedError(
        f"the endpoint's certificate is not trusted: {said(str(error))}",
        hint="check target.endpoint_url; for a private endpoint set target.ca_bundle",
    )


def no_credentials(error: Exception) -> RefusedError:
    """Return the error for a run that cannot sign its requests."""
    return RefusedError(
        f"no usable AWS credentials: {said(str(error))}",
        hint="set target.profile or the AWS_* variables, or log in again; "
        "to try without AWS, add --emulator",
    )


def not_set_up(error: Exception) -> ConfigError | RefusedError:
    """Return the error for an SDK that the config or the environment keeps from working."""
    if isinstance(error, CREDENTIAL_ERRORS):
        return no_credentials(error)
    if isinstance(error, aws.ProfileNotFound):
        return ConfigError(
            f"target.profile: {error}", hint="name a profile of ~/.aws/config, or remove the key"
        )
    return ConfigError(
        f"the AWS SDK cannot be set up: {said(str(error))}",
        hint="check [target] and the AWS_* environment variables",
    )

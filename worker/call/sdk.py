"""Transport `sdk`: aioboto3, the reference for credentials, endpoints and behaviour."""

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aioboto3
import aiohttp
import orjson
from botocore import exceptions as aws
from botocore.config import Config as ClientConfig

from worker import __version__
from worker.config import Operation, Target, check_endpoint_url
from worker.errors import ConfigError, RefusedError
from worker.model import Answer, Failure

# What a machine without credentials signs with on loopback: an emulator takes any key.
_EMULATOR_KEY = "emulator"
_BODY = "_body"  # no member of any answer
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME"  # the SDKs' own
_METHODS = {
    Operation.GET_RECOMMENDATIONS: "get_recommendations",
    Operation.GET_PERSONALIZED_RANKING: "get_personalized_ranking",
    Operation.GET_ACTION_RECOMMENDATIONS: "get_action_recommendations",
}
CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.UnauthorizedSSOTokenError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the service is reached, and as whom."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None  # None: AWS's
    ca_bundle: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: an emulator's."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def target_access(target: Target) -> Access:
    """Return how the config's target is reached; the environment may name the endpoint too."""
    return Access(
        region=target.region_name,
        profile=target.profile,
        endpoint_url=target.endpoint_url or _endpoint_of_environment(),
        ca_bundle=target.ca_bundle,
    )


def _endpoint_of_environment() -> str | None:
    url = os.environ.get(_ENDPOINT_VARIABLE)
    try:
        return check_endpoint_url(url) if url else None
    except ValueError as error:
        raise ConfigError(
            f"{_ENDPOINT_VARIABLE} {error} (seen: {url!r})",
            hint="correct it, or unset it to call AWS",
        ) from None


@asynccontextmanager
async def open_client(
    service: str,
    access: Access,
    *,
    timeout_s: float,
    connections_max: int = 1,
    attempts_max: int = 1,
) -> AsyncIterator[Any]:
    """Yield an aioboto3 client, as a rule without retries of its own; close it on exit.

    Raises ConfigError when the SDK cannot be set up as [target] says.
    """
    if bundle := access.ca_bundle or os.environ.get("AWS_CA_BUNDLE"):
        _check_bundle(bundle)
    try:
        session = await _session(access)
        client = session.client(
            service,
            endpoint_url=access.endpoint_url,
            verify=access.ca_bundle,  # None: the usual trust roots; it is never off
            config=ClientConfig(
                max_pool_connections=connections_max,
                retries={"total_max_attempts": attempts_max, "mode": "standard"},
                connect_timeout=timeout_s,
                read_timeout=timeout_s,
                user_agent_extra=f"personalize-worker/{__version__}",
            ),
        )
        entered = await client.__aenter__()
    except aws.ProfileNotFound as error:
        raise ConfigError(
            f"target.profile: {error}", hint="name a profile of ~/.aws/config, or remove the key"
        ) from None
    except (aws.BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"the AWS SDK cannot be set up: {error}",
            hint="check [target] and the AWS_* environment variables",
        ) from None
    try:
        yield entered
    finally:
        await client.__aexit__(None, None, None)


async def _session(access: Access) -> Any:
    session = aioboto3.Session(profile_name=access.profile, region_name=access.region)
    if access.is_loopback and not access.profile and await session.get_credentials() is None:
        return aioboto3.Session(
            region_name=access.region,
            aws_access_key_id=_EMULATOR_KEY,
            aws_secret_access_key=_EMULATOR_KEY,
        )
    return session


def _check_bundle(path: str) -> None:
    """Raise ConfigError for a bundle that the SDK would only stumble over in its first call."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"the trust root {path} cannot be used: {error.strerror or error}",
            hint="name a PEM file in target.ca_bundle, or in AWS_CA_BUNDLE where that is used",
        ) from None


class SdkTransport:
    """Calls one operation through a client of the SDK, which does everything but read the answer.

    The answer's body is taken before the SDK parses it, so that all transports end in the same
    bytes and one decoder serves them all. It also saves most of the SDK's time per call.
    """

    def __init__(self, client: Any, operation: Operation) -> None:
        client.meta.events.register("before-parse.personalize-runtime", _keep_body)
        self._method: Callable[..., Awaitable[dict[str, Any]]] = getattr(
            client, _METHODS[operation]
        )

    async def call(self, body: bytes) -> Answer | Failure:
        """See Transport.call."""
        try:
            answer = await self._method(**orjson.loads(body))
        except aws.ClientError as error:
            return service_failure(error.response)
        except CREDENTIAL_ERRORS as error:
            raise no_credentials(error) from None
        except aws.SSLError as error:
            if isinstance(error.kwargs.get("error"), aiohttp.ClientConnectorCertificateError):
                raise RefusedError(
                    f"the endpoint's certificate is not trusted: {error}",
                    hint="check target.endpoint_url; for a private endpoint set target.ca_bundle",
                ) from None
            return Failure(code="ConnectFailed", message=str(error))
        except aws.ParamValidationError as error:
            # build.py checks what the SDK checks, so this is a request only this row makes.
            return Failure(code="InvalidRow", message=f"the SDK refuses it: {error}")
        except (aws.ConnectTimeoutError, aws.ReadTimeoutError) as error:
            return Failure(code="TimedOut", message=str(error))
        except (aws.EndpointConnectionError, aws.ProxyConnectionError) as error:
            return Failure(code="ConnectFailed", message=str(error))
        except (aws.HTTPClientError, aws.ResponseStreamingError, aiohttp.ClientError) as error:
            return Failure(code="ConnectionLost", message=str(error) or type(error).__name__)
        body_received, request_id = answer[_BODY], answer["ResponseMetadata"].get("RequestId")
        if not body_received.lstrip().startswith(b"{"):
            return Failure("InvalidAnswer", "the answer is not a JSON object", 200, request_id)
        return Answer(body=body_received, request_id=request_id)


def _keep_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Give the SDK an empty object to parse, and the caller the body (event `before-parse`).

    An error's body stays if it is sound: the SDK knows where codes and messages are, but not what
    to do with bytes that are no text, or a code that is a number.
    """
    body = response_dict["body"]
    if response_dict["status_code"] < 300:
        customized_response_dict[_BODY] = body
    elif _is_sound_error(body):
        return
    response_dict["body"] = b"{}"


def _is_sound_error(body: bytes) -> bool:
    try:
        error = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(error, dict) and all(isinstance(value, str) for value in error.values())


def no_credentials(error: Exception) -> RefusedError:
    """Return the error for a run that cannot sign its requests."""
    return RefusedError(
        f"no usable AWS credentials: {error}",
        hint="set target.profile or the AWS_* variables, or log in again; "
        "to try without AWS, add --emulator",
    )


def service_failure(response: Any) -> Failure:
    """Return the failure in a ClientError's response: the service's own code and message."""
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    return Failure(
        code=str(error.get("Code") or "Unknown"),
        message=str(error.get("Message") or f"HTTP {status} without a message"),
        http_status=status,
        request_id=metadata.get("RequestId"),
    )

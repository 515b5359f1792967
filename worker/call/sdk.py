"""Transport `sdk`: aioboto3, the reference for how requests are made and answers are read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import orjson
from botocore import exceptions as aws

from worker.call.access import CREDENTIAL_ERRORS, no_credentials, untrusted
from worker.call.answers import CONNECTION_LOST, answer_of, service_failure, sound_error
from worker.config import Operation
from worker.model import Answer, Failure

SDK_ERRORS = (aws.BotoCoreError, aws.ClientError, aiohttp.ClientError)
# Without a request to the service, they are those of whatever issues credentials.
_RENEWAL_ERRORS = (aws.ClientError, aws.ConnectionError, aws.HTTPClientError)
_BODY = "_body"  # no member of any answer
_METHODS = {
    Operation.GET_RECOMMENDATIONS: "get_recommendations",
    Operation.GET_PERSONALIZED_RANKING: "get_personalized_ranking",
    Operation.GET_ACTION_RECOMMENDATIONS: "get_action_recommendations",
}


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request as the SDK would send it, signed."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes


async def prepare_request(client: Any, operation: Operation) -> PreparedRequest:
    """Return a request for nobody in particular, made and signed by the SDK, never sent.

    Raises RefusedError when there are no credentials.
    """
    event = "before-send.personalize-runtime"
    client.meta.events.register(event, _capture)
    body: dict[str, Any] = {"userId": "user"}
    if operation is Operation.GET_PERSONALIZED_RANKING:
        body |= {"campaignArn": "campaign", "inputList": ["item"]}
    try:
        await getattr(client, _METHODS[operation])(**body)
    except _CapturedError as captured:
        request = captured.request
    except (*CREDENTIAL_ERRORS, *_RENEWAL_ERRORS) as error:
        raise no_credentials(error) from None
    finally:
        client.meta.events.unregister(event, _capture)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    return PreparedRequest(request.url, headers, request.body)


class _CapturedError(Exception):
    """Raised inside the SDK instead of sending; carries the request out."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def _capture(request: Any, **_: Any) -> None:
    raise _CapturedError(request)


class SdkTransport:
    """Calls one operation through a client of the SDK, which does everything but read the answer.

    The answer's body is taken before the SDK parses it, so that all transports end in the same
    bytes and one decoder serves them all. It also saves most of the SDK's time per call.
    """

    def __init__(self, client: Any, operation: Operation, *, timeout_s: float) -> None:
        client.meta.events.register("before-parse.personalize-runtime", _keep_body)
        client.meta.events.register("before-call.personalize-runtime", _send_compact)
        self._timeout_s = timeout_s
        self._method: Callable[..., Awaitable[dict[str, Any]]] = getattr(
            client, _METHODS[operation]
        )

    async def call(self, body: bytes) -> Answer | Failure:
        """See Transport.call."""
        try:
            with anyio.fail_after(self._timeout_s):
                return await self._call(orjson.loads(body))
        except TimeoutError:
            return Failure("TimedOut", f"no whole answer within {self._timeout_s} s")

    async def _call(self, members: dict[str, Any]) -> Answer | Failure:
        try:
            answer = await self._method(**members)
        except SDK_ERRORS as error:
            return failure_of(error)
        metadata = answer["ResponseMetadata"]
        return answer_of(
            answer[_BODY],
            status=metadata["HTTPStatusCode"],
            encoding=metadata["HTTPHeaders"].get("content-encoding"),
            request_id=metadata.get("RequestId"),
        )


def failure_of(error: Exception) -> Failure:
    """Return the failed call in what the SDK raised, here or when it renewed credentials.

    Raises RefusedError for what no call can get past, and `error` itself where it is a bug.
    """
    match error:
        case aws.ClientError():
            return service_failure(error.response)
        case aws.SSLError():
            if isinstance(error.kwargs.get("error"), aiohttp.ClientConnectorCertificateError):
                raise untrusted(error)
            return Failure(code="ConnectFailed", message=str(error))
        case aws.ParamValidationError():
            # build.py checks what the SDK checks, so this is a request only this row makes.
            return Failure(code="InvalidRow", message=f"the SDK refuses it: {error}")
        case aws.ConnectTimeoutError() | aws.ReadTimeoutError():
            return Failure(code="TimedOut", message=str(error))
        case aws.EndpointConnectionError() | aws.ProxyConnectionError():
            return Failure(code="ConnectFailed", message=str(error))
        case aws.HTTPClientError() | aws.ResponseStreamingError() | aiohttp.ClientError():
            return Failure(code=CONNECTION_LOST, message=str(error) or type(error).__name__)
    if isinstance(error, CREDENTIAL_ERRORS):
        raise no_credentials(error)
    raise error


def _send_compact(params: dict[str, Any], **_: Any) -> None:
    """Send the bytes that the request was built with: the SDK would put spaces and escapes in."""
    params["body"] = orjson.dumps(orjson.loads(params["body"]))


def _keep_body(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Give the SDK an empty object to parse, and the caller the body (event `before-parse`).

    An error's body stays if it is sound: it says which error this is.
    """
    if response_dict["status_code"] < 300:
        customized_response_dict[_BODY] = response_dict["body"]
        response_dict["body"] = b"{}"
    else:
        encoding = response_dict["headers"].get("content-encoding")
        response_dict["body"] = sound_error(response_dict["body"], encoding=encoding)

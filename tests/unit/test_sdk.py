"""What the SDK raises -> what the pipeline knows."""

import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from worker.call.sdk import Access, SdkTransport, open_client
from worker.config import Operation
from worker.errors import ConfigError, RefusedError
from worker.model import Answer, Failure

CONNECTION = ConnectionKey("127.0.0.1", 443, True, True, None, None, None)
ENDPOINT = {"endpoint_url": "http://127.0.0.1:1"}


class FakeClient:
    """A client whose calls end as they are told to."""

    def __init__(self, result: dict[str, Any] | Exception) -> None:
        self._result = result
        self.sent: dict[str, Any] = {}

    async def get_recommendations(self, **request: Any) -> dict[str, Any]:
        self.sent = request
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def call(result: dict[str, Any] | Exception, body: bytes = b"{}") -> Answer | Failure:
    return await SdkTransport(FakeClient(result), Operation.GET_RECOMMENDATIONS).call(body)


async def test_an_answer_is_json_again_without_the_sdks_own_member() -> None:
    answer = {"itemList": [{"itemId": "a"}], "ResponseMetadata": {"RequestId": "q"}}
    result = await call(answer)
    assert isinstance(result, Answer)
    assert json.loads(result.body) == {"itemList": [{"itemId": "a"}]}
    assert result.request_id == "q"


async def test_the_body_becomes_the_calls_arguments() -> None:
    client = FakeClient({"ResponseMetadata": {}})
    await SdkTransport(client, Operation.GET_RECOMMENDATIONS).call(b'{"userId": "u"}')
    assert client.sent == {"userId": "u"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (aws.ConnectTimeoutError(**ENDPOINT), "TimedOut"),
        (aws.ReadTimeoutError(**ENDPOINT), "TimedOut"),
        (aws.EndpointConnectionError(**ENDPOINT), "ConnectFailed"),
        (aws.SSLError(**ENDPOINT, error=ssl.SSLEOFError()), "ConnectFailed"),
        (aws.ProxyConnectionError(proxy_url="http://127.0.0.1:1"), "ConnectFailed"),
        (aws.ConnectionClosedError(**ENDPOINT), "ConnectionLost"),
        (aws.HTTPClientError(error="x"), "ConnectionLost"),
        (aws.ResponseStreamingError(error="x"), "ConnectionLost"),
        (aiohttp.ClientPayloadError("not whole"), "ConnectionLost"),
        (aiohttp.ServerDisconnectedError(), "ConnectionLost"),
        (ResponseParserError("not JSON"), "InvalidAnswer"),
        (aws.ParamValidationError(report="too short"), "InvalidRow"),
    ],
)
async def test_what_breaks_on_the_way_is_a_failure_with_a_message(
    error: Exception, code: str
) -> None:
    failure = await call(error)
    assert isinstance(failure, Failure)
    assert failure.code == code
    assert failure.message


async def test_what_the_service_says_is_kept() -> None:
    response = {
        "Error": {"Code": "ThrottlingException", "Message": "slow down"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "q"},
    }
    error = aws.ClientError(response, "GetRecommendations")
    assert await call(error) == Failure("ThrottlingException", "slow down", 400, "q")


@pytest.mark.parametrize(
    "error",
    [
        aws.NoCredentialsError(),
        aws.PartialCredentialsError(provider="env", cred_var="x"),
        aws.CredentialRetrievalError(provider="p", error_msg="m"),
        aws.TokenRetrievalError(provider="p", error_msg="m"),
        aws.UnauthorizedSSOTokenError(),
        aws.SSLError(
            endpoint_url="https://127.0.0.1",
            error=aiohttp.ClientConnectorCertificateError(CONNECTION, ssl.CertificateError()),
        ),
    ],
)
async def test_what_no_call_can_get_past_ends_the_run(error: Exception) -> None:
    with pytest.raises(RefusedError):
        await call(error)


async def test_a_bug_is_not_taken_for_a_failed_call() -> None:
    with pytest.raises(ZeroDivisionError):
        await call(ZeroDivisionError())


@pytest.mark.parametrize("content", [None, "not a certificate"])
async def test_a_trust_root_that_cannot_be_read_is_found_before_the_first_call(
    tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    access = Access(region="us-east-1", ca_bundle=str(bundle))
    with pytest.raises(ConfigError, match="ca_bundle"):
        async with open_client("personalize-runtime", access, timeout_s=1.0):
            raise AssertionError

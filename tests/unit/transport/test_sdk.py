"""What the SDK raises -> what the pipeline knows."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions as aws
from support.scripts import Reply, Script, serving
from support.services import Service

from worker.aws.access import Access
from worker.aws.client import BoundedResponse, Http, open_client
from worker.aws.login import Login
from worker.errors import ConfigError, RefusedError
from worker.model import Answer, Failure
from worker.personalize.operations import Operation
from worker.runtime.clock import MonotonicClock
from worker.transport._sdk import SdkTransport
from worker.transport._sdk_http import Handler, Request

CONNECTION = ConnectionKey("127.0.0.1", 443, True, True, None, None, None)
HTTP = Http(Request, Handler, BoundedResponse)
ENDPOINT = {"endpoint_url": "http://127.0.0.1:1"}


class FakeClient:
    """A client whose calls end as they are told to."""

    def __init__(self, result: dict[str, Any] | Exception) -> None:
        self._result = result
        self.meta = SimpleNamespace(events=self)

    def register(self, event: str, handler: object) -> None:
        assert event.partition(".")[0] in {"before-parse", "before-call"}
        assert event.endswith(".personalize-runtime")
        assert callable(handler)

    async def get_recommendations(self, **_: Any) -> dict[str, Any]:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


async def call(result: dict[str, Any] | Exception, body: bytes = b"{}") -> Answer | Failure:
    login = Login(Access(region="us-east-1"), MonotonicClock())
    client = FakeClient(result)
    transport = SdkTransport(
        client, Operation.GET_RECOMMENDATIONS, login, timeout_s=5.0, clock=MonotonicClock()
    )
    return await transport.call(body)


async def call_service(script: Script, body: bytes) -> tuple[Answer | Failure, Service]:
    """Make one call through the real SDK."""
    with serving(script) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        async with (
            Login(access, MonotonicClock()) as login,
            open_client("personalize-runtime", login, timeout_s=5.0, http=HTTP) as client,
        ):
            transport = SdkTransport(
                client, Operation.GET_RECOMMENDATIONS, login, timeout_s=5.0, clock=MonotonicClock()
            )
            return await transport.call(body), service


async def test_an_answers_body_arrives_byte_for_byte() -> None:
    raw = b'{ "itemList": [], "unknownMember": 1 }'
    body = b'{"userId":"\xc3\xbc","numResults":5}'
    result, service = await call_service(lambda _: Reply(raw=raw), body)
    assert result == Answer(body=raw, request_id="request-1")
    (request,) = service.received
    assert (request.path, request.members) == ("/recommendations", json.loads(body))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"<html>",
        b"\xff",
        b"{",
        b'{"message": "\xff"}',
        b'{"__type": 5}',
        b'{"message": "\\ud800"}',
        b'{"message": null, "code": []}',
    ],
)
async def test_an_error_without_a_readable_body_keeps_its_status(raw: bytes) -> None:
    result, _ = await call_service(lambda _: Reply(status=503, raw=raw), b"{}")
    assert isinstance(result, Failure)
    assert result.http_status == 503


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
    login = Login(access, MonotonicClock())
    with pytest.raises(ConfigError, match="cannot be used"):
        async with open_client("personalize-runtime", login, timeout_s=1.0):
            raise AssertionError


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null"])
async def test_an_answer_that_is_no_object_is_a_failure(raw: bytes) -> None:
    result, _ = await call_service(lambda _: Reply(raw=raw), b"{}")
    assert result == Failure("InvalidAnswer", "the answer is not a JSON object", 200, "request-1")

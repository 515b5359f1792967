"""The codes and statuses of the developer guide's page "Common errors", as boto3 sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from support.emulator import emulator, post

CAMPAIGN = "arn:aws:personalize:us-east-1:000000000000:campaign/home"
KEYS = [
    {"access_key_id": "ALL", "secret_access_key": "secret"},
    {"access_key_id": "FEW", "secret_access_key": "secret", "allow": ["DescribeCampaign"]},
    {
        "access_key_id": "SESSION",
        "secret_access_key": "secret",
        "session_token": "token",
        "expires_after_s": 1e-6,
    },
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    home = {"name": "home", "recipe": "aws-hrnn"}
    with emulator(campaigns=[home], credentials=KEYS) as found:
        yield found


def described(address: str, key: str, token: str | None) -> Any:
    personalize = client(address, "personalize", key, token)
    return personalize.describe_campaign(campaignArn=CAMPAIGN)


def recommended(address: str, key: str, token: str | None) -> Any:
    runtime = client(address, "personalize-runtime", key, token)
    return runtime.get_recommendations(campaignArn=CAMPAIGN, userId="u0001")


def client(address: str, service: str, key: str, token: str | None) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("call", "key", "token", "code"),
    [
        (recommended, "FEW", None, "AccessDeniedException"),
        (recommended, "OTHER", None, "UnrecognizedClientException"),
        (described, "OTHER", None, "UnrecognizedClientException"),
        (recommended, "SESSION", "token", "ExpiredTokenException"),
        (described, "SESSION", "token", "ExpiredTokenException"),
        (recommended, "SESSION", "another", "UnrecognizedClientException"),
    ],
)
def test_who_may_not_call_gets_the_documented_code_with_status_403(
    address: str, call: Callable[..., Any], key: str, token: str | None, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        call(address, key, token)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
        code,
        403,
    )


def test_keys_that_are_good_are_answered(address: str) -> None:
    assert recommended(address, "ALL", None)["itemList"]
    assert described(address, "FEW", None)["campaign"]["campaignArn"] == CAMPAIGN


@pytest.mark.parametrize("path", ["/recommendations", "/"])
def test_a_signature_that_is_none_is_incomplete_with_status_403(address: str, path: str) -> None:
    status, headers, _ = post(address, path, b"{}", Authorization="AWS4-HMAC-SHA256 nothing")
    assert (status, headers["x-amzn-errortype"]) == (403, "IncompleteSignature")


def test_an_operation_that_is_unknown_has_status_404(address: str) -> None:
    with pytest.raises(ClientError) as caught:
        client(address, "personalize", "ALL", None).list_solutions()
    response = caught.value.response
    assert response["Error"]["Code"] == "UnknownOperationException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 404
    status, headers, _ = post(address, "/recommended", b"{}")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")

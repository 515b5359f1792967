"""Signatures: botocore signs, the emulator verifies; every way to be refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.emulator.conditions.settings import CredentialSettings
from worker.emulator.errors import ServiceFault
from worker.emulator.http.message import Request
from worker.emulator.http.signature import Signatures
from worker.emulator.settings import EmulatorSettings

KEY, SECRET = "AKIDEXAMPLE", "a secret/of+40 characters"
BODY = b'{"userId": "u"}'
NAME = "GetRecommendations"


def signed(
    secret: str = SECRET,
    *,
    key: str = KEY,
    region: str = "us-east-1",
    service: str = "personalize",
    body: bytes = BODY,
    headers: Mapping[str, str] = {},
) -> Request:
    """Return a request as an SDK signs it."""
    request = AWSRequest(
        method="POST",
        url="http://127.0.0.1:8765/recommendations",
        data=body,
        headers={"Host": "127.0.0.1:8765", "Content-Type": "application/json", **headers},
    )
    SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    sent = {name.lower(): value for name, value in request.headers.items()}
    return Request(method="POST", target="/recommendations", headers=sent, body=body)


def signatures(
    *, now: Callable[[], datetime] = lambda: datetime.now(UTC), **more: Any
) -> Signatures:
    declared = CredentialSettings.model_validate(
        {"access_key_id": KEY, "secret_access_key": SECRET, **more}
    )
    return Signatures([declared], "us-east-1", now=now)


def refused(verifier: Signatures, request: Request, operation: str = NAME) -> tuple[str, int]:
    with pytest.raises(ServiceFault) as caught:
        verifier.verify(request, operation)
    assert SECRET not in caught.value.message
    return caught.value.code, caught.value.status


def with_header(name: str, value: str | None) -> Request:
    request = signed()
    if value is None:
        del request.headers[name]
    else:
        request.headers[name] = value
    return request


def with_authorization(change: Callable[[str], str]) -> Request:
    request = signed()
    request.headers["authorization"] = change(request.headers["authorization"])
    return request


def test_without_credentials_nobody_is_asked_for_any() -> None:
    Signatures([], "us-east-1").verify(Request(method="POST", target="/"), NAME)


def test_what_botocore_signs_is_accepted() -> None:
    signatures().verify(signed(), NAME)


def test_headers_that_another_client_signs_are_accepted() -> None:
    signatures().verify(signed(headers={"X-Amz-Security-Token": "t", "Accept": " */*  x"}), NAME)


@given(body=st.binary(max_size=200), secret=st.text(st.characters(codec="ascii"), min_size=1))
def test_any_body_and_secret_verify_and_no_other_body_does(body: bytes, secret: str) -> None:
    declared = CredentialSettings.model_validate(
        {"access_key_id": KEY, "secret_access_key": secret}
    )
    verifier = Signatures([declared], "us-east-1")
    request = signed(secret, body=body)
    verifier.verify(request, NAME)
    request.body += b" "
    assert refused(verifier, request) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize(
    "request_",
    [
        signed("another secret"),
        signed(region="eu-west-1"),
        signed(service="personalize-runtime"),
        with_header("content-type", "text/plain"),
        with_header("content-type", None),  # signed, but not sent
        with_header("host", "example.org"),
        with_header("host", "[not an address"),
        with_header("x-amz-target", "not signed"),
        with_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        signed(headers={"X-Amz-Content-SHA256": "0" * 64}),
        with_authorization(lambda text: text.replace("content-type;", "")),
        with_authorization(lambda text: text.replace("content-type;host;", "content-type;")),
        with_authorization(lambda text: text[:-1] + ("0" if text[-1] != "0" else "1")),
        with_authorization(lambda text: text[:-64] + "\u00e9" * 64),
        with_authorization(lambda text: text.replace("aws4_request", "aws4")),
    ],
)
def test_a_signature_of_something_else_is_invalid(request_: Request) -> None:
    assert refused(signatures(), request_) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize("name", ["method", "target"])
def test_a_request_changed_on_its_way_is_invalid(name: str) -> None:
    request = signed()
    setattr(request, name, {"method": "PUT", "target": "/action-recommendations"}[name])
    assert refused(signatures(), request) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        (with_header("authorization", None), "MissingAuthenticationToken", 403),
        (signed(key="AKIDOTHER"), "UnrecognizedClientException", 403),
        (with_header("authorization", "Basic abc"), "IncompleteSignature", 403),
        (with_header("authorization", "AWS4-HMAC-SHA256 "), "IncompleteSignature", 403),
        (with_header("x-amz-date", None), "IncompleteSignature", 403),
        (with_header("x-amz-date", "20261399T000000Z"), "IncompleteSignature", 403),
        (with_header("x-amz-date", "yesterday"), "IncompleteSignature", 403),
        (
            with_authorization(lambda text: text.replace("Signature=", "Sign=")),
            "IncompleteSignature",
            403,
        ),
        (
            with_authorization(lambda text: text.replace("/us-east-1/", "/")),
            "IncompleteSignature",
            403,
        ),
        (
            with_authorization(lambda text: text.replace("Signature=", "SignedHeaders=")),
            "IncompleteSignature",
            403,
        ),
    ],
)
def test_what_is_no_signature_is_told_apart(request_: Request, code: str, status: int) -> None:
    assert refused(signatures(), request_) == (code, status)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_expires_after_a_quarter_of_an_hour_either_way(minutes: int) -> None:
    later = signatures(now=lambda: datetime.now(UTC) + timedelta(minutes=minutes))
    assert refused(later, signed()) == ("RequestExpired", 400)
    signatures(now=lambda: datetime.now(UTC) + timedelta(minutes=14)).verify(signed(), NAME)


def test_a_credential_may_be_allowed_some_operations_only() -> None:
    verifier = signatures(allow=("DescribeCampaign",))
    verifier.verify(signed(), "DescribeCampaign")
    assert refused(verifier, signed()) == ("AccessDeniedException", 403)
    nothing = signatures(allow=())
    assert refused(nothing, signed(), "DescribeCampaign") == ("AccessDeniedException", 403)


def test_a_key_with_a_token_is_unrecognized_with_another_or_none() -> None:
    verifier = signatures(session_token="of the session")
    verifier.verify(signed(headers={"X-Amz-Security-Token": "of the session"}), NAME)
    for headers in ({}, {"X-Amz-Security-Token": "of another"}):
        assert refused(verifier, signed(headers=headers)) == ("UnrecognizedClientException", 403)


def test_keys_expire_when_their_time_is_over() -> None:
    times = [datetime.now(UTC) + timedelta(seconds=seconds) for seconds in (0, 9, 9, 10, 10)]
    verifier = signatures(now=iter(times).__next__, expires_after_s=10)
    verifier.verify(signed(), NAME)
    assert refused(verifier, signed()) == ("ExpiredTokenException", 403)


def test_secrets_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    settings = EmulatorSettings.model_validate(
        {
            "credentials": [
                {"access_key_id": KEY, "secret_access_key": SECRET, "session_token": SECRET}
            ]
        }
    )
    request = signed(headers={"X-Amz-Security-Token": SECRET})
    with caplog.at_level(logging.DEBUG):
        Signatures(settings.credentials, "us-east-1").verify(request, NAME)
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json() + caplog.text


def test_an_access_key_may_be_declared_once() -> None:
    twice = [{"access_key_id": KEY, "secret_access_key": SECRET}] * 2
    with pytest.raises(ValidationError, match="two credentials"):
        EmulatorSettings.model_validate({"credentials": twice})


@given(
    parts=st.lists(
        st.sampled_from(
            [
                "AWS4-HMAC-SHA256 ",
                f"Credential={KEY}/20260101/us-east-1/personalize/aws4_request",
                f"Credential={KEY}////",
                "SignedHeaders=",
                "host;x-amz-date",
                ";",
                "Signature=",
                "0" * 64,
                ", ",
                "\u00e9",
            ]
        )
        | st.text(st.characters(max_codepoint=255), max_size=5),
        max_size=9,
    ),
    target=st.sampled_from(["/recommendations", "/recommendations?a=[&b", "/?%zz=\u00e9", "/?#"]),
)
def test_whatever_the_header_says_a_fault_is_the_answer(parts: list[str], target: str) -> None:
    request = signed()
    request.target = target
    request.headers["authorization"] = "".join(parts)
    code, status = refused(signatures(), request)
    assert code != "InternalFailure"
    assert status in {400, 403}


# no "#": a request's target has no fragment (RFC 9112, 3.2)
@given(target=st.text(st.characters(max_codepoint=255, exclude_characters="#"), max_size=9))
def test_whatever_the_query_is_a_fault_is_the_answer(target: str) -> None:
    request = signed()
    request.target = f"/recommendations?{target}x"
    assert refused(signatures(), request) == ("InvalidSignatureException", 403)

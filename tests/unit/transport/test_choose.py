"""Which transport a run gets, as whom it calls, and what it says when it is not the wanted one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from support.services import Service, wired
from unit.transport.messages import SOUND, answering, reply
from unit.transport.transports import ELSEWHERE, opened, transport_of, warnings

from worker.aws.access import Access
from worker.aws.credentials import SigningCredentials
from worker.aws.session import PreparedRequest, client_options
from worker.errors import ConfigError, RefusedError
from worker.model import Answer, Failure
from worker.transport._sdk import SdkTransport
from worker.transport.wire import NotWireableError, WireTransport, signer_like

SECRET = "hidden-secret"


def headers(service: Service) -> list[dict[str, str]]:
    return [dict(request.headers) for request in service.received]


@pytest.mark.parametrize(("wanted", "kind"), [("wire", WireTransport), ("sdk", SdkTransport)])
async def test_the_transport_is_the_wanted_one_and_nothing_is_said(
    wanted: str, kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url, wanted) == (kind, Answer(SOUND, None))
    assert not caplog.records


@pytest.mark.parametrize("key", ["AK,ID", "AK=ID", "AK/ID", "{AKID}%s"])
async def test_an_access_key_of_any_signs_is_signed_with(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (WireTransport, Answer(SOUND, None))
        assert f"Credential={key}/2" in headers(service)[0]["Authorization"]
    assert not caplog.records


@pytest.mark.parametrize("has_keys", [True, False])
async def test_requests_that_the_sdk_does_not_sign_are_the_sdks(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, has_keys: bool
) -> None:
    def options(access: Access, **named: Any) -> dict[str, Any]:
        return {**client_options(access, **named), "signature_version": UNSIGNED}

    monkeypatch.setattr("worker.aws.session.client_options", options)
    monkeypatch.setattr("worker.aws.client.client_options", options)
    if not has_keys:
        monkeypatch.setattr(Access, "is_loopback", False)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (SdkTransport, Answer(SOUND, None))
        assert "Authorization" not in headers(service)[0]
    assert "transport sdk instead of wire" in warnings(caplog)


def prepared(**changes: str | None) -> PreparedRequest:
    """Return a signed request with some headers changed, or left out."""
    signed = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Date": "20260301T120000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260301/us-east-1/personalize/"
        "aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=0",
    }
    changed = {**signed, **{name.replace("_", "-"): value for name, value in changes.items()}}
    kept = {name: value for name, value in changed.items() if value is not None}
    return PreparedRequest("https://h.example/recommendations", kept, b"{}")


@pytest.mark.parametrize(
    ("request_made", "reason"),
    [
        (prepared(), "a way of its own"),
        (prepared(Authorization=None), "not SigV4"),
        (prepared(Authorization="Bearer hidden-token"), "'Bearer', not SigV4"),
        (prepared(Authorization="AWS4-ECDSA-P256-SHA256 Credential=x"), "not SigV4"),
        (prepared(X_Amz_Date=None), "X-Amz-Date"),
        (prepared(Content_Type=None), "content-type"),
        (
            PreparedRequest("https://h.example/r?a=b", prepared().headers, b"{}"),
            "has a query",
        ),
    ],
)
def test_what_cannot_be_sent_alike_is_said_and_left_to_the_sdk(
    request_made: PreparedRequest, reason: str
) -> None:
    with pytest.raises(NotWireableError, match=reason) as error:
        signer_like(request_made, SigningCredentials("AKID", SECRET, None))
    assert "hidden" not in str(error.value)
    assert "hidden" not in repr(request_made)


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
async def test_an_emulator_needs_no_credentials(wanted: Any) -> None:
    async with wired(answering(reply())) as service:
        _, answer = await transport_of(service.url, wanted)
        assert "Credential=emulator/" in headers(service)[0]["Authorization"]
    assert answer == Answer(SOUND, None)


async def test_a_service_that_is_none_of_this_machines_does() -> None:
    with pytest.raises(RefusedError, match="no usable AWS credentials"):
        await transport_of(ELSEWHERE)


async def test_credentials_that_cannot_be_had_refuse_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile p]\ncredential_process = false\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(RefusedError, match="credentials"):
        await transport_of(ELSEWHERE, profile="p")


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
@pytest.mark.parametrize(
    "line",
    [
        "api_versions = x",
        "defaults_mode = x",
        "csm_enabled = true\ncsm_port = x",
        "account_id_endpoint_mode = x",
        "request_checksum_calculation =\n  a = b",
        "request_min_compression_size_bytes = x",
    ],
)
async def test_a_profile_that_the_sdk_stumbles_over_is_told(
    line: str, wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\naws_access_key_id = AKID\naws_secret_access_key = {SECRET}\n{line}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises((ConfigError, RefusedError)) as error:
        await transport_of(ELSEWHERE, wanted, profile="p")
    assert "config" in error.value.hint
    assert "hidden" not in error.value.what


# What the profile's process prints is the content of a file; "-" stands for none.
ISSUE = """
import json, pathlib
key = pathlib.Path(__file__).with_name("key").read_text()
if key == "-":
    raise SystemExit("no")
print(json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": "hidden-secret",
    "SessionToken": f"token-of-{key}"}))
"""
EXPIRED = Failure("ExpiredTokenException", "expired", 403)


@pytest.fixture
def issued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file with the key of the profile `p`, which may change at any time."""
    (tmp_path / "issue.py").write_text(ISSUE)
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\ncredential_process = {sys.executable} {tmp_path / 'issue.py'}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr("worker.aws.login._LOOK_AGAIN_S", 0.0)
    key = tmp_path / "key"
    key.write_text("KEY0")
    return key


def issue(issued: Path, key: str) -> None:
    """Let the profile have this key from now on."""
    issued.write_text(key)


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
async def test_credentials_that_change_are_used_from_then_on(wanted: Any, issued: Path) -> None:
    keys = ["KEY1", "KEY1", "KEY2"]
    renewed = []
    async with wired(answering(reply())) as service:
        async with opened(service.url, wanted, profile="p") as transport:
            for key in keys:
                issue(issued, key)
                renewed.append(await transport.renew(EXPIRED, since_s=time.monotonic()))
                assert isinstance(await transport.call(b"{}"), Answer)
        sent = headers(service)
    used = [each["Authorization"].split("Credential=")[1].split("/")[0] for each in sent]
    assert used == keys
    assert [each["X-Amz-Security-Token"] for each in sent] == [f"token-of-{key}" for key in keys]
    assert renewed == [None, EXPIRED, None]


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
async def test_credentials_that_cannot_be_renewed_refuse_the_run(wanted: Any, issued: Path) -> None:
    async with (
        wired(answering(reply())) as service,
        opened(service.url, wanted, profile="p") as transport,
    ):
        assert isinstance(await transport.call(b"{}"), Answer)
        issue(issued, "-")
        with pytest.raises(RefusedError, match="credentials"):
            await transport.renew(EXPIRED, since_s=time.monotonic())

"""Which transport a run gets, as whom it calls, and what it says when it is not the wanted one."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from support.services import Service, wired
from unit.transport.messages import SOUND, answering, reply
from unit.transport.transports import REGION, opened, opened_by

from worker.aws.access import Access
from worker.aws.credentials import SigningCredentials
from worker.aws.login import Login
from worker.aws.session import PreparedRequest, client_options
from worker.errors import RefusedError
from worker.model import Answer, Failure
from worker.transport._sdk import SdkTransport
from worker.transport.wire import NotWireableError, WireTransport, signer_like

# Nothing listens here, and nobody is asked: the address is one of documentation's.
ELSEWHERE = "http://192.0.2.1:1"
SECRET = "hidden-secret"


def headers(service: Service) -> list[dict[str, str]]:
    return [dict(request.headers) for request in service.received]


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was said, with all fields."""
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    return " ".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)


async def transport_of(
    url: str, wanted: Any = "wire", **options: Any
) -> tuple[type[WireTransport | SdkTransport], Any]:
    """Open a transport and close it; return its class, and the answer to a call."""
    async with (
        Login(Access(region=REGION, endpoint_url=url, **options)) as login,
        opened_by(login, wanted) as transport,
    ):
        return type(transport), await transport.call(b'{"userId":"1"}')  # type: ignore[return-value] # there are two


@pytest.mark.parametrize(("wanted", "kind"), [("wire", WireTransport), ("sdk", SdkTransport)])
async def test_the_transport_is_the_wanted_one_and_nothing_is_said(
    wanted: str, kind: type, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url, wanted) == (kind, Answer(SOUND, None))
    assert not caplog.records


async def test_a_proxy_of_the_environment_is_used_by_the_sdk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "worker")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    async with wired(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:{SECRET}@{proxy.host}:{proxy.port}")
        assert await transport_of(ELSEWHERE) == (SdkTransport, Answer(SOUND, None))
        assert proxy.received[0].line == f"POST {ELSEWHERE}/recommendations HTTP/1.1"
    assert f"the proxy {proxy.host}:{proxy.port}" in warnings(caplog)
    assert SECRET not in warnings(caplog)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["127.0.0.1", "*", "localhost,127.0.0.1"])
async def test_an_endpoint_that_needs_no_proxy_is_reached_without(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", ELSEWHERE)
    monkeypatch.setenv("http_proxy", ELSEWHERE)
    monkeypatch.setenv(name, value)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (WireTransport, Answer(SOUND, None))


@pytest.mark.parametrize(("wanted", "kind"), [("wire", WireTransport), ("sdk", SdkTransport)])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_this_machines_loopback_is_reached_without_a_proxy(
    name: str, wanted: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, ELSEWHERE)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url, wanted) == (kind, Answer(SOUND, None))


async def test_a_proxy_for_another_scheme_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", ELSEWHERE)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (WireTransport, Answer(SOUND, None))


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

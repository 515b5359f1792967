"""Every source of credentials that the SDK has, on both transports, against the SDK itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import botocore.credentials
import botocore.session
import botocore.tokens
import pytest
from anyio import to_thread
from support.issuers import (
    EXPIRES_IN_S,
    SHARED,
    Issuer,
    iso,
    printing,
    signer_of,
    write_logins,
    write_sso_tokens,
)
from support.scripts import echo, serving
from support.services import Service, served
from unit.transport.messages import answering, reply
from unit.transport.transports import REGION, opened_by

from worker.aws.access import Access
from worker.aws.login import Login
from worker.model import Answer, Failure
from worker.runtime.clock import MonotonicClock

EXPIRED = Failure("ExpiredTokenException", "expired", 403)
# Those whose keys an issuer names, and which have an end.
ISSUED = [
    "role", "chain", "role-of-environment", "role-of-instance", "role-of-container",
    "role-of-process", "role-of-web-identity", "role-of-sso", "web-identity", "sso",
    "sso-without-session", "eks-irsa", "eks-pod-identity", "container", "instance",
]  # fmt: skip
LASTING = ["keys", "shared", "environment", "default", "boto2", "ec2-file"]
SOURCES = [*ISSUED, *LASTING, "process", "environment-with-an-end"]
# The environment's own keys would come before a profile that is named there, too.
BY_CONFIG = {"role-of-environment": "role-of-environment"}
every_transport = pytest.mark.parametrize("wanted", ["wire", "sdk"])


class Logins:
    """The logins of a test; one at a time is the environment's."""

    def __init__(self, folder: Path, url: str, issuer: Issuer, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.issuer = issuer
        self.url = url
        self._patch = patch
        self._variables = write_logins(folder, issuer, url)

    def use(self, name: str, more: Mapping[str, str] = {}) -> None:
        """Log in as `name`."""
        for variable, value in {**self._variables[name], **more}.items():
            self._patch.setenv(variable, value)


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Logins]:
    """Return all logins, with their issuer on loopback."""
    cache = str(tmp_path / ".aws" / "sso" / "cache")  # the SDK looks for it when it is imported
    for provider in (botocore.credentials.SSOProvider, botocore.tokens.SSOTokenProvider):
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", cache)
    issuer = Issuer()
    with serving(issuer) as service:
        yield Logins(tmp_path, service.url, issuer, monkeypatch)


def asked_by_the_sdk(profile: str | None = None) -> tuple[str, str | None]:
    """Return whose key the SDK signs with, of its own, and the token."""
    session = botocore.session.Session(profile=profile)
    session.set_config_variable("region", REGION)
    credentials = session.get_credentials()
    assert credentials is not None
    frozen = credentials.get_frozen_credentials()
    return frozen.access_key, frozen.token


def last_signed_as(service: Service) -> tuple[str, str | None]:
    request = service.received[-1]
    return signer_of(request), request.headers.get("X-Amz-Security-Token")


@every_transport
@pytest.mark.parametrize("source", SOURCES)
async def test_calls_are_signed_with_what_the_sdk_finds_at_the_start_and_in_mid_run(
    source: str, wanted: Any, logins: Logins
) -> None:
    logins.use(source)
    issuer = logins.issuer
    profile = BY_CONFIG.get(source)
    expected = await to_thread.run_sync(asked_by_the_sdk, profile)
    asked, issuer.asked = issuer.asked, []
    async with served(answering(reply())) as service:
        access = Access(region=REGION, endpoint_url=service.url, profile=profile)
        async with Login(access, MonotonicClock()) as login, opened_by(login, wanted) as transport:
            assert isinstance(await transport.call(b"{}"), Answer)
            assert last_signed_as(service) == expected
            assert set(issuer.asked) == set(asked)
            assert len(issuer.asked) <= len(asked)  # the SDK looks twice at some of them
            assert login.keys is not None
            expires_s = login.keys.expires_s
            if source in LASTING:
                assert expires_s is None
            else:
                assert expires_s is not None
                assert abs(expires_s - time.time() - EXPIRES_IN_S) < 60.0
            issuer.serial = 2
            renewed = await transport.renew(EXPIRED, since_s=time.monotonic())
            assert isinstance(await transport.call(b"{}"), Answer)
            if source in ISSUED:
                assert renewed is None
                assert last_signed_as(service) == (expected[0], "token-2")
            else:
                assert renewed is EXPIRED
                assert last_signed_as(service) == expected


@every_transport
@pytest.mark.parametrize("source", ["shared", "process"])
async def test_a_file_that_was_written_again_and_a_process_that_prints_others_are_seen(
    source: str, wanted: Any, logins: Logins
) -> None:
    logins.use(source)
    async with served(answering(reply())) as service:
        access = Access(region=REGION, endpoint_url=service.url)
        async with Login(access, MonotonicClock()) as login, opened_by(login, wanted) as transport:
            credentials = anyio.Path(logins.folder / "credentials")
            await credentials.write_text(SHARED.replace("AKIDshared", "AKIDother"))
            process = anyio.Path(logins.folder / "process.py")
            await process.write_text(printing({"AccessKeyId": "AKIDother"}))
            assert await transport.renew(EXPIRED, since_s=time.monotonic()) is None
            assert isinstance(await transport.call(b"{}"), Answer)
            assert last_signed_as(service)[0] == "AKIDother"


@every_transport
async def test_the_configs_profile_comes_before_keys_of_the_environment(
    wanted: Any, logins: Logins
) -> None:
    logins.use("environment")
    expected = await to_thread.run_sync(asked_by_the_sdk, "role")
    async with served(answering(reply())) as service:
        access = Access(region=REGION, endpoint_url=service.url, profile="role")
        async with Login(access, MonotonicClock()) as login, opened_by(login, wanted) as transport:
            assert isinstance(await transport.call(b"{}"), Answer)
        assert last_signed_as(service) == expected == ("AKIDAssumeRole-nightly", "token-1")


def test_a_login_to_sso_that_is_over_is_renewed_as_the_sdk_does(logins: Logins) -> None:
    registered = {"clientId": "c", "clientSecret": "hidden", "refreshToken": "refresh"}
    ends = {"registrationExpiresAt": iso(time.time() + EXPIRES_IN_S)}
    write_sso_tokens(logins.folder, iso(time.time() - 60.0), **registered, **ends)
    logins.use("sso")

    async def look() -> str:
        async with Login(Access(region=REGION), MonotonicClock()) as login:
            assert login.keys is not None
            return login.keys.access_key

    assert anyio.run(look) == "AKIDGetRoleCredentials"
    assert [(what, by) for what, _, by in logins.issuer.asked] == [
        ("CreateToken", "refresh"),
        ("GetRoleCredentials", "renewed"),
    ]
    with serving(echo):  # the SDK now finds the token that was kept
        assert asked_by_the_sdk()[0] == "AKIDGetRoleCredentials"


def test_the_matrix_has_every_source_that_the_sdk_has() -> None:
    """Whoever updates the SDK sees what is new in it."""
    session = botocore.session.Session()
    chain = session.get_component("credential_provider").providers
    assert [provider.METHOD for provider in chain] == [
        "env", "assume-role", "assume-role-with-web-identity", "sso", "shared-credentials-file",
        "custom-process", "config-file", "ec2-credentials-file", "boto-config", "container-role",
        "iam-role",
    ]  # fmt: skip

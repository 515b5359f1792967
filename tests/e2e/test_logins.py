"""Credentials that another service issues: a role, EKS, IAM Identity Center, a container."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from support.runs import RunCommand, WriteConfig, results, user_ids, values, write_users
from support.scripts import Reply, echo, serving
from support.services import Request

ROLE = "arn:aws:iam::123456789012:role/nightly"
START = "https://example.invalid/start"
ROWS = 5
CONFIG = f"""
[profile source]
aws_access_key_id = AKIDSOURCE
aws_secret_access_key = hidden-source

[profile role]
role_arn = {ROLE}
source_profile = source

[profile sso-without-session]
sso_start_url = {START}
sso_region = eu-central-1
sso_account_id = 123456789012
sso_role_name = nightly

[profile sso]
sso_session = work
sso_account_id = 123456789012
sso_role_name = nightly

[sso-session work]
sso_region = eu-central-1
sso_start_url = {START}
"""


def issued(action: str, expires: str) -> Reply:
    """Return what STS answers to an action."""
    body = f"""<{action}Response><{action}Result><Credentials>
      <AccessKeyId>AKID{action}</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>
      <SessionToken>token-{action}</SessionToken><Expiration>{expires}</Expiration>
    </Credentials></{action}Result></{action}Response>"""
    return Reply(raw=body.encode())


class Issuer:
    """STS and IAM Identity Center: each operation issues a key that is named after it."""

    def __init__(self) -> None:
        self._expires_s = int(time.time()) + 3600
        self.asked: list[tuple[str, str]] = []  # the operation, and the region it was signed for

    @property
    def expires(self) -> str:
        """When what it issues expires, in ISO 8601."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._expires_s))

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path.startswith("/federation/credentials"):
            self.asked.append(("GetRoleCredentials", ""))
            keys = {
                "accessKeyId": "AKIDGetRoleCredentials",
                "secretAccessKey": "hidden",
                "sessionToken": "token-GetRoleCredentials",
                "expiration": self._expires_s * 1000,
            }
            return Reply(body={"roleCredentials": keys})
        if request.path == "/container":
            self.asked.append(("Container", ""))
            return Reply(
                body={
                    "AccessKeyId": "AKIDContainer",
                    "SecretAccessKey": "hidden",
                    "Token": "token-Container",
                    "Expiration": self.expires,
                }
            )
        (action,) = parse_qs(request.body.decode())["Action"]
        self.asked.append((action, scope_of(request)))
        return issued(action, self.expires)


def scope_of(request: Request) -> str:
    """Return the region that a request is signed for; nothing where it is not signed."""
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 2 else ""


def log_in(folder: Path, how: str, issuer: Issuer, issuing_url: str) -> Mapping[str, str]:
    """Write the files of a login; return the variables that lead to it."""
    config, token = folder / "aws-config", folder / "token"
    config.write_text(CONFIG)
    if how == "web-identity":
        token.write_text("eyJhbGciOiJSUzI1NiJ9.e30.sig")
        return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    if how == "container":
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{issuing_url}/container"}
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": how, "HOME": str(folder)}
    if how.startswith("sso"):
        cache = folder / ".aws" / "sso" / "cache"
        cache.mkdir(parents=True)
        logged_in = {
            "accessToken": "hidden",
            "expiresAt": issuer.expires,
            "region": "eu-central-1",
            "startUrl": START,
        }
        key = "work" if how == "sso" else START
        name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        (cache / f"{name}.json").write_text(json.dumps(logged_in))
    return variables


@pytest.mark.parametrize("transport", ["wire", "sdk"])
@pytest.mark.parametrize(
    ("how", "operation", "region"),
    [
        ("role", "AssumeRole", "us-east-1"),  # as the target's ARN says: no profile names one
        ("web-identity", "AssumeRoleWithWebIdentity", ""),
        ("sso", "GetRoleCredentials", ""),
        ("sso-without-session", "GetRoleCredentials", ""),
        ("container", "Container", ""),
    ],
)
def test_a_run_signs_with_what_another_service_issues(
    command: RunCommand,
    tmp_path: Path,
    write_config: WriteConfig,
    transport: str,
    how: str,
    operation: str,
    region: str,
) -> None:
    issuer = Issuer()
    write_users(tmp_path, ROWS)
    with serving(issuer) as issuing, serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url, "transport": transport})
        endpoints = {"AWS_ENDPOINT_URL_STS": issuing.url, "AWS_ENDPOINT_URL_SSO": issuing.url}
        result = command(
            "run", config, env={**log_in(tmp_path, how, issuer, issuing.url), **endpoints}
        )
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert set(issuer.asked) == {(operation, region)}
    for request in service.received:
        assert f"Credential=AKID{operation}/" in request.headers["Authorization"]
        assert request.headers["X-Amz-Security-Token"] == f"token-{operation}"
    assert "hidden" not in result.stdout + result.stderr

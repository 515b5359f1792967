"""Who issues credentials, on loopback, and the files and variables that lead to each of them.

STS, IAM Identity Center, a container's and an instance's metadata: each answers as AWS says,
with keys that are named after what was asked for.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from support.scripts import Reply
from support.services import Request

START = "https://example.invalid/start"
EXPIRES_IN_S = 3600


def role(name: str) -> str:
    """Return a role's ARN."""
    return f"arn:aws:iam::123456789012:role/{name}"


class Issuer:
    """Issues keys; `serial` is in each token, `asked` what was asked for, in order."""

    def __init__(self) -> None:
        self._expires_s = int(time.time()) + EXPIRES_IN_S
        self.serial = 1
        self.asked: list[tuple[str, str, str]] = []  # what, in which region, and by which key

    @property
    def expires(self) -> str:
        """When what it issues expires, in ISO 8601."""
        return iso(self._expires_s)

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        path = request.path.partition("?")[0]
        if path == "/federation/credentials":
            return self._sso(request)
        if path == "/token":
            return self._oidc(request)
        if path.startswith("/latest/"):
            return self._instance(path, request)
        if path == "/container":
            authorization = request.headers.get("Authorization", "")
            return self._json("Container", request, by=authorization)
        return self._sts(request)

    def _sts(self, request: Request) -> Reply:
        members = parse_qs(request.body.decode())
        (action,), (arn,) = members["Action"], members["RoleArn"]
        name = arn.rpartition("/")[2]
        self._note(action, request, by=members.get("WebIdentityToken", [signer_of(request)])[0])
        body = f"""<{action}Response><{action}Result><Credentials>
          <AccessKeyId>AKID{action}-{name}</AccessKeyId><SecretAccessKey>hidden</SecretAccessKey>
          <SessionToken>token-{self.serial}</SessionToken><Expiration>{self.expires}</Expiration>
        </Credentials><AssumedRoleUser><AssumedRoleId>ID:s</AssumedRoleId>
          <Arn>arn:aws:sts::123456789012:assumed-role/{name}/s</Arn></AssumedRoleUser>
        </{action}Result></{action}Response>"""
        return Reply(raw=body.encode())

    def _sso(self, request: Request) -> Reply:
        self._note("GetRoleCredentials", request, by=request.headers["x-amz-sso_bearer_token"])
        keys = {
            "accessKeyId": "AKIDGetRoleCredentials",
            "secretAccessKey": "hidden",
            "sessionToken": f"token-{self.serial}",
            "expiration": self._expires_s * 1000,
        }
        return Reply(body={"roleCredentials": keys})

    def _oidc(self, request: Request) -> Reply:
        self._note("CreateToken", request, by=str(request.members["refreshToken"]))
        return Reply(body={"accessToken": "renewed", "expiresIn": EXPIRES_IN_S})

    def _instance(self, path: str, request: Request) -> Reply:
        if path == "/latest/api/token":
            return Reply(raw=b"imds-token")
        token = request.headers.get("x-aws-ec2-metadata-token", "")
        if not path.endswith("/nightly"):
            return Reply(raw=b"nightly")
        return self._json("Instance", request, by=token, Code="Success")

    def _json(self, name: str, request: Request, *, by: str, **more: str) -> Reply:
        self._note(name, request, by=by)
        keys = {
            "AccessKeyId": f"AKID{name}",
            "SecretAccessKey": "hidden",
            "Token": f"token-{self.serial}",
            "Expiration": self.expires,
        }
        return Reply(body={**keys, **more})

    def _note(self, action: str, request: Request, *, by: str) -> None:
        self.asked.append((action, _scope(request)[1], by))


def iso(at_s: float) -> str:
    """Return a moment in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))


def signer_of(request: Request) -> str:
    """Return whose key a request is signed with; nothing where it is not signed."""
    return _scope(request)[0]


def _scope(request: Request) -> tuple[str, str]:
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
    return (scope[0], scope[2]) if len(scope) > 2 else ("", "")


# Profiles, one for each way to log in; {folder} is where the files of a test are.
CONFIG = f"""
[default]
aws_access_key_id = AKIDdefault
aws_secret_access_key = hidden
[profile keys]
aws_access_key_id = AKIDkeys
aws_secret_access_key = hidden
aws_session_token = token-of-keys
[profile role]
role_arn = {role("nightly")}
source_profile = keys
[profile chain]
role_arn = {role("second")}
source_profile = role
[profile role-of-environment]
role_arn = {role("nightly")}
credential_source = Environment
[profile role-of-instance]
role_arn = {role("nightly")}
credential_source = Ec2InstanceMetadata
[profile role-of-container]
role_arn = {role("nightly")}
credential_source = EcsContainer
[profile role-of-process]
role_arn = {role("nightly")}
source_profile = process
[profile role-of-web-identity]
role_arn = {role("second")}
source_profile = web-identity
[profile role-of-sso]
role_arn = {role("nightly")}
source_profile = sso
[profile web-identity]
role_arn = {role("nightly")}
web_identity_token_file = {{folder}}/web-token
[profile process]
credential_process = {sys.executable} {{folder}}/process.py
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
SHARED = """
[shared]
aws_access_key_id = AKIDshared
aws_secret_access_key = hidden
aws_session_token = token-of-shared
"""
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDenvironment",
    "AWS_SECRET_ACCESS_KEY": "hidden",
    "AWS_SESSION_TOKEN": "token-of-environment",
}


def write_logins(folder: Path, issuer: Issuer, url: str) -> dict[str, Mapping[str, str]]:
    """Write the files of all logins; return the variables of each, by its name."""
    files = {
        "config": CONFIG.replace("{folder}", str(folder)),
        "credentials": SHARED,
        "web-token": "eyJhbGciOiJSUzI1NiJ9.e30.sig",
        "pod-token": "pod-token",
        "process.py": printing({"Expiration": issuer.expires}),
        "boto.cfg": "[Credentials]\naws_access_key_id = AKIDboto\naws_secret_access_key = hidden\n",
        "ec2": "AWSAccessKeyId=AKIDec2\nAWSSecretKey=hidden\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    write_sso_tokens(folder, issuer.expires)
    common = {
        "AWS_ENDPOINT_URL_STS": url,
        "AWS_ENDPOINT_URL_SSO": url,
        "AWS_ENDPOINT_URL_SSO_OIDC": url,
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "HOME": str(folder),
    }
    no_files = {
        **common,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/container"}
    instance = {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
    }
    pod_token = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "pod-token")}
    web = {
        "AWS_ROLE_ARN": role("nightly"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "web-token"),
    }
    plain = (
        "keys", "shared", "role", "chain", "role-of-process", "role-of-sso", "role-of-web-identity",
        "web-identity", "process", "sso-without-session", "sso",
    )  # fmt: skip
    by_profile: dict[str, Mapping[str, str]] = {
        **{name: {} for name in plain},
        "role-of-environment": KEYS,
        "role-of-instance": instance,
        "role-of-container": container,
    }
    return {
        **{name: {**common, **more, "AWS_PROFILE": name} for name, more in by_profile.items()},
        "environment": {**common, **KEYS},
        "environment-with-an-end": {**common, **KEYS, "AWS_CREDENTIAL_EXPIRATION": issuer.expires},
        "default": common,
        "eks-irsa": {**no_files, **web},
        "eks-pod-identity": {**no_files, **container, **pod_token},
        "container": {**no_files, **container, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "its-token"},
        "instance": {**no_files, **instance},
        "boto2": {**no_files, "BOTO_CONFIG": str(folder / "boto.cfg")},
        "ec2-file": {**no_files, "AWS_CREDENTIAL_FILE": str(folder / "ec2")},
    }


def printing(keys: Mapping[str, object]) -> str:
    """Return a credential process that prints keys, with these members, too."""
    said = {"Version": 1, "AccessKeyId": "AKIDprocess", "SecretAccessKey": "hidden", **keys}
    return f"print({json.dumps(json.dumps({'SessionToken': 'token-of-process', **said}))})\n"


def write_sso_tokens(folder: Path, expires: str, **more: str) -> None:
    """Log in to IAM Identity Center, with a session and without."""
    cache = folder / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for key in ("work", START):
        token = {
            "accessToken": "logged-in",
            "expiresAt": expires,
            "region": "eu-central-1",
            "startUrl": START,
            **more,
        }
        name = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()
        (cache / f"{name}.json").write_text(json.dumps(token))

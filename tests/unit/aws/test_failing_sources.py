"""A source of credentials that fails in its own way is advice with exit code 4, and no secret."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.issuers import Issuer, iso, printing, write_logins, write_sso_tokens
from support.scripts import Reply, Script, echo, error, serving
from support.services import Request

from worker.aws.access import Access, target_access
from worker.aws.session import SdkSession
from worker.config.model import Target
from worker.errors import ConfigError, RefusedError

SECRET = "hidden-0123456789abcdefghijklmnopqrstuv"


def look(profile: str | None = None) -> None:
    SdkSession(Access(region="us-east-1", profile=profile)).credentials()


def refusal(profile: str | None = None) -> str:
    """Return the advice that a look ends with."""
    with pytest.raises(RefusedError) as raised:
        look(profile)
    text = f"{raised.value.what}\n{raised.value.hint}"
    assert raised.value.hint
    assert "hidden" not in text.replace("[hidden]", "")
    assert text.count("\n") == 1
    return text


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the SDK's file, with the profile `p` in use."""
    path = tmp_path / "aws-config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_PROFILE", "p")
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def said(**members: object) -> str:
    """Return a process that says this of keys."""
    return printing({"SecretAccessKey": SECRET, "SessionToken": SECRET, **members})


PROCESSES = {
    "nothing": ("", "does not give what it should"),
    "null": ("print('null')", "does not give what it should"),
    "a list": ("print('[]')", "does not give what it should"),
    "a number": ("print(5)", "does not give what it should"),
    "no JSON": ("print('<html>')", "does not give what it should"),
    "no text": ("import sys; sys.stdout.buffer.write(b'\\xff')", "does not give what it should"),
    "no end": ("while True: print('x' * 65536)", "prints over"),
    "deep JSON": ("print('[' * 200_000)", "no usable AWS credentials"),
    "an error": ("raise SystemExit('log in first')", "log in first"),
    "an error that repeats keys": (
        """raise SystemExit('cannot renew {"SecretAccessKey": "hidden", "Token":"hidden"}')""",
        "cannot renew",
    ),
    "an error without a word": ("raise SystemExit(3)", "custom-process"),
    "an error that is no text": (
        "import sys; sys.stderr.buffer.write(b'\\xff'); sys.exit(1)",
        "no usable AWS credentials",
    ),
    "another version": (said(Version=2), "Unsupported version"),
    "no version": ("print('{}')", "Version"),
    "no key": (said(AccessKeyId=None), "the access key ID is no text"),
    "a number as a secret": (said(SecretAccessKey=5), "the secret access key is no text"),
    "an empty key": (said(AccessKeyId=""), "the access key ID is empty"),
    "a key with a newline": (said(AccessKeyId="AKID\n"), "the access key ID has a control"),
    "a token with a header": (said(SessionToken="t\r\nX-Evil: hidden"), "the session token has"),
    "keys that have expired": (said(Expiration="2020-01-01T00:00:00Z"), "still expired"),
    "an end without a zone": (said(Expiration="2040-01-01T00:00:00"), "without a time zone"),
    "an end that is none": (said(Expiration="soon"), "no usable AWS credentials"),
    "an end that is a number": (said(Expiration=5), "does not give what it should"),
    "an end that no clock has": (said(Expiration="9" * 30), "no usable AWS credentials"),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_that_prints(name: str, config: Path) -> None:
    program, says = PROCESSES[name]
    process = config.with_name("process.py")
    process.write_text(program)
    config.write_text(f"[profile p]\ncredential_process = {sys.executable} {process}\n")
    assert says in refusal()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("credential_process = /nope/creds", "No such file"),
        ("credential_process = {folder}/plain", "Permission denied"),
        ("credential_process = {folder}", "Permission denied"),
        ("credential_process =", "no command is named"),
        ('credential_process = "unbalanced', "No closing quotation"),
        ("aws_access_key_id = AKID", "aws_secret_access_key"),
        ("aws_access_key_id =\naws_secret_access_key = s", "the access key ID is empty"),
        ("role_arn = r", "source_profile or credential_source"),
        ("role_arn = r\nsource_profile = nope", "does not exist"),
        ("role_arn = r\nsource_profile = p", "Infinite loop"),
        ("role_arn = r\nsource_profile = q\n[profile q]\nrole_arn = r\nsource_profile = p",
         "Infinite loop"),
        ("role_arn = r\nsource_profile = q\n[profile q]\nregion = us-east-1", "must have creden"),
        ("role_arn = r\nsource_profile = q\n[profile q]\ncredential_process = /nope", "No such"),
        ("role_arn = r\ncredential_source = Nobody", "is not valid"),
        ("role_arn = r\ncredential_source = Environment", "No credentials found"),
        ("role_arn = r\nsource_profile = q\ncredential_source = Environment\n[profile q]", "both"),
        ("role_arn = r\nweb_identity_token_file = /nope/token", "No such file"),
        ("role_arn = r\nweb_identity_token_file = {folder}", "Is a directory"),
        ("web_identity_token_file = {folder}/plain", "role_arn"),
        ("sso_session = nope\nsso_account_id = 1\nsso_role_name = r", "does not exist"),
        ("sso_account_id = 1\nsso_role_name = r", "missing"),
        ("[[[", "Unable to parse"),
        ("services", "Unable to parse"),
    ],
)  # fmt: skip
def test_a_profile_that_leads_nowhere(line: str, says: str, config: Path) -> None:
    config.with_name("plain").write_text("#!/bin/sh\n")
    config.write_text("[profile p]\n" + line.replace("{folder}", str(config.parent)) + "\n")
    assert says in refusal()


def test_a_role_that_asks_for_a_code_where_nobody_types(config: Path) -> None:
    config.write_text(
        "[profile p]\nrole_arn = r\nmfa_serial = arn:aws:iam::1:mfa/me\nsource_profile = q\n"
        "[profile q]\naws_access_key_id = AKID\naws_secret_access_key = hidden\n"
    )
    assert "MFA code (mfa_serial)" in refusal()


def test_a_profile_that_is_not_there_is_told_by_who_names_it(config: Path) -> None:
    config.write_text("[profile other]\n")
    assert refusal().startswith("AWS_PROFILE: ")
    with pytest.raises(ConfigError, match=r"target\.profile"):
        look(profile="nope")
    target = Target.model_validate(
        {
            "operation": "GetRecommendations",
            "campaign_arn": "arn:aws:personalize:us-east-1:1:campaign/c",
            "profile": "nope",
        }
    )
    with pytest.raises(ConfigError, match=r"target\.profile"):
        target_access(target)


HTML = Reply(raw=b"<html>hidden login page</html>", headers=(("X", "text/html"),))
STS = {
    "a page": (HTML, "no usable AWS credentials"),
    "a page that refuses": (Reply(status=403, raw=HTML.raw), "no usable AWS credentials"),
    "nothing": (Reply(raw=b""), "no usable AWS credentials"),
    "other XML": (Reply(raw=b"<a><b/></a>"), "does not give what it should"),
    "JSON": (Reply(body={"Credentials": {}}), "no usable AWS credentials"),
    "a refusal": (
        Reply(
            status=403,
            raw=b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized to "
            b"AssumeRole</Message></Error></ErrorResponse>",
        ),
        "not authorized to AssumeRole",
    ),
    "an error of its own": (error("InternalFailure", 500), "no usable AWS credentials"),
    "a lost connection": (Reply(drop=True), "no usable AWS credentials"),
    "half an answer": (
        Reply(raw=b"<R><C><SecretAccessKey>hidden</SecretAccessKey><SessionToken>hid"),
        "invalid XML received",
    ),
}


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK try once."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)


def serving_as(
    how: str, script: Script, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with serving(script) as service:
        for name, value in write_logins(folder, Issuer(), service.url)[how].items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("how", ["role", "eks-irsa"])
@pytest.mark.parametrize("answer", STS)
def test_an_issuer_that_answers(
    how: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply, says = STS[answer]
    for _ in serving_as(how, lambda _: reply, tmp_path, monkeypatch):
        assert says in refusal()


METADATA = {
    "a page": HTML,
    "a refusal": Reply(status=403, body={"message": "no"}),
    "null": Reply(raw=b"null"),
    "a list": Reply(raw=b"[]"),
    "nothing": Reply(body={}),
    "other keys": Reply(body={"AccessKeyId": 5, "SecretAccessKey": "hidden", "Token": "t",
                              "Expiration": iso(time.time() + 3600)}),
    "a key with a newline": Reply(body={"AccessKeyId": "A\n", "SecretAccessKey": "hidden",
                                        "Token": "t", "Expiration": iso(time.time() + 3600)}),
    "an end without a zone": Reply(body={"AccessKeyId": "A", "SecretAccessKey": "hidden",
                                         "Token": "t", "Expiration": "2040-01-01T00:00:00"}),
    "no end": Reply(body={"AccessKeyId": "A", "SecretAccessKey": "hidden", "Token": "t"}),
}  # fmt: skip


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("answer", METADATA)
def test_a_container_that_gives(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in serving_as("container", lambda _: METADATA[answer], tmp_path, monkeypatch):
        assert "no usable AWS credentials" in refusal()


@pytest.mark.parametrize("content", [None, "a\r\nb"])
def test_a_pods_token_that_is_not_there_or_none(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in serving_as("eks-pod-identity", echo, tmp_path, monkeypatch):
        token = tmp_path / "pod-token"
        token.unlink()
        if content is not None:
            token.write_text(content)
        assert "no usable AWS credentials" in refusal()


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("how", ["sso", "sso-without-session"])
@pytest.mark.parametrize("ends", ["expired", "refused", "damaged", "not there", "with a newline"])
def test_a_login_to_sso_that_is_over(
    how: str, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(_: Request) -> Reply:
        return error("UnauthorizedException", 401, "Session token not found or invalid")

    cache = tmp_path / ".aws" / "sso" / "cache"
    for provider in ("botocore.credentials.SSOProvider", "botocore.tokens.SSOTokenProvider"):
        monkeypatch.setattr(f"{provider}._SSO_TOKEN_CACHE_DIR", str(cache))
    for _ in serving_as(how, script, tmp_path, monkeypatch):
        if ends == "expired":
            write_sso_tokens(tmp_path, iso(time.time() - 60.0))
        for token in cache.iterdir():
            if ends == "damaged":
                token.write_text(json.dumps([]))
            elif ends == "with a newline":
                said_to_be = json.loads(token.read_text())
                token.write_text(json.dumps({**said_to_be, "accessToken": "hidden\n"}))
            elif ends == "not there":
                token.unlink()
        assert "no usable AWS credentials" in refusal()


def test_a_proxy_that_does_not_answer_the_look_for_a_role_is_named(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("[profile p]\nregion = us-east-1\n")
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    advice = refusal()
    assert 'Failed to connect to proxy URL: "http://127.0.0.1:1"' in advice
    assert "NO_PROXY=169.254.169.254" in advice

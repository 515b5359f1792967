"""Credentials that cannot be had, or must not be sent: exit code 4 before the first byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.issuers import Issuer, write_logins
from support.runs import RunCommand, WriteConfig, assert_advice, write_users
from support.scripts import Reply, echo, serving

LOADTEST = {"stages": [{"tps": 10, "seconds": 1}]}


@pytest.mark.parametrize(
    ("how", "verb", "transport"),
    [
        ("role", "run", "wire"), ("eks-irsa", "run", "sdk"), ("process", "run", "wire"),
        ("role", "plan", "wire"), ("container", "loadtest", "sdk"), ("process", "loadtest", "wire"),
    ],
)  # fmt: skip
def test_a_source_that_fails_is_advice_and_no_call_is_made(
    how: str,
    verb: str,
    transport: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    page = Reply(raw=b"<html>hidden</html>")
    with serving(lambda _: page) as issuing, serving(echo) as service:
        env = dict(write_logins(tmp_path, Issuer(), issuing.url)[how])
        (tmp_path / "process.py").write_text("print('null')\n")
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            loadtest=LOADTEST,
            **({"rate": {"tps": None}} if verb == "plan" else {}),
        )
        result = command(verb, config, env={**env, "AWS_MAX_ATTEMPTS": "1"})
    assert_advice(result, 4, "no usable AWS credentials")
    assert "hidden" not in result.stderr
    assert not service.received
    assert not (tmp_path / "out" / "_errors").exists()


@pytest.mark.parametrize("transport", ["wire", "sdk"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ACCESS_KEY_ID", "AKID\n"),
        ("AWS_ACCESS_KEY_ID", "AKID\r\nX-Evil: 1"),
        ("AWS_SECRET_ACCESS_KEY", "hidden\n"),
        ("AWS_SESSION_TOKEN", "hidden\n"),
        ("AWS_SESSION_TOKEN", "hidden\r\n\r\nGET / HTTP/1.1"),
        ("AWS_SESSION_TOKEN", "hidden\u00fc"),
    ],
)
def test_keys_that_would_end_a_header_are_not_sent(
    variable: str,
    value: str,
    transport: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    env = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hidden", variable: value}
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url, "transport": transport})
        result = command("run", config, env=env)
        assert not service.peers
    assert_advice(result, 4, "no usable AWS credentials")
    assert "hidden" not in result.stderr

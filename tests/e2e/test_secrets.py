"""What must not be told: keys, tokens, signatures, and whom a run is about."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    clean_environment,
    part_paths,
    user_ids,
    write_users,
)
from support.scripts import Reply, Script, echo, serving
from support.services import Request

from worker.aws.access import Access
from worker.aws.session import SdkSession
from worker.personalize.operations import Operation
from worker.transport._sigv4 import RequestSigner
from worker.transport.wire import signer_like

ROWS = 150
KEYS = {
    "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE" + "Az09+/" * 60 + "==",
}


def _told(request: Request) -> str:
    """Return what AWS says of a signature that does not match: the request, headers and all."""
    headers = "\n".join(f"{name.lower()}:{value}" for name, value in request.headers.items())
    return (
        "The request signature we calculated does not match the signature you provided.\n\n"
        f"The Canonical String for this request should have been\n'POST\n/\n\n{headers}\n'\n"
    )


def _refusing(request: Request) -> Reply:
    body = {"__type": "InvalidSignatureException", "message": _told(request)}
    return Reply(status=403, body=body)


def _rejecting(request: Request) -> Reply:
    """Reject half of the rows, and repeat the headers without much ado."""
    if request.number % 2:
        return echo(request)
    headers = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return Reply(status=400, body={"__type": "InvalidInputException", "message": headers})


def _down(request: Request) -> Reply:
    return Reply(status=500, body={"__type": "InternalFailure", "message": _told(request)})


SCRIPTS: dict[str, tuple[Script, int]] = {
    "refusing": (_refusing, 4),
    "rejecting": (_rejecting, 3),
    "down": (_down, 75),
    "answering": (echo, 0),
}


def _files(output: Path) -> str:
    """Return all that a run has written, as text."""
    texts = [path.read_text(errors="replace") for path in output.rglob("_*") if path.is_file()]
    for part in part_paths(output / "_errors"):
        table = pq.read_table(part)
        texts += [json.dumps(table.to_pylist(), default=str), str(table.schema)]
    return "\n".join(texts)


# What is said does not depend on the transport; what is caught does.
@pytest.mark.parametrize(
    ("transport", "flags"),
    [("sdk", []), ("wire", ["-q"]), ("wire", []), ("wire", ["-v", "--log-format", "json"])],
    ids=str,
)
@pytest.mark.parametrize("name", SCRIPTS)
def test_neither_keys_nor_signatures_nor_users_are_told(
    name: str,
    flags: list[str],
    transport: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    script, code = SCRIPTS[name]
    write_users(tmp_path, ROWS)
    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            stop={"outage_s": 0.5},
            output={"rows_per_part": 50},
        )
        result = command("run", config, *flags, env=KEYS)
    assert result.returncode == code, result.stderr
    signatures = {
        request.headers["Authorization"].rpartition("Signature=")[2] for request in service.received
    }
    shown = result.stderr + result.stdout
    written = _files(tmp_path / "out")
    for secret in {*KEYS.values(), *signatures}:
        assert secret not in shown
        assert secret not in written
    for user in user_ids(ROWS):
        assert user not in shown


def test_a_bug_is_shown_without_them(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 3)
    main = """
import sys
from worker.cli.main import main
from worker.transport import _sigv4
def request(self, body, now_s):
    self._start_second(int(now_s))
    raise RuntimeError(self._request_head.decode() + self._signature(body).decode())
_sigv4.RequestSigner.request = request
main(sys.argv[1:])
"""
    config = write_config(target={"endpoint_url": "http://127.0.0.1:9"})
    result = subprocess.run(
        [sys.executable, "-c", main, "run", str(config)],
        cwd=tmp_path,
        env=clean_environment(KEYS),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "this is a bug" in result.stderr
    assert "RuntimeError: POST /recommendations" in result.stderr
    for secret in KEYS.values():
        assert secret not in result.stderr
    assert "Signature=[hidden]" in result.stderr


def test_nothing_that_signs_shows_it_in_its_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    session = SdkSession(Access(region="us-east-1", endpoint_url="http://127.0.0.1:1"))
    prepared, credentials = session.prepare(Operation.GET_RECOMMENDATIONS), session.credentials()
    assert credentials is not None
    endpoint, signer = signer_like(prepared, credentials)
    assert isinstance(signer, RequestSigner)
    shown = repr((session, prepared, credentials, endpoint, signer, vars(signer)["_template"]))
    for name, secret in KEYS.items():  # whose key it is may be shown
        assert secret not in shown or name == "AWS_ACCESS_KEY_ID"
    assert "Signature" not in shown


@pytest.mark.parametrize("where", ["config", "environment"])
def test_a_password_in_an_address_is_not_repeated(
    where: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    url = "http://me:pa55word@127.0.0.1:9"
    config = write_config(target={"endpoint_url": url} if where == "config" else {})
    env = {"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": url} if where == "environment" else {}
    result = command("run", config, env=env)
    assert result.returncode == 2
    assert "must have no user" in result.stderr
    assert "pa55word" not in result.stderr

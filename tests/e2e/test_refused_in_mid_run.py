"""What the service takes back in mid-run: credentials that expire, a campaign that is deleted."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.emulator import emulator
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    results,
    user_ids,
    values,
    write_users,
)
from support.scripts import Reply, asked_for, echo, error, serving
from support.services import Request

ROWS = 300
PARTS: dict[str, Any] = {"output": {"rows_per_part": 100}, "rate": {"in_flight_max": 16}}
transports = pytest.mark.parametrize("transport", ["wire", "sdk"])


def keys(name: str) -> dict[str, object]:
    """Return what a credential process prints."""
    return {
        "Version": 1,
        "AccessKeyId": f"AKID{name}",
        "SecretAccessKey": f"secret-{name}",
        "SessionToken": f"token-{name}",
    }


class Profile:
    """A profile whose credentials are what a process prints: the content of a file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "credentials.json"
        config = folder / "aws-config"
        self._runs = folder / "runs"
        program = (
            f"import pathlib; print(pathlib.Path({str(self._file)!r}).read_text())\n"
            f"pathlib.Path({str(self._runs)!r}).open('a').write('x')"
        )
        script = folder / "process.py"
        script.write_text(program)
        config.write_text(f"[profile nightly]\ncredential_process = {sys.executable} {script}\n")
        self.env = {"AWS_CONFIG_FILE": str(config)}

    @property
    def runs(self) -> int:
        """How often the process was started."""
        return len(self._runs.read_text())

    def issue(self, name: str) -> None:
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(keys(name)))
        written.replace(self._file)  # whoever reads it now reads it whole


class Expiring:
    """A service to which the keys `old` expire after some calls; others are good."""

    def __init__(self, calls: int, profile: Profile, issued: str) -> None:
        self._calls = calls
        self._profile = profile
        self._issued = issued
        self._lock = threading.Lock()
        self.signed = Counter[str]()

    def __call__(self, request: Request) -> Reply:
        authorization = request.headers["Authorization"]
        name = authorization.partition("Credential=AKID")[2].partition("/")[0]
        assert request.headers["X-Amz-Security-Token"] == f"token-{name}"
        with self._lock:
            self.signed[name] += 1
            expired = name == "old" and self.signed[name] > self._calls
            if expired:
                self._profile.issue(self._issued)
        if expired:
            return error("ExpiredTokenException", 403, "The security token is expired")
        return echo(request)


@transports
def test_credentials_that_expire_are_renewed_and_no_row_fails(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    profile = Profile(tmp_path)
    profile.issue("old")
    script = Expiring(50, profile, issued="new")
    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url, "profile": "nightly", "transport": transport},
            retry={"attempts_max": 1},
            **PARTS,
        )
        result = command("run", config, env=profile.env)
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert not (tmp_path / "out" / "_errors").exists()
    assert script.signed["new"] == ROWS - 50
    assert 1 <= script.signed["old"] - 50 <= 16
    # Asked at the start, and once for all calls that met the end; the SDK checks what it has.
    assert profile.runs <= 4


@transports
def test_credentials_that_stay_expired_stop_the_run_and_no_row_fails(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    profile = Profile(tmp_path)
    profile.issue("old")
    script = Expiring(150, profile, issued="old")
    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url, "profile": "nightly", "transport": transport},
            **PARTS,
        )
        result = command("run", config, env=profile.env)
        assert_advice(result, 4, "ExpiredTokenException", "log in again", "run the same command")
        assert "token-old" not in result.stderr
        assert not (tmp_path / "out" / "_errors").exists()
        profile.issue("new")
        again = command("run", config, env=profile.env)
    assert again.returncode == 0, again.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert not (tmp_path / "out" / "_errors").exists()
    # Those in flight when the run was refused may be asked for again.
    assert ROWS - 150 <= script.signed["new"] <= ROWS - 150 + 16


@transports
def test_other_credentials_sign_as_the_service_verifies(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """The first keys are not known (any longer); those that the process prints next are."""
    write_users(tmp_path, 40)
    printed = [json.dumps(keys("gone")), json.dumps(keys("known"))]
    process, counter = tmp_path / "process.py", tmp_path / "counter"
    process.write_text(
        f"import pathlib\ncounter = pathlib.Path({str(counter)!r})\n"
        f"print({printed[0]!r} if not counter.exists() else {printed[1]!r})\ncounter.touch()\n"
    )
    config_file = tmp_path / "aws-config"
    config_file.write_text(f"[profile p]\ncredential_process = {sys.executable} {process}\n")
    known = {"access_key_id": "AKIDknown", "secret_access_key": "secret-known"}
    with emulator(credentials=[known]) as url:
        config = write_config(target={"endpoint_url": url, "profile": "p", "transport": transport})
        result = command("run", config, env={"AWS_CONFIG_FILE": str(config_file)})
    assert result.returncode == 0, result.stderr
    assert len(results(tmp_path / "out")) == 40


SKEWS = {
    "RequestTimeTooSkewed": "The difference between the request time and the current time is large",
    "InvalidSignatureException": "Signature expired: 20261121T030000Z is now earlier than 2026",
}


@pytest.mark.parametrize(
    ("code", "transport"), [("RequestTimeTooSkewed", "wire"), ("InvalidSignatureException", "sdk")]
)
def test_one_answer_that_calls_the_time_wrong_costs_no_row_and_many_name_the_clock(
    code: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 60)
    is_wrong = threading.Event()

    def script(request: Request) -> Reply:
        if request.number == 20 or (request.number > 40 and is_wrong.is_set()):
            return error(code, 403, SKEWS[code])
        return echo(request)

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url, "transport": transport})
        first = command("run", config)
        assert first.returncode == 0, first.stderr
        assert len(service.received) == 61
        is_wrong.set()
        assert_advice(command("run", config, "--overwrite"), 4, "this machine's clock")
    assert not (tmp_path / "out" / "_errors").exists()


TAKEN_BACK = {
    "campaign": error("ResourceNotFoundException", 404, "The campaign does not exist"),
    "permission": error("AccessDeniedException", 403, "User is not authorized to perform"),
}


@pytest.mark.parametrize("name", TAKEN_BACK)
def test_what_is_taken_back_stops_the_run_and_is_gone_on_with_when_it_is_back(
    name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    is_back = threading.Event()

    def script(request: Request) -> Reply:
        return echo(request) if request.number < 150 or is_back.is_set() else TAKEN_BACK[name]

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS)
        reply = TAKEN_BACK[name]
        result = command("run", config)
        assert_advice(result, 4, str(reply.error_type), reply.body["message"])
        assert not (tmp_path / "out" / "_errors").exists()
        assert len(service.received) <= 150 + 16
        is_back.set()
        called = len(service.received)
        again = command("run", config)
    assert again.returncode == 0, again.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    asked = Counter(asked_for(request) for request in service.received[called:])
    assert max(asked.values()) == 1
    assert len(asked) <= ROWS - 150 + 16


def test_a_proxy_that_denies_a_few_calls_costs_no_row(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 60)
    denied = {30: Reply(status=403, raw=b"<html>"), 31: Reply(status=404), 35: Reply(status=407)}

    def script(request: Request) -> Reply:
        return denied.get(request.number) or echo(request)

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, rate={"in_flight_max": 2})
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert len(results(tmp_path / "out")) == 60

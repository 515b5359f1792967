"""Whole runs as people log in: what issues credentials, and how they are renewed in mid-run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.issuers import Issuer, iso, signer_of, write_logins
from support.runs import (
    ANY_CLIENT,
    RunCommand,
    WriteConfig,
    assert_advice,
    part_paths,
    results,
    started,
    user_ids,
    values,
    wait_until,
    write_users,
)
from support.scripts import Reply, asked_for, echo, serving
from support.services import Request

ROWS = 5
transports = pytest.mark.parametrize("transport", ["wire", "sdk"])


@transports
@pytest.mark.parametrize(
    ("how", "operation", "region"),
    [
        ("role", "AssumeRole", "us-east-1"),  # as the target's ARN says: no profile names one
        ("web-identity", "AssumeRoleWithWebIdentity", ""),
        ("eks-irsa", "AssumeRoleWithWebIdentity", ""),
        ("sso", "GetRoleCredentials", ""),
        ("sso-without-session", "GetRoleCredentials", ""),
        ("eks-pod-identity", "Container", ""),
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
        result = command("run", config, env=write_logins(tmp_path, issuer, issuing.url)[how])
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert [asked[:2] for asked in issuer.asked] == [(operation, region)]
    for request in service.received:
        assert signer_of(request).startswith(f"AKID{operation}")
        assert request.headers["X-Amz-Security-Token"] == "token-1"
    assert "hidden" not in result.stdout + result.stderr


class Process:
    """A credential process whose keys expire soon; from the second on it does what it is told."""

    def __init__(self, folder: Path, *, lives_s: float, then: str) -> None:
        self._folder = folder
        self._pids = folder / "pids"
        self._pids.touch()
        (folder / "issue.py").write_text(f"""
import datetime, json, os, pathlib, sys, time
pids = pathlib.Path({str(self._pids)!r})
with pids.open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
number = len(pids.read_text().split())
if number > 1:
    {then}
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds={lives_s})
print(json.dumps(dict(Version=1, AccessKeyId=f"AKID{{number}}", SecretAccessKey="hidden",
                      SessionToken="t", Expiration=end.isoformat())))
""")
        config = folder / "aws-config"
        config.write_text(
            f"[profile p]\ncredential_process = {sys.executable} {folder / 'issue.py'}\n"
        )
        self.env: Mapping[str, str] = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "p"}

    @property
    def pids(self) -> list[int]:
        """Those that were started."""
        return [int(pid) for pid in self._pids.read_text().split()]

    def is_gone(self, pid: int) -> bool:
        """Whether one has ended."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False


def paced(tps: int) -> dict[str, Any]:
    return {"rate": {"tps": tps, "in_flight_max": 64, "adaptive": False}}


@transports
def test_credentials_are_renewed_once_and_calls_go_on_meanwhile(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    rows, tps = 400, 50
    write_users(tmp_path, rows)
    process = Process(tmp_path, lives_s=8.0, then="time.sleep(2.0)")
    times: list[float] = []
    signers: set[str] = set()

    def script(request: Request) -> Reply:
        times.append(time.monotonic())
        signers.add(signer_of(request))
        return echo(request)

    with serving(script) as service:
        target = {"endpoint_url": service.url, "transport": transport}
        began_s = time.monotonic()
        result = command("run", write_config(target=target, **paced(tps)), env=process.env)
        assert result.returncode == 0, result.stderr
        assert time.monotonic() - began_s < 30.0
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(rows)
    # Due 4 s before the end of each, and on its way for two of these: 8 s are two keys, or three.
    assert 2 <= len(process.pids) <= 4
    assert signers >= {"AKID1", "AKID2"}
    pauses = [later - before for before, later in pairwise(sorted(times))]
    assert max(pauses) < 1.5  # a process takes two, and nobody waits for it


def test_a_load_test_renews_them_too(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    process = Process(tmp_path, lives_s=6.0, then="time.sleep(1.0)")
    signers: set[str] = set()

    def script(request: Request) -> Reply:
        signers.add(signer_of(request))
        return echo(request)

    with serving(script) as service:
        stages, thresholds = [{"tps": 20, "seconds": 8}], ["error_share < 0.001"]
        load = {**ANY_CLIENT, "stages": stages, "thresholds": thresholds}
        config = write_config(target={"endpoint_url": service.url}, loadtest=load)
        result = command("loadtest", config, env=process.env)
    assert result.returncode == 0, result.stderr
    assert signers >= {"AKID1", "AKID2"}
    assert len(process.pids) <= 5


HANGS = "time.sleep(1000)"


@pytest.mark.parametrize(
    ("how", "transport"),
    [
        ("signal", "wire"),
        ("signal", "sdk"),
        ("signal to all who wait", "wire"),
        ("deadline", "sdk"),
    ],
)
def test_a_process_that_hangs_in_mid_run_is_waited_for_by_nobody_and_ended(
    how: str, transport: str, tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5_000)
    process = Process(tmp_path, lives_s=6.0, then=HANGS)  # and expires while it hangs
    last_s = time.monotonic()

    def script(request: Request) -> Reply:
        nonlocal last_s
        last_s = time.monotonic()
        return echo(request)

    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            stop={"deadline": "8s"} if how == "deadline" else {},
            **paced(50),
        )
        with started("run", config, folder=tmp_path, env=process.env) as run:
            wait_until(lambda: len(process.pids) == 2)
            assert not process.is_gone(process.pids[1])
            if how == "signal to all who wait":
                wait_until(lambda: time.monotonic() - last_s > 1.5)  # since no key is good
            if how != "deadline":
                run.send_signal(signal.SIGTERM)
            _, told = run.communicate(timeout=20)
        assert run.returncode == 75, told
        assert ("the deadline 8s has come" if how == "deadline" else "SIGTERM") in told
    wait_until(lambda: process.is_gone(process.pids[1]))
    assert "hidden" not in told


@pytest.mark.parametrize("verb", ["run", "loadtest"])
def test_a_process_that_hangs_at_the_start_outlives_no_deadline(
    verb: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    process = Process(tmp_path, lives_s=6.0, then="pass")
    (tmp_path / "issue.py").write_text(f"import time\n{HANGS}\n")
    config = write_config(stop={"deadline": "1s"}, loadtest={"stages": [{"tps": 10, "seconds": 1}]})
    assert_advice(command(verb, config, env=process.env), 75, "the deadline 1s has come")


def test_answers_are_kept_while_credentials_are_asked_for(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    rows = 2_000
    write_users(tmp_path, rows)
    process = Process(tmp_path, lives_s=9.0, then=HANGS)
    asked: list[str] = []
    lock = threading.Lock()

    def script(request: Request) -> Reply:
        with lock:
            asked.append(asked_for(request))
        return echo(request)

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, **paced(100))
        with started("run", config, folder=tmp_path, env=process.env) as run:
            wait_until(lambda: len(process.pids) == 2)  # now it hangs
            before = len(asked)
            wait_until(lambda: len(asked) >= before + 350)
            run.send_signal(signal.SIGKILL)
            run.wait(timeout=20)
        os.kill(process.pids[1], signal.SIGKILL)
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config, env=keys).returncode == 0
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(rows)
    # Two seconds of calls, and the time of a block to be written; not all since it hangs.
    assert len(asked) - rows <= 300


@pytest.mark.parametrize(
    ("then", "transport"),
    [("sys.exit('the login is over')", "wire"), ("print('null'); sys.exit()", "sdk")],
)
def test_a_source_that_fails_in_mid_run_ends_it_with_advice_and_no_row_fails(
    then: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    rows = 2_000
    write_users(tmp_path, rows)
    process = Process(tmp_path, lives_s=5.0, then=then)
    with serving(echo) as service:
        target = {"endpoint_url": service.url, "transport": transport}
        config = write_config(target=target, output={"rows_per_part": 20}, **paced(100))
        result = command("run", config, env=process.env)
        assert_advice(result, 4, "no usable AWS credentials", "credentials not renewed")
        served = len(service.received)
        assert 0 < served < rows
        out = tmp_path / "out"
        assert part_paths(out)
        assert not (out / "_errors").exists()
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
        config = write_config(target=target, output={"rows_per_part": 20})
        assert command("run", config, env=keys).returncode == 0
        assert values(results(out), "USER_ID") == user_ids(rows)
        assert len(service.received) - rows <= 64  # those in flight at the end


def test_a_process_that_is_there_no_more_ends_a_run_with_advice(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5_000)
    process = tmp_path / "process"
    end = iso(time.time() + 6.0)
    keys = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "hidden", "Expiration": end}
    process.write_text(f"#!/bin/sh\necho '{json.dumps(keys)}'\n")
    process.chmod(0o755)
    (tmp_path / "aws-config").write_text(f"[profile p]\ncredential_process = {process}\n")
    env = {"AWS_CONFIG_FILE": str(tmp_path / "aws-config"), "AWS_PROFILE": "p"}
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **paced(50))
        with started("run", config, folder=tmp_path, env=env) as run:
            service.wait_for_calls(1)
            process.unlink()
            out, told = run.communicate(timeout=40)
    assert_advice(
        subprocess.CompletedProcess([], run.returncode, out, told), 4, "No such file or directory"
    )

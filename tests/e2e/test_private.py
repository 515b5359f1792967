"""Who may read what a run writes, and what is not in it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from support.runs import (
    COMMAND_TIMEOUT_S,
    PARTS_OF_TEN,
    RunCommand,
    WriteConfig,
    started,
    user_ids,
    write_users,
)
from support.scripts import Gate, Reply, echo, error, serving
from support.services import Request

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001",
    "AWS_SECRET_ACCESS_KEY": "environment/secret+0123456789012345678901",
    "AWS_SESSION_TOKEN": "environment-token-0123456789",
}
PROFILE = {
    "aws_access_key_id": "AKIAPROFILE000000001",
    "aws_secret_access_key": "profile/secret+01234567890123456789012345",
    "aws_session_token": "profile-token-0123456789",
}


def _fifth_fails(request: Request) -> Reply:
    return error("InvalidInputException", 400) if request.number == 5 else echo(request)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_files_and_folders_have_the_modes_that_the_umask_leaves(
    umask: int, tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate, seen = Gate(25, script=_fifth_fails), dict[str, int]()
    with serving(gate) as service:
        config = write_config(
            target={"endpoint_url": service.url}, stop={"error_share_max": 0.5}, **PARTS_OF_TEN
        )
        before = os.umask(umask)
        try:
            with started("run", config, folder=tmp_path) as process:
                os.umask(before)
                gate.wait_until_reached()
                seen |= _modes(tmp_path / "out")  # what is there in mid-run, too
                gate.open()
                _, log = process.communicate(timeout=COMMAND_TIMEOUT_S)
        finally:
            os.umask(before)
    assert process.returncode == 0, log
    seen |= _modes(tmp_path / "out")
    assert {
        "_run.json",
        "_SUCCESS",
        "_errors",
        "part-00000.parquet",
        "_personalize_worker_lock",
    } <= {*seen}
    for name, mode in seen.items():
        most = 0o777 if mode & stat.S_IFDIR else 0o666
        assert stat.S_IMODE(mode) == most & ~umask, name


def _modes(folder: Path) -> dict[str, int]:
    modes = dict[str, int]()
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):  # temporary, and committed by now
            modes[path.name] = path.stat().st_mode
    return modes


@pytest.mark.parametrize("source", ["environment", "profile"])
def test_no_secret_is_in_what_a_run_writes_or_says(
    source: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    secrets, environment = SECRETS, dict(SECRETS)
    target = {}
    if source == "profile":
        secrets, target = PROFILE, {"profile": "nightly"}
        lines = [f"{name} = {value}" for name, value in PROFILE.items()]
        (tmp_path / "credentials").write_text("\n".join(["[nightly]", *lines]))
        environment = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    with serving(_fifth_fails) as service:
        config = write_config(
            target={"endpoint_url": service.url, **target}, stop={"calls_max": 25}, **PARTS_OF_TEN
        )
        stopped = command("run", config, "-v", env=environment)
        assert stopped.returncode == 75, stopped.stderr
        kept = _contents(tmp_path / "out")
        done = command("run", config, "-v", "--set", "stop.calls_max=50", env=environment)
        assert done.returncode == 3, done.stderr
    assert len({request.members["userId"] for request in service.received}) == len(user_ids(45))
    identity = next(value for name, value in secrets.items() if name.lower() == "aws_access_key_id")
    assert all(identity in request.headers["Authorization"] for request in service.received)
    said = [result.stdout + result.stderr for result in (stopped, done)]
    for text in (*kept, *_contents(tmp_path / "out"), *(words.encode() for words in said)):
        for secret in secrets.values():
            assert secret.encode() not in text
        assert b"Signature" not in text


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]

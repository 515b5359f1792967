"""Disks that are full, read-only or gone: clear words, whole files, and a run that carries on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.accounts import (
    assert_each_row_once,
    assert_only_final_names,
    assert_summary_adds_up,
    committed,
)
from support.runs import (
    COMMAND_TIMEOUT_S,
    PARTS_OF_TEN,
    Result,
    RunCommand,
    WriteConfig,
    assert_advice,
    clean_environment,
    results,
    started,
    user_ids,
    values,
    wait_for_kept_rows,
    write_parquet,
    write_users,
)
from support.scripts import Gate, Reply, asked_for, echo, serving
from support.services import Request

from worker.store.local import SPOOL

USERS = user_ids(45)
# Root may write where nobody may, unless it has given that power away for good.
WITHOUT_POWERS = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "worker", *sys.argv[1:]])
"""
# Two runs on a disk of so many KiB, made larger in between; what is there goes to `copy`.
SMALL_DISK = """
mount -t tmpfs -o size="$0"k tmpfs out || exit 99
"$@"; echo "code $?:" $(ls -A out)
mount -o remount,size=64m out
"$@"; code=$?
cp -a out copy
exit $code
"""
OWN_MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-Urm"]


def _may_mount() -> bool:
    try:
        tried = subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False)
    except FileNotFoundError:  # not Linux
        return False
    return tried.returncode == 0


def _run(*words: str | Path, folder: Path) -> Result:
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def _large(request: Request) -> Reply:
    """Answer with some 8 KB, 3 of them noise: all answers together do not fit into 128."""
    reply = echo(request)
    noise = [os.urandom(30).hex() for _ in range(100)]
    return Reply(body={**reply.body, "itemList": [{"itemId": each} for each in noise]})


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def test_a_read_only_folder_is_found_out_before_the_first_call(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    (tmp_path / "out").mkdir()
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with _read_only(tmp_path / "out"):
            result = _run(sys.executable, "-c", WITHOUT_POWERS, "run", config, folder=tmp_path)
        assert_advice(result, 2, str(tmp_path / "out"), "Permission denied", "its permissions")
        assert not service.received
        assert command("run", config).returncode == 0


def test_a_folder_that_becomes_read_only_stops_the_run_resumably(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    output = tmp_path / "out"

    def close(request: Request) -> Reply:
        if request.number == 24:
            output.chmod(0o555)
        return echo(request)

    with serving(close) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        result = _run(sys.executable, "-c", WITHOUT_POWERS, "run", config, folder=tmp_path)
        assert_advice(result, 75, "stopped before the end", str(output), "Permission denied")
        before = committed(output)
        output.chmod(0o755)
        assert command("run", config).returncode == 0
    assert committed(output).items() >= before.items()
    assert_each_row_once(output, USERS)
    assert_only_final_names(output)


def test_a_folder_that_vanishes_stops_the_run_and_is_not_made_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """A mount that is lost leaves an empty folder; what is written there would be lost with it."""
    write_users(tmp_path, len(USERS))
    output, elsewhere = tmp_path / "out", tmp_path / "elsewhere"

    def vanish(request: Request) -> Reply:
        if request.number == 24:
            output.rename(elsewhere)
            output.mkdir()
        return echo(request)

    with serving(vanish) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        result = command("run", config)
        assert_advice(result, 75, "stopped before the end", str(output), "removed or replaced")
        assert list(output.iterdir()) == []
        before = committed(elsewhere)
        output.rmdir()
        elsewhere.rename(output)
        assert command("run", config).returncode == 0
    assert committed(output).items() >= before.items()
    assert_each_row_once(output, USERS)
    assert_only_final_names(output)


def test_a_folder_that_is_removed_stops_the_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))

    def remove(request: Request) -> Reply:
        if request.number == 24:
            (tmp_path / "out").rename(tmp_path / "gone")
            shutil.rmtree(tmp_path / "gone")
        return echo(request)

    with serving(remove) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        result = command("run", config)
        assert_advice(result, 75, "stopped before the end", "removed or replaced")
        assert not (tmp_path / "out").exists()
        assert command("run", config).returncode == 0
    assert_each_row_once(tmp_path / "out", USERS)


def test_a_run_whose_folder_is_another_runs_by_now_leaves_it_alone(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    gate = Gate(25)
    with serving(gate) as gated, serving(echo) as service:
        first = write_config("first.toml", target={"endpoint_url": gated.url}, **PARTS_OF_TEN)
        second = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", first, folder=tmp_path) as process:
            gate.wait_until_reached()
            (tmp_path / "out").rename(tmp_path / "old")
            assert command("run", second).returncode == 0
            before = committed(tmp_path / "out")
            gate.open()
            _, rest = process.communicate(timeout=COMMAND_TIMEOUT_S)
    assert process.returncode == 75, rest
    assert "removed or replaced" in rest
    assert committed(tmp_path / "out") == before
    assert_summary_adds_up(tmp_path / "out")
    assert_only_final_names(tmp_path / "out")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: os.truncate(path, 100),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "removed": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_kept_answers_that_are_damaged_in_mid_run_stop_it_and_are_asked_for_again(
    damage: Callable[[Path], object],
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    """A duplicate's answer is read again when that of the first such row was written long ago."""
    users, output = user_ids(1_100), tmp_path / "out"
    rows = {"USER_ID": [*users, users[0]], "N": range(1_101)}
    write_parquet(tmp_path / "users.parquet", rows)
    calls = Counter[str]()

    def script(request: Request) -> Reply:
        calls[asked_for(request)] += 1
        if calls[users[-1]] == 1 and asked_for(request) == users[-1]:
            wait_for_kept_rows(output, "part-00000.parquet", 1_000)
            [spool] = output.glob(f"{SPOOL}/*/part-00000.parquet")
            damage(spool)
        return echo(request)

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, retry={"timeout_s": 60})
        result = command("run", config)
        assert_advice(result, 75, "stopped before the end", str(output), "run again")
        assert command("run", config).returncode == 0
    assert values(results(output), "USER_ID") == rows["USER_ID"]
    assert set(calls) == set(users)


# The kernel's own word: of a file that may not grow, everywhere; of a disk without space, where a
# small one may be mounted.
def test_files_that_may_not_grow_stop_the_run_and_more_space_finishes_it(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    output = tmp_path / "out"
    with serving(_large) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        limited = 'ulimit -f "$0"; exec "$@"'  # in blocks of 512 bytes
        words = (sys.executable, "-m", "worker", "run", config)
        result = _run("/bin/sh", "-c", limited, "16", *words, folder=tmp_path)
        assert_advice(result, 75, "stopped before the end", str(output), "File too large")
        assert not (output / "_SUCCESS").exists()
        before = committed(output)
        assert command("run", config).returncode == 0
    assert committed(output).items() >= before.items()
    assert_each_row_once(output, USERS)
    assert_summary_adds_up(output)
    assert_only_final_names(output)


@pytest.mark.parametrize("kib", [4, 32, 128] if _may_mount() else [])
def test_a_full_disk_stops_the_run_and_a_larger_one_finishes_it(
    kib: int, tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    (tmp_path / "out").mkdir()
    with serving(_large) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        words = (sys.executable, "-m", "worker", "run", config)
        shell = (*OWN_MOUNTS, "/bin/sh", "-c", SMALL_DISK)
        result = _run(*shell, str(kib), *words, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert "No space left on device" in result.stderr
    code, _, names = result.stdout.splitlines()[0].partition(":")
    assert code == ("code 2" if kib == 4 else "code 75")
    assert "_SUCCESS" not in names
    assert_each_row_once(tmp_path / "copy", USERS)
    assert_summary_adds_up(tmp_path / "copy")
    assert_only_final_names(tmp_path / "copy")

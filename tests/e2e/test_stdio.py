"""Standard streams that cannot be written, or are not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import (
    ANY_CLIENT,
    COMMAND_TIMEOUT_S,
    Result,
    RunCommand,
    WriteConfig,
    assert_advice,
    clean_environment,
    run_with_closed_stdout,
    success,
    write_parquet,
    write_users,
)
from support.scripts import echo, serving

Redirected = Callable[..., Result]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture
def redirected(tmp_path: Path) -> Redirected:
    """Return a function that runs the command with redirections of a shell."""

    def run(redirections: str, *arguments: str | Path) -> Result:
        return subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" "$@" {redirections}',
             sys.executable, "-m", "worker", *map(str, arguments)],
            cwd=tmp_path, env=clean_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip

    return run


@needs_full
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_finished_run_is_done_though_its_summary_cannot_be_written(
    flags: tuple[str, ...], tmp_path: Path, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        done = redirected(">/dev/full", "run", config, "-q", *flags)
    assert done.returncode == 0
    assert success(tmp_path / "out")["results"] == 3
    assert done.stderr.startswith("warning: cannot write to stdout: No space left on device")
    assert "the summary is in" in done.stderr


@needs_full
def test_failed_rows_are_told_though_the_summary_cannot_be_written(
    tmp_path: Path, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": ["u1", ""]})
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        done = redirected(">/dev/full", "run", config)
    assert done.returncode == 3
    assert "cannot write to stdout" in done.stderr
    assert "1 rows failed" in done.stderr


@needs_full
def test_a_finished_load_test_is_done_though_its_result_cannot_be_written(
    tmp_path: Path, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        loads = {**ANY_CLIENT, "stages": [{"tps": 10, "seconds": 1}]}
        config = write_config(target={"endpoint_url": service.url}, loadtest=loads)
        done = redirected(">/dev/full", "loadtest", config)
    assert done.returncode == 0, done.stderr
    assert "warning: cannot write to stdout" in done.stderr
    assert (tmp_path / "out" / "_loadtest.json").exists()


@needs_full
def test_what_is_nowhere_else_than_on_stdout_is_to_be_asked_for_again(
    tmp_path: Path, command: RunCommand, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config).returncode == 0
    commands: list[tuple[str | Path, ...]] = [
        ("plan", config), ("plan", config, "--json"), ("schema",), ("explain", "out", "u0001"),
        ("diff", "out", "out"), ("report", "out"), ("--help",), ("run", "--help"), ("--version",),
        ("emulate", "--set", "emulator.port=0"),
    ]  # fmt: skip
    for arguments in commands:
        done = redirected(">/dev/full", *arguments)
        assert_advice(done, 75, "cannot write to stdout: No space left on device")


@pytest.mark.parametrize("closed", [">&-", "<&- >&-"])
def test_nothing_is_done_where_what_was_asked_for_cannot_be_written_to_a_closed_stdout(
    closed: str, tmp_path: Path, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    config = write_config()
    commands: list[tuple[str | Path, ...]] = [
        ("plan", config), ("plan", config, "--json"), ("schema",), ("--help",),
        ("emulate", "--set", "emulator.port=0"),
    ]  # fmt: skip
    for arguments in commands:
        done = redirected(closed, *arguments)
        assert_advice(done, 75, "cannot write to stdout: Bad file descriptor")


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("--version",)])
def test_nobody_reading_help_is_no_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run_with_closed_stdout(*arguments, folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@needs_full
@pytest.mark.parametrize("arguments", [("run", "no.toml"), ("no",), ("run", "--no")])
def test_an_error_that_cannot_be_told_keeps_its_exit_code(
    arguments: tuple[str, ...], redirected: Redirected
) -> None:
    for redirection in ("2>/dev/full", "2>&-"):
        assert redirected(redirection, *arguments).returncode == 2


@pytest.mark.parametrize("closed", [">&- 2>&-", "<&- >&- 2>&-", "<&-", ">&-"])
def test_a_run_without_standard_streams_is_done(
    closed: str, tmp_path: Path, redirected: Redirected, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert redirected(closed, "run", config).returncode == 0
    assert success(tmp_path / "out")["results"] == 3

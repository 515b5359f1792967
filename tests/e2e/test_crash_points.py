"""The table of crash points: killed, or out of disk, at each of them, and run again.

Then each input row is there once, what was committed is as it was, and `_SUCCESS` tells the truth.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.crashes import USERS, crash, service_with_failures, tolerant_config
from support.accounts import (
    assert_each_row_once,
    assert_only_final_names,
    assert_summary_adds_up,
    committed,
    recommendation_ids,
)
from support.runs import (
    COMMAND_TIMEOUT_S,
    RunCommand,
    WriteConfig,
    assert_advice,
    clean_environment,
    kept_at,
    write_users,
)
from support.scripts import Reply, asked_for, serving
from support.services import Request, Service

from worker.store.local import SPOOL

# At the third of five parts, by how many may be committed then.
KILLED_AT = {
    "run.json written": {0},
    "run claimed": {0},
    "answers received": {1, 2},
    "spool block half written": {1, 2},
    "spooled": {1, 2},
    "rows encoded": {2},
    "footer written": {2},
    "errors committed": {2},
    "part under temporary name": {2},
    "part synced": {2},
    "part renamed": {3},
    "part committed": {3},
    "all parts committed": {5},
    "report under temporary name": {5},
    "spools cleared": {5},
    "success under temporary name": {5},
    "success committed": {5},
}
FULL_AT = [
    "run.json written",
    "spool made",
    "spool block half written",
    "rows encoded",
    "failed rows encoded",
    "footer written",
    "part under temporary name",
    "part synced",
    "part renamed",
    "spools cleared",
    "success under temporary name",
]


def _assert_finishes(command: RunCommand, config: Path, output: Path, service: Service) -> None:
    """Run again after a crash; assert that nothing is lost, doubled, changed or paid for twice."""
    before, ids = committed(output), recommendation_ids(output)
    paid, called = {*ids, *_kept(output)}, len(service.received)
    result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert not paid & {asked_for(request) for request in service.received[called:]}
    assert committed(output).items() >= _of_parts(before).items()
    assert recommendation_ids(output).items() >= ids.items()
    assert_each_row_once(output, USERS)
    assert_summary_adds_up(output)
    assert_only_final_names(output)


def _kept(output: Path) -> Iterator[str]:
    """Yield the users whose answers are in a spool."""
    for path in output.glob(f"{SPOOL}/*/part-*"):
        first = 10 * int(path.stem.removeprefix("part-"))
        yield from (USERS[first + row] for row in kept_at(path).rows(0, 10))


def _of_parts(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files without failed rows whose part is not there: they are asked for again."""
    return {name: text for name, text in files.items() if Path(name).name in files}


@pytest.mark.parametrize("point", KILLED_AT)
def test_killed_at(
    point: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    output = tmp_path / "out"
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        assert crash("kill", point, "run", config, folder=tmp_path).returncode == -signal.SIGKILL
        assert len(list(output.glob("part-*.parquet"))) in KILLED_AT[point]
        assert (output / "_SUCCESS").exists() == (point == "success committed")
        _assert_finishes(command, config, output, service)


def test_killed_with_calls_in_flight(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    killed, process_id = threading.Event(), list[int]()

    def kill(request: Request) -> Reply:
        if request.number == 24 and not killed.is_set():
            killed.set()
            os.kill(process_id[0], signal.SIGKILL)
        return service_with_failures(request)

    with serving(kill) as service:
        config = tolerant_config(write_config, service)
        words = [sys.executable, "-m", "worker", "run", str(config)]
        env, nobody = clean_environment(), subprocess.DEVNULL
        with subprocess.Popen(
            words, cwd=tmp_path, env=env, stdout=nobody, stderr=nobody
        ) as process:
            process_id.append(process.pid)
            assert process.wait(COMMAND_TIMEOUT_S) == -signal.SIGKILL
        _assert_finishes(command, config, tmp_path / "out", service)


def test_the_spool_of_a_part_that_was_committed_goes_when_the_run_goes_on(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """It may be large, and its answers are in the part."""
    write_users(tmp_path, len(USERS))
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        crash("kill", "part committed", "run", config, folder=tmp_path)
        assert "part-00002.parquet" in {path.name for path in (tmp_path / "out" / SPOOL).rglob("*")}
        assert command("run", config, "--set", "stop.calls_max=1").returncode == 75
    assert "part-00002.parquet" not in {path.name for path in (tmp_path / "out" / SPOOL).rglob("*")}


@pytest.mark.parametrize("point", ["files of the old run removed", "old run gone"])
def test_killed_while_overwriting(
    point: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    with serving(service_with_failures) as service:
        old = tolerant_config(write_config, service, request={"num_results": 3})
        assert command("run", old).returncode == 0
        config = tolerant_config(write_config, service)
        killed = crash("kill", point, "run", config, "--overwrite", folder=tmp_path)
        assert killed.returncode == -signal.SIGKILL
        assert not (tmp_path / "out" / "_SUCCESS").exists()
        assert command("run", config, "--overwrite").returncode == 0
        assert_each_row_once(tmp_path / "out", USERS)
        assert_summary_adds_up(tmp_path / "out")
        assert all("numResults" not in request.members for request in service.received[-45:])


@pytest.mark.parametrize("point", FULL_AT)
def test_disk_full_at(
    point: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, len(USERS))
    output = tmp_path / "out"
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        result = crash("full", point, "run", config, folder=tmp_path)
        assert_advice(result, 75 if service.received else 2, str(output), "No space left on device")
        assert not (output / "_SUCCESS").exists()
        _assert_finishes(command, config, output, service)

"""One process writes an output at a time; its name is told, and a dead one is in nobody's way."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from support.accounts import assert_each_row_once, assert_only_final_names, assert_summary_adds_up
from support.runs import (
    COMMAND_TIMEOUT_S,
    PARTS_OF_TEN,
    RunCommand,
    WriteConfig,
    assert_advice,
    results,
    started,
    user_ids,
    values,
    write_users,
)
from support.scripts import Gate, asked_for, echo, serving

PROCESSES = 8


def test_a_second_process_is_refused_and_told_who_writes(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate = Gate(25)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, folder=tmp_path) as process:
            gate.wait_until_reached()
            second = command("run", config, "--set", "stop.calls_max=1")
            overwriting = command("run", config, "--overwrite")
            gate.open()
            _, rest = process.communicate(timeout=30)
    assert process.returncode == 0, rest
    for refused in (second, overwriting):
        assert_advice(refused, 6, f"another process is writing {tmp_path / 'out'}")
        assert f"process {process.pid} on " in refused.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(45)


def test_the_lock_of_a_process_that_was_killed_is_taken_over(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate = Gate(25)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, folder=tmp_path) as dead:
            gate.wait_until_reached()
            dead.send_signal(signal.SIGSTOP)  # one that is merely stopped still holds it
            assert_advice(command("run", config), 6, f"process {dead.pid} on ")
            dead.kill()
            assert dead.wait(COMMAND_TIMEOUT_S) == -signal.SIGKILL
        gate.open()
        assert str(dead.pid) in (tmp_path / "out" / "_personalize_worker_lock").read_text()
        assert command("run", config).returncode == 0
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(45)
    assert_only_final_names(tmp_path / "out")


def test_of_processes_that_start_together_one_does_the_work(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    with serving(echo) as service, ExitStack() as stack:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        running = [
            stack.enter_context(started("run", config, folder=tmp_path)) for _ in range(PROCESSES)
        ]
        ended = [(*process.communicate(timeout=COMMAND_TIMEOUT_S), process) for process in running]
    for _, log, process in ended:
        assert process.returncode == 0 or "another process is writing" in log, log
        assert process.returncode in (0, 6)
    assert 0 in [process.returncode for process in running]
    assert sorted(asked_for(request) for request in service.received) == user_ids(45)
    assert_each_row_once(tmp_path / "out", user_ids(45))
    assert_summary_adds_up(tmp_path / "out")
    assert_only_final_names(tmp_path / "out")


# Takes and leaves a folder as quickly as it can, and notes when it has it: O_EXCL finds a second.
TAKE = """
import os, sys
from pathlib import Path
from worker.errors import ConflictError
from worker.store.local import LocalStore
taken = 0
while taken < 100:
    try:
        with LocalStore(Path("out")).claim():
            os.close(os.open("held", os.O_CREAT | os.O_EXCL))
            os.unlink("held")
            taken += 1
    except ConflictError:
        pass
"""


def test_a_folder_that_is_taken_and_left_quickly_never_has_two_writers(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", TAKE], cwd=tmp_path, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        _, log = process.communicate(timeout=COMMAND_TIMEOUT_S)
        assert process.returncode == 0, log.decode()

"""SIGTERM, Ctrl-C and a terminal that goes, at moments when no call is under way, and later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import (
    WriteConfig,
    clean_environment,
    started,
    success,
    write_users,
)
from support.scripts import echo, serving

ALL = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]
# Stands for what is imported first: it is there as long as it takes, in many short steps. A signal
# that comes just before a sleep does not end that sleep.
SLOW_IMPORTS = """
import sys, time
sys.modules["click"] = None  # which would be an error
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "worker.cli.main":
            print("importing", flush=True)
            for _ in range(1_200):
                time.sleep(0.05)
sys.meta_path.insert(0, Slow())
from worker.__main__ import main
main()
"""

pytestmark = pytest.mark.usefixtures("hangups_count")


@pytest.mark.parametrize("number", ALL)
def test_a_signal_while_the_command_is_imported_ends_resumably(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_IMPORTS],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 75, log
    assert log == "error: interrupted\nhint: run the same command again\n"


def test_the_end_of_a_terminal_stops_a_run_in_order(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5_000)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, rate={"tps": 50})
        with started("run", config, folder=tmp_path) as process:
            service.wait_for_calls(5)
            process.send_signal(signal.SIGHUP)
            _, log = process.communicate(timeout=30)
    assert process.returncode == 75, log
    assert "SIGHUP" in log


def test_nohup_means_it(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 60)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, rate={"tps": 30})
        command = [sys.executable, "-m", "worker", "run", str(config)]
        with subprocess.Popen(
            ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "as-nohup", *command],
            cwd=tmp_path, env=clean_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            service.wait_for_calls(5)
            process.send_signal(signal.SIGHUP)
            assert process.wait(timeout=30) == 0
    assert success(tmp_path / "out")["results"] == 60


def test_a_run_goes_on_though_its_terminal_is_gone(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 60)
    terminal, stderr = os.openpty()
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, rate={"tps": 30})
        with subprocess.Popen(
            [sys.executable, "-m", "worker", "run", str(config)],
            cwd=tmp_path, env=clean_environment({"TERM": "xterm-256color"}),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
        ) as process:  # fmt: skip
            os.close(stderr)
            service.wait_for_calls(5)
            os.close(terminal)
            assert process.wait(timeout=30) == 0
    assert success(tmp_path / "out")["results"] == 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_emulator_starts_ends_resumably(
    number: signal.Signals, tmp_path: Path, write_config: WriteConfig
) -> None:
    """The emulator's data is a pipe that never ends, so the signal comes while it loads."""
    write_users(tmp_path, 1)
    pipe = tmp_path / "interactions.csv"
    os.mkfifo(pipe)
    config = write_config(emulator={"interactions": str(pipe)})
    with (
        subprocess.Popen(
            [sys.executable, "-m", "worker", "run", str(config), "--emulator"],
            cwd=tmp_path,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        pipe.open("w"),
    ):  # returns when the emulator has opened it to read
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 75, log
    assert "hint: run the same command again" in log
    assert "Traceback" not in log

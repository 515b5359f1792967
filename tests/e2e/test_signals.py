"""SIGTERM and Ctrl-C at moments when no call is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.runs import WriteConfig, clean_environment, write_users


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

"""What a person sees who runs a job in a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.runs import clean_environment, write_users

WriteConfig = Callable[..., Path]


def run_in_terminal(config: Path, folder: Path, command: str = "run") -> tuple[int, str]:
    """Run a command whose stderr is a terminal; return the exit code and what it showed."""
    terminal, stderr = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "worker", command, str(config)],
        cwd=folder,
        env=clean_environment({"TERM": "xterm-256color", "COLUMNS": "120"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    ) as process:
        os.close(stderr)
        shown = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # how Linux says that a terminal's other end is closed
                break
            if not part:
                break
            shown += part
    os.close(terminal)
    return process.returncode, shown.decode()


def test_a_terminal_shows_a_bar_with_rate_eta_and_cost(
    tmp_path: Path, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 30)
    config = write_config(
        target={"endpoint_url": emulator_url}, price={"per_1000_usd": 5.0}, rate={"tps": 100}
    )
    code, shown = run_in_terminal(config, tmp_path)
    assert code == 0, shown
    for text in ("/30 rows", "/s", "in flight", "no errors", "ETA", "so far (estimate)"):
        assert text in shown


def test_a_terminal_shows_how_a_load_test_goes(
    tmp_path: Path, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 30)
    config = write_config(
        target={"endpoint_url": emulator_url},
        price={"per_1000_usd": 5.0},
        loadtest={"stages": [{"tps": 40, "seconds": 1.5}], "late_share_max": 1.0},
    )
    code, shown = run_in_terminal(config, tmp_path, "loadtest")
    assert code == 0, shown
    for text in ("1 of 1, ETA", " of 40/s", "in flight", "p50", "throttled", "$", "(estimate)"):
        assert text in shown

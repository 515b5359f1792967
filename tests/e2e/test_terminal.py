"""What a person sees who runs a job in a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from support.runs import WriteConfig, clean_environment, write_users


def shown_in_terminal(command: str, config: Path, folder: Path, texts: Iterable[str]) -> int:
    """Run a command whose stderr is a terminal until it has shown all of `texts`, then stop it.

    Return its exit code; fail when it ends before.
    """
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
        shown, missing = "", set(texts)
        # A terminal whose other end is closed is an OSError on Linux.
        with os.fdopen(terminal, "rb", buffering=0) as screen, suppress(OSError):
            while part := screen.read(65536):
                shown += part.decode(errors="replace")
                was_missing, missing = missing, {text for text in missing if text not in shown}
                if was_missing and not missing:
                    process.terminate()
    assert not missing, shown
    return process.returncode


def test_a_terminal_shows_a_bar_with_rate_eta_and_cost(
    tmp_path: Path, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 3_000)
    config = write_config(
        target={"endpoint_url": emulator_url}, price={"per_1000_usd": 5.0}, rate={"tps": 20}
    )
    texts = ("/3,000 rows", "/s", "in flight", "no errors", "ETA", "so far (estimate)")
    assert shown_in_terminal("run", config, tmp_path, texts) == 75


def test_a_terminal_shows_how_a_load_test_goes(
    tmp_path: Path, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 30)
    config = write_config(
        target={"endpoint_url": emulator_url},
        price={"per_1000_usd": 5.0},
        loadtest={"stages": [{"tps": 40, "seconds": 600}], "late_share_max": 1.0},
    )
    texts = ("1 of 1, ETA", " of 40/s", "in flight", "p50", "throttled", "$", "(estimate)")
    assert shown_in_terminal("loadtest", config, tmp_path, texts) == 75

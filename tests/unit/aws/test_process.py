"""Credential processes: what they print, and that none runs on."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import CredentialRetrievalError
from support.runs import wait_until

from worker.aws import _process
from worker.aws._process import CredentialProcesses


@pytest.fixture(params=[True, False], ids=["at a terminal", "alone"])
def processes(request: pytest.FixtureRequest) -> Iterator[CredentialProcesses]:
    started = CredentialProcesses(is_at_terminal=request.param)
    yield started
    started.end()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"  # ended, and waited for by nobody


def test_what_it_prints_is_read_to_the_end(processes: CredentialProcesses) -> None:
    program = "import sys; print('x' * 200_000); sys.stderr.write('y' * 200_000); sys.exit(3)"
    process = processes.start([sys.executable, "-c", program], stdout=-1, stderr=-1)
    printed, said = process.communicate()
    assert (printed, said) == (b"x" * 200_000 + b"\n", b"y" * 200_000)
    assert process.returncode == 3


def test_its_end_is_waited_for_though_it_prints_no_more(processes: CredentialProcesses) -> None:
    process = processes.start(["/bin/sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 4"])
    assert process.communicate() == (b"", b"")
    assert process.returncode == 4


@pytest.mark.parametrize("pipe", ["", ">&2"])
def test_one_that_prints_without_end_is_ended(processes: CredentialProcesses, pipe: str) -> None:
    process = processes.start(["/bin/sh", "-c", f"exec yes {pipe}"])
    with pytest.raises(CredentialRetrievalError, match="prints over"):
        process.communicate()
    assert not process.is_alive


def test_one_that_takes_too_long_is_ended_and_what_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(_process, "PROCESS_S_MAX", 0.5)
    monkeypatch.setattr(_process, "_POLITE_S", 0.1)
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 100 & echo $$ $! > {pids}; wait; sleep 100"
    processes = CredentialProcesses(is_at_terminal=False)
    process = processes.start(["/bin/sh", "-c", script])
    with pytest.raises(CredentialRetrievalError, match="did not end within"):
        process.communicate()
    for pid in pids.read_text().split():
        wait_until(lambda pid=pid: is_gone(int(pid)))  # type: ignore[misc] # bound at once


def test_all_are_ended_from_another_thread(processes: CredentialProcesses) -> None:
    process = processes.start(["/bin/sleep", "100"])
    ender = threading.Timer(0.1, processes.end)
    ender.start()
    began_s = time.monotonic()
    process.communicate()
    assert time.monotonic() - began_s < 20.0
    assert process.returncode == -9
    with pytest.raises(CredentialRetrievalError, match="has ended"):
        processes.start(["/bin/true"])
    ender.join()

"""Runs a command and measures it from outside: wall time, processor time, peak memory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ARN = f"arn:aws:personalize:{REGION}:123456789012:campaign/bench"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_ANY_KEY = "bench"  # any key will do: the canned server does not verify signatures
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not on everybody's PATH
_SHOWN_CHARS = 2000

# Linux counts the memory of whoever starts a process towards that process's peak, so commands are
# started by a program that is smaller than all of them, not by this one with pyarrow loaded.
_LAUNCHER = """
import json, os, sys, time
report, *command = sys.argv[1:]
begun_s = time.monotonic()
pid = os.posix_spawnp(command[0], command, os.environ)
status, usage = os.wait4(pid, 0)[1:]
wall_s = time.monotonic() - begun_s
with open(report, "w") as file:
    json.dump([wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024,
               os.waitstatus_to_exitcode(status)], file)
"""


class BenchError(Exception):
    """Something that whoever runs the script can mend."""

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Checkout(NamedTuple):
    """This project in a folder, and the Python that it is run with."""

    folder: Path
    python: Path


THIS = Checkout(PROJECT, Path(sys.executable))


class Usage(NamedTuple):
    """What one process took, its own children included."""

    wall_s: float
    cpu_s: float  # user and system
    peak_mib: float  # resident; not below the launcher's own, about 8 MiB
    output: str  # its last words, stdout and stderr


def environment(**more: str) -> dict[str, str]:
    """Return what measured programs see: nobody's AWS settings, proxies or Python switches."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": _ANY_KEY,
        "AWS_SECRET_ACCESS_KEY": _ANY_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def measure(
    command: Sequence[str | Path],
    *,
    scratch: Path,
    env: Mapping[str, str],
    timeout_s: float,
    codes: Sequence[int] = (0,),
    cwd: Path = PROJECT,
) -> Usage:
    """Run `command` in the project's folder to its end; raise BenchError unless it ends well."""
    report, log = scratch / "usage.json", scratch / "output.txt"
    words = [str(word) for word in command]
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(report), *words]
    report.unlink(missing_ok=True)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            launcher,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        ) as process,
    ):
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise BenchError(
                f"{shown(words)} took more than {timeout_s:.0f} s",
                hint="give the machine less else to do, or ask for less: --quick, --seconds",
            ) from None
        finally:
            with suppress(ProcessLookupError):  # it has ended, as it should
                os.killpg(process.pid, signal.SIGKILL)
    said = log.read_text(errors="replace")[-_SHOWN_CHARS:]
    if not report.exists():
        raise BenchError(f"{shown(words)} cannot be started: {said}", hint="check that it is there")
    wall_s, cpu_s, peak_mib, code = json.loads(report.read_text())
    if code not in codes:
        raise BenchError(
            f"{shown(words)} ended with code {code}:\n{said}", hint="run it alone to see why"
        )
    return Usage(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak_mib, output=said)


def program(name: str, *, package: str) -> str:
    """Return where a program is; raise BenchError naming the Debian package that has it."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}")
    if path is None:
        raise BenchError(f"{name} is not installed", hint=f"on Debian: apt install {package}")
    return path


def said_by(*command: str) -> str:
    """Return the first line that a command prints, on whichever stream; empty when it cannot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout + done.stderr).splitlines()), "")


def shown(words: Sequence[str]) -> str:
    """Return a command as a person would type it, shortened."""
    text = " ".join(word.removeprefix(f"{PROJECT}/") for word in words)
    return text if len(text) < 200 else text[:200] + "..."

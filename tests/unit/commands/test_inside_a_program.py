"""Inside somebody's program nothing is changed that belongs to the program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.runs import PROJECT
from unit.test_tidy import MODULES


def test_a_run_leaves_the_program_as_it_was() -> None:
    paths = os.pathsep.join([str(PROJECT), str(PROJECT / "tests")])
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("untouched.py"))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"results": 20, "changed": {}}


def test_only_the_command_line_tunes_a_process() -> None:
    """Modules that are hidden, the collector, the heap, signals, the end of the process."""
    marks = ("gc.", "sys.modules[", "sys.modules.", "mallopt", "malloc_trim", "os._exit",
             "setswitchinterval", "setrlimit", "os.environ[", "os.environ.setdefault",
             "signal.signal(", "addHandler", ".handlers =")  # fmt: skip
    allowed = {
        "runtime.descriptors": {"setrlimit"},  # raise_limit, which cli calls
        "runtime.log": {".handlers ="},  # set_up, which cli calls
        "runtime.signals": {"signal.signal("},  # handle and kept, which cli calls
    }
    found = {
        (name, mark)
        for name, path, _ in MODULES
        for mark in marks
        if mark in path.read_text() and name.split(".")[0] not in ("cli", "__main__", "emulator")
    }
    assert found == {(name, mark) for name, of_it in allowed.items() for mark in of_it}

"""Commands under a shell's limit of open files, which is 256 on macOS."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import (
    ANY_CLIENT,
    COMMAND_TIMEOUT_S,
    Result,
    WriteConfig,
    assert_advice,
    clean_environment,
    results,
    user_ids,
    values,
    write_users,
)
from support.scripts import echo, serving

from worker.runtime.descriptors import OTHERS

Limited = Callable[..., Result]
_LIMITED = """
import resource, runpy, sys
soft, hard = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
sys.argv[1:3] = []
runpy.run_module("worker", run_name="__main__")
"""


@pytest.fixture
def limited(tmp_path: Path) -> Limited:
    """Return a function that runs the command with so many files, and so many that it may ask."""

    def run(soft: int, hard: int, *arguments: str | Path) -> Result:
        return subprocess.run(
            [sys.executable, "-c", _LIMITED, str(soft), str(hard), *map(str, arguments)],
            cwd=tmp_path, env=clean_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False,
        )  # fmt: skip

    return run


def test_more_calls_than_files_are_had_where_the_system_allows_them(
    tmp_path: Path, limited: Limited, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 100)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        done = limited(100, resource.getrlimit(resource.RLIMIT_NOFILE)[1], "run", config)
    assert done.returncode == 0, done.stderr
    assert "fewer calls" not in done.stderr


def test_under_a_hard_limit_a_run_of_many_small_parts_makes_fewer_calls_at_a_time_and_says_so(
    tmp_path: Path, limited: Limited, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 300)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, output={"rows_per_part": 1},
            rate={"tps": 5000, "adaptive": False, "in_flight_max": 256},
        )  # fmt: skip
        done = limited(100, 100, "run", config)
    assert done.returncode == 0, done.stderr
    assert "fewer calls at the same time key=rate.in_flight_max wanted=256" in done.stderr
    assert f"now={100 - OTHERS}" in done.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(300)


def test_a_limit_that_leaves_no_room_for_a_call_is_told_before_the_first(
    tmp_path: Path, limited: Limited, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        loads = {**ANY_CLIENT, "stages": [{"tps": 10, "seconds": 1}]}
        for verb in ("run", "loadtest"):
            config = write_config(
                target={"endpoint_url": service.url}, output={"path": verb}, loadtest=loads
            )
            done = limited(OTHERS, OTHERS, verb, config)
            assert_advice(done, 2, f"{OTHERS} files open", "ulimit -n")
    assert not service.received


def test_a_load_test_under_a_hard_limit_has_fewer_calls_open_and_says_so(
    tmp_path: Path, limited: Limited, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        loads = {**ANY_CLIENT, "stages": [{"tps": 20, "seconds": 1}]}
        config = write_config(target={"endpoint_url": service.url}, loadtest=loads)
        done = limited(100, 100, "loadtest", config, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "finished"
    assert "key=loadtest.in_flight_max wanted=1000" in done.stderr

"""Rows that the service always answers with its own 5xx are failed rows, and hold no run up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    success,
    user_ids,
    values,
    write_users,
)
from support.scripts import Reply, Script, asked_for, echo, error, serving
from support.services import Request

ROWS = 600
BROKEN = error("InternalFailure", 500)
BARE = Reply(503, raw=b"<html>")


def failing(users: set[str], reply: Reply = BROKEN) -> Script:
    def script(request: Request) -> Reply:
        return reply if asked_for(request) in users else echo(request)

    return script


KEYS: dict[str, Any] = {
    "rate": {"tps": 500, "adaptive": False, "in_flight_max": 64},
    "retry": {"attempts_max": 3},
    "stop": {"outage_s": 2.0, "error_share_max": 0.2},
}


@pytest.mark.parametrize("transport", ["wire", "sdk"])
@pytest.mark.parametrize("first", [200, ROWS - 30])
def test_thirty_in_turn_fail_and_the_run_ends(
    first: int, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    bad = user_ids(ROWS)[first : first + 30]
    with serving(failing(set(bad))) as service:
        target = {"endpoint_url": service.url, "transport": transport}
        result = command("run", write_config(target=target, **KEYS))
    assert result.returncode == 0, result.stderr
    rows = failed(tmp_path / "out")
    assert values(rows, "USER_ID") == bad
    assert set(values(rows, "error_code")) == {"InternalFailure"}
    assert len(results(tmp_path / "out")) == ROWS - 30


def test_failed_rows_as_the_next_input_end_it_too(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    bad = user_ids(ROWS)[10::50]
    with serving(failing(set(bad))) as service:
        target = {"endpoint_url": service.url}
        assert command("run", write_config(target=target, **KEYS)).returncode == 0
        again = {"input": {"path": "out/_errors"}, "output": {"path": "again"}}
        result = command("run", write_config(target=target, **{**KEYS, **again}))
    assert_advice(result, 3, f"{len(bad)} rows failed")
    assert values(failed(tmp_path / "again"), "USER_ID") == bad


@pytest.mark.parametrize("first", [0, ROWS - 15])
def test_more_in_turn_than_may_be_in_work_fail_and_so_they_do_as_the_next_input(
    first: int, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    bad = user_ids(ROWS)[first : first + 15]
    keys = {**KEYS, "rate": {"tps": 500, "in_flight_max": 4}}
    with serving(failing(set(bad))) as service:
        target = {"endpoint_url": service.url}
        result = command("run", write_config(target=target, **keys))
        assert result.returncode == 0, result.stderr
        assert success(tmp_path / "out")["calls"] == len(service.received)
        again = {"input": {"path": "out/_errors"}, "output": {"path": "again"}}
        result = command("run", write_config(target=target, **{**keys, **again}))
    assert_advice(result, 3, "15 rows failed")
    assert values(failed(tmp_path / "out"), "USER_ID") == bad
    assert values(failed(tmp_path / "again"), "USER_ID") == bad


def test_what_a_gateway_answers_stops_the_run_however_often(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 30)
    with serving(failing(set(user_ids(30)), BARE)) as service:
        config = write_config(target={"endpoint_url": service.url}, **KEYS)
        for _ in range(2):
            assert_advice(command("run", config), 75, "does not answer", "503")
    assert not (tmp_path / "out" / "_errors").exists()

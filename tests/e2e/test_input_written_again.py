"""An input that was written again under a run that is done, or in part: told, or seen equal."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.accounts import committed
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    results,
    values,
    write_parquet,
)
from support.scripts import Reply, echo, serving
from support.services import Request

USERS = [f"u{number:02}" for number in range(12)]
PARTS = [*"ammaammaamma"]
SECTIONS: dict[str, Any] = {
    "input": {"columns": {"user_id": "USER_ID", "context": {"DAYPART": "DAYPART"}}},
    "output": {"rows_per_part": 4},
}


def _write(folder: Path, users: list[str] = USERS, context: list[str] = PARTS) -> Path:
    """Write rows whose number and values make footers alike."""
    columns = {"USER_ID": users, "DAYPART": context}
    plain = {"compression": "none", "use_dictionary": False}
    return write_parquet(folder / "users.parquet", columns, **plain)


def test_a_finished_run_whose_input_has_another_value_by_now_is_not_already_done(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write(tmp_path)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **SECTIONS)
        assert command("run", config).returncode == 0
        before = committed(tmp_path / "out")
        _write(tmp_path, context=[*PARTS[:5], "a", *PARTS[6:]])
        for verb in ("run", "plan"):
            result = command(verb, config)
            assert_advice(result, 6, "part-00001.parquet was made from", "users.parquet")
        assert len(service.received) == 12
        assert committed(tmp_path / "out") == before
        explained = command("explain", tmp_path / "out", "u05")
        assert_advice(explained, 2, "has changed since the run")
        assert command("explain", tmp_path / "out", "u00").returncode == 0, "its part is the same"
        _write(tmp_path)
        assert "already done" in command("run", config).stderr
        assert command("explain", tmp_path / "out", "u05").returncode == 0
        _write(tmp_path, users=[*reversed(USERS)])
        assert command("run", config, "--overwrite").returncode == 0
    assert len(service.received) == 24


def test_an_input_that_was_only_touched_is_read_once_more_and_then_trusted(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    path = _write(tmp_path)
    back = path.stat().st_mtime - 3600
    os.utime(path, (back, back))
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **SECTIONS)
        assert command("run", config, "--set", "stop.calls_max=9").returncode == 75
        assert "comparing" not in command("run", config, "--set", "stop.calls_max=1").stderr
        os.utime(path, (back + 60, back + 60))
        touched = command("run", config)
        assert touched.returncode == 0, touched.stderr
        assert "comparing it with what is done" in touched.stderr
        again = command("run", config)
        assert "already done" in again.stderr
        assert "comparing" not in again.stderr
    assert len(service.received) == 12


def test_answers_that_were_kept_go_to_the_rows_that_ask_what_they_answer(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """No part is done, and two users have changed their places."""
    _write(tmp_path)

    def answer(request: Request) -> Reply:
        asked = f"{request.members['userId']} {request.members['context']['DAYPART']}"
        reply = echo(request)
        return Reply(body={**reply.body, "itemList": [{"itemId": asked}]})

    sections = {**SECTIONS, "output": {"rows_per_part": 100}}
    with serving(answer) as service:
        config = write_config(target={"endpoint_url": service.url}, **sections)
        assert command("run", config, "--set", "stop.calls_max=10").returncode == 75
        asked = {request.members["userId"] for request in service.received}
        assert len(asked) == 10
        users, context = list(USERS), [*PARTS[:2], "a", *PARTS[3:]]
        users[7], users[8] = users[8], users[7]
        _write(tmp_path, users, context)
        result = command("run", config, "--json")
    assert result.returncode == 0, result.stderr
    # Two were not asked yet, two have another place, and one another context. Which two were not
    # is not known: calls leave as their connections are there.
    others = {USERS[row] for row in (2, 7, 8)} | ({*USERS} - asked)
    assert len(service.received) == 10 + len(others)
    told = values(results(tmp_path / "out"), "items")
    asks = [f"{user} {daypart}" for user, daypart in zip(users, context, strict=True)]
    assert [items[0]["item_id"] for items in told] == asks
    done = json.loads(result.stdout)
    assert (done["results"], done["calls"]) == (12, 12)


@pytest.mark.parametrize(
    "columns",
    [
        {"USER_ID": [*USERS[:11], "u99"]},
        {"USER_ID": USERS[:11]},
        {"USER_ID": [*USERS[:11], "long"]},
    ],
    ids=["statistics", "rows", "bytes"],
)
def test_other_sizes_and_footers_are_another_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, columns: dict[str, Any]
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": USERS})
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config, "--set", "stop.calls_max=5").returncode == 75
        write_parquet(tmp_path / "users.parquet", columns)
        result = command("run", config)
    assert_advice(result, 6, "another run", "the input's data")
    assert len(service.received) == 5

"""Identical requests of a part: one call, an answer for every row."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.runs import (
    ACTIONS,
    PARTS_OF_TEN,
    RANKING,
    RANKING_COLUMNS,
    RunCommand,
    WriteConfig,
    failed,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_kept_rows,
    write_parquet,
)
from support.scripts import FirstAttempts, Gate, asked_for, echo, error, serving

REJECTED = error("InvalidInputException", 400, "not this one")
CALL_COLUMNS = ("recommendation_id", "request_id", "requested_at", "latency_ms")


def _write_rows(folder: Path, users: list[str], **columns: Any) -> None:
    rows = {"USER_ID": users, "N": range(len(users)), **columns}
    write_parquet(folder / "users.parquet", pa.table(rows))


@pytest.mark.parametrize("layout", ["nested", "exploded"])
def test_rows_with_identical_requests_share_one_call_and_keep_their_columns(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, layout: str
) -> None:
    users = ["u0001", "u0002", "u0001", "u0003", "u0001"]
    _write_rows(tmp_path, users)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, input={"keep": ["N"]}, output={"layout": layout}
        )
        planned = json.loads(command("plan", config, "--json").stdout)
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert Counter(map(asked_for, service.received)) == {"u0001": 1, "u0002": 1, "u0003": 1}
    found = results(tmp_path / "out")
    assert values(found, "USER_ID") == users
    assert values(found, "N") == [0, 1, 2, 3, 4]
    assert values(found, "attempts") == [1, 1, 0, 1, 0]
    for column in (*CALL_COLUMNS, "items" if layout == "nested" else "item_id"):
        first, _, second, _, third = values(found, column)
        assert first == second == third
    done = success(tmp_path / "out")
    counted = ("rows_read", "results", "calls", "duplicates")
    assert [done[name] for name in counted] == [5, 5, 3, 2]
    assert (planned["calls"], planned["duplicates"]) == (3, 2)
    assert "2 rows answered by an identical request" in result.stdout


OTHERS = {
    "ranking": ({"target": RANKING, "input": {"columns": RANKING_COLUMNS}}, 2),
    "actions": ({"target": ACTIONS}, 1),
}


@pytest.mark.parametrize(("sections", "calls"), OTHERS.values(), ids=OTHERS.keys())
def test_requests_are_compared_with_all_that_is_sent(
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
    emulator_url: str,
    sections: dict[str, Any],
    calls: int,
) -> None:
    lists = [["i1", "i2"], ["i2", "i1"], ["i1", "i2"]]
    _write_rows(tmp_path, ["u0001"] * 3, ITEMS=lists)
    target = {**sections["target"], "endpoint_url": emulator_url}
    assert command("run", write_config(**{**sections, "target": target})).returncode == 0
    ids = values(results(tmp_path / "out"), "recommendation_id")
    assert len({*ids}) == calls
    assert ids[0] == ids[2]
    assert success(tmp_path / "out")["calls"] == calls


def test_the_error_of_the_one_that_was_asked_is_every_rows(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_rows(tmp_path, ["u0002", "u0001", "u0002", "u0002"])
    with serving(FirstAttempts({"u0002": REJECTED}, times=9)) as service:
        assert command("run", write_config(target={"endpoint_url": service.url})).returncode == 3
    assert Counter(map(asked_for, service.received)) == {"u0001": 1, "u0002": 1}
    lost = failed(tmp_path / "out")
    assert values(lost, "N") == [0, 2, 3]
    assert values(lost, "attempts") == [1, 0, 0]
    assert {*values(lost, "error_message")} == {"not this one"}
    done = success(tmp_path / "out")
    assert (done["errors"], done["duplicates"]) == ({"InvalidInputException": 3}, 2)
    (found,) = json.loads(command("explain", "out", "u0002", "--json").stdout)["rows"]
    told = [row.get("answered_by") for row in found["errors"]]
    assert told == [None, *["an identical request of this part"] * 2]


def test_after_a_kill_kept_answers_reach_their_duplicates_and_failed_ones_are_asked_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_rows(tmp_path, [*user_ids(5), *user_ids(5), "u0003"])
    gate = Gate(4, script=FirstAttempts({"u0002": REJECTED}))
    config_of = {**PARTS_OF_TEN, "output": {"rows_per_part": 11}}
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **config_of)
        with started("run", config, folder=tmp_path) as process:
            wait_for_kept_rows(tmp_path / "out", "part-00000.parquet", 3)
            gate.wait_until_reached()
            process.kill()
        gate.open()
        service.wait_until_clients_are_gone()
        killed = len(service.received)
        assert command("run", config).returncode == 0
    assert Counter(map(asked_for, service.received[:killed])) == Counter(user_ids(5))
    assert sorted(map(asked_for, service.received[killed:])) == ["u0002", "u0005"]
    last_ids = {asked_for(each): f"RID-{each.number}" for each in service.received}
    found = results(tmp_path / "out")
    assert values(found, "recommendation_id") == [last_ids[u] for u in values(found, "USER_ID")]
    assert values(found, "attempts") == [1] * 5 + [0] * 6
    assert (success(tmp_path / "out")["calls"], success(tmp_path / "out")["duplicates"]) == (5, 6)


def test_each_part_asks_for_itself(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_rows(tmp_path, ["u0001"] * 25)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        assert json.loads(command("plan", config, "--json").stdout)["calls"] == 3
        assert command("run", config).returncode == 0
    assert len(service.received) == 3
    ids = values(results(tmp_path / "out"), "recommendation_id")
    assert sorted(Counter(ids).values()) == [5, 10, 10]


def test_switched_off_every_row_is_sent(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_rows(tmp_path, ["u0001"] * 5)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, input={"deduplicate": False})
        assert json.loads(command("plan", config, "--json").stdout)["calls"] == 5
        assert command("run", config).returncode == 0
        switched_on = command("run", config, "--set", "input.deduplicate=true")
    assert len({*values(results(tmp_path / "out"), "recommendation_id")}) == 5
    assert switched_on.returncode == 6
    assert "input.deduplicate: false there, true here" in switched_on.stderr

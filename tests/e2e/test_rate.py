"""The rate of the real command: what throttles and deadlines make of it. Counts, not times."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.emulator import emulator
from support.runs import (
    RunCommand,
    WriteConfig,
    campaign_arn,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_line,
    write_parquet,
    write_users,
)

HOME = {"name": "home", "recipe": "aws-user-personalization-v2", "min_provisioned_tps": 200}
TARGET = {"campaign_arn": campaign_arn("home")}
CAPACITY = {"buffer_share": 0.0, "burst_s": 0.1, "scale_out_s": 86_400.0}


def test_a_capacity_below_the_ceiling_is_found_and_no_row_lost_to_it(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """50/s are served, 1,000/s allowed: unheeded, 19 of 20 attempts would be throttled.

    How near it is found is tested in simulated time: a busy machine may stay below it.
    """
    write_users(tmp_path, 150)
    with emulator(campaigns=[{**HOME, "min_provisioned_tps": 50}], capacity=CAPACITY) as address:
        target = {**TARGET, "endpoint_url": address}
        rate = {"tps": 1000, "in_flight_max": 64}
        result = command("run", write_config(target=target, rate=rate))
        assert result.returncode == 0, result.stderr
        first = success(tmp_path / "out")
        assert values(results(tmp_path / "out"), "USER_ID") == user_ids(150)
        assert first["rows_failed"] == 0
        assert 0 < first["throttles"] < 0.4 * first["calls"]
        assert "rate lowered" in result.stderr
        [(capacity, _)] = json.loads(_state(tmp_path).read_text()).values()
        assert 0 < capacity < 65

        config = write_config(target=target, rate=rate, output={"path": tmp_path / "again"})
        result = command("run", config)
        assert result.returncode == 0, result.stderr
        again = success(tmp_path / "again")
        assert again["throttles"] <= first["throttles"]
        assert "capacity as found by an earlier run" in result.stderr


def test_a_run_without_throttles_remembers_nothing(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 50)
    target = {"campaign_arn": campaign_arn("user-personalization-v2")}
    result = command("run", write_config(target={**target, "endpoint_url": emulator_url}))
    assert result.returncode == 0, result.stderr
    assert not _state(tmp_path).exists()


def test_a_deadline_without_a_rate_is_paced_to_fit_and_so_is_what_a_stop_left(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """200/s are provisioned; 190 rows in 100 s take 2/s, what is left after a stop takes less."""
    write_users(tmp_path, 190)
    with emulator(campaigns=[HOME]) as address:
        config = write_config(
            target={**TARGET, "endpoint_url": address},
            rate={"tps": None},
            output={"rows_per_part": 2},
            stop={"deadline": "100s"},
        )
        with started("run", config, folder=tmp_path) as process:
            wait_for_line(process, "paced to fit the deadline tps=2.0 of_tps=200.0")
            while len(list((tmp_path / "out").glob("part-*"))) < 2:
                assert process.poll() is None
            process.terminate()
            assert process.wait(timeout=30) == 75
        done = results(tmp_path / "out").num_rows
        arguments = (
            "run",
            config,
            "--set",
            "stop.deadline='1000s'",
            "--set",
            "rate.in_flight_max=8",
        )
        with started(*arguments, folder=tmp_path) as process:
            wait_for_line(process, "paced to fit the deadline tps=1.0 of_tps=200.0")
            process.terminate()
            assert process.wait(timeout=30) == 75
    assert 4 <= done < 100


def test_a_deadline_is_fitted_to_the_calls_and_not_to_the_rows(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """3,000 rows in 100 s take 31.6/s; `where` selects 380, of which two each are the same."""
    users = [user for user in user_ids(190) for _ in range(2)]
    columns = {"USER_ID": [*users, *user_ids(2_620)], "TIER": [1] * 380 + [0] * 2_620}
    write_parquet(tmp_path / "users.parquet", columns)
    with emulator(campaigns=[HOME]) as address:
        config = write_config(
            target={**TARGET, "endpoint_url": address},
            input={"where": "TIER = 1"},
            rate={"tps": None},
            stop={"deadline": "100s"},
        )
        with started("run", config, folder=tmp_path) as process:
            wait_for_line(process, "rows=380 parts=1 tps=200.0")
            wait_for_line(process, "paced to fit the deadline tps=2.0 of_tps=200.0")
            process.terminate()
            assert process.wait(timeout=30) == 75


def test_a_deadline_out_of_reach_is_said_at_once_and_the_first_rows_are_done(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 2_000)
    with emulator(campaigns=[HOME]) as address:
        config = write_config(
            target={**TARGET, "endpoint_url": address},
            rate={"tps": None},
            output={"rows_per_part": 50},
            stop={"deadline": "2s"},
        )
        result = command("run", config)
        assert result.returncode == 75, result.stderr
        line = next(line for line in result.stderr.splitlines() if "before the end" in line)
        assert "tps_needed=1000" in line
        assert "tps_possible=200.0" in line
        assert "rows_missing=16" in line
        done = values(results(tmp_path / "out"), "USER_ID")
        assert 0 < len(done) < 2_000
        assert done == user_ids(len(done))


def test_plan_shows_the_fitted_rate_and_the_verdict(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 1_900)
    with emulator(campaigns=[HOME]) as address:
        target = {**TARGET, "endpoint_url": address}
        config = write_config(target=target, rate={"tps": None}, stop={"deadline": "1000s"})
        fitted: dict[str, Any] = json.loads(command("plan", config, "--json").stdout)
        too_soon = command("plan", config, "--set", "stop.deadline='5s'").stdout
    assert fitted["tps"] == pytest.approx(2.0, rel=1e-3)
    assert fitted["seconds"] == pytest.approx(950, rel=1e-3)
    assert (fitted["tps_max"], fitted["deadline_feasible"]) == (200.0, True)
    assert fitted["deadline_rows_missing"] == 0
    assert "5s, in 5.0s: NOT FEASIBLE" in too_soon
    assert "380.0 calls/s would be needed, 900 rows will be missing" in too_soon


def _state(folder: Path) -> Path:
    assert os.environ["XDG_STATE_HOME"] == str(folder / "state")
    return folder / "state" / "personalize-worker" / "ceilings.json"

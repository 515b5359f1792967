"""Rows that are answered while their part is not there yet: kept, and not asked for again."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.runs import (
    PARTS_OF_TEN,
    RunCommand,
    WriteConfig,
    kept_at,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_file,
    wait_for_kept_rows,
    wait_until,
    write_users,
)
from support.scripts import Gate, asked_for, echo, serving

from worker.pipeline._spool_keeper import STOPWATCH
from worker.store.local import SPOOL


def test_what_was_answered_and_kept_before_a_kill_is_not_asked_for_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate, output = Gate(25), tmp_path / "out"
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, folder=tmp_path) as process:
            wait_for_kept_rows(output, "part-00002.parquet", 5)
            process.kill()
        gate.open()
        service.wait_until_clients_are_gone()
        killed = len(service.received)
        assert command("run", config).returncode == 0
    asked_again = sorted(asked_for(request) for request in service.received[killed:])
    assert asked_again == user_ids(45)[25:]
    first_ids = {asked_for(each): f"RID-{each.number}" for each in reversed(service.received)}
    kept = results(output).slice(20, 5)
    assert values(kept, "USER_ID") == user_ids(45)[20:25]
    assert values(kept, "recommendation_id") == [first_ids[user] for user in user_ids(45)[20:25]]
    assert success(output)["calls"] == 45
    assert not (output / SPOOL).exists()


def test_runs_that_are_capped_below_a_part_get_there_all_the_same(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 12)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, stop={"calls_max": 5})
        assert [command("run", config).returncode for _ in range(3)] == [75, 75, 0]
    assert sorted(asked_for(request) for request in service.received) == user_ids(12)
    assert success(tmp_path / "out")["calls"] == 12


def test_overwriting_drops_what_was_kept(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 12)
    with serving(echo) as service:
        target = {"endpoint_url": service.url}
        assert command("run", write_config(target=target, stop={"calls_max": 5})).returncode == 75
        assert (tmp_path / "out" / SPOOL).is_dir()
        assert command("run", write_config(target=target), "--overwrite").returncode == 0
    assert len(service.received) == 5 + 12
    assert not (tmp_path / "out" / SPOOL).exists()


def test_a_kill_costs_the_calls_that_were_not_kept_whatever_the_size_of_a_part(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """And the time before it is in `_SUCCESS`: nobody gets more calls a second than there were."""
    rows, tps, in_flight = 2_500, 300, 16
    write_users(tmp_path, rows)
    output, first_s = tmp_path / "out", time.monotonic()
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, rate={"tps": tps, "in_flight_max": in_flight}
        )
        with started("run", config, folder=tmp_path) as process:
            spool, stopwatch = (
                wait_for_file(output, f"{SPOOL}/*/{name}")
                for name in ("part-00000.parquet", STOPWATCH)
            )
            wait_until(lambda: kept_at(spool).count() > 0)
            process.kill()
        first_s = time.monotonic() - first_s
        service.wait_until_clients_are_gone()
        kept, called = kept_at(spool).count(), len(service.received)
        reading = json.loads(stopwatch.read_text())
        second_s = time.monotonic()
        assert command("run", config, "--set", f"rate.tps={10 * tps}").returncode == 0
        second_s = time.monotonic() - second_s
    assert len(service.received) == called + rows - kept
    assert 0 < reading["seconds"] <= first_s
    seconds = success(output)["seconds"]
    assert reading["seconds"] + (rows - kept) / (10 * tps) * 0.9 <= seconds
    assert seconds <= first_s + second_s

"""Parts: what is committed stays, what is not is done again, each row exactly once."""

from __future__ import annotations

import signal
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
from support.accounts import assert_summary_adds_up, committed
from support.runs import (
    PARTS_OF_TEN,
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    part_paths,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_line,
    write_parquet,
    write_users,
)
from support.scripts import Gate, Reply, asked_for, echo, error, serving
from support.services import Request


def _one_failing(request: Request) -> Reply:
    if asked_for(request) == "u0002":
        return error("InvalidInputException", 400)
    return echo(request)


def test_parts_have_the_wanted_rows_whatever_the_row_groups_and_files(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    ids = user_ids(25)
    write_parquet(tmp_path / "in" / "a.parquet", {"USER_ID": ids[:13]}, row_group_size=5)
    write_parquet(tmp_path / "in" / "b.parquet", {"USER_ID": ids[13:]}, row_group_size=100)
    with serving(_one_failing) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            input={"path": tmp_path / "in"},
            output={"rows_per_part": 4},
            stop={"error_share_max": 0.05},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    output = tmp_path / "out"
    assert [path.name for path in part_paths(output)] == [f"part-{n:05}.parquet" for n in range(7)]
    assert [len(pq.read_table(path)) for path in part_paths(output)] == [3, 4, 4, 4, 4, 4, 1]
    assert values(results(output), "USER_ID") == [user for user in ids if user != "u0002"]
    assert [path.name for path in part_paths(output / "_errors")] == ["part-00000.parquet"]
    assert values(failed(output), "USER_ID") == ["u0002"]
    assert_summary_adds_up(output)
    done = success(output)
    assert (done["rows_read"], done["results"], done["calls"], done["retries"]) == (25, 24, 25, 0)
    assert sorted(path.name for path in output.iterdir() if path.name[0] == "_") == [
        "_SUCCESS", "_errors", "_report.html", "_run.json",
    ]  # fmt: skip


def test_a_killed_run_is_resumed_after_its_last_committed_part(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate, output = Gate(25, script=_one_failing), tmp_path / "out"
    with serving(gate) as service:
        config = write_config(
            target={"endpoint_url": service.url}, stop={"error_share_max": 0.5}, **PARTS_OF_TEN
        )
        with started("run", config, "-v", folder=tmp_path) as process:
            wait_for_line(process, "part=part-00001.parquet")
            gate.wait_until_reached()
            process.kill()
        before = committed(output)
        assert before.keys() == {
            "part-00000.parquet", "part-00001.parquet", "_errors/part-00000.parquet",
        }  # fmt: skip
        assert not (output / "_SUCCESS").exists()
        assert ds.dataset(output, format="parquet").count_rows() == 19
        gate.open()
        service.wait_until_clients_are_gone()
        killed = len(service.received)
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert "resuming" in result.stderr
    assert committed(output).items() >= before.items()
    asked_again = [asked_for(request) for request in service.received[killed:]]
    assert len(asked_again) == len(set(asked_again))
    # Of those that were answered, some may not have been kept yet.
    assert {*user_ids(45)[25:]} <= {*asked_again} <= {*user_ids(45)[20:]}
    everybody = [*values(results(output), "USER_ID"), *values(failed(output), "USER_ID")]
    assert sorted(everybody) == user_ids(45)
    assert_summary_adds_up(output)
    assert success(output)["calls"] == 45


def test_a_signal_ends_the_run_resumably_with_whole_parts(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    gate = Gate(25)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, "-v", folder=tmp_path) as process:
            wait_for_line(process, "part=part-00001.parquet")
            gate.wait_until_reached()
            process.terminate()
            wait_for_line(process, "stopping")
            gate.open()
            _, rest = process.communicate(timeout=30)
        assert process.returncode == 75, rest
        assert "SIGTERM" in rest
        assert "hint: run the same command again" in rest
        assert "Traceback" not in rest
        stopped = len(service.received)
        assert stopped <= 25 + 4  # what was in flight, and nothing after the signal
        assert not (tmp_path / "out" / "_SUCCESS").exists()
        assert command("run", config).returncode == 0
    # What was in flight at the signal is answered, and kept.
    assert sorted(asked_for(request) for request in service.received) == user_ids(45)
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(45)


def test_a_second_signal_ends_the_run_at_once(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 45)
    gate = Gate(25)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, folder=tmp_path) as process:
            gate.wait_until_reached()
            process.send_signal(signal.SIGINT)
            wait_for_line(process, "stopping")
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=30)
        gate.open()
    assert process.returncode == 75, rest
    assert "hint: run the same command again" in rest
    assert "Traceback" not in rest


def test_a_finished_run_says_so_and_calls_nobody(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    with serving(_one_failing) as service:
        config = write_config(target={"endpoint_url": service.url})
        first = command("run", config)
        assert_advice(first, 3, "1 rows failed")
        before = committed(tmp_path / "out")
        second = command("run", config)
        assert_advice(second, 3, "already done", "1 rows failed")
        third = command("run", config, "--set", "stop.error_share_max=0.2")
        assert third.returncode == 0
        assert "already done" in third.stderr
    assert second.stdout == first.stdout
    assert committed(tmp_path / "out") == before
    assert len(service.received) == 5


def test_overwrite_replaces_another_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    output = tmp_path / "out"
    with serving(_one_failing) as service:
        target, tolerant = {"endpoint_url": service.url}, {"error_share_max": 1.0}
        old = write_config(target=target, stop=tolerant, **PARTS_OF_TEN)
        assert command("run", old).returncode == 0
        write_users(tmp_path, 1)
        config = write_config(target=target, request={"num_results": 3})
        assert command("run", config, "--overwrite").returncode == 0
    assert committed(output).keys() == {"part-00000.parquet"}
    assert values(results(output), "USER_ID") == ["u0001"]
    assert service.received[-1].members["numResults"] == 3
    assert_summary_adds_up(output)


def test_a_cap_on_calls_stops_the_run_and_the_next_one_carries_on(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 45)
    with serving(echo) as service:
        target = {"endpoint_url": service.url}
        config = write_config(target=target, stop={"calls_max": 25}, **PARTS_OF_TEN)
        assert_advice(command("run", config), 75, "cap of 25 calls", "run the same command again")
        assert len(service.received) == 25
        before = committed(tmp_path / "out")
        assert before.keys() == {"part-00000.parquet", "part-00001.parquet"}
        assert command("run", config).returncode == 0
    assert sorted(asked_for(request) for request in service.received) == user_ids(45)
    assert committed(tmp_path / "out").items() >= before.items()
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(45)


def test_a_reader_sees_whole_parts_only_at_any_time(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Parts of 300 rows are written in several goes; the folder is read at each call."""
    output, seen = tmp_path / "out", set[int]()

    def look(request: Request) -> Reply:
        seen.add(ds.dataset(output, format="parquet").count_rows())
        return echo(request)

    write_users(tmp_path, 700)
    with serving(look) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            request={"num_results": 500},
            output={"rows_per_part": 300},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert 0 in seen
    assert seen <= {0, 300, 600}
    assert len(service.received) == 700

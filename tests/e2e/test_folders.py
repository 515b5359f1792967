"""What a run may and may not do to folders that are not its own, and to inputs that change."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    part_paths,
    results,
    values,
    write_parquet,
    write_users,
)
from support.scripts import Reply, items, serving
from support.services import Request


def test_overwrite_never_touches_files_of_another_program(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 1)
    foreign = [tmp_path / "out" / "part-00000-abc.snappy.parquet", tmp_path / "out" / "x" / "y"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("precious")
    for flags in ((), ("--overwrite",)):
        result = command("run", write_config(), *flags)
        assert_advice(result, 6, "holds no run of this program", "part-00000-abc")
    assert [path.read_text() for path in foreign] == ["precious"] * 2


def test_a_folder_that_another_writer_prepares_is_left_alone(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 1)
    theirs = tmp_path / "out" / "_temporary" / "0" / "task"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    assert_advice(command("run", write_config()), 6, "holds no run of this program")
    assert theirs.read_text() == "precious"


@pytest.mark.parametrize(
    ("input_path", "output_path"), [("d", "d"), ("d", "d/out"), ("out/_errors", "out")]
)
def test_input_and_output_may_not_lie_in_each_other(
    input_path: str,
    output_path: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    file = write_parquet(tmp_path / input_path / "part-00000.parquet", {"USER_ID": ["u0001"]})
    config = write_config(input={"path": input_path}, output={"path": output_path})
    for flags in ((), ("--overwrite",)):
        assert_advice(command("run", config, *flags), 2, "lie in each other")
    assert file.exists()


def test_linked_folders_and_odd_names_are_read_once(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    write_parquet(tmp_path / "real" / "b.parquet", {"USER_ID": ["u0002"]})
    write_parquet(tmp_path / "dé [1]" / "x=1" / "a.parquet", {"USER_ID": ["u0001"], "x": [9]})
    (tmp_path / "dé [1]" / "x=2").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "up").symlink_to(tmp_path / "dé [1]")
    config = write_config(
        target={"endpoint_url": emulator_url}, input={"path": "./dé [1]", "keep": ["x"]}
    )
    result = command("run", config)
    assert result.returncode == 0, result.stderr
    found = results(tmp_path / "out").select(["USER_ID", "x"]).to_pylist()
    assert found == [{"USER_ID": "u0001", "x": 1}, {"USER_ID": "u0002", "x": 2}]


def test_an_input_that_is_written_again_during_the_run_is_not_mixed_in(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    rows = 20_000  # more than are read ahead, however quick the reader is
    old = pa.table({"USER_ID": [f"old-{number}" for number in range(rows)]})
    new = pa.table({"USER_ID": [f"new-{number}" for number in range(rows)]})
    path = write_parquet(tmp_path / "users.parquet", old)

    def replace(request: Request) -> Reply:
        if request.number == 10:
            other = write_parquet(tmp_path / "new.parquet", new)
            os.replace(other, path)  # noqa: PTH105 - what a writer does
        return items("i1")

    with serving(replace) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            output={"rows_per_part": 1_000},
        )
        result = command("run", config)
    assert_advice(result, 75, "stopped before the end", "was written again")
    for part in part_paths(tmp_path / "out"):  # as many as were committed by then
        assert all(value.startswith("old-") for value in values(pq.read_table(part), "USER_ID"))
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize("damage", ["missing part", "empty _SUCCESS"])
def test_success_is_believed_only_while_its_files_are_there(
    damage: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
    emulator_url: str,
) -> None:
    write_users(tmp_path, 3)
    config = write_config(target={"endpoint_url": emulator_url}, output={"rows_per_part": 2})
    assert command("run", config).returncode == 0
    if damage == "missing part":
        (tmp_path / "out" / "part-00000.parquet").unlink()
    else:
        (tmp_path / "out" / "_SUCCESS").write_text("")
    capped = command("run", config, "--set", "stop.calls_max=1")
    assert "_SUCCESS does not hold any more" in capped.stderr
    if damage == "missing part":
        assert capped.returncode == 75
        assert not (tmp_path / "out" / "_SUCCESS").exists()  # it would say that all is there
    assert command("run", config).returncode == 0
    assert values(results(tmp_path / "out"), "USER_ID") == ["u0001", "u0002", "u0003"]


def test_dot_files_in_the_output_folder_are_nobodys(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".DS_Store").write_text("")
    result = command("run", write_config(target={"endpoint_url": emulator_url}))
    assert result.returncode == 0, result.stderr

"""Which files of a folder are input, and which are left out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.errors import InputError
from worker.input._hive import hive_keys
from worker.input.source import open_source
from worker.store.local_files import LocalFiles


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"ID": [path.name]}), path)
    return path


def found(path: Path) -> list[str]:
    return [file.relative for file in LocalFiles().find(str(path))]


@pytest.mark.parametrize(
    "name",
    ["000000", "x_$folder$", "users.parquet_$folder$", "sub/000000_0", "sub/.keep", "SUCCESS"],
)
def test_an_empty_file_that_marks_something_is_left_out(name: str, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert found(tmp_path) == ["a.parquet"]
    assert found(tmp_path / "*") == ["a.parquet"]


@pytest.mark.parametrize("name", ["b.parquet", "b.snappy.parquet", "b.PARQUET", "b.parq", "b.pq"])
def test_an_empty_parquet_file_is_not_left_out(name: str, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / name).touch()
    assert found(tmp_path) == sorted(["a.parquet", name])


@pytest.mark.parametrize(
    "name",
    [
        "b.parquet._COPYING_",
        "b.parquet.crc",
        ".b.parquet.crc",
        "_temporary/0/b.parquet",
        "_errors/part-00000.parquet",
        ".spark-staging/_dt=1/b.parquet",
        "_dt=1/_temporary/b.parquet",
        "_dt=1/.b.parquet",
        "_b=1.parquet",
    ],
)
def test_what_is_not_finished_or_hidden_is_left_out(name: str, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / name)
    assert found(tmp_path) == ["a.parquet"]
    assert found(tmp_path / "**") == ["a.parquet"]


def test_a_partition_may_begin_with_an_underscore(tmp_path: Path) -> None:
    write(tmp_path / "_dt=2026-11-30" / "_n=1" / "a.parquet")
    for path in (tmp_path, tmp_path / "_dt=*" / "*"):
        values, _ = hive_keys(LocalFiles().find(str(path)))
        assert [*values.values()] == [{"_dt": "2026-11-30", "_n": 1}]


def test_what_is_named_itself_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    assert found(write(tmp_path / "_a.parquet")) == ["_a.parquet"]
    assert found(write(tmp_path / "a._COPYING_")) == ["a._COPYING_"]


def test_a_folder_of_side_files_alone_has_no_input(tmp_path: Path) -> None:
    (tmp_path / "x_$folder$").touch()
    with pytest.raises(InputError, match="no input files") as caught:
        found(tmp_path)
    assert "empty files" in caught.value.hint


def test_a_file_is_read_once_whatever_links_lead_to_it(tmp_path: Path) -> None:
    write(tmp_path / "in" / "day=2" / "b.parquet")
    write(tmp_path / "in" / "day=1" / "a.parquet")
    (tmp_path / "in" / "a-latest").symlink_to("day=2")
    (tmp_path / "in" / "day=1" / "0.parquet").symlink_to("a.parquet")
    (tmp_path / "link").symlink_to("in")
    expected = ["day=1/a.parquet", "day=2/b.parquet"]
    assert found(tmp_path / "in") == expected
    assert found(tmp_path / "link") == expected
    assert found(tmp_path / "link" / "*") == expected


def test_links_to_files_elsewhere_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "else" / "day=1" / "a.parquet")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to("../else")
    (tmp_path / "in" / "up").symlink_to(".")
    assert found(tmp_path / "in") == ["linked/day=1/a.parquet"]


def test_an_empty_parquet_file_is_told_to_be_cut_off(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").touch()
    with pytest.raises(InputError, match=r"b\.parquet is a truncated Parquet file: its 0 bytes"):
        open_source(str(tmp_path), rows_per_chunk=10)

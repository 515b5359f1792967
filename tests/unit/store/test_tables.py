"""Tables that keep a log of their files are refused, from wherever one comes upon them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.errors import InputError
from worker.store import _tables
from worker.store.local_files import LocalFiles

LOGS = {
    "_delta_log/00000000000000000000.json": ("Delta Lake", "delta_scan"),
    "_delta_log/.s3-optimization-0": ("Delta Lake", "delta_scan"),
    ".hoodie/hoodie.properties": ("Hudi", "format('hudi')"),
    "_hudi/hoodie.properties": ("Hudi", "format('hudi')"),
    "metadata/v1.metadata.json": ("Iceberg", "iceberg_scan"),
    "metadata/00000-5f8b.metadata.json": ("Iceberg", "iceberg_scan"),
    "metadata/00001-5f8b.gz.metadata.json": ("Iceberg", "iceberg_scan"),
    "metadata/00001-5f8b.metadata.json.gz": ("Iceberg", "iceberg_scan"),
    "metadata/version-hint.text": ("Iceberg", "iceberg_scan"),
    "_spark_metadata/0": ("Spark", "spark.read"),
}


def table(folder: Path, log: str = "_delta_log/00000000000000000000.json") -> Path:
    """Make a table of two files, one of them in a partition."""
    for name in ("part-0.parquet", "data/day=1/part-1.parquet", log):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def assert_refused(path: Path, at: Path, name: str = "Delta Lake", hint: str = "") -> None:
    with pytest.raises(InputError, match=name) as caught:
        LocalFiles().find(str(path))
    assert f"{at} is the folder of" in caught.value.what
    assert hint in caught.value.hint
    assert "plain Parquet" in caught.value.hint


@pytest.mark.parametrize("log", LOGS)
@pytest.mark.parametrize(
    "below", ["", "part-0.parquet", "*.parquet", "data", "data/day=1", "data/day=*/*", "*/*/*"]
)
def test_a_tables_folder_is_refused_and_whatever_is_in_it(
    log: str, below: str, tmp_path: Path
) -> None:
    folder = table(tmp_path / "users", log)
    assert_refused(folder / below, folder, *LOGS[log])


def test_a_folder_with_a_table_somewhere_in_it_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "a.parquet")
    folder = table(tmp_path / "b" / "users")
    assert_refused(tmp_path, folder)
    assert_refused(tmp_path / "**" / "*.parquet", folder)


def test_a_table_is_refused_behind_links(tmp_path: Path) -> None:
    folder = table(tmp_path / "users")
    (tmp_path / "in").mkdir()
    (tmp_path / "to-folder").symlink_to(folder)
    (tmp_path / "to-partition").symlink_to(folder / "data" / "day=1")
    (tmp_path / "in" / "file.parquet").symlink_to(folder / "part-0.parquet")
    assert_refused(tmp_path / "to-folder", tmp_path / "to-folder")
    for path in ("to-partition", "in", "in/*", "in/file.parquet"):
        assert_refused(tmp_path / path, folder)


def test_files_elsewhere_that_are_linked_into_a_table_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "a.parquet")
    folder = table(tmp_path / "users")
    (folder / "part-2.parquet").symlink_to(tmp_path / "a.parquet")
    assert_refused(folder / "part-2.parquet", folder)


def test_a_table_without_files_or_only_its_log_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "users" / "_delta_log").mkdir(parents=True)
    (tmp_path / "users" / "_delta_log" / "1.checkpoint.parquet").write_text("")
    assert_refused(tmp_path / "users", tmp_path / "users")
    assert_refused(tmp_path / "users" / "_delta_log" / "*", tmp_path / "users")


def test_a_partition_of_a_hudi_table_is_known_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "a.parquet")
    (tmp_path / ".hoodie_partition_metadata").write_text("")
    assert_refused(tmp_path, tmp_path, "Hudi")


@pytest.mark.parametrize(
    "name", ["base_0000005", "delta_0000001_0000001_0000", "delta_0000006_0000006"]
)
def test_a_transactional_table_of_hive_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "users" / name).mkdir(parents=True)
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "users" / name / "000000_0")
    assert_refused(tmp_path / "users", tmp_path / "users", "Hive")


def test_a_paimon_table_is_refused(tmp_path: Path) -> None:
    for name in ("manifest", "schema", "snapshot"):
        (tmp_path / name).mkdir()
    (tmp_path / "bucket-0").mkdir()
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "bucket-0" / "data-1.parquet")
    assert_refused(tmp_path / "bucket-0", tmp_path, "Paimon")


def test_a_ducklake_tables_files_are_refused(tmp_path: Path) -> None:
    name = "ducklake-0198a2f0-8f2c-7d6c-a2a5-6a2f1a9f5c11.parquet"
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / name)
    for path in (tmp_path, tmp_path / name, tmp_path / "*.parquet"):
        assert_refused(path, tmp_path, "DuckLake")


def test_a_folder_above_that_may_not_be_looked_into_is_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "a.parquet")
    is_dir = Path.is_dir

    def denied(self: Path) -> bool:
        if self == tmp_path.parent / "_delta_log":
            raise PermissionError
        return is_dir(self)

    monkeypatch.setattr(Path, "is_dir", denied)
    assert len(LocalFiles().find(str(tmp_path))) == 1


def test_each_folder_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Counter[Path]()
    real = _tables._tables_at

    def counting(place: Path) -> Iterator[Any]:
        looked[place] += 1
        return real(place)

    monkeypatch.setattr(_tables, "_tables_at", counting)
    folders = [tmp_path / "a" / str(number) for number in range(20)]
    _tables.check_no_table(folders, [])
    assert looked[tmp_path] == 1
    assert set(looked.values()) == {1}


def test_what_only_looks_like_a_table_is_read(tmp_path: Path) -> None:
    for folder in ("delta", "base_5", "metadata", "manifest"):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"ID": ["a"]}), tmp_path / folder / "a.parquet")
    (tmp_path / "metadata" / "schema.json.parquet").write_bytes(
        (tmp_path / "delta" / "a.parquet").read_bytes()
    )
    assert len(LocalFiles().find(str(tmp_path))) == 5

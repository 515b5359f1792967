"""Parquet data sets of every shape -> the same chunks and rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import InputError
from worker.input.reader import RowReader
from worker.input.source import Source, open_source, plan_chunks, require_columns
from worker.input.where_parser import parse_where
from worker.model import Chunk


def write(path: Path, *, row_group_size: int = 1_000_000, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def rows_of(
    source: Source,
    *columns: str,
    where: str | None = None,
    batch_rows: int = 7,
) -> list[dict[str, Any]]:
    selecting = parse_where(where) if where else None
    with RowReader(source, columns=columns, where=selecting, batch_rows=batch_rows) as reader:
        return [
            row
            for chunk in source.chunks
            for batch in reader.read(chunk)
            for row in batch.to_pylist()
        ]


@given(
    groups=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 9), st.integers(0, 25)), max_size=12
    ),
    rows_per_chunk=st.integers(1, 30),
)
def test_chunks_hold_every_row_once_in_order_and_are_full_but_for_the_last(
    groups: list[tuple[str, int, int]], rows_per_chunk: int
) -> None:
    chunks = list(plan_chunks(groups, rows_per_chunk=rows_per_chunk))
    planned = [
        (piece.path, piece.row_group, row)
        for chunk in chunks
        for piece in chunk.pieces
        for row in range(piece.offset, piece.offset + piece.rows)
    ]
    assert planned == [(path, group, row) for path, group, rows in groups for row in range(rows)]
    assert all(chunk.rows == rows_per_chunk for chunk in chunks[:-1])
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))


@pytest.mark.parametrize("rows_per_chunk", [1, 3, 10, 1000])
@pytest.mark.parametrize("batch_rows", [1, 4, 100])
def test_a_row_group_is_cut_anywhere(tmp_path: Path, rows_per_chunk: int, batch_rows: int) -> None:
    write(tmp_path / "a.parquet", ID=list(range(10)), row_group_size=4)
    write(tmp_path / "b.parquet", ID=list(range(10, 15)))
    source = open_source(str(tmp_path), rows_per_chunk=rows_per_chunk)
    assert source.rows == 15
    read_ids = [row["ID"] for row in rows_of(source, "ID", batch_rows=batch_rows)]
    assert read_ids == list(range(15))


def test_batches_are_full_whatever_the_filter_leaves(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", ID=list(range(100)), row_group_size=10)
    source = open_source(str(path), rows_per_chunk=1000)
    where = parse_where("ID >= 15 AND ID < 47")
    with RowReader(source, columns=["ID"], where=where, batch_rows=9) as reader:
        sizes = [batch.num_rows for batch in reader.read(source.chunks[0])]
    assert sizes == [9, 9, 9, 5]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", "b", None]),
        pa.array(["a", "b", None], pa.large_string()),
        pa.array(["a", "b", None]).dictionary_encode(),
    ],
    ids=["string", "large_string", "dictionary"],
)
def test_every_way_to_store_strings_reads_the_same(tmp_path: Path, values: Any) -> None:
    source = open_source(str(write(tmp_path / "a.parquet", ID=values)), rows_per_chunk=10)
    assert [row["ID"] for row in rows_of(source, "ID")] == ["a", "b", None]
    assert not pa.types.is_dictionary(source.schema.field("ID").type)


def test_files_that_store_a_column_differently_are_read_as_one_type(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ID=pa.array([1, 2], pa.int32()))
    write(tmp_path / "b.parquet", ID=pa.array([3], pa.int64()))
    source = open_source(str(tmp_path), rows_per_chunk=10)
    assert source.schema.field("ID").type == pa.int64()
    assert [row["ID"] for row in rows_of(source, "ID")] == [1, 2, 3]


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", ID=[["a"]])
    write(tmp_path / "b.parquet", ID=[1])
    source = open_source(str(tmp_path), rows_per_chunk=10)
    with pytest.raises(InputError, match=r"b\.parquet and .*a\.parquet disagree"):
        require_columns(source, ["ID"], key="input.keep")


def test_hive_partitions_are_columns(tmp_path: Path) -> None:
    write(tmp_path / "day=2026-11-20" / "n=1" / "a.parquet", ID=["a", "b"])
    write(tmp_path / "day=2026-11-21" / "n=2" / "a.parquet", ID=["c"])
    source = open_source(str(tmp_path), rows_per_chunk=10)
    assert rows_of(source, "ID", "day", "n") == [
        {"ID": "a", "day": "2026-11-20", "n": 1},
        {"ID": "b", "day": "2026-11-20", "n": 1},
        {"ID": "c", "day": "2026-11-21", "n": 2},
    ]
    assert [row["ID"] for row in rows_of(source, "ID", where="day = '2026-11-21'")] == ["c"]
    assert [row["ID"] for row in rows_of(source, "ID", where="n < 2")] == ["a", "b"]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["7", "12"], [7, 12]),
        (["-7", "0", "__HIVE_DEFAULT_PARTITION__"], [-7, 0, None]),
        (["007", "012"], ["007", "012"]),
        (["7", "012"], ["7", "012"]),
        (["+7", "8"], ["+7", "8"]),
        (["-0"], ["-0"]),
        (["%207"], [" 7"]),
        (["9223372036854775808"], ["9223372036854775808"]),
        (["__HIVE_DEFAULT_PARTITION__"], [None]),
    ],
)
def test_a_hive_key_is_a_number_only_where_its_text_is_the_numbers_own(
    texts: list[str], values: list[object], tmp_path: Path
) -> None:
    for position, text in enumerate(texts):
        write(tmp_path / f"store={text}" / "a.parquet", ID=[position])
    source = open_source(str(tmp_path), rows_per_chunk=10)
    read = {row["ID"]: row["store"] for row in rows_of(source, "ID", "store")}
    assert [read[position] for position in range(len(texts))] == values
    is_number = any(isinstance(value, int) for value in values)
    assert source.schema.field("store").type == (pa.int64() if is_number else pa.string())


def test_names_that_start_with_underscore_or_dot_are_skipped(tmp_path: Path) -> None:
    write(tmp_path / "part-0.parquet", ID=["a"])
    write(tmp_path / "_errors" / "part-0.parquet", ID=["b"])
    (tmp_path / "_SUCCESS").write_text("{}")
    (tmp_path / ".part-0.parquet.crc").write_text("x")
    assert rows_of(open_source(str(tmp_path), rows_per_chunk=10), "ID") == [{"ID": "a"}]
    errors = open_source(str(tmp_path / "_errors"), rows_per_chunk=10)
    assert rows_of(errors, "ID") == [{"ID": "b"}]


@pytest.mark.parametrize("pattern", ["*/x-*.parquet", "**/x-?.parquet", "[ab]/x-[12].parquet"])
def test_a_glob_selects_files(tmp_path: Path, pattern: str) -> None:
    for name in ("a/x-1", "a/y-1", "b/x-2"):
        write(tmp_path / f"{name}.parquet", ID=[name])
    source = open_source(str(tmp_path / pattern), rows_per_chunk=10)
    assert [row["ID"] for row in rows_of(source, "ID")] == ["a/x-1", "b/x-2"]


def test_where_skips_row_groups_by_their_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", N=list(range(100)), row_group_size=10)
    opened: list[list[int]] = []

    class Spy(pq.ParquetFile):
        def iter_batches(self, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
            opened.append(options["row_groups"])
            return super().iter_batches(*arguments, **options)

    source = open_source(str(path), rows_per_chunk=1000)
    monkeypatch.setattr("worker.input._parquet.pq.ParquetFile", Spy)
    assert [row["N"] for row in rows_of(source, "N", where="N BETWEEN 38 AND 41")] == [
        38, 39, 40, 41,
    ]  # fmt: skip
    assert opened == [[3], [4]]


def test_the_fingerprint_follows_the_data_and_not_the_folder_or_the_clock(tmp_path: Path) -> None:
    def fingerprint(folder: str, **columns: Any) -> str:
        write(tmp_path / folder / "a.parquet", **columns)
        return open_source(str(tmp_path / folder), rows_per_chunk=10).fingerprint

    original = fingerprint("x", ID=["a", "b"])
    assert fingerprint("y", ID=["a", "b"]) == original
    assert fingerprint("z", ID=["a", "c"]) != original
    write(tmp_path / "x" / "b.parquet", ID=["d"])
    assert open_source(str(tmp_path / "x"), rows_per_chunk=10).fingerprint != original


def test_chunks_name_their_parts_by_position(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", ID=list(range(25)))
    chunks = open_source(str(path), rows_per_chunk=10).chunks
    assert [chunk.part_name for chunk in chunks] == [f"part-{n:05d}.parquet" for n in range(3)]
    assert chunks[2].errors_name == "_errors/part-00002.parquet"
    assert all(first.index < second.index for first, second in pairwise(chunks))
    assert isinstance(chunks[0], Chunk)


def test_a_file_is_opened_once_for_all_its_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", N=list(range(100)), row_group_size=1)
    source = open_source(str(path), rows_per_chunk=50)
    opened: list[Path] = []
    original = pq.ParquetFile

    def spy(path: Path, **options: Any) -> pq.ParquetFile:
        opened.append(path)
        return original(path, **options)

    monkeypatch.setattr("worker.input._parquet.pq.ParquetFile", spy)
    assert len(source.chunks) == 2
    assert len(rows_of(source, "N", where="N >= 0")) == 100
    assert len(opened) == 1


@pytest.mark.parametrize("spelling", ["d/day=1", "./d/day=1", "d//day=1/", "d/../d/day=1"])
def test_the_spelling_of_a_path_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "d" / "day=1" / "a.parquet", ID=["a"])
    assert open_source(spelling, rows_per_chunk=10).schema.names == ["ID"]


def test_a_folders_key_wins_over_a_column_of_its_name(tmp_path: Path) -> None:
    write(tmp_path / "n=7" / "a.parquet", ID=["a"], n=pa.array([1], pa.int32()))
    assert rows_of(open_source(str(tmp_path), rows_per_chunk=10), "ID", "n") == [
        {"ID": "a", "n": 7}
    ]


def test_folders_with_different_keys_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "n=1" / "a.parquet", ID=["a"])
    write(tmp_path / "b.parquet", ID=["b"])
    with pytest.raises(InputError, match="different hive partitions"):
        open_source(str(tmp_path), rows_per_chunk=10)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["ID", "ID"])
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=10)
    with pytest.raises(InputError, match="more than one column 'ID'"):
        require_columns(source, ["ID"], key="input.columns")


@pytest.mark.parametrize("how", ["overwritten", "replaced", "removed"])
def test_a_file_that_is_overwritten_while_it_is_read_is_told_of(how: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", ID=list(range(100)), row_group_size=10)
    source = open_source(str(path), rows_per_chunk=1000)
    other = write(tmp_path / "b.parquet", ID=list(range(100, 200)), row_group_size=10)
    with RowReader(source, columns=["ID"], batch_rows=10) as reader:
        batches = reader.read(source.chunks[0])
        read = next(batches).num_rows
        match how:
            case "overwritten":
                path.write_bytes(path.read_bytes())  # others in the same places, say
                with pytest.raises(InputError, match="written again"):
                    list(batches)
                return
            case "replaced":
                other.replace(path)
            case _:
                path.unlink()
        rows = [value for batch in batches for value in batch["ID"].to_pylist()]
    assert rows == list(range(read, 100))

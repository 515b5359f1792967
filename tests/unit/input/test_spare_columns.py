"""Columns that nothing but `_errors/` has a use for never block a run, whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from worker.errors import InputError
from worker.input.reader import RowReader
from worker.input.source import open_source, require_columns
from worker.input.where_parser import parse_where

IDS = ["a", "b", None, "d"]
FAR = datetime(9999, 12, 31)  # noqa: DTZ001 - Parquet's own kind


def read(path: Path, *, where: str | None = None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows with all columns, of which ID alone is needed, and what is lost."""
    source = open_source(str(path), rows_per_chunk=3)
    rows, lost = list[dict[str, Any]](), dict[str, str]()
    condition = parse_where(where) if where else None
    with RowReader(
        source, columns=["ID"], spare=source.schema.names, where=condition, batch_rows=2
    ) as reader:
        for chunk in source.chunks:
            for batch in reader.read(chunk):
                rows += batch.to_pylist()
            lost |= reader.lost
    return rows, lost


def damage(path: Path, column: int, *, row_group: int = 0) -> None:
    chunk = pq.ParquetFile(path).metadata.row_group(row_group).column(column)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset : chunk.data_page_offset + 8] = b"\xff" * 8
    path.write_bytes(content)


def test_a_damaged_column_is_null_where_it_cannot_be_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"ID": IDS, "X": ["p", "q", "r", "s"], "Y": [1, 2, 3, 4]})
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=2)
    damage(path, 1)
    rows, lost = read(path)
    assert [row["ID"] for row in rows] == IDS
    assert [row["Y"] for row in rows] == [1, 2, 3, 4]
    assert [row["X"] for row in rows] == [None, None, "r", "s"]
    assert list(lost) == ["X"]
    source = open_source(str(path), rows_per_chunk=9)
    with (
        RowReader(source, columns=["X"], batch_rows=2) as reader,
        pytest.raises(InputError, match="cannot read row group 0"),
    ):
        list(reader.read(source.chunks[0]))


def test_a_damaged_page_loses_no_value_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"ID": range(4000), "X": [f"{n:0100d}" for n in range(4000)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, data_page_size=1000)
    content = bytearray(path.read_bytes())
    middle = content.index(b"%0100d" % 2750)
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    source = open_source(str(path), rows_per_chunk=500)
    with RowReader(source, columns=["ID"], spare=["X"], batch_rows=100) as reader:
        lost, nulls = [], []
        for chunk in source.chunks:
            batches = list(reader.read(chunk))
            lost.append(list(reader.lost))
            nulls.append(sum(batch.column("X").null_count for batch in batches))
            assert sum(batch.column("ID").null_count for batch in batches) == 0
    assert lost == [[], [], [], [], [], ["X"], ["X"], ["X"]]
    assert nulls[:5] == [0] * 5
    assert nulls[6:] == [500, 500]


def test_the_lengths_of_duckdbs_null_arrays_lose_that_column_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    values = "(values ('a', [1, 2]::INT[2]), (NULL, NULL)) t(ID, X)"
    duckdb.execute(f"COPY (FROM {values}) TO '{path}'")
    rows, lost = read(path)
    assert [row["ID"] for row in rows] == ["a", None]
    assert set(lost) <= {"X"}


class _Keys(pe.KmsClient):
    """Wraps keys by not wrapping them."""

    def __init__(self, _: pe.KmsConnectionConfig) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, _: str) -> bytes:  # type: ignore[override] # Arrow takes bytes
        return key_bytes.hex().encode()

    def unwrap_key(self, wrapped_key: str | bytes, _: str) -> bytes:  # type: ignore[override] # the same
        text = wrapped_key if isinstance(wrapped_key, str) else wrapped_key.decode()
        return bytes.fromhex(text)


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """A file whose column X is encrypted, and whose footer is not."""
    path = tmp_path / "a.parquet"
    table = pa.table({"ID": IDS, "X": ["p", "q", "r", "s"]})
    config = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"x": ["X"]}, plaintext_footer=True
    )
    secret = pe.CryptoFactory(_Keys).file_encryption_properties(pe.KmsConnectionConfig(), config)
    with pq.ParquetWriter(path, table.schema, encryption_properties=secret) as writer:
        writer.write_table(table)
    return path


def test_an_encrypted_column_is_null_and_blocks_no_other(encrypted: Path) -> None:
    rows, lost = read(encrypted, where="ID <> 'b' OR ID IS NULL")
    assert rows == [{"ID": name, "X": None} for name in ("a", None, "d")]
    assert list(lost) == ["X"]


@pytest.mark.parametrize("where", [None, "X = 'p'", "ID = 'a' OR X IS NULL"])
def test_an_encrypted_column_that_is_used_is_told(encrypted: Path, where: str | None) -> None:
    source = open_source(str(encrypted), rows_per_chunk=9)
    condition = parse_where(where) if where else None
    columns = ["ID"] if where else ["X"]
    with (
        RowReader(source, columns=columns, where=condition, batch_rows=9) as reader,
        pytest.raises(InputError) as caught,
    ):
        list(reader.read(source.chunks[0]))
    assert "is encrypted" in caught.value.hint


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (pa.array([2**53 + 1]), pa.array([1.5]), [None, 1.5]),
        (pa.array([5]), pa.array([1.5]), [5.0, 1.5]),
        (pa.array([FAR], pa.timestamp("us")), pa.array([0], pa.timestamp("ns")), "lost"),
        (pa.array([-1]), pa.array([2**64 - 1], pa.uint64()), [-1, 2**64 - 1]),
        (pa.array([1], pa.uint8()), pa.array([2**64 - 1], pa.uint64()), [1, 2**64 - 1]),
        (pa.array([7]), pa.array(["x"]), ["7", "x"]),
        (pa.array([7]), pa.array([["x"]]), "apart"),
        (pa.array([None], pa.null()), pa.array([["x"]]), [None, ["x"]]),
        (pa.array(["x"], pa.string_view()), pa.array(["y"], pa.large_string()), ["x", "y"]),
    ],
)
def test_files_that_disagree_on_it_are_read(
    one: pa.Array[Any], other: pa.Array[Any], found: Any, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"ID": ["a"], "X": one}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"ID": ["b"], "X": other}), tmp_path / "b.parquet")
    rows, lost = read(tmp_path)
    assert [row["ID"] for row in rows] == ["a", "b"]
    source = open_source(str(tmp_path), rows_per_chunk=9)
    if found == "apart":
        assert "X" not in source.schema.names
        assert "a.parquet" in lost["X"]
        with pytest.raises(InputError, match=r"b\.parquet and .*a\.parquet disagree"):
            require_columns(source, ["X"], key="input.keep")
    elif found == "lost":
        assert rows[0]["X"] is None
        assert "timestamp[us]" in lost["X"]
    else:
        assert [row["X"] for row in rows] == found
        assert bool(lost) == (None in found and other.type == pa.float64())


def test_values_that_do_not_fit_a_column_that_is_used_are_told_by_its_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"X": [2**53 + 1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"X": [1.5]}), tmp_path / "b.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=9)
    with (
        RowReader(source, columns=["X"], batch_rows=2) as reader,
        pytest.raises(InputError, match=r"'X' .*int64 in .*a\.parquet, double") as caught,
    ):
        list(reader.read(source.chunks[0]))
    assert "damaged" not in caught.value.hint


def test_a_file_without_rows_says_nothing_of_types(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ID": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"ID": pa.array([], pa.list_(pa.int8()))}), tmp_path / "b.parquet")
    assert open_source(str(tmp_path), rows_per_chunk=9).schema.field("ID").type == pa.string()


def test_a_name_that_files_write_in_other_cases_may_not_be_used(tmp_path: Path) -> None:
    pq.write_table(pa.table({"USER_ID": ["a"], "ID": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"user_id": ["b"], "ID": ["b"]}), tmp_path / "b.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=9)
    with pytest.raises(InputError, match=r"b\.parquet has 'user_id' where .*a\.parquet"):
        require_columns(source, ["USER_ID"], key="input.columns")
    rows, lost = read(tmp_path)
    assert [row["USER_ID"] for row in rows] == ["a", None]
    assert not lost


def test_a_column_that_is_there_twice_blocks_nothing(tmp_path: Path) -> None:
    arrays = [pa.array(["a"]), pa.array(["x"]), pa.array(["y"])]
    pq.write_table(pa.Table.from_arrays(arrays, ["ID", "X", "X"]), tmp_path / "a.parquet")
    rows, lost = read(tmp_path)
    assert rows == [{"ID": "a"}]
    assert "more than one column 'X'" in lost["X"]


def test_a_value_that_no_common_type_holds_costs_no_other_value(tmp_path: Path) -> None:
    integers = [7, 2**53 + 1, None, -3, 2**62 + 1, 2**53]
    pq.write_table(pa.table({"ID": ["a"] * 6, "X": integers}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"ID": ["b"], "X": [0.5]}), tmp_path / "b.parquet")
    rows, lost = read(tmp_path)
    assert [row["X"] for row in rows] == [7, None, None, -3, None, 2**53, 0.5]
    assert "a.parquet" in lost["X"]


ODD: dict[str, Callable[[], Any]] = {
    "struct of a view": lambda: pa.array(
        [{"a": "x"}, None, {"a": None}, {"a": "y" * 20}], pa.struct([("a", pa.string_view())])
    ),
    "map of views": lambda: pa.array(
        [[("a", "b")], None, [], [("c", None)]], pa.map_(pa.string(), pa.string_view())
    ),
    "fixed list of views": lambda: pa.array(
        [["a", "b"], None, ["c", None], ["d", "e"]], pa.list_(pa.string_view(), 2)
    ),
    "list view of views": lambda: pa.array(
        [["a"], None, [], ["b", None]], pa.list_view(pa.string_view())
    ),
    "struct of a binary view": lambda: pa.array(
        [{"a": b"x"}, None, {"a": None}, {"a": b"y"}], pa.struct([("a", pa.binary_view())])
    ),
    "struct of a dictionary": lambda: pa.array(
        [{"a": "x"}, None, {"a": None}, {"a": "x"}],
        pa.struct([("a", pa.dictionary(pa.int32(), pa.string()))]),
    ),
    "map in a struct": lambda: pa.array(
        [{"m": [("a", ["x"])]}, None, {"m": None}, {"m": [("b", None)]}],
        pa.struct([("m", pa.map_(pa.string(), pa.list_(pa.string_view(), 1)))]),
    ),
    "tensor": lambda: pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2]),
        pa.array([[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
    ),
    "JSON": lambda: pa.array(["{}", None, "1", "2"], pa.json_()),
    "UUID": lambda: pa.array([b"a" * 16, None, b"b" * 16, b"c" * 16], pa.uuid()),
    "half float": lambda: pa.array([1.5, None, 2.5, 3.5], pa.float16()),
    "nulls": lambda: pa.nulls(4),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("where", [None, "ID <> 'b'", "X IS NOT NULL"])
def test_a_column_of_any_type_is_read_filtered_and_written(
    kind: str, where: str | None, tmp_path: Path
) -> None:
    odd = ODD[kind]()
    pq.write_table(pa.table({"ID": ["a", "b", "c", "d"], "X": odd}), tmp_path / "a.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=3)
    condition = parse_where(where) if where else None
    with RowReader(source, columns=["ID", "X"], where=condition, batch_rows=2) as reader:
        table = pa.Table.from_batches(
            [batch for chunk in source.chunks for batch in reader.read(chunk)], source.schema
        )
    listed = odd.to_pylist()
    kept = [
        row
        for row in range(4)
        if where is None or (row != 1 if "ID" in where else listed[row] is not None)
    ]
    assert table["X"].to_pylist() == [listed[row] for row in kept]
    pq.write_table(table.take(pa.array([0] * bool(kept), pa.int64())), tmp_path / "again.parquet")

"""Timestamps and days far from today have the value that Spark and DuckDB read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.input.reader import RowReader
from worker.input.source import Source, open_source
from worker.input.where_parser import check_where, parse_where

TIMES = ["0001-01-01", "1582-10-15", "1676-12-31", "1969-12-31 23:59:59.999999", "2026-11-30",
         "2262-04-12", "9999-12-31 23:59:59.999999"]  # fmt: skip
MOMENTS = [datetime.fromisoformat(text) for text in TIMES]
LITERALS = ["1677-01-01", "1970-01-01", "2262-04-12", "9999-12-31"]


def by_spark(path: Path) -> Source:
    """Write as Spark does by default: INT96, and no schema of Arrow's."""
    table = pa.table({"ID": range(len(MOMENTS)), "T": pa.array(MOMENTS, pa.timestamp("us"))})
    pq.write_table(
        table, path, use_deprecated_int96_timestamps=True, store_schema=False, row_group_size=2
    )
    return open_source(str(path), rows_per_chunk=3)


def read(source: Source, *columns: str, where: str) -> list[Any]:
    condition = parse_where(where)
    check_where(condition, source.schema)
    with RowReader(source, columns=columns, where=condition, batch_rows=2) as reader:
        batches = [batch for chunk in source.chunks for batch in reader.read(chunk)]
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("literal", LITERALS)
@pytest.mark.parametrize("sign", ["=", "<>", "<", ">="])
def test_int96_is_compared_as_by_duckdb(sign: str, literal: str, tmp_path: Path) -> None:
    source = by_spark(tmp_path / "a.parquet")
    where = f"T {sign} TIMESTAMP '{literal}'"
    query = f"SELECT ID, T FROM '{tmp_path}/a.parquet' WHERE {where} ORDER BY 1"  # noqa: S608 - the test's own
    expected = duckdb.execute(query).fetchall()
    assert read(source, "ID", "T", where=where) == expected


def test_int96_is_kept_as_it_is(tmp_path: Path) -> None:
    source = by_spark(tmp_path / "a.parquet")
    assert source.schema.field("T").type == pa.timestamp("us")
    assert [value for (value,) in read(source, "T", where="ID >= 0")] == MOMENTS


@pytest.mark.parametrize("write_statistics", [True, False])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_a_file_of_nanoseconds_and_one_of_far_times_are_compared(
    unit: str, tmp_path: Path, *, write_statistics: bool
) -> None:
    kinds: dict[str, Any] = {"far": unit, "near": "ns"}
    for name, times in (("far", MOMENTS), ("near", MOMENTS[3:5])):
        values = pa.array(times, pa.timestamp(kinds[name]))
        table = pa.table({"ID": range(len(times)), "T": values})
        pq.write_table(
            table, tmp_path / f"{name}.parquet", write_statistics=write_statistics, row_group_size=1
        )
    far = open_source(str(tmp_path / "far.parquet"), rows_per_chunk=9)
    near = open_source(str(tmp_path / "near.parquet"), rows_per_chunk=9)
    assert len(read(far, "ID", where="T > TIMESTAMP '2262-04-11'")) == 2
    assert len(read(near, "ID", where="T < TIMESTAMP '9999-12-31 00:00:00.000001'")) == 2
    assert len(read(near, "ID", where="T > TIMESTAMP '1500-01-01'")) == 2


def test_days_beyond_timestamps_are_compared_with_them(tmp_path: Path) -> None:
    days = pa.array([-3_000_000, 0, 200_000_000], pa.date32())
    pq.write_table(pa.table({"ID": [0, 1, 2], "D": days}), tmp_path / "a.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=9)
    assert read(source, "ID", where="D > TIMESTAMP '9999-12-31 00:00:00'") == [(2,)]
    assert read(source, "ID", where="D < DATE '0001-01-01'") == [(0,)]
    assert read(source, "ID", where="D BETWEEN DATE '1970-01-01' AND DATE '1970-01-02'") == [(1,)]

"""`where` selects what DuckDB selects: an independent reading of SQL, nulls included."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from unit.input.conditions import cases

from worker.input.reader import RowReader
from worker.input.source import open_source
from worker.input.where import check_where, parse_where

NAN = float("nan")


def by_duckdb(table: pa.Table, condition: str) -> list[int] | None:
    """Return the IDs that DuckDB selects; None where it cannot: a cast of its own overflows."""
    connection = _connection()
    connection.register("arrow", table)
    # Not from Arrow itself: it would be asked to filter.
    connection.execute("CREATE OR REPLACE TABLE input AS SELECT * FROM arrow")
    query = f'SELECT "ID" FROM input WHERE {condition} ORDER BY 1'  # noqa: S608 - the condition is the test's own
    try:
        return [number for (number,) in connection.sql(query).fetchall()]
    except duckdb.Error as error:
        message = str(error)
    assert any(word in message for word in ("Conversion Error", "Out of Range")), message
    return None


@functools.cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 1")
    return connection


def by_where(
    table: pa.Table, condition: str, *, row_group_size: int, write_statistics: bool, chunk: int
) -> list[int]:
    """Return the IDs that are read from Parquet files that hold the table."""
    with tempfile.TemporaryDirectory() as folder:
        half = table.num_rows // 2
        for name, rows in (("a", table.slice(0, half)), ("b", table.slice(half))):
            pq.write_table(
                rows,
                Path(folder, f"{name}.parquet"),
                row_group_size=row_group_size,
                write_statistics=write_statistics,
            )
        source = open_source(folder, rows_per_chunk=chunk)
        where = parse_where(condition)
        check_where(where, source.schema)
        with RowReader(source, columns=["ID"], where=where, batch_rows=4) as reader:
            batches = [batch for each in source.chunks for batch in reader.read(each)]
        table = pa.Table.from_batches(batches, pa.schema([("ID", pa.int64())]))
        return [int(number) for number in table["ID"].to_numpy()]


@settings(max_examples=600)
@given(cases(), st.sampled_from([1, 2, 3, 100]), st.booleans(), st.sampled_from([3, 100]))
def test_the_same_rows_are_read_as_by_duckdb_however_the_file_is_cut(
    case: tuple[pa.Table, str], row_group_size: int, write_statistics: bool, chunk: int
) -> None:
    table, condition = case
    expected = by_duckdb(table, condition)
    assume(expected is not None)
    found = by_where(
        table,
        condition,
        row_group_size=row_group_size,
        write_statistics=write_statistics,
        chunk=chunk,
    )
    assert found == expected

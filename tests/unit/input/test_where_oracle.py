"""`where` selects what DuckDB selects: an independent reading of SQL, nulls included."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from unit.input.conditions import cases

from worker.errors import ConfigError
from worker.input._dictionaries import plain_type
from worker.input._where_filter import selected
from worker.input.reader import RowReader
from worker.input.source import open_source
from worker.input.where_parser import check_where, parse_where

NAN = float("nan")
FLOATS = [0.0, 0.0, 1.0, -0.0, NAN, NAN, None, 2.0, 9007199254740992.0]
TEXTS = ["a\\b", "a\nb", "日本", "", "a%b", None, "A", ".*", "ab"]


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


@settings(max_examples=400)
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


@settings(max_examples=200)
@given(cases(), st.data())
def test_what_is_not_sql_is_never_read(case: tuple[pa.Table, str], data: st.DataObject) -> None:
    table, condition = case
    words = re.findall(r"'(?:[^']|'')*'|[\w.]+|[<>!~=]+|\S", condition)
    at = data.draw(st.integers(0, len(words) - 1))
    astray = data.draw(st.sampled_from([*words, *_ASTRAY]))
    match data.draw(st.sampled_from(["drop", "add", "replace", "swap"])):
        case "drop":
            del words[at]
        case "add":
            words.insert(at, astray)
        case "replace":
            words[at] = astray
        case _:
            words[at - 1], words[at] = words[at], words[at - 1]
    written = " ".join(words)
    try:
        where = parse_where(written)
        assume(set(where.columns) <= set(table.column_names))
        check_where(where, table.schema)
    except ConfigError as error:
        assert "sqlglot" not in error.what  # noqa: PT017 - most are read, or refused
        return
    expected = by_duckdb(table, written)
    assume(expected is not None)
    plain = {name: plain_type(table.schema.field(name).type) for name in table.column_names}
    (rows,) = table.cast(pa.schema(plain.items())).combine_chunks().to_batches()
    assert selected(where, rows)["ID"].to_pylist() == expected


_ASTRAY = ["AND", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "(", ")", ",", "=", "!", "-", "+"]
_ASTRAY += ["AS", "1", "'a'", "TRUE", "DATE", "::", "ISNULL", "IF", "~", "*", "/* c */"]


@pytest.mark.parametrize("row_group_size", [1, 2, 3, 9])
@pytest.mark.parametrize("write_statistics", [True, False])
@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("F IN (0, 1)", [0, 1, 2, 3]),
        ("F = 0", [0, 1, 3]),
        ("F <> 1", [0, 1, 3, 4, 5, 7, 8]),
        ("NOT F = 1", [0, 1, 3, 4, 5, 7, 8]),
        ("F NOT BETWEEN 0 AND 1", [4, 5, 7, 8]),
        ("F NOT IN (0, 1)", [4, 5, 7, 8]),
        ("F > 1e308", [4, 5]),
        ("F = F", [0, 1, 2, 3, 4, 5, 7, 8]),
        ("F = 9007199254740993", [8]),
        ("F < 9007199254740993", [0, 1, 2, 3, 7]),
        ("S LIKE 'a\\b'", [0]),
        ("S LIKE 'a%b'", [0, 1, 4, 8]),
        ("S LIKE 'a_b'", [0, 1, 4]),
        ("S LIKE '__'", [2, 7, 8]),
        ("S LIKE '.*'", [7]),
        ("S NOT LIKE '%'", []),
        ("S LIKE '\\%'", []),
    ],
)
def test_the_answer_never_depends_on_where_row_groups_end(
    condition: str, ids: list[int], row_group_size: int, *, write_statistics: bool
) -> None:
    table = pa.table({"ID": range(9), "F": pa.array(FLOATS, pa.float64()), "S": TEXTS})
    assert by_duckdb(table, condition) == ids
    found = by_where(
        table,
        condition,
        row_group_size=row_group_size,
        write_statistics=write_statistics,
        chunk=4,
    )
    assert found == ids


@pytest.mark.parametrize("row_group_size", [1, 2, 4])
@pytest.mark.parametrize(
    "condition", ["K = '7'", "K IN ('7')", "K <> '7'", "K > '2'", "K BETWEEN '6' AND '8'"]
)
def test_numbers_that_are_text_in_another_file_are_found_as_text(
    condition: str, row_group_size: int, tmp_path: Path
) -> None:
    numbers = [5, 7, 100, None]
    stored = pa.table({"ID": range(4), "K": pa.array(numbers, pa.int64())})
    pq.write_table(stored, tmp_path / "a.parquet", row_group_size=row_group_size)
    pq.write_table(pa.table({"ID": [4, 5], "K": ["x", "7"]}), tmp_path / "b.parquet")
    texts = pa.table({"ID": range(6), "K": ["5", "7", "100", None, "x", "7"]})
    source = open_source(str(tmp_path), rows_per_chunk=10)
    with RowReader(source, columns=["ID"], where=parse_where(condition), batch_rows=9) as reader:
        (batch,) = reader.read(source.chunks[0])
    assert batch["ID"].to_pylist() == by_duckdb(texts, condition)


@pytest.mark.parametrize("key", ["7", "007", "a b", "__HIVE_DEFAULT_PARTITION__"])
@pytest.mark.parametrize("condition", ["K = 7", "K = '007'", "K <> 'a b'", "K IS NULL", "K < 8"])
def test_hive_keys_are_pruned_by_as_columns_are_selected_by(
    condition: str, key: str, tmp_path: Path
) -> None:
    (tmp_path / f"K={key}").mkdir()
    pq.write_table(pa.table({"ID": [0, 1]}), tmp_path / f"K={key}" / "a.parquet")
    source = open_source(str(tmp_path), rows_per_chunk=10)
    where = parse_where(condition)
    value = {"7": 7, "__HIVE_DEFAULT_PARTITION__": None}.get(key, key)
    table = pa.table({"ID": [0, 1], "K": pa.array([value] * 2, source.schema.field("K").type)})
    try:
        check_where(where, source.schema)
    except ConfigError:
        assert isinstance(value, int) == ("'" in condition)
        return
    with RowReader(source, columns=["ID"], where=where, batch_rows=4) as reader:
        found = sum(batch.num_rows for batch in reader.read(source.chunks[0]))
    assert found == len(by_duckdb(table, condition) or [])

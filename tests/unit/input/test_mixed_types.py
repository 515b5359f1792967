"""Files that disagree on a column's type: its values stay what they are, or it is refused."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over

from worker.errors import InputError
from worker.input.reader import RowReader
from worker.input.source import open_source, require_columns
from worker.input.where_parser import parse_where
from worker.job import Job

BIG = (1 << 53) + 1
NUMBERS: dict[str, Any] = {
    "int8": pa.array([1, None, -128], pa.int8()),
    "int32": pa.array([1, None, 2**31 - 1], pa.int32()),
    "int64": pa.array([BIG, None, -(2**63)], pa.int64()),
    "uint64": pa.array([1, None, 2**64 - 1], pa.uint64()),
    "float16": pa.array([0.1, None, 2.0], pa.float16()),
    "float32": pa.array([19.99, None, 16777216.0], pa.float32()),
    "double": pa.array([0.1, None, 1e300], pa.float64()),
    "decimal32": pa.array([Decimal("1.5"), None, Decimal("99.99")], pa.decimal32(5, 2)),
    "prices": pa.array([Decimal("0.10"), None, Decimal("99999999.99")], pa.decimal128(10, 2)),
    "long": pa.array([Decimal("1234567890123456789.01"), None, Decimal(0)], pa.decimal128(38, 2)),
    "tiny": pa.array([Decimal("0.00000000000000000001"), None], pa.decimal128(38, 20)),
    "huge": pa.array([Decimal(f"1{0:049}1"), None, Decimal(1)], pa.decimal256(60, 0)),
}

LONG = {"int64", "uint64", "long", "huge"}  # with more digits than a float has
FLOATS = {"float16", "float32", "double"}


def write(folder: Path, *columns: Any, **options: Any) -> str:
    folder.mkdir(exist_ok=True)
    for number, column in enumerate(columns):
        ids = [f"{number}-{row}" for row in range(len(column))]
        pq.write_table(pa.table({"ID": ids, "X": column}), folder / f"{number}.parquet", **options)
    return str(folder)


def opened(path: str, **keys: Any) -> Job:
    return job_over(Path(path), {"user_id": "ID"}, input=keys)


def read(path: str, **options: Any) -> Any:
    source = open_source(path, rows_per_chunk=100)
    require_columns(source, ["X"], key="input.keep")
    with RowReader(source, columns=["X"], batch_rows=100, **options) as reader:
        return [
            value
            for chunk in source.chunks
            for batch in reader.read(chunk)
            for value in batch["X"].to_pylist()
        ]


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(NUMBERS, 2)])
def test_numbers_are_what_each_file_has_or_are_refused(
    one: str, other: str, tmp_path: Path
) -> None:
    columns = NUMBERS[one], NUMBERS[other]
    path = write(tmp_path, *columns)
    expected = [value for column in columns for value in column.to_pylist()]
    is_too_long = {one, other} & LONG and {one, other} & FLOATS
    if is_too_long or {one, other} == {"tiny", "huge"}:
        with pytest.raises(InputError, match="'X'"):
            read(path)
        return
    found = read(path)
    assert len(found) == len(expected)
    for value, stored in zip(found, expected, strict=True):
        if isinstance(value, float) and isinstance(stored, Decimal):
            assert Decimal(repr(value)) == stored
        else:
            assert value == stored


@pytest.mark.parametrize(
    "lists", [pa.list_, pa.large_list, lambda kind: pa.map_(pa.string(), kind)]
)
def test_decimals_in_lists_are_not_rounded_to_floats(lists: Any, tmp_path: Path) -> None:
    kinds = [lists(pa.decimal128(38, 2)), lists(pa.float64())]
    path = write(tmp_path, *(pa.array([None], kind) for kind in kinds))
    with pytest.raises(InputError, match="disagree on column 'X'"):
        read(path)


def test_decimals_in_lists_of_several_writers_are_one_column(tmp_path: Path) -> None:
    kinds = [pa.list_(pa.field(name, pa.decimal128(10, 2))) for name in ("item", "element")]
    path = write(tmp_path, *(pa.array([[Decimal("1.50")]], kind) for kind in kinds))
    assert read(path) == [[Decimal("1.50")]] * 2


@pytest.mark.parametrize("condition", ["X = 0.1", "X >= 99999999.99", "X < 0.2"])
def test_row_groups_of_decimals_are_passed_over_by_what_they_are_compared_as(
    condition: str, tmp_path: Path
) -> None:
    path = write(tmp_path, NUMBERS["prices"], NUMBERS["float32"], row_group_size=1)
    by_group = read(path, where=parse_where(condition))
    whole = write(tmp_path / "whole", NUMBERS["prices"], NUMBERS["float32"], write_statistics=False)
    assert by_group == read(whole, where=parse_where(condition)) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([0.5]), pa.array([1, BIG])),
        (pa.array([0.5]), pa.array([Decimal("1234567890123456789.01")])),
        (pa.array([[0.5]]), pa.array([[BIG]])),
        (pa.array([1], pa.timestamp("ns")), pa.array([253402300799000000], pa.timestamp("us"))),
    ],
    ids=["integers", "decimals", "lists", "times"],
)
@pytest.mark.parametrize("key", ["keep", "context", "where"])
def test_values_that_no_common_type_holds_are_refused_before_the_first_call(
    key: str, one: Any, other: Any, tmp_path: Path
) -> None:
    uses: dict[str, Any] = {
        "keep": {"keep": ["X"]},
        "context": {"columns": {"user_id": "ID", "context": {"X": "X"}}},
        "where": {"where": "X IS NOT NULL"},
    }
    path = write(tmp_path / "in", one, other)
    with pytest.raises(InputError, match="'X'"):
        opened(path, **uses[key])
    assert opened(path).source.rows == len(one) + len(other)

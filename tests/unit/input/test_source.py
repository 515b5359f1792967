"""What an input has, as its footers say."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.errors import InputError
from worker.input.source import open_source, require_columns


def missing(folder: Path, columns: list[str], name: str) -> str:
    """Return what is said of a column that the input has not."""
    pq.write_table(pa.table({each: ["a"] for each in columns}), folder / "a.parquet")
    with pytest.raises(InputError) as caught:
        require_columns(open_source(str(folder), rows_per_chunk=10), [name], key="input.columns")
    return caught.value.what


@pytest.mark.parametrize("name", ["user_id", "USERID", "USER-ID", "USER_IDS", "User_Id"])
def test_a_missing_column_is_told_with_the_nearest_of_thousands(name: str, tmp_path: Path) -> None:
    columns = [*(f"FEATURE_{number:04}" for number in range(2_000)), "USER_ID"]
    what = missing(tmp_path, columns, name)
    assert "the nearest is 'USER_ID'" in what
    assert "and 1,991 more" in what
    assert len(what) < 400


def test_a_missing_column_is_told_with_all_of_a_few(tmp_path: Path) -> None:
    what = missing(tmp_path, ["A", "B"], "USER_ID")
    assert "it has: A, B" in what
    assert "nearest" not in what


@pytest.mark.parametrize("column", [[1], [{"NAME": 1}]])
def test_a_name_that_is_not_utf8_is_refused(column: list[object], tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"USER_ID": ["a"], "NAME": column}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"NAME", b"NAM\xff"))
    with pytest.raises(InputError, match=r"a\.parquet has a column whose name is not UTF-8"):
        open_source(str(path), rows_per_chunk=10)


def test_a_file_of_metadata_alone_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    footers: list[pq.FileMetaData] = []
    table = pa.table({"ID": ["a"]})
    pq.write_to_dataset(
        table, tmp_path, metadata_collector=footers, basename_template="part-{i}.parquet"
    )
    pq.write_metadata(table.schema, str(tmp_path / "_metadata"), metadata_collector=footers)
    with pytest.raises(InputError, match=r"other files, such as part-0\.parquet"):
        open_source(str(tmp_path / "_metadata"), rows_per_chunk=10)
    assert open_source(str(tmp_path), rows_per_chunk=10).rows == 1


def test_a_file_whose_footer_is_encrypted_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PARE" + bytes(100) + b"PARE")
    with pytest.raises(InputError, match="encrypted Parquet file") as caught:
        open_source(str(path), rows_per_chunk=10)
    assert "without encryption" in caught.value.hint

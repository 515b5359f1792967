"""Data set files as Arrow tables: Parquet, CSV or gzipped CSV, one file or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from worker.emulator.errors import EmulatorError

_PARQUET_MAGIC: Final = b"PAR1"
_CSV_ENDINGS: Final = (".csv", ".csv.gz")
_PLAINER: Final[dict[pa.DataType, pa.DataType]] = {
    pa.string_view(): pa.string(),
    pa.binary_view(): pa.binary(),
    pa.float16(): pa.float32(),
}


def read_table(path: Path, *, what: str) -> pa.Table:
    """Return the rows of a file, or of all files in a folder and its subfolders, in their order.

    Of a CSV file every column is a string, an unquoted empty cell null. In a folder, names that
    begin with "_" or "." and empty files are passed over; all files have the same columns. `what`
    names the data set in messages. Raises EmulatorError when the file is missing, neither Parquet
    nor CSV, damaged, or when there are no rows.
    """
    files = _files(path, what=what)
    tables = [_read(file, what=what) for file in files]
    table = _joined(tables, files, what=what)
    if table.num_rows == 0:
        raise EmulatorError(
            f"the {what} data set {path} has no rows",
            hint=f"give a file with rows, or leave emulator.{what} out",
        )
    return table


def _files(path: Path, *, what: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts)
        and file.is_file()
        and file.stat().st_size
    ]
    if not found:
        raise EmulatorError(
            f"the {what} data set {path} is a folder without a file that has anything in it",
            hint=f"set emulator.{what} to a Parquet or CSV file, or to a folder of them",
        )
    return found


def _read(path: Path, *, what: str) -> pa.Table:
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise EmulatorError(
            f"cannot read the {what} data set {path}: {error.strerror or error}",
            hint=f"set emulator.{what} to a local Parquet or CSV file that exists, or to a folder",
        ) from error
    is_parquet = magic == _PARQUET_MAGIC
    if not is_parquet and not path.name.lower().endswith(_CSV_ENDINGS):
        raise EmulatorError(
            f"the {what} data set {path} is neither Parquet nor named .csv or .csv.gz; "
            f"it begins with {magic!r}",
            hint="give a Parquet file, or a CSV file with a header line whose name ends in .csv "
            "or .csv.gz",
        )
    try:
        return _read_parquet(path) if is_parquet else _read_csv(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise EmulatorError(
            f"the {what} data set {path} cannot be read: {str(error).splitlines()[0]}",
            hint="write the file again; it looks truncated or damaged",
        ) from error


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:  # not read_table, to which a folder "DAY=1" is a column
        table = file.read()
    table.validate(full=True)  # text that is not UTF-8 would fail later, wherever it is looked at
    return table.cast(pa.schema([_plainer(field) for field in table.schema]))


def _plainer(field: Any) -> Any:
    """Return a column's field in a layout that Arrow can look things up in."""
    return field.with_type(_PLAINER.get(field.type, field.type))


def _read_csv(path: Path) -> pa.Table:
    quoted_lines = pyarrow.csv.ParseOptions(newlines_in_values=True)  # as in descriptions
    with pyarrow.csv.open_csv(path, parse_options=quoted_lines) as reader:
        names = reader.schema.names
    as_text = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),  # a guess would turn ID "007" into 7
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return pyarrow.csv.read_csv(path, parse_options=quoted_lines, convert_options=as_text)


def _joined(tables: list[pa.Table], files: list[Path], *, what: str) -> pa.Table:
    """Return the rows of all tables, whose columns may be in any order."""
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    for table, file in zip(tables, files, strict=True):
        if sorted(table.column_names) != sorted(names):
            raise EmulatorError(
                f"the files of the {what} data set differ in their columns: {files[0]} has "
                f"{', '.join(names)}; {file} has {', '.join(table.column_names)}",
                hint="write all of them with the same columns",
            )
    same_order: list[Any] = [table.select(names) for table in tables]
    try:
        return pa.concat_tables(same_order, promote_options="permissive")
    except pa.ArrowException as error:
        raise EmulatorError(
            f"the files of the {what} data set in {files[0].parent} differ in the types of their "
            f"columns: {str(error).splitlines()[0]}",
            hint="write all of them with the same types",
        ) from error

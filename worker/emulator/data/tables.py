"""Data set files as Arrow tables: Parquet or CSV, with ID columns that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from worker.emulator.errors import EmulatorError

ID_LENGTH_MAX: Final = 256
"""Characters: shapes UserID, ItemID and ActionID of botocore's personalize-runtime model."""

_PARQUET_MAGIC: Final = b"PAR1"


def read_table(path: Path, *, what: str) -> pa.Table:
    """Return the file's rows; of a CSV file every column is a string, an unquoted empty cell null.

    `what` names the data set in messages. Raises EmulatorError when the file is missing, neither
    Parquet nor CSV, damaged, or has no rows.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET_MAGIC))
    except OSError as error:
        raise EmulatorError(
            f"cannot read the {what} data set {path}: {error.strerror or error}",
            hint=f"set emulator.{what} to one local Parquet or CSV file that exists",
        ) from error
    if magic != _PARQUET_MAGIC and path.suffix.lower() != ".csv":
        raise EmulatorError(
            f"the {what} data set {path} is neither Parquet nor named .csv; "
            f"it begins with {magic!r}",
            hint="give a Parquet file, or a CSV file with a header line whose name ends in .csv",
        )
    try:
        table = _read_parquet(path) if magic == _PARQUET_MAGIC else _read_csv(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise EmulatorError(
            f"the {what} data set {path} cannot be read: {str(error).splitlines()[0]}",
            hint="write the file again; it looks truncated or damaged",
        ) from error
    if table.num_rows == 0:
        raise EmulatorError(
            f"the {what} data set {path} has no rows",
            hint=f"give a file with rows, or leave emulator.{what} out",
        )
    return table


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:  # not read_table, to which a folder "DAY=1" is a column
        table = file.read()
    table.validate(full=True)  # text that is not UTF-8 would fail later, wherever it is looked at
    return table


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


def find_column(table: pa.Table, name: str) -> str | None:
    """Return the table's own spelling of a column name, or None; the exact spelling wins."""
    names = table.column_names
    if name in names:
        return name
    return next((each for each in names if each.upper() == name.upper()), None)


def column(table: pa.Table, name: str, *, path: str, what: str) -> pa.ChunkedArray[Any]:
    """Return a required column whatever its case. Raises EmulatorError when it is missing."""
    spelling = find_column(table, name)
    if spelling is None:
        raise EmulatorError(
            f"the {what} data set {path} has no column {name}; "
            f"it has: {', '.join(table.column_names)}",
            hint=f"rename the column to {name}, as the service's schema for {what} wants it",
        )
    if table.column_names.count(spelling) > 1:
        raise EmulatorError(
            f"the {what} data set {path} has more than one column {spelling}",
            hint="keep one of them",
        )
    return table.column(spelling)


def id_column(table: pa.Table, name: str, *, path: str, what: str) -> pa.ChunkedArray[Any]:
    """Return an ID column as strings of 1..256 characters, integers written in decimal.

    Raises EmulatorError when it is missing, of another type, or holds null, empty or longer IDs.
    """
    values = decoded(column(table, name, path=path, what=what))
    if not (pa.types.is_integer(values.type) or is_text(values.type)):
        raise EmulatorError(
            f"column {name} of the {what} data set {path} has type {values.type}",
            hint="IDs are strings or integers; cast the column",
        )
    ids: pa.ChunkedArray[Any] = values.cast(pa.string())
    texts: Any = ids  # Arrow's stubs don't follow types through its functions
    lengths = pc.fill_null(pc.utf8_length(texts), 0)
    bad = pc.or_(pc.equal(lengths, pa.scalar(0)), pc.greater(lengths, pa.scalar(ID_LENGTH_MAX)))
    row = pc.index(bad, pa.scalar(value=True)).as_py()
    if row >= 0:
        seen = texts[row].as_py()
        problem = f"{len(seen)} characters long" if seen else "null or empty"
        raise EmulatorError(
            f"column {name} of the {what} data set {path} has an ID that is {problem}, in row "
            f"{row} (counted from 0)",
            hint=f"drop such rows; the service takes IDs of 1 to {ID_LENGTH_MAX} characters",
        )
    return ids


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type holds text, in any of Arrow's layouts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def has_text(kind: pa.DataType) -> bool:
    """Tell whether values of a type can be written as text: not lists, structures or bytes."""
    return (
        is_text(kind)
        or pa.types.is_primitive(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def decoded(values: Any) -> Any:
    """Return a column as it is without dictionary encoding."""
    if isinstance(values.type, pa.DictionaryType):
        return values.cast(values.type.value_type)
    return values


def in_seconds(values: Any) -> Any:
    """Return a column of times in Unix seconds, which the service wants, if Arrow knows its unit.

    Another column is returned as it is: nobody can tell what its numbers count.
    """
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("s", values.type.tz), safe=False).cast(pa.int64())
    return values

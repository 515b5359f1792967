"""Data sets as Arrow tables: columns found by name, ID columns that can be trusted, unique rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.errors import EmulatorError

ID_LENGTH_MAX: Final = 256
"""Characters: shapes UserID, ItemID and ActionID of botocore's personalize-runtime model."""

_KEYS_MAX: Final = 2**62  # of rows that are told apart by one number


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


def unique_rows(table: pa.Table) -> pa.Table:
    """Return a table without the rows that repeat another one in all columns.

    Columns of lists and structures, which the service's schemas do not have, are not compared.
    """
    keys, size = np.zeros(table.num_rows, dtype=np.int64), 1
    for name in _comparable(table):
        values: Any = decoded(table.column(name))
        distinct: Any = pc.unique(values)
        if size * len(distinct) > _KEYS_MAX:
            several, keys = np.unique(keys, return_inverse=True)
            size = len(several)
        size *= max(1, len(distinct))
        keys = keys * len(distinct) + pc.index_in(values, value_set=distinct).to_numpy()
    first = np.unique(keys, return_index=True)[1]
    return table if len(first) == table.num_rows else table.take(np.sort(first))


def _comparable(table: pa.Table) -> list[str]:
    names = table.column_names
    return [
        name
        for name in names
        if names.count(name) == 1 and not pa.types.is_nested(table.column(name).type)
    ]

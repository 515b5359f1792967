"""Rows as a file has them -> rows as all files have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import types as kinds

from worker.errors import InputError
from worker.input._dictionaries import plain


def conform(
    rows: pa.RecordBatch,
    schema: pa.Schema,
    *,
    columns: Sequence[str],
    spare: Collection[str],
    keys: Mapping[str, object],
    file: str,
) -> tuple[pa.RecordBatch, dict[str, str]]:
    """Return `columns` in the types of `schema`: hive keys repeated, missing columns null.

    Also those of the `spare` ones that have nulls for values that do not fit, and why. Raises
    InputError where another column's values do not fit.
    """
    arrays, lost = [], dict[str, str]()
    for name in columns:
        wanted = schema.field(name).type
        if name in keys:
            arrays.append(pa.repeat(pa.scalar(keys[name], wanted), rows.num_rows))
        elif name not in rows.schema.names:
            arrays.append(pa.nulls(rows.num_rows, wanted))
        else:
            stored = rows.column(name)
            try:
                arrays.append(converted(plain(stored), wanted))
            except pa.ArrowException:  # its message holds a value, which may be a user's ID
                reason = (
                    f"{stored.type} in {file}, {wanted} with the other files, and not all of "
                    "its values are both"
                )
                if name not in spare:
                    raise InputError(
                        f"column {name!r} cannot be read: it is {reason}",
                        hint="write all files with one type, or name fewer in input.path",
                    ) from None
                lost[name] = reason
                arrays.append(_those_that_fit(stored, wanted))
    fields = pa.schema([schema.field(name) for name in columns])
    return pa.RecordBatch.from_arrays(arrays, schema=fields), lost


def converted(array: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Return the same values in another type. Raises ArrowInvalid where it does not hold them."""
    if array.type == wanted:
        return array
    if kinds.is_decimal(array.type) and kinds.is_floating(wanted):
        return _decimals_as_floats(array, wanted)
    return array.cast(wanted)


def _those_that_fit(array: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Return the values that `wanted` holds, and nulls for others, which it finds by halves."""
    found: pa.Array[Any]
    try:
        found = converted(plain(array), wanted)
    except pa.ArrowException:
        middle = len(array) // 2
        if middle:
            halves = [_those_that_fit(half, wanted) for half in (array[:middle], array[middle:])]
            found = pa.concat_arrays(halves)
        else:
            found = pa.array([None] * len(array), wanted)
    return found


def _decimals_as_floats(array: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    """Return the floats that are written as the decimals are; Arrow would round without a word."""
    floats = array.cast(pa.string()).cast(wanted)
    if not floats.cast(pa.string()).cast(array.type).equals(array):
        raise pa.ArrowInvalid("decimals with more digits than a float has")
    return floats

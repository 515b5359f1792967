"""Rows as a file has them -> rows as all files have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from worker.errors import InputError
from worker.input._plain_types import plain


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

    Also those of the `spare` ones that are null as their values do not fit, and why. Raises
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
                array = plain(stored)
                arrays.append(array if array.type == wanted else array.cast(wanted))
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
                arrays.append(pa.nulls(rows.num_rows, wanted))
    fields = pa.schema([schema.field(name) for name in columns])
    return pa.RecordBatch.from_arrays(arrays, schema=fields), lost

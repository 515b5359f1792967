"""Which types of columns carry what the config takes from them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from worker.codec.texts import ITEM_MEMBER, LIST_TYPES, flattened, is_number, is_text
from worker.config.model import InputColumns
from worker.errors import InputError

# From here on a float may be its neighbour rounded: bits of its fraction, and one.
_WHOLE_MAX = {pa.float16(): 1 << 11, pa.float32(): 1 << 24, pa.float64(): 1 << 53}
_IDS = "strings or integers (whole floats, decimals, UUIDs and UTF-8 in binary, too)"
_MOST_DIGITS = pa.decimal256(76, 0)


def check_column_types(schema: pa.Schema, columns: InputColumns) -> None:
    """Raise InputError when a column's type cannot carry what the config takes from it."""
    checks: list[tuple[str, str | None, Callable[[pa.DataType], bool], str]] = [
        ("user_id", columns.user_id, _is_id, _IDS),
        ("item_id", columns.item_id, _is_id, _IDS),
        ("item_list", columns.item_list, _is_id_list, f"lists of {_IDS}"),
        ("num_results", columns.num_results, _is_count, "integers"),
    ]
    for key, column in columns.context.items():
        checks.append((f"context.{key}", column, _is_scalar, "strings, numbers or booleans"))
    for key, column in columns.filter_values.items():
        wanted = "strings or numbers, or lists of them"
        checks.append((f"filter_values.{key}", column, _is_filter_value, wanted))
    for key, used, fits, wanted in checks:
        if used is not None and not fits(schema.field(used).type):
            kind = schema.field(used).type
            raise InputError(
                f"column {used!r} has type {kind}; input.columns.{key} takes {wanted}",
                hint=_cast(used, kind),
            )


def inexact_ids(schema: pa.Schema, columns: InputColumns) -> tuple[str, ...]:
    """Return the ID columns whose type does not promise whole numbers: floats, decimals."""
    return tuple(name for name in columns.ids if _is_inexact(_inner(schema.field(name).type)))


def check_ids_are_whole(rows: pa.RecordBatch) -> None:
    """Raise InputError unless all that `rows` hold are whole numbers, or nulls."""
    for name in rows.schema.names:
        if problem := _not_whole(_flat(rows.column(name))):
            kind = rows.schema.field(name).type
            raise InputError(
                f"column {name!r} has type {kind}, and {problem}; IDs are {_IDS}",
                hint="write IDs as strings or integers, from where they still are what they were: "
                f"CAST({name} AS BIGINT) or CAST({name} AS VARCHAR) in SQL, "
                f"astype({{{name!r}: 'Int64'}}) in pandas",
            )


def _not_whole(values: pa.Array[Any]) -> str | None:
    """Return what is wrong with numbers that are to be IDs; None: nothing."""
    if isinstance(values.type, pa.StructType):
        values = pc.struct_field(values, ITEM_MEMBER)
    if kinds.is_decimal(values.type):
        try:
            values.cast(_MOST_DIGITS)
        except pa.ArrowInvalid:
            return "values that are not whole"
        return None
    limit = _WHOLE_MAX[values.type]
    numbers = values.cast(pa.float64())
    numbers = numbers.filter(pc.invert(pc.is_nan(numbers)))
    if not pc.all(pc.equal(pc.floor(numbers), numbers), min_count=0).as_py():
        return "values that are not whole"
    if not pc.all(pc.less(pc.abs(numbers), pa.scalar(float(limit))), min_count=0).as_py():
        return f"values of {limit:,} or more, where such a number is not told from its neighbour"
    return None


def _flat(column: pa.Array[Any]) -> pa.Array[Any]:
    if isinstance(column.type, LIST_TYPES):
        return flattened(column)
    return column


def _inner(kind: pa.DataType) -> pa.DataType:
    """Return the type of the IDs in it."""
    if isinstance(kind, LIST_TYPES):
        kind = kind.value_type
    if isinstance(kind, pa.StructType) and ITEM_MEMBER in kind.names:
        kind = kind.field(ITEM_MEMBER).type
    return kind


def _is_inexact(kind: pa.DataType) -> bool:
    return kinds.is_floating(kind) or (kinds.is_decimal(kind) and kind.scale > 0)


def _is_id(kind: pa.DataType) -> bool:
    return is_text(kind) or is_number(kind)


def _is_id_list(kind: pa.DataType) -> bool:
    return isinstance(kind, LIST_TYPES) and _is_id(_inner(kind))


def _is_count(kind: pa.DataType) -> bool:
    return is_number(kind) or kinds.is_null(kind)


def _is_scalar(kind: pa.DataType) -> bool:
    return is_text(kind) or is_number(kind) or kinds.is_boolean(kind) or kinds.is_null(kind)


def _is_filter_value(kind: pa.DataType) -> bool:
    inner = kind.value_type if isinstance(kind, LIST_TYPES) else kind
    if isinstance(inner, pa.JsonType):
        return False  # text or number? The API wants one of them
    return is_text(inner) or is_number(inner) or kinds.is_null(inner)


def _cast(name: str, kind: pa.DataType) -> str:
    if kinds.is_temporal(kind):
        return (
            "write the text or the number that the service knows it by: for example "
            f"strftime({name}, '%Y-%m-%d'), or epoch({name}) for seconds since 1970, in DuckDB"
        )
    return "name another column, or cast this one when writing the Parquet"

"""A row group's statistics -> what is known of a column's values in it; nothing, if in doubt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types as kinds

from worker.input._conform import converted
from worker.input._dictionaries import plain_type
from worker.input._where_filter import Range

_UNKNOWN = Range(None)
_ALL_NULL = Range(None, has_values=False)


def group_ranges(
    file: pq.ParquetFile,
    group: int,
    columns: Iterable[str],
    *,
    schema: pa.Schema,
    keys: Mapping[str, object],
) -> dict[str, Range]:
    """Return what is known of `columns`, in the types of `schema`; `keys` are hive keys."""
    leaves = _leaves(file)
    found = {}
    for name in columns:
        kind = schema.field(name).type
        if name in keys:
            found[name] = _key_range(keys[name], kind)
        elif name not in file.schema_arrow.names:
            found[name] = _ALL_NULL
        elif name in leaves:
            chunk = file.metadata.row_group(group).column(leaves[name])
            stored = plain_type(file.schema_arrow.field(name).type)
            found[name] = _range(chunk, file.metadata.row_group(group).num_rows, stored, kind)
        else:
            found[name] = _UNKNOWN
    return found


def _leaves(file: pq.ParquetFile) -> dict[str, int]:
    """Return the flat columns, whose statistics speak of rows; a point may stand for nesting."""
    parquet = file.schema
    flat = {}
    for index in range(len(parquet)):
        leaf = parquet.column(index)
        if leaf.max_repetition_level == 0 and leaf.max_definition_level <= 1:
            flat[leaf.path] = index
    return {name: index for name, index in flat.items() if "." not in name}


def _key_range(value: object, kind: pa.DataType) -> Range:
    if value is None:
        return _ALL_NULL
    return Range(pa.array([value, value], kind), has_nulls=False)


def _range(
    chunk: pq.ColumnChunkMetaData, rows: int, stored: pa.DataType, wanted: pa.DataType
) -> Range:
    statistics = chunk.statistics if chunk.is_stats_set else None
    if statistics is None or chunk.physical_type == "INT96":  # its order is not defined
        return _UNKNOWN
    known: Any = statistics  # the stubs lack has_null_count
    nulls = known.null_count if known.has_null_count else None
    return Range(
        _bounds(statistics, stored, wanted) if statistics.has_min_max else None,
        has_nulls=nulls != 0,
        has_values=nulls != rows,
    )


def _bounds(
    statistics: pq.Statistics, stored: pa.DataType, wanted: pa.DataType
) -> pa.Array[Any] | None:
    if _is_text(wanted) and not _is_text(stored):
        return None  # 7 lies between 5 and 100, '7' does not lie between '5' and '100'
    raw = [statistics.min_raw, statistics.max_raw]
    try:
        bounds = _decoded(raw, stored)
        return bounds if bounds is None else converted(bounds, wanted)
    except pa.ArrowInvalid:
        return None  # a bound that the wanted type cannot hold


def _decoded(raw: list[Any], stored: pa.DataType) -> pa.Array[Any] | None:
    """Return the bounds from Parquet's physical values; None for types that are not known here."""
    if kinds.is_unsigned_integer(stored) and all(isinstance(value, int) for value in raw):
        bits = 64 if stored == pa.uint64() else 32  # smaller ones are stored as 32 bits
        return pa.array([value % (1 << bits) for value in raw], stored)
    if kinds.is_signed_integer(stored) or kinds.is_boolean(stored):
        return pa.array(raw, stored)
    if kinds.is_float32(stored) or kinds.is_float64(stored):
        return None if any(math.isnan(value) for value in raw) else pa.array(raw, stored)
    if _is_text(stored):
        return pa.array(raw, pa.binary()).cast(stored, safe=False)  # cut anywhere: no UTF-8
    if kinds.is_date32(stored):
        return pa.array(raw, pa.int32()).cast(stored)
    if kinds.is_timestamp(stored):
        return pa.array(raw, pa.int64()).cast(stored)
    if isinstance(stored, pa.Decimal128Type):
        whole = [v if isinstance(v, int) else int.from_bytes(v, signed=True) for v in raw]
        sign_and_digits = [Decimal(value).as_tuple() for value in whole]
        exact = [Decimal((sign, digits, -stored.scale)) for sign, digits, _ in sign_and_digits]
        return pa.array(exact, stored)
    return None


def _is_text(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind)

"""Rows of lists -> a row for each of their entries. Pure."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from worker.shape import AnswerShape


def explode(rows: pa.RecordBatch, shape: AnswerShape, schema: pa.Schema) -> pa.RecordBatch:
    """Return one row per item of nested `rows`; a row without items keeps one, of nulls."""
    lists = rows.column(shape.column)
    if not isinstance(lists, pa.ListArray):
        raise TypeError(f"{shape.column} is a {lists.type}")
    has_items = pc.greater(lists.value_lengths(), pa.scalar(0, pa.int32()))
    if pc.any(pc.invert(has_items)).as_py():
        lists = pc.if_else(has_items, lists, pa.scalar([None], lists.type))
    items, parents = pc.list_flatten(lists), pc.list_parent_indices(lists)
    columns: list[pa.Array[Any]] = []
    for field in schema:
        if field.name == "rank":
            columns.append(_ranks(lists, parents, items))
        elif field.name in shape.type.names:
            columns.append(pc.struct_field(items, field.name))
        else:
            columns.append(rows.column(field.name).take(parents))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _ranks(lists: pa.ListArray[Any], parents: pa.Array[Any], items: pa.Array[Any]) -> Any:
    """Count each list's items from 1; one that stands for no items has no rank."""
    counted = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int32()), len(items)))
    before = pc.subtract(lists.offsets, lists.offsets[0]).take(parents)
    return pc.if_else(items.is_valid(), pc.subtract(counted, before), None)
